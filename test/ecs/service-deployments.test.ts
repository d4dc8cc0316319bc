import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RuntimeFault } from '../../cluster/runtime.ts'
import { BREAKER, crashAll, create, furnished, messages, update } from './service-world.ts'
import type { Answer } from './world.ts'

test('UpdateService: a new revision replaces the old one without ever dropping under the minimum', async () => {
  const world = await furnished()
  await create(world)
  await world.settle(3000)
  const updated = await update(world, { taskDefinition: 'web:2' })
  assert.equal(
    updated.deployments.map(({ status }: Answer) => status),
    ['PRIMARY', 'ACTIVE'],
  )
  for (let round = 0; round < 40; round++) {
    await world.settle(100)
    assert.ok((await world.service()).runningCount >= 3)
  }
  await world.settle(3000)
  const service = await world.service()
  assert.is(service.deployments.length, 1)
  assert.is(service.deployments[0].rolloutState, 'COMPLETED')
  assert.ok(service.deployments[0].taskDefinition.endsWith('web:2'))
  assert.is(service.runningCount, 3)
  await world.close()
})

test('UpdateService: without room above the desired count, old tasks go first, as far as the minimum allows', async () => {
  const world = await furnished()
  await create(world, {
    desiredCount: 4,
    deploymentConfiguration: { maximumPercent: 100, minimumHealthyPercent: 50 },
  })
  await world.settle(3000)
  await update(world, { taskDefinition: 'web:2' })
  let least = 4
  for (let round = 0; round < 80; round++) {
    await world.settle(100)
    const { runningCount, pendingCount } = await world.service()
    assert.ok(runningCount + pendingCount <= 4)
    least = Math.min(least, runningCount)
  }
  assert.ok(least >= 2, `${least} ran`)
  assert.is((await world.service()).deployments[0].rolloutState, 'COMPLETED')
  await world.close()
})

test('UpdateService: scales up and down; nothing else makes a deployment but force', async () => {
  const world = await furnished()
  const { deployments } = await create(world)
  await world.settle(3000)
  const scaled = await update(world, { desiredCount: 5 })
  assert.is(scaled.deployments[0].id, deployments[0].id)
  await world.settle(3000)
  assert.is((await world.service()).runningCount, 5)
  await update(world, { desiredCount: 1 })
  await world.settle(3000)
  assert.is((await world.service()).runningCount, 1)
  assert.match(messages(await world.service()).join('\n'), /has stopped 4 running tasks/)
  const forced = await update(world, { forceNewDeployment: true })
  assert.is.not(forced.deployments[0].id, deployments[0].id)
  await world.settle(4000)
  assert.is((await world.service()).deployments.length, 1)
  await world.close()
})

test('circuit breaker: a crash loop trips it and the service rolls back', async () => {
  const world = await furnished()
  await create(world, { deploymentConfiguration: BREAKER })
  await world.settle(3000)
  await update(world, { taskDefinition: 'web:2' })
  await crashAll(world, 'web:2')
  const rolling = await world.service()
  assert.ok(rolling.taskDefinition.endsWith('web:1'))
  assert.is(rolling.runningCount >= 3, true)
  await world.settle(4000)
  const service = await world.service()
  assert.is(service.deployments.length, 1)
  assert.is(service.deployments[0].rolloutState, 'COMPLETED')
  assert.is(service.runningCount, 3)
  const said = messages(service).join('\n')
  assert.match(said, '(service s) (deployment ecs-svc/N) deployment failed: tasks failed to start.')
  assert.match(said, '(service s) rolling back to deployment ecs-svc/N.')
  await world.close()
})

test('circuit breaker: an update as soon as the service is stable leaves something to roll back to', async () => {
  const world = await furnished()
  await create(world, { deploymentConfiguration: BREAKER })
  await world.settle(0)
  assert.is((await world.service()).deployments[0].rolloutState, 'IN_PROGRESS')
  assert.is((await world.service()).runningCount, 3)
  await update(world, { taskDefinition: 'web:2' })
  await crashAll(world, 'web:2')
  assert.ok((await world.service()).taskDefinition.endsWith('web:1'))
  await world.close()
})

test('circuit breaker: where nothing has completed the deployment says so', async () => {
  const world = await furnished()
  await create(world, { taskDefinition: 'web:2', deploymentConfiguration: BREAKER })
  await crashAll(world, 'web:2')
  const [primary] = (await world.service()).deployments
  assert.is(primary.rolloutState, 'FAILED')
  assert.match(primary.rolloutStateReason, 'No deployment has completed')
  await world.close()
})

test('circuit breaker: without a roll-back the deployment is FAILED and starts nothing more', async () => {
  const world = await furnished()
  await create(world, {
    deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: false } },
  })
  await world.settle(3000)
  await update(world, { taskDefinition: 'web:2' })
  await crashAll(world, 'web:2')
  const [primary] = (await world.service()).deployments
  assert.is(primary.rolloutState, 'FAILED')
  assert.is(primary.rolloutStateReason, 'ECS deployment circuit breaker: tasks failed to start.')
  const started = world.runtime.idsOf('run').length
  await world.settle(70_000)
  assert.is(world.runtime.idsOf('run').length, started)
  assert.is((await world.service()).runningCount, 3, 'what ran before it goes on')
  await world.close()
})

test('back-off: a crash loop without a breaker is retried ever more slowly, and says so', async () => {
  const world = await furnished()
  await create(world, { desiredCount: 1 })
  for (let round = 0; round < 120; round++) {
    await world.settle(500)
    for (const { id, phase } of world.runtime.states()) {
      if (phase === 'running') world.runtime.crash(id)
    }
    await world.idle()
  }
  const service = await world.service()
  const started = world.runtime.idsOf('run').length
  assert.ok(started > 4 && started < 20, `${started} starts in a minute`)
  assert.match(messages(service).join('\n'), /is unable to consistently start tasks successfully/)
  assert.ok(service.deployments[0].failedTasks > 3)
  await world.close()
})

test('failures: a launch that the runtime refuses counts against the deployment', async () => {
  const world = await furnished()
  const refusals = Array.from({ length: 3 }, () => new RuntimeFault('RESOURCE:PORTS', 'taken'))
  world.runtime.failNext('run', ...refusals)
  await create(world)
  await world.idle()
  assert.is((await world.service()).deployments[0].failedTasks, 3)
  await world.settle(10_000)
  assert.is((await world.service()).runningCount, 3)
  assert.is((await world.service()).deployments[0].failedTasks, 0)
  await world.close()
})

test('health checks: an unhealthy task is replaced, stopped and counted; the others wait for health', async () => {
  const world = await furnished()
  await world.register('checked', { healthCheck: { command: ['CMD-SHELL', 'true'] } })
  await create(world, { taskDefinition: 'checked', desiredCount: 1 })
  await world.settle(3000)
  assert.is((await world.service()).deployments[0].rolloutState, 'IN_PROGRESS')
  const [id = ''] = world.runtime.ids()
  world.runtime.changeContainer(id, 'app', { health: 'unhealthy' })
  await world.settle(500)
  const [, second = ''] = world.runtime.ids()
  assert.is((await world.service()).runningCount, 2)
  world.runtime.changeContainer(second, 'app', { health: 'unhealthy' })
  await world.settle(500)
  const { tasks } = await world.call('DescribeTasks', { cluster: 'c', tasks: [id] })
  assert.is(tasks[0].stoppedReason, 'Task failed container health checks')
  assert.is(tasks[0].stopCode, 'ServiceSchedulerInitiated')
  assert.is((await world.service()).deployments[0].failedTasks, 1)
  const [, , third = ''] = world.runtime.ids()
  world.runtime.changeContainer(third, 'app', { health: 'healthy' })
  await world.settle(500)
  assert.is((await world.service()).deployments[0].rolloutState, 'COMPLETED')
  await world.close()
})

test.run()
