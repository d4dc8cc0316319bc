import type { NetworkMode, RegisterTaskDefinitionRequest, TaskOverride } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkOverrides, toTaskSpec } from '../../ecs/launch.ts'
import { normaliseTaskDefinition } from '../../ecs/task-definition-rules/normalise.ts'
import { ec2, fargate, faultOf, web } from './definitions.ts'

function specOf(input: RegisterTaskDefinitionRequest, overrides?: TaskOverride) {
  return toTaskSpec({
    taskId: 'f'.repeat(32),
    namespace: '123456789012/us-east-1/default',
    labels: { 'kecs.dev/service': 'site' },
    definition: normaliseTaskDefinition(input),
    overrides,
  })
}

test('toTaskSpec: the task is named, sized and labelled', () => {
  const { containers, ...spec } = specOf(fargate({ ephemeralStorage: { sizeInGiB: 30 } }))
  assert.equal(spec, {
    id: 'f'.repeat(32),
    namespace: '123456789012/us-east-1/default',
    labels: { 'kecs.dev/service': 'site' },
    network: 'task',
    cpuUnits: 256,
    memoryMiB: 512,
    ephemeralStorageGiB: 30,
    volumes: [],
  })
  assert.equal(
    containers.map(({ name }) => name),
    ['web'],
  )
})

test('toTaskSpec: network modes, the bridge where none is said', () => {
  const networkOf = (networkMode?: NetworkMode) => specOf(ec2({ networkMode })).network
  assert.equal(
    [networkOf(), networkOf('bridge'), networkOf('awsvpc'), networkOf('host'), networkOf('none')],
    ['bridge', 'bridge', 'task', 'host', 'none'],
  )
})

test('toTaskSpec: a task without sizes has none', () => {
  const { cpuUnits, memoryMiB, ephemeralStorageGiB } = specOf(ec2())
  assert.equal([cpuUnits, memoryMiB, ephemeralStorageGiB], [undefined, undefined, undefined])
})

test('toTaskSpec: overrides of the task go before the definition', () => {
  const spec = specOf(fargate(), {
    cpu: '1 vCPU',
    memory: '2GB',
    ephemeralStorage: { sizeInGiB: 50 },
  })
  assert.equal([spec.cpuUnits, spec.memoryMiB, spec.ephemeralStorageGiB], [1024, 2048, 50])
})

test('toTaskSpec: what the world gives stands behind what definition and caller say', () => {
  const key = { KEY: 'given', SECRET: 'given' }
  const input = ec2({
    containerDefinitions: [
      web({ environment: [{ name: 'SECRET', value: 'own' }] }),
      web({ name: 'b' }),
    ],
  })
  const { containers } = toTaskSpec({
    taskId: 'f'.repeat(32),
    namespace: '',
    labels: {},
    definition: normaliseTaskDefinition(input),
    overrides: { containerOverrides: [{ name: 'b', environment: [{ name: 'URL', value: '' }] }] },
    environment: [{ URL: 'given' }, key],
  })
  assert.equal(
    containers.map(({ environment }) => environment),
    [
      { URL: 'given', SECRET: 'own' },
      { ...key, URL: '' },
    ],
  )
})

test('toTaskSpec: overrides of a container reach that container only', () => {
  const input = ec2({ containerDefinitions: [web(), web({ name: 'b' })] })
  const spec = specOf(input, { containerOverrides: [{ name: 'b', command: ['x'] }] })
  assert.equal(
    spec.containers.map(({ command }) => command),
    [undefined, ['x']],
  )
})

test('toTaskSpec: volumes are folders of the host or empty', () => {
  const volumes = [
    { name: 'a', host: { sourcePath: '/srv' } },
    { name: 'b', host: {} },
    { name: 'c' },
  ]
  assert.equal(specOf(ec2({ volumes })).volumes, [
    { name: 'a', hostPath: '/srv' },
    { name: 'b', hostPath: undefined },
    { name: 'c', hostPath: undefined },
  ])
})

test('toTaskSpec: EFS is a file system and a folder in it; an access point stands for its own', () => {
  const volumeOf = (more: object) => {
    const efsVolumeConfiguration = { fileSystemId: 'fs-1', ...more }
    return specOf(ec2({ volumes: [{ name: 'v', efsVolumeConfiguration }] })).volumes[0]?.fileSystem
  }
  assert.equal(volumeOf({}), { id: 'fs-1', directory: '/' })
  assert.equal(volumeOf({ rootDirectory: '/a' }), { id: 'fs-1', directory: '/a' })
  const authorizationConfig = { accessPointId: 'fsap-1' }
  const through = volumeOf({ authorizationConfig, transitEncryption: 'ENABLED' })
  assert.equal(through, { id: 'fs-1', directory: '/fsap-1' })
})

const NONE =
  'No Fargate configuration exists for given values: 256 CPU, 4096 memory. See the Amazon ECS documentation for the valid values.'

const EMPTY = JSON.stringify({ containerOverrides: [{ name: 'web', command: [''] }] }).length

/** Overrides of `web`, on EC2 or Fargate; the fault where they are refused. */
const overrides: readonly (readonly [
  string,
  TaskOverride | undefined,
  'EC2' | 'FARGATE',
  string?,
])[] = [
  ['none', undefined, 'EC2'],
  ['an empty list', { containerOverrides: [] }, 'EC2'],
  ['a container of the definition', { containerOverrides: [{ name: 'web', command: [] }] }, 'EC2'],
  [
    'an unknown container',
    { containerOverrides: [{ name: 'api' }] },
    'EC2',
    'Override for container named api is not a container in the TaskDefinition.',
  ],
  [
    'no name',
    { containerOverrides: [{ command: [] }] },
    'EC2',
    'Container.name should not be null or empty.',
  ],
  [
    '8192 characters',
    { containerOverrides: [{ name: 'web', command: ['x'.repeat(8192 - EMPTY)] }] },
    'EC2',
  ],
  [
    '8193 characters',
    { containerOverrides: [{ name: 'web', command: ['x'.repeat(8193 - EMPTY)] }] },
    'EC2',
    'Container Overrides length must be at most 8192',
  ],
  ['an odd size on EC2', { cpu: '333', memory: '3000' }, 'EC2'],
  ['a size that is none', { cpu: 'much' }, 'EC2', "Invalid 'cpu' setting for task."],
  ['a size of Fargate’s', { cpu: '1 vCPU', memory: '2GB' }, 'FARGATE'],
  ['a size that Fargate lacks', { memory: '4096' }, 'FARGATE', NONE],
  ['ephemeral storage on Fargate', { ephemeralStorage: { sizeInGiB: 21 } }, 'FARGATE'],
  [
    'too little ephemeral storage',
    { ephemeralStorage: { sizeInGiB: 20 } },
    'FARGATE',
    'EphemeralStorage size should be at least 21',
  ],
  [
    'ephemeral storage on EC2',
    { ephemeralStorage: { sizeInGiB: 21 } },
    'EC2',
    'Tasks using the EC2 launch type do not support EphemeralStorage.',
  ],
  [
    'more memory than the task has',
    { containerOverrides: [{ name: 'web', memory: 513 }] },
    'FARGATE',
    "'memory' setting for container 'web' is greater than for task.",
  ],
  [
    'more memory than the task had',
    { memory: '1024', containerOverrides: [{ name: 'web', memory: 1024 }] },
    'FARGATE',
  ],
  [
    'a reservation as large as the task',
    { containerOverrides: [{ name: 'web', memoryReservation: 512 }] },
    'FARGATE',
  ],
  [
    'a larger reservation than the task',
    { containerOverrides: [{ name: 'web', memoryReservation: 513 }] },
    'FARGATE',
    "'memoryReservation' setting for container 'web' is greater than for task.",
  ],
]

for (const [what, asked, launchType, message] of overrides) {
  test(`checkOverrides: ${message === undefined ? 'accepts' : 'refuses'} ${what}`, () => {
    const definition = normaliseTaskDefinition(launchType === 'EC2' ? ec2() : fargate())
    const check = () => checkOverrides(definition, asked, launchType)
    if (message === undefined) return check()
    const fault = faultOf(check)
    assert.is(fault.message, message)
    assert.is(fault.code, 'InvalidParameterException')
  })
}

test('checkOverrides: without a launch type, what the definition requires decides', () => {
  const definition = normaliseTaskDefinition(fargate())
  assert.is(faultOf(() => checkOverrides(definition, { memory: '4096' })).message, NONE)
  checkOverrides(normaliseTaskDefinition(ec2()), { memory: '4096' })
})

test.run()
