import type { LinuxParameters, ResourceRequirement, Ulimit } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import { ec2, fargate, rule, web, withContainers } from '../definitions.ts'

const ulimit = (softLimit: number, hardLimit: number): Ulimit => ({
  name: 'nofile',
  softLimit,
  hardLimit,
})
const ulimits = (...list: Ulimit[]) => withContainers(web({ ulimits: list }))
const linux = (linuxParameters: LinuxParameters) => withContainers(web({ linuxParameters }))
const needs = (...resourceRequirements: ResourceRequirement[]) =>
  withContainers(web({ resourceRequirements }))
const invalid = (setting: string) => `Invalid '${setting}' setting for container 'web'.`

rule('checkContainerResources', [
  ['equal limits', ulimits(ulimit(1024, 1024))],
  ['no hard limit', ulimits(ulimit(1024, -1))],
  [
    'a soft limit above the hard one',
    ulimits(ulimit(2, 1)),
    'Soft limit exceeds hard limit for ulimit nofile',
  ],
  [
    'no soft limit under a hard one',
    ulimits(ulimit(-1, 1)),
    'Soft limit exceeds hard limit for ulimit nofile',
  ],
  ['swap and shared memory', linux({ maxSwap: 0, swappiness: 100, sharedMemorySize: 1 })],
  ['swappiness of 101', linux({ swappiness: 101 }), invalid('swappiness')],
  ['negative swap', linux({ maxSwap: -1 }), invalid('maxSwap')],
  ['no shared memory', linux({ sharedMemorySize: 0 }), invalid('sharedMemorySize')],
  ['a tmpfs', linux({ tmpfs: [{ containerPath: '/tmp', size: 1 }] })],
  ['an empty tmpfs', linux({ tmpfs: [{ containerPath: '/tmp', size: 0 }] }), invalid('tmpfs')],
  ['a device', linux({ devices: [{ hostPath: '/dev/fuse' }] })],
  ['no device', linux({ devices: [{ hostPath: '' }] }), invalid('devices')],
  ['a GPU', needs({ type: 'GPU', value: '1' })],
  [
    'half a GPU',
    needs({ type: 'GPU', value: '0.5' }),
    "Invalid 'GPU' resource requirement for container 'web'.",
  ],
  [
    'an accelerator',
    needs({ type: 'InferenceAccelerator', value: 'eia' }),
    "Invalid 'InferenceAccelerator' resource requirement for container 'web'. Unknown device name: 'eia'",
  ],
])

const constraint = { type: 'memberOf', expression: 'attribute:ecs.os-type == linux' } as const
const storage = (sizeInGiB: number) => fargate({ ephemeralStorage: { sizeInGiB } })

rule('checkTaskResources', [
  ['10 constraints', ec2({ placementConstraints: Array(10).fill(constraint) })],
  [
    '11 constraints',
    ec2({ placementConstraints: Array(11).fill(constraint) }),
    'Task definition can have at most 10 placement constraints.',
  ],
  [
    'a constraint without an expression',
    ec2({ placementConstraints: [{ type: 'memberOf' }] }),
    'Placement constraints must be of type memberOf and have an expression.',
  ],
  ['no accelerators', ec2({ inferenceAccelerators: [] })],
  [
    'accelerators',
    ec2({ inferenceAccelerators: [{ deviceName: 'a', deviceType: 'eia2.medium' }] }),
    "Unsupported field 'inferenceAccelerators'",
  ],
  ['21 GiB', storage(21)],
  ['200 GiB', storage(200)],
  ['20 GiB', storage(20), 'EphemeralStorage size should be at least 21'],
  ['201 GiB', storage(201), 'EphemeralStorage size should be at most 200'],
  [
    'ephemeral storage on EC2',
    ec2({ ephemeralStorage: { sizeInGiB: 30 } }),
    'Tasks using the EC2 launch type do not support EphemeralStorage.',
  ],
])

test.run()
