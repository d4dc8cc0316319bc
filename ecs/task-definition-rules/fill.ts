/** The defaults that AWS fills in when a task definition is registered. */
import type { RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import type { TaskDefinitionBody } from '../rows.ts'
import type { Container, PortMapping, Volume } from './model.ts'
import { parseCpuUnits, parseMemoryMiB } from './sizes.ts'

/** The definition as DescribeTaskDefinition answers it, not checked yet; filling it again changes nothing. */
export function fill(input: RegisterTaskDefinitionRequest): TaskDefinitionBody {
  const { tags: _tags, ...definition } = input
  const filled: TaskDefinitionBody = {
    ...definition,
    containerDefinitions: (input.containerDefinitions ?? []).map((container) =>
      fillContainer(container, input.networkMode),
    ),
    volumes: (input.volumes ?? []).map(fillVolume),
    placementConstraints: input.placementConstraints ?? [],
  }
  if (input.cpu !== undefined) filled.cpu = String(parseCpuUnits(input.cpu) ?? input.cpu)
  if (input.memory !== undefined) {
    filled.memory = String(parseMemoryMiB(input.memory) ?? input.memory)
  }
  if (input.proxyConfiguration) {
    filled.proxyConfiguration = { type: 'APPMESH', ...input.proxyConfiguration }
  }
  return filled
}

function fillContainer(container: Container, networkMode: string | undefined): Container {
  const filled: Container = {
    ...container,
    cpu: container.cpu ?? 0,
    portMappings: (container.portMappings ?? []).map((port) => fillPort(port, networkMode)),
    essential: container.essential ?? true,
    environment: container.environment ?? [],
    mountPoints: container.mountPoints ?? [],
    volumesFrom: container.volumesFrom ?? [],
    systemControls: container.systemControls ?? [],
  }
  if (container.healthCheck) {
    filled.healthCheck = { interval: 30, timeout: 5, retries: 3, ...container.healthCheck }
  }
  // A log router reads the sockets of its neighbours: AWS runs it as root.
  if (container.firelensConfiguration) filled.user = container.user ?? '0'
  return filled
}

function fillPort(port: PortMapping, networkMode: string | undefined): PortMapping {
  const filled: PortMapping = { ...port, protocol: port.protocol ?? 'tcp' }
  if (port.containerPortRange !== undefined) return filled
  const ownAddress = networkMode === 'awsvpc' || networkMode === 'host'
  filled.hostPort = port.hostPort ?? (ownAddress ? port.containerPort : 0)
  return filled
}

function fillVolume(volume: Volume): Volume {
  const { efsVolumeConfiguration: efs, dockerVolumeConfiguration: docker } = volume
  const filled = { ...volume }
  if (efs) filled.efsVolumeConfiguration = { ...efs, rootDirectory: efs.rootDirectory || '/' }
  if (docker) filled.dockerVolumeConfiguration = { ...docker, scope: docker.scope ?? 'task' }
  return filled
}
