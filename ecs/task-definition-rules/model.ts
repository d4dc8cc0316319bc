/** The shapes that the rules share: a definition whose defaults are filled in. */
import type { TaskDefinitionBody } from '../rows.ts'

export type Container = NonNullable<TaskDefinitionBody['containerDefinitions']>[number]
export type Volume = NonNullable<TaskDefinitionBody['volumes']>[number]
export type PortMapping = NonNullable<Container['portMappings']>[number]

export function containersOf(definition: TaskDefinitionBody): readonly Container[] {
  return definition.containerDefinitions ?? []
}

export function containerNamed(
  definition: TaskDefinitionBody,
  name: string | undefined,
): Container | undefined {
  return containersOf(definition).find((container) => container.name === name)
}

export function requires(definition: TaskDefinitionBody, compatibility: string): boolean {
  return (definition.requiresCompatibilities ?? []).some((each) => each === compatibility)
}

export function isWindows(definition: TaskDefinitionBody): boolean {
  return definition.runtimePlatform?.operatingSystemFamily?.startsWith('WINDOWS') ?? false
}

/** Whether an image lies in a private registry of Amazon ECR, which a role has to open. */
export function isEcrImage(image = ''): boolean {
  return /^\d{12}\.dkr[.-]ecr[.-]/.test(image)
}

export function has(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0
}

/** The first text that occurs twice. */
export function firstRepeated(texts: Iterable<string>): string | undefined {
  const seen = new Set<string>()
  for (const text of texts) {
    if (seen.has(text)) return text
    seen.add(text)
  }
  return undefined
}

/** Whether a number is a whole one within both bounds. */
export function within(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}
