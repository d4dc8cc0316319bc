import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_SERVICE_EVENTS } from '../../ecs/rows.ts'
import { create, furnished, messages, update } from './service-world.ts'

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
