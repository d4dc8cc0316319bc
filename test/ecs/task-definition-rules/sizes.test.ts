import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normaliseTaskDefinition } from '../../../ecs/task-definition-rules/normalise.ts'
import { parseCpuUnits, parseMemoryMiB } from '../../../ecs/task-definition-rules/sizes.ts'
import { ec2, fargate, rule, web, withContainers } from '../definitions.ts'

const texts: readonly (readonly [string, number | undefined, number | undefined])[] = [
  ['1024', 1024, 1024],
  [' 512 ', 512, 512],
  ['1 vCPU', 1024, undefined],
  ['.25vcpu', 256, undefined],
  ['0.5 VCPU', 512, undefined],
  ['0.5GB', undefined, 512],
  ['2 gb', undefined, 2048],
  ['', undefined, undefined],
  ['-1', undefined, undefined],
  ['1e3', undefined, undefined],
  ['1.5', undefined, undefined],
  ['1 MB', undefined, undefined],
  ['1'.padStart(24), 1, 1],
  ['1'.padStart(25), undefined, undefined],
  ['9'.repeat(100_000), undefined, undefined],
]

for (const [text, cpuUnits, memoryMiB] of texts) {
  test(`parseCpuUnits, parseMemoryMiB: '${text.slice(0, 12)}'`, () => {
    assert.is(parseCpuUnits(text), cpuUnits)
    assert.is(parseMemoryMiB(text), memoryMiB)
  })
}

test('normaliseTaskDefinition: sizes are answered as units and MiB', () => {
  const { cpu, memory } = normaliseTaskDefinition(fargate({ cpu: '.5 vCPU', memory: '3GB' }))
  assert.equal([cpu, memory], ['512', '3072'])
})

/** Every size that Fargate has, as AWS's table says: CPU units, least and most MiB, MiB apart. */
const FARGATE = [
  [512, 1024, 4096, 1024],
  [1024, 2048, 8192, 1024],
  [2048, 4096, 16_384, 1024],
  [4096, 8192, 30_720, 1024],
  [8192, 16_384, 61_440, 4096],
  [16_384, 32_768, 122_880, 8192],
] as const

test('fargateSizeObjections: each row of AWS’s table, its bounds and its steps', () => {
  for (const [cpu, least, most, apart] of FARGATE) {
    for (let memory = least; memory <= most; memory += apart) {
      assert.is(fits(cpu, memory), true, `${cpu}/${memory}`)
    }
    assert.is(fits(cpu, least - apart), false)
    assert.is(fits(cpu, most + apart), false)
    assert.is(fits(cpu, least + apart / 2), false)
  }
  const few = { 256: [512, 1024, 2048], 32768: [61_440, 122_880, 249_856] }
  for (const [cpu, sizes] of Object.entries(few)) {
    for (const memory of sizes) assert.is(fits(Number(cpu), memory), true, `${cpu}/${memory}`)
  }
  assert.is(fits(256, 3072), false)
  assert.is(fits(32_768, 65_536), false)
  assert.is(fits(300, 512), false)
})

function fits(cpu: number, memory: number): boolean {
  try {
    normaliseTaskDefinition(fargate({ cpu: String(cpu), memory: String(memory) }))
    return true
  } catch {
    return false
  }
}

const none = (cpu: string, memory: string) =>
  `No Fargate configuration exists for given values: ${cpu} CPU, ${memory} memory. See the Amazon ECS documentation for the valid values.`
const windows = { operatingSystemFamily: 'WINDOWS_SERVER_2022_CORE' } as const

rule('fargateSizeObjections', [
  [
    'no cpu',
    fargate({ cpu: undefined }),
    "Fargate requires that 'cpu' be defined at the task level.",
  ],
  [
    'no memory',
    fargate({ memory: undefined }),
    "Fargate requires that 'memory' be defined at the task level.",
  ],
  ['a memory between steps', fargate({ memory: '600' }), none('256', '600')],
  ['Windows on 1 vCPU', fargate({ cpu: '1024', memory: '2048', runtimePlatform: windows })],
  [
    'Windows on half a vCPU',
    fargate({ cpu: '512', memory: '1024', runtimePlatform: windows }),
    none('512', '1024'),
  ],
  [
    'Windows on 8 vCPU',
    fargate({ cpu: '8192', memory: '16384', runtimePlatform: windows }),
    none('8192', '16384'),
  ],
])

rule('checkTaskSize', [
  ['no size on EC2', ec2()],
  ['odd sizes on EC2', ec2({ cpu: '333', memory: '777' })],
  ['128 CPU units', ec2({ cpu: '128' })],
  ['127 CPU units', ec2({ cpu: '127' }), "Invalid 'cpu' setting for task."],
  ['196609 CPU units', ec2({ cpu: '196609' }), "Invalid 'cpu' setting for task."],
  ['words for cpu', ec2({ cpu: 'much' }), "Invalid 'cpu' setting for task."],
  ['an empty cpu', ec2({ cpu: '' }), "Invalid 'cpu' setting for task."],
  ['words for memory', ec2({ memory: '1TB' }), "Invalid 'memory' setting for task."],
  ['4 MiB', ec2({ memory: '4', containerDefinitions: [web({ memory: 4 })] })],
  ['3 MiB', ec2({ memory: '3' }), "Invalid 'memory' setting for task."],
])

const bare = web({ memory: undefined })

rule('checkContainerSizes', [
  ['memory of the container', withContainers(web({ memory: 4 }))],
  ['a reservation only', withContainers(web({ memory: undefined, memoryReservation: 64 }))],
  ['memory of the task', ec2({ memory: '512', containerDefinitions: [bare] })],
  [
    'no memory at all',
    withContainers(bare),
    "Invalid setting for container 'web'. At least one of 'memory' or 'memoryReservation' must be specified.",
  ],
  ['3 MiB', withContainers(web({ memory: 3 })), "Invalid 'memory' setting for container 'web'."],
  [
    'a reservation of 0',
    withContainers(web({ memoryReservation: 0 })),
    "Invalid 'memoryReservation' setting for container 'web'.",
  ],
  ['a reservation as large as the limit', withContainers(web({ memoryReservation: 128 }))],
  [
    'a larger one',
    withContainers(web({ memoryReservation: 129 })),
    "Invalid setting for container 'web'. 'memory' must be greater than or equal to 'memoryReservation'.",
  ],
  ['negative cpu', withContainers(web({ cpu: -1 })), "Invalid 'cpu' setting for container 'web'."],
  [
    'more memory than the task has',
    ec2({ memory: '127' }),
    "The 'memory' setting for container 'web' is greater than for the task.",
  ],
  [
    'limits beyond the task where reservations fit',
    ec2({
      memory: '200',
      containerDefinitions: [
        web({ memoryReservation: 50 }),
        web({ name: 'b', memoryReservation: 50 }),
      ],
    }),
  ],
  [
    'reservations that just fit together',
    ec2({ memory: '256', containerDefinitions: [web(), web({ name: 'b' })] }),
  ],
  [
    'reservations that do not fit together',
    ec2({ memory: '200', containerDefinitions: [web(), web({ name: 'b' })] }),
    "The sum of all container 'memory' values cannot be greater than the value of the task 'memory'.",
  ],
  ['all of the task’s cpu', ec2({ cpu: '256', containerDefinitions: [web({ cpu: 256 })] })],
  [
    'more cpu than the task has',
    ec2({ cpu: '256', containerDefinitions: [web({ cpu: 200 }), web({ name: 'b', cpu: 57 })] }),
    "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
  ],
  [
    'more than the task has on Windows, which ignores it',
    ec2({ cpu: '256', runtimePlatform: windows, containerDefinitions: [web({ cpu: 512 })] }),
  ],
])

test.run()
