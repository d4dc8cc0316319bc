import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SWEEP_EVERY_MS } from '../../ecs/reconcile.ts'
import { type Answer, World } from './world.ts'

const NODE = { cpuUnits: 1024, memoryMiB: 1024, ready: true, bounded: true }

/** A cluster `c` of a runtime with these machines, and a definition `web` of 256 units and MiB. */
async function worldOf(...names: readonly string[]): Promise<World> {
  const world = new World()
  world.runtime.nodeList = names.map((name) => ({ ...NODE, name }))
  await world.start()
  await world.call('CreateCluster', { clusterName: 'c' })
  await define(world, 'web', { cpu: 256, memory: 256 })
  return world
}

async function define(
  world: World,
  family: string,
  container: object,
  more: object = {},
): Promise<void> {
  const image = 'example.test/web:1'
  await world.call('RegisterTaskDefinition', {
    family,
    containerDefinitions: [{ name: 'app', image, memory: 128, ...container }],
    ...more,
  })
}

function run(world: World, members: object = {}): Promise<Answer> {
  return world.call('RunTask', { cluster: 'c', taskDefinition: 'web', ...members })
}

async function instances(world: World): Promise<Answer[]> {
  const { containerInstanceArns } = await world.call('ListContainerInstances', { cluster: 'c' })
  const { containerInstances } = await world.call('DescribeContainerInstances', {
    cluster: 'c',
    containerInstances: containerInstanceArns,
  })
  return containerInstances
}

const nodesOf = (world: World) =>
  world.runtime.ids().map((id) => world.runtime.spec(id).node ?? 'any')

async function eventsOf(world: World, service: string): Promise<string[]> {
  const { services } = await world.call('DescribeServices', { cluster: 'c', services: [service] })
  return services[0].events.map((event: Answer) => event.message)
}

test('instances: one for each machine, once EC2 tasks are asked for', async () => {
  const world = await worldOf('n1', 'n2', 'n3')
  await run(world)
  assert.is((await instances(world)).length, 3)
  await world.close()
})

test('instances: one made before machines were known stands for the first of them', async () => {
  const world = await worldOf()
  await run(world)
  const [before] = await instances(world)
  world.runtime.nodeList = [
    { ...NODE, name: 'n1' },
    { ...NODE, name: 'n2' },
  ]
  await run(world)
  const [first, second] = await instances(world)
  assert.is(first.containerInstanceArn, before.containerInstanceArn)
  const unitsOf = (each: Answer) => each.registeredResources[0].integerValue
  assert.equal([unitsOf(before), unitsOf(first), unitsOf(second)], [0, 1024, 1024])
  await world.close()
})

test('instances: a machine that does not answer has no agent, and gets no task', async () => {
  const world = await worldOf('n1', 'n2')
  await run(world)
  world.runtime.nodeList = [
    { ...NODE, name: 'n1', ready: false },
    { ...NODE, name: 'n2' },
  ]
  assert.equal(
    (await instances(world)).map(({ agentConnected }) => agentConnected),
    [false, true],
  )
  await run(world, { count: 2, placementStrategy: [{ type: 'spread', field: 'instanceId' }] })
  await world.idle()
  assert.equal(nodesOf(world), ['any', 'n2', 'n2'])
  await world.close()
})

test('instances: a machine that went or came is one less or more, within a sweep', async () => {
  const world = await worldOf('n1', 'n2')
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 'each',
    taskDefinition: 'web',
    schedulingStrategy: 'DAEMON',
  })
  await world.settle(1000)
  assert.equal(nodesOf(world), ['n1', 'n2'])
  world.runtime.nodeList = [
    { ...NODE, name: 'n2' },
    { ...NODE, name: 'n3' },
  ]
  const [first = ''] = world.runtime.ids()
  world.runtime.end(first, { cause: { code: 'Lost', reason: 'Its machine is gone.' } })
  await world.settle(SWEEP_EVERY_MS + 1000)
  assert.is((await instances(world)).length, 2)
  assert.ok(nodesOf(world).includes('n3'))
  await world.close()
})

test('StartTask: the task goes to the machine of the instance', async () => {
  const world = await worldOf('n1', 'n2')
  await run(world)
  const [, second] = await instances(world)
  await world.call('StartTask', {
    cluster: 'c',
    taskDefinition: 'web',
    containerInstances: [second.containerInstanceArn],
  })
  await world.idle()
  assert.equal(nodesOf(world), ['any', 'n2'])
  await world.close()
})

test('RunTask: where the runtime chose the machine, its instance is told once it runs', async () => {
  const world = await worldOf('n1', 'n2')
  const { tasks } = await run(world)
  assert.is(tasks[0].containerInstanceArn, undefined)
  await world.idle()
  const [id = ''] = world.runtime.ids()
  world.runtime.change(id, { phase: 'pulling', node: 'n2' })
  const [, second] = await instances(world)
  const task = await world.task(tasks[0].taskArn)
  assert.is(task.containerInstanceArn, second.containerInstanceArn)
  assert.is(second.pendingTasksCount, 1)
  await world.close()
})

test('RunTask: distinctInstance gives each task a machine of its own', async () => {
  const world = await worldOf('n1', 'n2')
  const { tasks, failures } = await run(world, {
    count: 3,
    placementConstraints: [{ type: 'distinctInstance' }],
  })
  await world.idle()
  assert.equal([tasks.length, nodesOf(world).sort()], [2, ['n1', 'n2']])
  assert.is(failures[0].reason, 'DistinctInstance placement constraint unsatisfied.')
  await world.close()
})

test('RunTask: spread takes turns, binpack fills one first', async () => {
  const world = await worldOf('n1', 'n2')
  await run(world, { count: 4, placementStrategy: [{ type: 'binpack', field: 'memory' }] })
  await world.idle()
  assert.equal(nodesOf(world), ['n1', 'n1', 'n1', 'n1'])
  const other = await worldOf('n1', 'n2')
  await run(other, { count: 4, placementStrategy: [{ type: 'spread', field: 'host' }] })
  await other.idle()
  assert.equal(nodesOf(other).sort(), ['n1', 'n1', 'n2', 'n2'])
  await world.close()
  await other.close()
})

test('RunTask: a task with EFS goes where its files are: a strategy does not say where', async () => {
  const world = await worldOf('n1', 'n2')
  const volumes = [{ name: 'v', efsVolumeConfiguration: { fileSystemId: 'fs-1' } }]
  await define(world, 'files', {}, { volumes })
  const placementStrategy = [{ type: 'spread', field: 'instanceId' }]
  await run(world, { taskDefinition: 'files', placementStrategy })
  await world.idle()
  assert.equal(nodesOf(world), ['any'])
  await world.close()
})

for (const [what, container, reason] of [
  ['CPU', { cpu: 2048 }, 'RESOURCE:CPU'],
  ['memory', { memory: 2048 }, 'RESOURCE:MEMORY'],
] as const) {
  test(`RunTask: more ${what} than any instance has is a failure of each`, async () => {
    const world = await worldOf('n1', 'n2')
    await define(world, 'big', container)
    const { tasks, failures } = await run(world, { taskDefinition: 'big' })
    assert.is(tasks.length, 0)
    assert.equal(
      failures.map((failure: Answer) => failure.reason),
      [reason, reason],
    )
    const known = (await instances(world)).map((each) => each.containerInstanceArn)
    assert.equal(
      failures.map((failure: Answer) => failure.arn),
      known,
    )
    await world.close()
  })
}

test('RunTask: a port of the host is taken once, and free again after', async () => {
  const world = await worldOf('n1')
  await define(world, 'port', { portMappings: [{ containerPort: 80, hostPort: 8080 }] })
  const { tasks } = await run(world, { taskDefinition: 'port' })
  const { failures } = await run(world, { taskDefinition: 'port' })
  assert.is(failures[0].reason, 'RESOURCE:PORTS')
  await world.call('StopTask', { cluster: 'c', task: tasks[0].taskArn })
  await world.settle(1000)
  assert.is((await run(world, { taskDefinition: 'port' })).failures.length, 0)
  await world.close()
})

test('services: what no instance takes is told once, and started when there is room', async () => {
  const world = await worldOf('n1')
  const { tasks } = await run(world, { count: 4 })
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    taskDefinition: 'web',
    desiredCount: 1,
  })
  await world.settle(SWEEP_EVERY_MS * 3)
  const [instance] = await instances(world)
  const id = instance.containerInstanceArn.split('/').at(-1)
  assert.equal(await eventsOf(world, 's'), [
    `(service s) was unable to place a task because no container instance met all of its requirements. Reason: The closest matching (container-instance ${id}) has insufficient CPU units available. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`,
  ])
  await world.call('StopTask', { cluster: 'c', task: tasks[0].taskArn })
  await world.settle(SWEEP_EVERY_MS + 3000)
  assert.match((await eventsOf(world, 's'))[0] ?? '', 'reached a steady state')
  await world.close()
})

test('services: while the runtime finds no machine, the reason is an event and on the task', async () => {
  const world = await worldOf('n1')
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    taskDefinition: 'web',
    desiredCount: 2,
  })
  await world.idle()
  const unplaced = 'RESOURCE:MEMORY: 0/1 nodes are available: 1 Insufficient memory.'
  for (const id of world.runtime.ids()) world.runtime.change(id, { unplaced })
  for (const id of world.runtime.ids()) world.runtime.change(id, { unplaced: `${unplaced} 2` })
  const waits = (await eventsOf(world, 's')).filter((text) => text.includes('unable to place'))
  assert.equal(waits, [
    '(service s) was unable to place a task because no container instance met all of its requirements. Reason: RESOURCE:MEMORY: 0/1 nodes are available: 1 Insufficient memory. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.',
  ])
  const [id = ''] = world.runtime.ids()
  const reasonOf = async () => (await world.task(id)).containers[0].reason
  assert.is(await reasonOf(), `${unplaced} 2`)
  const { unplaced: _, ...placed } = world.runtime.state(id)
  world.runtime.emit({ ...placed, phase: 'pulling', node: 'n1' })
  assert.is(await reasonOf(), undefined)
  await world.close()
})

test.run()
