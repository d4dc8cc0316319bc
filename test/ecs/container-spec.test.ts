import type { ContainerDefinition, ContainerOverride, NetworkMode } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { containerSpec } from '../../ecs/container-spec.ts'
import { normaliseTaskDefinition } from '../../ecs/task-definition-rules/normalise.ts'
import { ec2, web } from './definitions.ts'

const NETWORKS = { bridge: 'bridge', awsvpc: 'task', host: 'host', none: 'none' } as const

function specOf(
  change: Partial<ContainerDefinition>,
  override: ContainerOverride = {},
  networkMode: NetworkMode = 'bridge',
  others: ContainerDefinition[] = [],
) {
  const volumes = [{ name: 'data' }, { name: 'logs' }]
  const containerDefinitions = [web(change), ...others]
  const definition = normaliseTaskDefinition(ec2({ networkMode, volumes, containerDefinitions }))
  const [container] = definition.containerDefinitions ?? []
  assert.ok(container)
  return containerSpec(container, override, definition, NETWORKS[networkMode])
}

test('containerSpec: a bare container has a container’s defaults', () => {
  const spec = specOf({})
  assert.equal(JSON.parse(JSON.stringify(spec)), {
    name: 'web',
    image: 'nginx:1.27',
    environment: {},
    essential: true,
    dependsOn: [],
    stopTimeoutMs: 30_000,
    ports: [],
    mounts: [],
    labels: {},
    memoryMiB: 128,
    systemControls: [],
  })
})

test('containerSpec: an override goes before the definition', () => {
  const spec = specOf(
    {
      command: ['serve'],
      cpu: 64,
      memoryReservation: 64,
      environment: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
    },
    {
      command: ['migrate', '--all'],
      cpu: 128,
      memory: 256,
      memoryReservation: 200,
      environment: [
        { name: 'B', value: '3' },
        { name: 'C', value: '4' },
      ],
    },
  )
  assert.equal(spec.command, ['migrate', '--all'])
  assert.equal(spec.environment, { A: '1', B: '3', C: '4' })
  assert.equal([spec.cpuUnits, spec.memoryMiB, spec.memoryReservationMiB], [128, 256, 200])
})

test('containerSpec: an empty command overrides, too', () => {
  assert.equal(specOf({ command: ['serve'] }, { command: [] }).command, [])
})

test('containerSpec: a variable may be called __proto__', () => {
  const { environment } = specOf({ environment: [{ name: '__proto__', value: 'x' }] })
  assert.equal(Object.entries(environment), [['__proto__', 'x']])
})

test('containerSpec: seconds become milliseconds', () => {
  const spec = specOf({
    startTimeout: 5,
    stopTimeout: 7,
    healthCheck: { command: ['CMD', 'ok'], startPeriod: 11 },
  })
  assert.equal([spec.startTimeoutMs, spec.stopTimeoutMs], [5000, 7000])
  assert.equal(spec.healthCheck, {
    command: ['CMD', 'ok'],
    intervalMs: 30_000,
    timeoutMs: 5000,
    retries: 3,
    startPeriodMs: 11_000,
  })
})

test('containerSpec: a stop time-out of 0 is one', () => {
  assert.is(specOf({ stopTimeout: 0 }).stopTimeoutMs, 0)
})

test('containerSpec: a health check that is turned off is none', () => {
  assert.is(specOf({ healthCheck: { command: ['NONE'] } }).healthCheck, undefined)
})

test('containerSpec: host ports are the mapping’s on a bridge, the container’s elsewhere', () => {
  const portMappings = [{ containerPort: 80, protocol: 'udp' as const }]
  const portOf = (mode: NetworkMode) => specOf({ portMappings }, {}, mode).ports[0]
  assert.equal(portOf('bridge'), { containerPort: 80, hostPort: 0, protocol: 'udp' })
  assert.equal(portOf('awsvpc'), { containerPort: 80, hostPort: 80, protocol: 'udp' })
  assert.equal(portOf('host'), { containerPort: 80, hostPort: 80, protocol: 'udp' })
  const { ports } = specOf({ portMappings: [{ containerPort: 80, hostPort: 8080 }] })
  assert.equal(ports, [{ containerPort: 80, hostPort: 8080, protocol: 'tcp' }])
})

test('containerSpec: a range is each of its ports', () => {
  const { ports } = specOf({ portMappings: [{ containerPortRange: '80-82' }] })
  assert.equal(ports, [
    { containerPort: 80, hostPort: 0, protocol: 'tcp' },
    { containerPort: 81, hostPort: 0, protocol: 'tcp' },
    { containerPort: 82, hostPort: 0, protocol: 'tcp' },
  ])
})

test('containerSpec: a container without networking has no ports', () => {
  const portMappings = [{ containerPort: 80 }]
  assert.equal(specOf({ portMappings, disableNetworking: true }).ports, [])
})

test('containerSpec: links and borrowed volumes imply an order, dependsOn goes before them', () => {
  const others = ['a', 'b', 'c'].map((name) =>
    web({ name, essential: false, healthCheck: { command: ['CMD', 'ok'] } }),
  )
  const spec = specOf(
    {
      links: ['a:alias', 'b'],
      volumesFrom: [{ sourceContainer: 'c' }],
      dependsOn: [{ containerName: 'b', condition: 'HEALTHY' }],
    },
    {},
    'bridge',
    others,
  )
  assert.equal(spec.dependsOn, [
    { container: 'a', condition: 'START' },
    { container: 'b', condition: 'HEALTHY' },
    { container: 'c', condition: 'START' },
  ])
})

test('containerSpec: mounts are its own and those of whom it borrows from', () => {
  const lender = web({
    name: 'lender',
    mountPoints: [
      { sourceVolume: 'data', containerPath: '/data' },
      { sourceVolume: 'logs', containerPath: '/logs', readOnly: true },
    ],
  })
  const spec = specOf(
    {
      volumesFrom: [{ sourceContainer: 'lender', readOnly: true }],
      mountPoints: [{ sourceVolume: 'logs', containerPath: '/logs' }],
    },
    {},
    'bridge',
    [lender],
  )
  assert.equal(spec.mounts, [
    { volume: 'data', containerPath: '/data', readOnly: true },
    { volume: 'logs', containerPath: '/logs', readOnly: false },
  ])
})

test('containerSpec: what Linux and Docker are asked for is handed on', () => {
  const spec = specOf({
    user: '1000',
    workingDirectory: '/srv',
    hostname: 'h',
    extraHosts: [{ hostname: 'a', ipAddress: '10.0.0.1' }],
    ulimits: [{ name: 'nofile', softLimit: 1, hardLimit: 2 }],
    systemControls: [{ namespace: 'net.core.somaxconn', value: '1024' }],
    linuxParameters: {
      capabilities: { add: ['NET_ADMIN'] },
      initProcessEnabled: true,
      sharedMemorySize: 64,
      tmpfs: [{ containerPath: '/tmp', size: 32 }],
    },
  })
  assert.equal([spec.user, spec.workingDirectory, spec.hostname], ['1000', '/srv', 'h'])
  assert.equal(spec.extraHosts, [{ hostname: 'a', ipAddress: '10.0.0.1' }])
  assert.equal(spec.ulimits, [{ name: 'nofile', softLimit: 1, hardLimit: 2 }])
  assert.equal(spec.systemControls, [{ namespace: 'net.core.somaxconn', value: '1024' }])
  assert.equal(spec.capabilities, { add: ['NET_ADMIN'], drop: [] })
  assert.equal([spec.initProcess, spec.sharedMemoryMiB], [true, 64])
  assert.equal(spec.tmpfs, [{ containerPath: '/tmp', sizeMiB: 32, mountOptions: [] }])
})

test.run()
