import type { EFSVolumeConfiguration, Volume } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normaliseTaskDefinition } from '../../../ecs/task-definition-rules/normalise.ts'
import { ec2, rule, web } from '../definitions.ts'

const mountPoints = [{ sourceVolume: 'data', containerPath: '/data' }]

function volumes(...list: Volume[]) {
  return ec2({ volumes: list, containerDefinitions: [web({ mountPoints })] })
}
function efs(change: Partial<EFSVolumeConfiguration>) {
  return volumes({ name: 'data', efsVolumeConfiguration: { fileSystemId: 'fs-1', ...change } })
}

const ONE_TYPE =
  'When the volume parameter is specified, only one volume configuration type should be used.'

rule('checkVolumes', [
  ['a folder of the host', volumes({ name: 'data', host: { sourcePath: '/srv' } })],
  ['a volume without a kind', volumes({ name: 'data' })],
  ['an unnamed volume', volumes({ host: {} }), 'Volume.name should not be null or empty.'],
  ['an odd name', volumes({ name: 'a b' }), 'Volume.name contains invalid characters.'],
  [
    'a name twice',
    volumes({ name: 'data' }, { name: 'data' }),
    "Volume name 'data' is used more than once.",
  ],
  ['two kinds', volumes({ name: 'data', host: {}, dockerVolumeConfiguration: {} }), ONE_TYPE],
  [
    'a kind and a volume configured at launch',
    volumes({ name: 'data', host: {}, configuredAtLaunch: true }),
    ONE_TYPE,
  ],
  [
    'a blank path',
    volumes({ name: 'data', host: { sourcePath: ' ' } }),
    'host.sourcePath should not be blank.',
  ],
  ['an unknown volume', volumes({ name: 'other' }), "Unknown volume 'data'."],
  [
    'a mount without a volume',
    ec2({ containerDefinitions: [web({ mountPoints: [{ containerPath: '/' }] })] }),
    "Unknown volume 'null'.",
  ],
  [
    'a mount without a path',
    ec2({
      volumes: [{ name: 'data' }],
      containerDefinitions: [web({ mountPoints: [{ sourceVolume: 'data' }] })],
    }),
    "Invalid 'containerPath' setting for container 'web'.",
  ],
  [
    'two mounts at one path',
    ec2({
      volumes: [{ name: 'data' }],
      containerDefinitions: [web({ mountPoints: [...mountPoints, ...mountPoints] })],
    }),
    "The container path '/data' is mounted more than once in container 'web'.",
  ],
  ['a volume configured at launch', volumes({ name: 'data', configuredAtLaunch: true })],
  [
    'a volume configured at launch that nobody mounts',
    volumes({ name: 'data' }, { name: 'disk', configuredAtLaunch: true }),
    'Volumes [disk] are not referenced by any of the containers',
  ],
  [
    'a shared Docker volume that is made at need',
    volumes({ name: 'data', dockerVolumeConfiguration: { scope: 'shared', autoprovision: true } }),
  ],
  [
    'a task’s Docker volume that is made at need',
    volumes({ name: 'data', dockerVolumeConfiguration: { autoprovision: true } }),
    "Invalid 'autoprovision' setting for volume 'data': it is only supported when the scope is shared.",
  ],
])

const authorizationConfig = { accessPointId: 'fsap-1' }

rule('checkEfsVolume', [
  ['a file system', efs({})],
  [
    'no file system',
    efs({ fileSystemId: '' }),
    "Invalid 'fileSystemId' setting for volume 'data'.",
  ],
  ['an access point', efs({ transitEncryption: 'ENABLED', authorizationConfig })],
  [
    'an access point and a folder',
    efs({ transitEncryption: 'ENABLED', authorizationConfig, rootDirectory: '/a' }),
    'When using an EFS access point, the root directory must either be set to "/" or be omitted.',
  ],
  [
    'an access point in the clear',
    efs({ authorizationConfig }),
    'EFS access points require TransitEncryption to be enabled.',
  ],
  [
    'IAM in the clear',
    efs({ authorizationConfig: { iam: 'ENABLED' } }),
    'EFS IAM authorization requires TransitEncryption to be enabled.',
  ],
  [
    'a port of encryption in the clear',
    efs({ transitEncryptionPort: 2049 }),
    'TransitEncryptionPort requires that TransitEncryption is enabled.',
  ],
  ['the first port of encryption', efs({ transitEncryption: 'ENABLED', transitEncryptionPort: 1 })],
  [
    'the last port of encryption',
    efs({ transitEncryption: 'ENABLED', transitEncryptionPort: 65_535 }),
  ],
  [
    'a port beyond the last',
    efs({ transitEncryption: 'ENABLED', transitEncryptionPort: 65_536 }),
    "Invalid 'transitEncryptionPort' setting for volume 'data'.",
  ],
])

test('normaliseTaskDefinition: a file system is mounted at its root, a Docker volume is the task’s', () => {
  const definition = normaliseTaskDefinition(
    volumes(
      { name: 'data', efsVolumeConfiguration: { fileSystemId: 'fs-1' } },
      { name: 'docker', dockerVolumeConfiguration: { driver: 'local' } },
    ),
  )
  assert.is(definition.volumes?.[0]?.efsVolumeConfiguration?.rootDirectory, '/')
  assert.is(definition.volumes?.[1]?.dockerVolumeConfiguration?.scope, 'task')
})

test.run()
