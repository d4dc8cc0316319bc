/** One container of a task definition as the runtime runs it. */
import type { ContainerOverride } from '@aws-sdk/client-ecs'
import type {
  ContainerSpec,
  DependencyCondition,
  HealthCheckSpec,
  MountSpec,
  PortSpec,
  TaskSpec,
} from '../cluster/runtime.ts'
import type { TaskDefinitionBody } from './rows.ts'
import { linkedContainer } from './task-definition-rules/dependencies.ts'
import { type Container, containerNamed } from './task-definition-rules/model.ts'
import { parsePortRange } from './task-definition-rules/network.ts'

const MS_PER_SECOND = 1000
/** The agent's ECS_CONTAINER_STOP_TIMEOUT. */
const DEFAULT_STOP_TIMEOUT_S = 30

/** The container with one caller's override put over it; limits in MiB and CPU units. */
export function containerSpec(
  container: Container,
  override: ContainerOverride,
  definition: TaskDefinitionBody,
  network: TaskSpec['network'],
): ContainerSpec {
  const { linuxParameters: linux, startTimeout, stopTimeout, healthCheck } = container
  return {
    name: container.name ?? '',
    image: container.image ?? '',
    entryPoint: container.entryPoint,
    command: override.command ?? container.command,
    environment: environmentOf(container, override),
    workingDirectory: container.workingDirectory,
    user: container.user,
    essential: container.essential ?? true,
    dependsOn: dependenciesOf(container),
    startTimeoutMs: startTimeout === undefined ? undefined : startTimeout * MS_PER_SECOND,
    stopTimeoutMs: (stopTimeout ?? DEFAULT_STOP_TIMEOUT_S) * MS_PER_SECOND,
    healthCheck: healthCheckSpec(healthCheck),
    ports: container.disableNetworking ? [] : portsOf(container, network),
    mounts: mountsOf(container, definition),
    labels: container.dockerLabels ?? {},
    cpuUnits: (override.cpu ?? container.cpu) || undefined,
    memoryMiB: override.memory ?? container.memory,
    memoryReservationMiB: override.memoryReservation ?? container.memoryReservation,
    privileged: container.privileged,
    readonlyRootFilesystem: container.readonlyRootFilesystem,
    pseudoTerminal: container.pseudoTerminal,
    interactive: container.interactive,
    hostname: container.hostname,
    extraHosts: container.extraHosts?.map(({ hostname = '', ipAddress = '' }) => ({
      hostname,
      ipAddress,
    })),
    dnsServers: container.dnsServers,
    dnsSearchDomains: container.dnsSearchDomains,
    ulimits: container.ulimits?.map(({ name = '', softLimit = 0, hardLimit = 0 }) => ({
      name,
      softLimit,
      hardLimit,
    })),
    systemControls: container.systemControls?.map(({ namespace = '', value = '' }) => ({
      namespace,
      value,
    })),
    capabilities: linux?.capabilities && {
      add: linux.capabilities.add ?? [],
      drop: linux.capabilities.drop ?? [],
    },
    initProcess: linux?.initProcessEnabled,
    sharedMemoryMiB: linux?.sharedMemorySize,
    tmpfs: linux?.tmpfs?.map(({ containerPath = '', size = 0, mountOptions = [] }) => ({
      containerPath,
      sizeMiB: size,
      mountOptions,
    })),
  }
}

// Built from entries: a variable may be called `__proto__`.
function environmentOf(container: Container, override: ContainerOverride): Record<string, string> {
  const pairs = [...(container.environment ?? []), ...(override.environment ?? [])]
  const named = pairs.filter(({ name }) => name)
  return Object.fromEntries(named.map(({ name = '', value = '' }) => [name, value]))
}

/** Links and borrowed volumes imply an order, too; an explicit condition goes before it. */
function dependenciesOf(container: Container): ContainerSpec['dependsOn'] {
  const conditions = new Map<string, DependencyCondition>()
  for (const link of container.links ?? []) conditions.set(linkedContainer(link), 'START')
  for (const { sourceContainer = '' } of container.volumesFrom ?? []) {
    conditions.set(sourceContainer, 'START')
  }
  for (const { containerName = '', condition = 'START' } of container.dependsOn ?? []) {
    conditions.set(containerName, condition)
  }
  return [...conditions].map(([name, condition]) => ({ container: name, condition }))
}

function healthCheckSpec(check: Container['healthCheck']): HealthCheckSpec | undefined {
  if (!check?.command || check.command[0] === 'NONE') return undefined
  const { interval = 0, timeout = 0, retries = 0, startPeriod = 0 } = check
  return {
    command: check.command,
    intervalMs: interval * MS_PER_SECOND,
    timeoutMs: timeout * MS_PER_SECOND,
    retries,
    startPeriodMs: startPeriod * MS_PER_SECOND,
  }
}

function portsOf(container: Container, network: TaskSpec['network']): PortSpec[] {
  const ports: PortSpec[] = []
  for (const mapping of container.portMappings ?? []) {
    const { containerPort = 0, hostPort = 0, protocol = 'tcp', containerPortRange } = mapping
    const [first, last] = parsePortRange(containerPortRange ?? '') ?? [containerPort, containerPort]
    for (let port = first; port <= last; port++) {
      const own = network === 'bridge' ? hostPort : port
      ports.push({ containerPort: port, hostPort: own, protocol })
    }
  }
  return ports
}

/** Its own mounts and those of the containers it takes volumes from: never a circle, by the rules. */
function mountsOf(container: Container, definition: TaskDefinitionBody): MountSpec[] {
  const mounts = new Map<string, MountSpec>()
  for (const { sourceContainer = '', readOnly = false } of container.volumesFrom ?? []) {
    const source = containerNamed(definition, sourceContainer)
    for (const mount of source ? mountsOf(source, definition) : []) {
      mounts.set(mount.containerPath, { ...mount, readOnly: mount.readOnly || readOnly })
    }
  }
  for (const { sourceVolume = '', containerPath = '', readOnly = false } of container.mountPoints ??
    []) {
    mounts.set(containerPath, { volume: sourceVolume, containerPath, readOnly })
  }
  return [...mounts.values()]
}
