import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Answer, World } from './world.ts'

async function furnished(): Promise<World> {
  const world = new World()
  await world.furnish()
  await world.start()
  return world
}

async function run(world: World): Promise<Answer> {
  const { tasks } = await world.call('RunTask', { cluster: 'c', taskDefinition: 'web' })
  return tasks[0]
}

test('DescribeTasks: says what the runtime does otherwise, from its first state on', async () => {
  const world = await furnished()
  const { taskArn } = await run(world)
  await world.idle()
  const [id = ''] = world.runtime.ids()
  world.runtime.change(id, { warnings: ['Container app: no init process runs before its own.'] })
  const { attributes } = await world.task(taskArn)
  assert.equal(attributes.at(-1), {
    name: 'kecs.warning',
    value: 'Container app: no init process runs before its own.',
  })
  await world.close()
})

test('DescribeTasks: no time of a task lies before it was made, however a runtime counts', async () => {
  const world = await furnished()
  world.clock.advance(900)
  const { taskArn } = await run(world)
  await world.idle()
  const [id = ''] = world.runtime.ids()
  const second = Math.floor(world.clock.now() / 1000) * 1000
  const times = { pullStartedAtMs: second, pullStoppedAtMs: second, startedAtMs: second }
  world.runtime.change(id, { phase: 'running', ...times })
  const task = await world.task(taskArn)
  assert.ok(task.createdAt * 1000 > second)
  const { pullStartedAt, pullStoppedAt, startedAt, createdAt } = task
  assert.equal([pullStartedAt, pullStoppedAt, startedAt], [createdAt, createdAt, createdAt])
  await world.close()
})

test.run()
