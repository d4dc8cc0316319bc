/** What of a launch no runtime is told of, said for people. */
import type { PlacementConstraint, TaskOverride } from '@aws-sdk/client-ecs'
import { overrideOf } from './launch.ts'
import type { TaskDefinitionBody } from './rows.ts'
import { type Container, containersOf, has, type Volume } from './task-definition-rules/model.ts'

interface Untold {
  readonly what: string
  readonly given: (container: Container) => boolean
}

const UNTOLD: readonly Untold[] = [
  { what: 'Devices', given: ({ linuxParameters }) => has(linuxParameters?.devices) },
  {
    what: 'Swap settings',
    given: ({ linuxParameters: linux }) => (linux?.maxSwap ?? linux?.swappiness) !== undefined,
  },
  { what: 'Resource requirements', given: (each) => has(each.resourceRequirements) },
  { what: 'Registry credentials', given: (each) => each.repositoryCredentials !== undefined },
  { what: 'Security options', given: ({ dockerSecurityOptions }) => has(dockerSecurityOptions) },
  { what: 'Credential specs', given: ({ credentialSpecs }) => has(credentialSpecs) },
  { what: 'FireLens settings', given: (each) => each.firelensConfiguration !== undefined },
  { what: 'Restart rules', given: ({ restartPolicy }) => restartPolicy?.enabled === true },
]

/** One sentence each. Of EFS each runtime says what it is there. */
export function unhonoured(
  definition: TaskDefinitionBody,
  overrides: TaskOverride = {},
  constraints: readonly PlacementConstraint[] = [],
): string[] {
  const sentences: string[] = []
  for (const container of containersOf(definition)) {
    const { name, environmentFiles, secrets } = container
    if (has(environmentFiles) || has(overrideOf(overrides, name).environmentFiles)) {
      sentences.push(`Environment files of container ${name} are not read.`)
    }
    if (has(secrets)) sentences.push(`Secrets of container ${name} are not resolved.`)
    for (const { what, given } of UNTOLD) {
      if (given(container)) sentences.push(`${what} of container ${name} are not honoured.`)
    }
  }
  const expressions = [...(definition.placementConstraints ?? []), ...constraints]
  if (expressions.some(({ type }) => type === 'memberOf')) {
    sentences.push('Placement constraints of type memberOf are not looked at.')
  }
  for (const setting of ['pidMode', 'ipcMode', 'proxyConfiguration'] as const) {
    if (definition[setting] !== undefined) sentences.push(`${setting} is not honoured.`)
  }
  return [...sentences, ...(definition.volumes ?? []).flatMap(ofVolume)]
}

function ofVolume({ name, host, efsVolumeConfiguration: efs, ...elsewhere }: Volume): string[] {
  const accessPoint = efs?.authorizationConfig?.accessPointId
  if (accessPoint !== undefined) {
    return [
      `Access point ${accessPoint} of volume ${name} is a folder of that name: its own path, user and owner are not asked for.`,
    ]
  }
  if (host !== undefined || Object.keys(elsewhere).length === 0) return []
  return [`Volume ${name} is an empty folder that goes with the task.`]
}
