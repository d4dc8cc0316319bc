/** A disk that takes nothing: what is not stored did not happen, and is made up for once it can be. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SWEEP_EVERY_MS } from '../../ecs/reconcile.ts'
import { StoreFault } from '../../gateway/core/fault.ts'
import { World } from './world.ts'

/** A log that answers a microtask later, and refuses while `full`. */
function disk(world: World) {
  const state = { full: false }
  world.store.attach({
    append(_changes, done) {
      queueMicrotask(() => done(state.full ? new StoreFault('no space left') : undefined))
    },
  })
  return state
}

test('disk full: a call is a fault of the server, and nothing of it is there', async () => {
  const world = new World()
  await world.furnish()
  const state = disk(world)
  state.full = true
  const { status, body } = await world.send('CreateCluster', { clusterName: 'd' })
  assert.is(status, 500)
  assert.is(body.__type, 'ServerException')
  assert.match(body.message, 'no space left')
  state.full = false
  assert.is((await world.call('ListClusters', {})).clusterArns.length, 1)
  assert.is((await world.call('CreateCluster', { clusterName: 'd' })).cluster.clusterName, 'd')
})

test('disk full: what a task came to meanwhile is told by the next sweep', async () => {
  const world = new World()
  await world.furnish()
  const state = disk(world)
  await world.start()
  const { tasks } = await world.call('RunTask', { cluster: 'c', taskDefinition: 'web' })
  await world.settle(100)
  assert.is((await world.task(tasks[0].taskArn)).lastStatus, 'RUNNING')
  state.full = true
  world.runtime.crash(world.runtime.ids()[0] ?? '')
  await world.idle()
  assert.is((await world.task(tasks[0].taskArn)).lastStatus, 'RUNNING')
  state.full = false
  world.clock.advance(SWEEP_EVERY_MS)
  await world.idle()
  const task = await world.task(tasks[0].taskArn)
  assert.is(task.lastStatus, 'STOPPED')
  assert.is(task.stopCode, 'EssentialContainerExited')
  assert.is(world.runtime.idsOf('run').length, 1)
  await world.close()
})

test('disk full: a service whose plan could not be stored gets its tasks later, none of them twice', async () => {
  const world = new World()
  await world.furnish()
  const state = disk(world)
  await world.start()
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    taskDefinition: 'web',
    desiredCount: 1,
  })
  state.full = true
  await world.idle()
  world.clock.advance(1_000)
  await world.idle()
  state.full = false
  await world.settle(SWEEP_EVERY_MS * 2)
  assert.is((await world.service()).runningCount, 1)
  const started = world.runtime.idsOf('run')
  assert.is(new Set(started).size, started.length)
  await world.close()
})

test.run()
