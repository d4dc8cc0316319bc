/** From a task definition and what a caller overrides to the task a runtime runs; the only such place. */
import type { ContainerOverride, TaskOverride } from '@aws-sdk/client-ecs'
import type { ContainerSpec, TaskSpec, VolumeSpec } from '../cluster/runtime.ts'
import { AwsFault } from '../gateway/core/fault.ts'
import { containerSpec } from './container-spec.ts'
import type { EnvironmentGroup } from './context.ts'
import { invalidParameter } from './faults.ts'
import type { TaskDefinitionBody } from './rows.ts'
import {
  containerNamed,
  containersOf,
  requires,
  type Volume,
} from './task-definition-rules/model.ts'
import { checkEphemeralGiB } from './task-definition-rules/resources.ts'
import {
  checkTaskSize,
  fargateSizeObjections,
  parseCpuUnits,
  parseMemoryMiB,
} from './task-definition-rules/sizes.ts'

const MAX_OVERRIDES_LENGTH = 8192

const NETWORKS: Readonly<Record<string, TaskSpec['network']>> = {
  awsvpc: 'task',
  bridge: 'bridge',
  host: 'host',
  none: 'none',
}

export interface Launch {
  /** Unique for ever. */
  readonly taskId: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly definition: TaskDefinitionBody
  /** Checked by `checkOverrides`. */
  readonly overrides?: TaskOverride | undefined
  readonly environment?: readonly EnvironmentGroup[] | undefined
  /** The machine of the container instance it was placed on. */
  readonly node?: string | undefined
}

/** The same launch gives the same task; what no runtime is told of, unhonoured.ts says. */
export function toTaskSpec(launch: Launch): TaskSpec {
  const { definition, overrides = {}, environment = [] } = launch
  const network = NETWORKS[definition.networkMode ?? 'bridge'] ?? 'bridge'
  const { cpu, memory } = taskSize(definition, overrides)
  const ephemeralStorage = overrides.ephemeralStorage ?? definition.ephemeralStorage
  return {
    id: launch.taskId,
    namespace: launch.namespace,
    labels: launch.labels,
    network,
    ...(launch.node === undefined ? {} : { node: launch.node }),
    cpuUnits: parseCpuUnits(cpu ?? ''),
    memoryMiB: parseMemoryMiB(memory ?? ''),
    ephemeralStorageGiB: ephemeralStorage?.sizeInGiB,
    containers: containersOf(definition).map((container) => {
      const override = overrideOf(overrides, container.name)
      return furnished(containerSpec(container, override, definition, network), environment)
    }),
    volumes: (definition.volumes ?? []).map(volumeSpec),
  }
}

function volumeSpec({ name = '', host, efsVolumeConfiguration: efs }: Volume): VolumeSpec {
  const { fileSystemId: id = '', rootDirectory = '/', authorizationConfig } = efs ?? {}
  const accessPoint = authorizationConfig?.accessPointId
  // Where an access point leads is EFS's knowledge: a folder of its name stands for it.
  const directory = accessPoint === undefined ? rootDirectory : `/${accessPoint}`
  return {
    name,
    hostPath: host?.sourcePath,
    ...(efs && { fileSystem: { id, directory } }),
  }
}

function furnished(spec: ContainerSpec, groups: readonly EnvironmentGroup[]): ContainerSpec {
  const own = spec.environment
  const given = groups.filter(
    (group) => !Object.keys(group).some((name) => Object.hasOwn(own, name)),
  )
  if (given.length === 0) return spec
  const entries = [...given, own].flatMap((group) => Object.entries(group))
  return { ...spec, environment: Object.fromEntries(entries) }
}

/** What a caller says of one container. */
export function overrideOf(overrides: TaskOverride, name: string | undefined): ContainerOverride {
  const own = (overrides.containerOverrides ?? []).filter((each) => each.name === name)
  return Object.assign({}, ...own)
}

function taskSize(definition: TaskDefinitionBody, overrides: TaskOverride): TaskDefinitionBody {
  const { cpu = definition.cpu, memory = definition.memory } = overrides
  return { ...definition, cpu, memory }
}

/** Faults: InvalidParameterException. */
export function checkOverrides(
  definition: TaskDefinitionBody,
  overrides: TaskOverride | undefined,
  launchType?: string,
): void {
  if (!overrides) return
  const containerOverrides = overrides.containerOverrides ?? []
  for (const { name } of containerOverrides) {
    if (!name) throw invalidParameter('Container.name should not be null or empty.')
    if (!containerNamed(definition, name)) {
      throw invalidParameter(
        `Override for container named ${name} is not a container in the TaskDefinition.`,
      )
    }
  }
  if (JSON.stringify(overrides).length > MAX_OVERRIDES_LENGTH) {
    throw invalidParameter(`Container Overrides length must be at most ${MAX_OVERRIDES_LENGTH}`)
  }
  const fargate = launchType === 'FARGATE' || (!launchType && requires(definition, 'FARGATE'))
  asInvalidParameter(() => checkTaskOverrides(definition, overrides, fargate))
  const { memory } = taskSize(definition, overrides)
  const memoryMiB = parseMemoryMiB(memory ?? '') ?? Number.POSITIVE_INFINITY
  for (const { name, memory: own = 0, memoryReservation = 0 } of containerOverrides) {
    const setting =
      own > memoryMiB ? 'memory' : memoryReservation > memoryMiB && 'memoryReservation'
    if (setting) {
      throw invalidParameter(
        `'${setting}' setting for container '${name}' is greater than for task.`,
      )
    }
  }
}

function checkTaskOverrides(
  definition: TaskDefinitionBody,
  overrides: TaskOverride,
  fargate: boolean,
): void {
  const { cpu, memory, ephemeralStorage } = overrides
  const sized = taskSize(definition, overrides)
  if (cpu !== undefined || memory !== undefined) {
    checkTaskSize(sized)
    for (const objection of fargate ? fargateSizeObjections(sized) : []) {
      throw invalidParameter(objection)
    }
  }
  if (ephemeralStorage && !fargate) {
    throw invalidParameter('Tasks using the EC2 launch type do not support EphemeralStorage.')
  }
  if (ephemeralStorage?.sizeInGiB !== undefined) checkEphemeralGiB(ephemeralStorage.sizeInGiB)
}

// The same rules as at registration; RunTask answers them with another code.
function asInvalidParameter(check: () => void): void {
  try {
    check()
  } catch (thrown) {
    throw thrown instanceof AwsFault ? invalidParameter(thrown.message) : thrown
  }
}
