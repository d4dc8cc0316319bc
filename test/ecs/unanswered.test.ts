/** A runtime that does not answer, which says nothing of what it has done. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { furnished, runTask } from './world.ts'

test('StopTask: a launch that was never answered is undone, should it take place yet', async () => {
  const world = await furnished()
  world.runtime.failNext('run', new Error('no answer'))
  const { taskArn } = await runTask(world)
  await world.idle()
  await world.call('StopTask', { cluster: 'c', task: taskArn })
  await world.idle()
  assert.is((await world.task(taskArn)).lastStatus, 'STOPPED')
  const [id] = world.runtime.idsOf('run')
  assert.equal(
    world.runtime.calls.filter(({ name }) => name !== 'run'),
    [
      { name: 'stop', id },
      { name: 'remove', id },
    ],
  )
  await world.close()
})

test.run()
