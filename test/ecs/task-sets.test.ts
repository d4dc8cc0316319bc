import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Answer, World } from './world.ts'

const HALF = { unit: 'PERCENT', value: 50 }
const WHOLE = { unit: 'PERCENT', value: 100 }
const PLACE = { cluster: 'c', service: 's' }

/** A service of four tasks whose deployments are somebody else's. */
async function external(): Promise<World> {
  const world = new World()
  await world.furnish()
  await world.start()
  const deploymentController = { type: 'EXTERNAL' }
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    desiredCount: 4,
    deploymentController,
  })
  return world
}

async function create(world: World, more: object = {}): Promise<Answer> {
  const input = { ...PLACE, taskDefinition: 'web', scale: HALF, ...more }
  return (await world.call('CreateTaskSet', input)).taskSet
}

async function sets(world: World, more: object = {}): Promise<Answer> {
  return world.call('DescribeTaskSets', { ...PLACE, ...more })
}

test('CreateTaskSet: its share of the service comes to run and is steady', async () => {
  const world = await external()
  const made = await create(world, { tags: [{ key: 'a', value: 'b' }], externalId: 'x' })
  assert.match(made.id, /^ecs-svc\/\d{19}$/)
  assert.ok(made.taskSetArn.endsWith(`:task-set/c/s/${made.id}`))
  assert.equal([made.status, made.stabilityStatus, made.runningCount], ['ACTIVE', 'STABILIZING', 0])
  assert.is(made.computedDesiredCount, 2)
  await world.settle(5_000)
  const [set] = (await sets(world, { include: ['TAGS'] })).taskSets
  assert.equal([set.runningCount, set.stabilityStatus, set.externalId], [2, 'STEADY_STATE', 'x'])
  assert.equal(set.tags, [{ key: 'a', value: 'b' }])
  await world.close()
})

test('UpdateTaskSet, UpdateService: the share follows its scale and the service', async () => {
  const world = await external()
  const { id } = await create(world)
  await world.call('UpdateTaskSet', { ...PLACE, taskSet: id, scale: WHOLE })
  await world.settle(5_000)
  const { runningCount, taskSets, deployments } = await world.service()
  assert.equal([runningCount, taskSets.length, deployments.length], [4, 1, 0])
  await world.call('UpdateService', { ...PLACE, desiredCount: 1 })
  await world.settle(5_000)
  assert.is((await world.service()).runningCount, 1)
  await world.close()
})

test('a task of a task set that dies is replaced, also over a restart', async () => {
  const world = await external()
  await create(world)
  await world.settle(5_000)
  world.runtime.crash(world.runtime.ids()[0] ?? '')
  await world.settle(10_000)
  assert.is((await world.service()).runningCount, 2)
  await world.restart()
  await world.settle(5_000)
  assert.is((await world.service()).runningCount, 2)
  await world.close()
})

test('DeleteTaskSet: drains by force, and the primary one not at all until then', async () => {
  const world = await external()
  const { id } = await create(world)
  const primary = { ...PLACE, primaryTaskSet: id }
  const { taskSet } = await world.call('UpdateServicePrimaryTaskSet', primary)
  assert.is(taskSet.status, 'PRIMARY')
  await world.settle(5_000)
  const refused = await world.fault('DeleteTaskSet', { ...PLACE, taskSet: id })
  assert.is(refused, 'InvalidParameterException: Primary TaskSet cannot be deleted')
  const gone = await world.call('DeleteTaskSet', { ...PLACE, taskSet: id, force: true })
  assert.is(gone.taskSet.status, 'DRAINING')
  await world.settle(5_000)
  assert.is((await sets(world)).taskSets.length, 0)
  assert.is((await world.service()).runningCount, 0)
  await world.close()
})

test('task sets: only of services with an EXTERNAL controller, and unknown ones are MISSING', async () => {
  const world = await external()
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 'own',
    taskDefinition: 'web',
    desiredCount: 0,
  })
  const own = { cluster: 'c', service: 'own', taskDefinition: 'web' }
  assert.match(await world.fault('CreateTaskSet', own), /^InvalidParameterException: /)
  const { taskSets, failures } = await sets(world, { taskSets: ['ecs-svc/1234567890123456789'] })
  assert.equal([taskSets.length, failures[0].reason], [0, 'MISSING'])
  const unknown = { ...PLACE, taskSet: 'ecs-svc/1234567890123456789' }
  assert.match(await world.fault('DeleteTaskSet', unknown), /^TaskSetNotFoundException: /)
  await world.close()
})

test.run()
