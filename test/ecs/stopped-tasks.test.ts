import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STOPPED_TASK_KEPT_MS } from '../../ecs/sweep.ts'
import { furnished, runTask } from './world.ts'

test('StopTask: says who asked and why, and stops what never started', async () => {
  const world = await furnished()
  const { taskArn } = await runTask(world)
  await world.settle()
  const { task } = await world.call('StopTask', { cluster: 'c', task: taskArn, reason: 'enough' })
  assert.is(task.desiredStatus, 'STOPPED')
  assert.is(task.lastStatus, 'RUNNING')
  await world.settle()
  const stopped = await world.task(taskArn)
  assert.is(stopped.lastStatus, 'STOPPED')
  assert.is(stopped.stopCode, 'UserInitiated')
  assert.is(stopped.stoppedReason, 'enough')
  const again = await world.call('StopTask', { cluster: 'c', task: taskArn, reason: 'other' })
  assert.is(again.task.stoppedReason, 'enough')
  assert.is(
    await world.fault('StopTask', { cluster: 'c', task: 'f'.repeat(32) }),
    'InvalidParameterException: The referenced task was not found.',
  )
  await world.close()
})

test('restart: lost tasks are STOPPED with a reason, orphans are stopped, the others go on', async () => {
  const world = await furnished()
  const [kept, lost] = [await runTask(world), await runTask(world), await runTask(world)]
  await world.settle()
  const [, second = '', stopped = ''] = world.runtime.ids()
  world.runtime.end(stopped, {})
  const spec = world.runtime.spec(second)
  world.runtime.lose(second)
  world.runtime.adopt({ ...spec, id: 'orphan' })
  await world.restart()
  await world.settle()
  assert.is((await world.task(kept.taskArn)).lastStatus, 'RUNNING')
  const gone = await world.task(lost.taskArn)
  assert.is(gone.lastStatus, 'STOPPED')
  assert.match(gone.stoppedReason, /lost/)
  assert.ok(world.runtime.idsOf('stop').includes('orphan'))
  assert.equal(world.runtime.idsOf('remove'), ['orphan'], 'a stopped task keeps its logs')
  assert.equal(world.runtime.idsOf('run'), [])
  await world.close()
})

test('sweep: a stopped task is forgotten after an hour, here and in the runtime', async () => {
  const world = await furnished()
  const { taskArn } = await runTask(world)
  await world.settle()
  await world.call('StopTask', { cluster: 'c', task: taskArn })
  await world.settle()
  const [id] = world.runtime.ids()
  world.clock.advance(STOPPED_TASK_KEPT_MS - 60_000)
  await world.idle()
  assert.is((await world.task(taskArn)).lastStatus, 'STOPPED')
  world.clock.advance(120_000)
  await world.idle()
  assert.is(await world.task(taskArn), undefined)
  assert.equal(world.runtime.idsOf('remove'), [id])
  await world.close()
})

test.run()
