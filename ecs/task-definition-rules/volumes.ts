/** Volumes of the task and where its containers mount them. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import { containersOf, firstRepeated, type Volume } from './model.ts'

const NAME = /^[a-zA-Z0-9_-]{1,255}$/
const MAX_PORT = 65_535

/** Faults: ClientException. */
export function checkVolumes(definition: TaskDefinitionBody): void {
  const volumes = definition.volumes ?? []
  for (const volume of volumes) checkVolume(volume)
  const repeated = firstRepeated(volumes.flatMap(({ name }) => name ?? []))
  if (repeated !== undefined) {
    throw clientException(`Volume name '${repeated}' is used more than once.`)
  }
  const mounted = checkMountPoints(definition)
  const idle = volumes.filter(
    ({ configuredAtLaunch, name = '' }) => configuredAtLaunch && !mounted.has(name),
  )
  if (idle.length > 0) {
    const names = idle.map(({ name }) => name).join(', ')
    throw clientException(`Volumes [${names}] are not referenced by any of the containers`)
  }
}

function checkVolume(volume: Volume): void {
  const { name, host, configuredAtLaunch } = volume
  if (!name) throw clientException('Volume.name should not be null or empty.')
  if (!NAME.test(name)) throw clientException('Volume.name contains invalid characters.')
  const kinds = [
    host,
    volume.dockerVolumeConfiguration,
    volume.efsVolumeConfiguration,
    volume.fsxWindowsFileServerVolumeConfiguration,
    volume.s3filesVolumeConfiguration,
    configuredAtLaunch || undefined,
  ]
  if (kinds.filter((kind) => kind !== undefined).length > 1) {
    throw clientException(
      'When the volume parameter is specified, only one volume configuration type should be used.',
    )
  }
  if (host?.sourcePath !== undefined && host.sourcePath.trim() === '') {
    throw clientException('host.sourcePath should not be blank.')
  }
  checkDockerVolume(volume)
  checkEfsVolume(volume)
}

function checkDockerVolume({ name, dockerVolumeConfiguration: docker }: Volume): void {
  if (docker?.autoprovision !== undefined && docker.scope !== 'shared') {
    throw clientException(
      `Invalid 'autoprovision' setting for volume '${name}': it is only supported when the scope is shared.`,
    )
  }
}

function checkEfsVolume({ name, efsVolumeConfiguration: efs }: Volume): void {
  if (!efs) return
  if (!efs.fileSystemId) {
    throw clientException(`Invalid 'fileSystemId' setting for volume '${name}'.`)
  }
  const { transitEncryptionPort: port, authorizationConfig } = efs
  const encrypted = efs.transitEncryption === 'ENABLED'
  if (port !== undefined && (port < 1 || port > MAX_PORT)) {
    throw clientException(`Invalid 'transitEncryptionPort' setting for volume '${name}'.`)
  }
  if (port !== undefined && !encrypted) {
    throw clientException('TransitEncryptionPort requires that TransitEncryption is enabled.')
  }
  if (authorizationConfig?.iam === 'ENABLED' && !encrypted) {
    throw clientException('EFS IAM authorization requires TransitEncryption to be enabled.')
  }
  if (!authorizationConfig?.accessPointId) return
  if (efs.rootDirectory !== '/') {
    throw clientException(
      'When using an EFS access point, the root directory must either be set to "/" or be omitted.',
    )
  }
  if (!encrypted) {
    throw clientException('EFS access points require TransitEncryption to be enabled.')
  }
}

function checkMountPoints(definition: TaskDefinitionBody): ReadonlySet<string> {
  const known = new Set((definition.volumes ?? []).map(({ name }) => name))
  const mounted = new Set<string>()
  for (const { name, mountPoints = [] } of containersOf(definition)) {
    for (const { sourceVolume, containerPath } of mountPoints) {
      if (!sourceVolume || !known.has(sourceVolume)) {
        throw clientException(`Unknown volume '${sourceVolume ?? null}'.`)
      }
      if (!containerPath) {
        throw clientException(`Invalid 'containerPath' setting for container '${name}'.`)
      }
      mounted.add(sourceVolume)
    }
    const repeated = firstRepeated(mountPoints.map(({ containerPath = '' }) => containerPath))
    if (repeated !== undefined) {
      throw clientException(
        `The container path '${repeated}' is mounted more than once in container '${name}'.`,
      )
    }
  }
  return mounted
}
