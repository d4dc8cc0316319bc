import { invalidParameter } from '../faults.ts'

/** InvalidParameterException unless a task of this definition can have the launch type. */
export function assertLaunchable(
  definition: { readonly compatibilities: readonly string[] },
  launchType: string,
): void {
  if (definition.compatibilities.includes(launchType)) return
  throw invalidParameter(`Task definition does not support launch_type ${launchType}.`)
}
