import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RuntimeFault } from '../../cluster/runtime.ts'
import { MAX_SERVICE_EVENTS } from '../../ecs/rows.ts'
import { type Answer, World } from './world.ts'

const BREAKER = { deploymentCircuitBreaker: { enable: true, rollback: true } }

async function furnished(): Promise<World> {
  const world = new World()
  await world.furnish()
  await world.register('web')
  await world.start()
  return world
}

async function create(world: World, input: object = {}): Promise<Answer> {
  const { service } = await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    taskDefinition: 'web:1',
    desiredCount: 3,
    ...input,
  })
  return service
}

const update = async (world: World, input: object) =>
  (await world.call('UpdateService', { cluster: 'c', service: 's', ...input })).service

function messages(service: Answer): string[] {
  return service.events.map(({ message }: { message: string }) =>
    message.replace(/\(task \w+\)/g, '(task)').replace(/ecs-svc\/\d+/g, 'ecs-svc/N'),
  )
}

/** Crashes whatever runs of the definition until the service is quiet. */
async function crashAll(world: World, definition: string): Promise<void> {
  for (let round = 0; round < 60; round++) {
    await world.settle(100)
    for (const { id, phase } of world.runtime.states()) {
      const revision = `${world.runtime.spec(id).labels['kecs.dev/family']}:${world.runtime.spec(id).labels['kecs.dev/revision']}`
      if (phase === 'running' && revision === definition) world.runtime.crash(id)
    }
    await world.idle()
    if ((await world.service()).deployments[0].rolloutState !== 'IN_PROGRESS') return
    if (!(await world.service()).taskDefinition.endsWith(definition)) return
  }
}

test('CreateService: answers the service with its primary deployment in progress', async () => {
  const world = await furnished()
  const service = await create(world)
  assert.is(service.status, 'ACTIVE')
  assert.is(service.serviceArn, 'arn:aws:ecs:us-east-1:000000000000:service/c/s')
  assert.equal([service.desiredCount, service.runningCount, service.pendingCount], [3, 0, 0])
  assert.is(service.launchType, 'EC2')
  assert.is(service.deploymentConfiguration.maximumPercent, 200)
  assert.is(service.deploymentConfiguration.minimumHealthyPercent, 100)
  assert.is(service.deployments.length, 1)
  assert.is(service.deployments[0].status, 'PRIMARY')
  assert.is(service.deployments[0].rolloutState, 'IN_PROGRESS')
  assert.match(service.deployments[0].id, /^ecs-svc\/\d{19}$/)
  await world.close()
})

test('CreateService: the same again is the same service, another one under its name is refused', async () => {
  const world = await furnished()
  const first = await create(world)
  assert.is((await create(world)).createdAt, first.createdAt)
  assert.is(
    await world.fault('CreateService', {
      cluster: 'c',
      serviceName: 's',
      taskDefinition: 'web:1',
      desiredCount: 4,
    }),
    'InvalidParameterException: Creation of service was not idempotent.',
  )
  await world.close()
})

test('CreateService: refuses what AWS refuses', async () => {
  const world = await furnished()
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ taskDefinition: 'nope' }, /^ClientException: TaskDefinition not found/],
    [{ desiredCount: undefined }, /^InvalidParameterException: desiredCount/],
    [{ serviceName: 'a b' }, /^InvalidParameterException: serviceName/],
    [{ launchType: 'FARGATE' }, /does not support launch_type FARGATE/],
    [
      { deploymentConfiguration: { maximumPercent: 100, minimumHealthyPercent: 100 } },
      /cannot be 100 as this will block deployments/,
    ],
    [
      { schedulingStrategy: 'DAEMON' },
      /daemon scheduling strategy does not support a desired count/,
    ],
    [
      { loadBalancers: [{ targetGroupArn: 'arn:x', containerName: 'nope', containerPort: 80 }] },
      /The container nope does not exist in the task definition/,
    ],
    [
      { loadBalancers: [{ targetGroupArn: 'arn:x', containerName: 'app', containerPort: 80 }] },
      /did not have a container port 80 defined/,
    ],
    [{ deploymentConfiguration: { strategy: 'BLUE_GREEN' } }, /^UnsupportedFeatureException/],
    [{ cluster: 'nope' }, /^ClusterNotFoundException/],
  ]
  for (const [change, expected] of cases) {
    const input = { cluster: 'c', serviceName: 's', taskDefinition: 'web:1', desiredCount: 1 }
    assert.match(await world.fault('CreateService', { ...input, ...change }), expected)
  }
  await world.close()
})

test('services: reach a steady state and say so in their events', async () => {
  const world = await furnished()
  await create(world)
  await world.settle(3000)
  const service = await world.service()
  assert.equal([service.runningCount, service.pendingCount], [3, 0])
  assert.is(service.deployments[0].rolloutState, 'COMPLETED')
  assert.match(
    service.deployments[0].rolloutStateReason,
    /^ECS deployment ecs-svc\/\d+ completed\.$/,
  )
  assert.equal(messages(service), [
    '(service s) has reached a steady state.',
    '(service s) (deployment ecs-svc/N) deployment completed.',
    '(service s) has started 3 tasks: (task) (task) (task).',
  ])
  const { taskArns } = await world.call('ListTasks', { cluster: 'c', serviceName: 's' })
  const task = await world.task(taskArns[0])
  assert.is(task.group, 'service:s')
  assert.is(task.startedBy, service.deployments[0].id)
  await world.close()
})

test('services: a task that stops is replaced, by whatever way it stops', async () => {
  const world = await furnished()
  await create(world)
  await world.settle(3000)
  world.runtime.crash(world.runtime.ids()[0] ?? '')
  await world.settle(3000)
  assert.is((await world.service()).runningCount, 3)
  const { taskArns } = await world.call('ListTasks', { cluster: 'c', serviceName: 's' })
  await world.call('StopTask', { cluster: 'c', task: taskArns[0] })
  await world.settle(3000)
  assert.is((await world.service()).runningCount, 3)
  assert.is((await world.service()).deployments[0].rolloutState, 'COMPLETED')
  await world.close()
})

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

test('health checks: an unhealthy task is stopped, counted and replaced; the others wait for health', async () => {
  const world = await furnished()
  await world.register('checked', { healthCheck: { command: ['CMD-SHELL', 'true'] } })
  await create(world, { taskDefinition: 'checked', desiredCount: 1 })
  await world.settle(3000)
  assert.is((await world.service()).deployments[0].rolloutState, 'IN_PROGRESS')
  const [id = ''] = world.runtime.ids()
  world.runtime.changeContainer(id, 'app', { health: 'unhealthy' })
  await world.settle(500)
  const [, second = ''] = world.runtime.ids()
  const { tasks } = await world.call('DescribeTasks', { cluster: 'c', tasks: [id] })
  assert.is(tasks[0].stoppedReason, 'Task failed container health checks')
  assert.is(tasks[0].stopCode, 'ServiceSchedulerInitiated')
  assert.is((await world.service()).deployments[0].failedTasks, 1)
  world.runtime.changeContainer(second, 'app', { health: 'healthy' })
  await world.settle(500)
  assert.is((await world.service()).deployments[0].rolloutState, 'COMPLETED')
  await world.close()
})

test('DAEMON: one task on each container instance, those that come later included', async () => {
  const world = await furnished()
  await create(world, { schedulingStrategy: 'DAEMON', desiredCount: undefined })
  await world.settle(3000)
  assert.is((await world.service()).runningCount, 1)
  await world.call('RegisterContainerInstance', { cluster: 'c' })
  await world.settle(3000)
  const service = await world.service()
  assert.equal([service.runningCount, service.desiredCount], [2, 2])
  await update(world, { taskDefinition: 'web:2' })
  await world.settle(8000)
  assert.is((await world.service()).deployments.length, 1)
  assert.is((await world.service()).runningCount, 2)
  await world.close()
})

test('EXTERNAL: is stored, and starts nothing by itself', async () => {
  const world = await furnished()
  const service = await create(world, {
    deploymentController: { type: 'EXTERNAL' },
    taskDefinition: undefined,
  })
  assert.equal(service.deployments, [])
  await world.settle(3000)
  assert.is(world.rows.tasks.size, 0)
  await world.call('DeleteService', { cluster: 'c', service: 's', force: true })
  await world.settle(500)
  assert.is((await world.service()).status, 'INACTIVE')
  await world.close()
})

test('DeleteService: needs force above zero, drains, and stays describable as INACTIVE', async () => {
  const world = await furnished()
  await create(world)
  await world.settle(3000)
  assert.is(
    await world.fault('DeleteService', { cluster: 'c', service: 's' }),
    'InvalidParameterException: The service cannot be stopped while it is scaled above 0.',
  )
  const { service } = await world.call('DeleteService', { cluster: 'c', service: 's', force: true })
  assert.is(service.status, 'DRAINING')
  assert.is(
    await world.fault('CreateService', {
      cluster: 'c',
      serviceName: 's',
      taskDefinition: 'web:1',
      desiredCount: 1,
    }),
    'InvalidParameterException: Unable to Start a service that is still Draining.',
  )
  assert.match(
    await world.fault('UpdateService', { cluster: 'c', service: 's', desiredCount: 1 }),
    /^ServiceNotActiveException/,
  )
  await world.settle(1000)
  const gone = await world.service()
  assert.is(gone.status, 'INACTIVE')
  assert.equal([gone.runningCount, gone.deployments], [0, []])
  assert.equal((await world.call('ListServices', { cluster: 'c' })).serviceArns, [])
  assert.match(
    await world.fault('DeleteService', { cluster: 'c', service: 's' }),
    /^ServiceNotFoundException/,
  )
  assert.is((await create(world)).status, 'ACTIVE')
  assert.equal((await world.service()).events.length <= 1, true, 'the old events are not its own')
  await world.close()
})

test('DescribeServices and ListServices: failures, filters, pages', async () => {
  const world = await furnished()
  for (const serviceName of ['a', 'b', 'd']) await create(world, { serviceName, desiredCount: 0 })
  const { services, failures } = await world.call('DescribeServices', {
    cluster: 'c',
    services: ['a', 'arn:aws:ecs:us-east-1:000000000000:service/c/b', 'nope'],
  })
  assert.is(services.length, 2)
  assert.equal(failures, [
    { arn: 'arn:aws:ecs:us-east-1:000000000000:service/c/nope', reason: 'MISSING' },
  ])
  const first = await world.call('ListServices', { cluster: 'c', maxResults: 2 })
  assert.is(first.serviceArns.length, 2)
  const rest = await world.call('ListServices', { cluster: 'c', nextToken: first.nextToken })
  assert.is(rest.serviceArns.length, 1)
  const daemons = await world.call('ListServices', { cluster: 'c', schedulingStrategy: 'DAEMON' })
  assert.equal(daemons.serviceArns, [])
  await world.close()
})

test('events: no more than a hundred are kept', async () => {
  const world = await furnished()
  await create(world, { desiredCount: 1 })
  for (let round = 0; round < 60; round++) {
    await update(world, { desiredCount: round % 2 })
    await world.settle(2500)
  }
  assert.ok(world.rows.serviceEvents.size <= MAX_SERVICE_EVENTS)
  assert.is((await world.service()).events.length, MAX_SERVICE_EVENTS)
  await world.close()
})

test.run()
