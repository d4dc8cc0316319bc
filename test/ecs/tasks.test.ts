import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RuntimeFault } from '../../cluster/runtime.ts'
import { AwsFault } from '../../gateway/core/fault.ts'
import { type Answer, furnished, runTask } from './world.ts'

const FARGATE = {
  networkMode: 'awsvpc',
  requiresCompatibilities: ['FARGATE'],
  cpu: '256',
  memory: '512',
}
const NETWORK = { awsvpcConfiguration: { subnets: ['subnet-1'], securityGroups: ['sg-1'] } }

test('RunTask: a task goes PENDING, RUNNING, STOPPED, with its times and its exit code', async () => {
  const world = await furnished()
  const asked = await runTask(world)
  assert.is(asked.lastStatus, 'PENDING')
  assert.is(asked.desiredStatus, 'RUNNING')
  assert.is(asked.group, 'family:web')
  assert.equal(asked.attributes, [{ name: 'kecs.runtime', value: 'fake' }])
  await world.settle()
  const running = await world.task(asked.taskArn)
  assert.is(running.lastStatus, 'RUNNING')
  assert.is(running.containers[0].lastStatus, 'RUNNING')
  assert.type(running.startedAt, 'number')
  world.runtime.crash(world.runtime.ids()[0] ?? '', 3)
  await world.idle()
  const stopped = await world.task(asked.taskArn)
  assert.is(stopped.lastStatus, 'STOPPED')
  assert.is(stopped.desiredStatus, 'STOPPED')
  assert.is(stopped.stopCode, 'EssentialContainerExited')
  assert.is(stopped.stoppedReason, 'Essential container in task exited')
  assert.is(stopped.containers[0].exitCode, 3)
  assert.ok(stopped.version > running.version)
  await world.close()
})

test('RunTask: count is 1 to 10', async () => {
  const world = await furnished()
  const { tasks, failures } = await world.call('RunTask', {
    cluster: 'c',
    taskDefinition: 'web',
    count: 10,
  })
  assert.is(tasks.length, 10)
  assert.equal(failures, [])
  for (const count of [0, 11]) {
    assert.match(
      await world.fault('RunTask', { cluster: 'c', taskDefinition: 'web', count }),
      /^InvalidParameterException/,
    )
  }
  await world.close()
})

test('RunTask: the same client token is the same call, another call with it a conflict', async () => {
  const world = await furnished()
  const first = await runTask(world, { clientToken: 't' })
  const again = await runTask(world, { clientToken: 't' })
  assert.is(again.taskArn, first.taskArn)
  assert.is(world.rows.tasks.size, 1)
  const { status, body } = await world.send('RunTask', {
    cluster: 'c',
    taskDefinition: 'web',
    clientToken: 't',
    count: 2,
  })
  assert.is(status, 400)
  assert.is(body.__type, 'ConflictException')
  assert.equal(body.resourceIds, [first.taskArn])
  await world.close()
})

test('RunTask: overrides win, and unknown containers are refused', async () => {
  const world = await furnished()
  const containerOverrides = [
    { name: 'app', command: ['x'], environment: [{ name: 'A', value: '1' }], cpu: 7 },
  ]
  const task = await runTask(world, { overrides: { containerOverrides } })
  assert.equal(task.overrides.containerOverrides, containerOverrides)
  assert.is(task.containers[0].cpu, '7')
  await world.settle()
  const spec = world.runtime.spec(world.runtime.ids()[0] ?? '')
  assert.equal(spec.containers[0]?.command, ['x'])
  assert.equal(spec.containers[0]?.environment, { A: '1' })
  assert.match(
    await world.fault('RunTask', {
      cluster: 'c',
      taskDefinition: 'web',
      overrides: { containerOverrides: [{ name: 'nope' }] },
    }),
    /^InvalidParameterException: Override for container named nope/,
  )
  await world.close()
})

test('RunTask: tags come from the call, the definition and ECS itself', async () => {
  const world = await furnished()
  await world.register('tagged', {}, { tags: [{ key: 'from', value: 'definition' }] })
  const task = await runTask(world, {
    taskDefinition: 'tagged',
    propagateTags: 'TASK_DEFINITION',
    enableECSManagedTags: true,
    tags: [{ key: 'own', value: '1' }],
  })
  assert.equal(task.tags, [
    { key: 'own', value: '1' },
    { key: 'from', value: 'definition' },
    { key: 'aws:ecs:clusterName', value: 'c' },
  ])
  const plain = (await world.call('DescribeTasks', { cluster: 'c', tasks: [task.taskArn] }))
    .tasks[0]
  assert.equal(plain.tags, [], 'tags are shown where they are asked for')
  assert.match(
    await world.fault('RunTask', { cluster: 'c', taskDefinition: 'web', propagateTags: 'SERVICE' }),
    /^InvalidParameterException/,
  )
  await world.close()
})

test('RunTask: awsvpc needs a network, gets an interface, and an address once it has one', async () => {
  const world = await furnished()
  await world.register('fargate', {}, FARGATE)
  const input = { taskDefinition: 'fargate', launchType: 'FARGATE' }
  assert.is(
    await world.fault('RunTask', { cluster: 'c', ...input }),
    "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.",
  )
  assert.is(
    await world.fault('RunTask', {
      cluster: 'c',
      taskDefinition: 'web',
      networkConfiguration: NETWORK,
    }),
    'InvalidParameterException: Network Configuration is not valid for the given networkMode of this task definition.',
  )
  const task = await runTask(world, { ...input, networkConfiguration: NETWORK })
  assert.is(task.lastStatus, 'PROVISIONING')
  assert.is(task.platformVersion, '1.4.0')
  assert.is(task.platformFamily, 'Linux')
  const names = task.attachments[0].details.map(({ name }: { name: string }) => name)
  assert.equal(names, ['subnetId', 'networkInterfaceId', 'macAddress'])
  await world.settle()
  const running = await world.task(task.taskArn)
  assert.is(running.attachments[0].status, 'ATTACHED')
  assert.is(running.containers[0].networkInterfaces[0].privateIpv4Address, '10.0.0.1')
  await world.close()
})

test('RunTask: subnets are looked up at each call where there is an EC2, and refused as AWS does', async () => {
  const world = await furnished()
  await world.register('fargate', {}, FARGATE)
  const asked: (readonly string[])[] = []
  world.lookUpNetwork = async (_scope, subnets, groups) => {
    asked.push([...subnets, ...groups])
    if (subnets.includes('subnet-0')) {
      throw new AwsFault('InvalidParameterException', 'Error retrieving subnet information')
    }
    return { subnets: [{ subnetId: 'subnet-1', availabilityZone: 'us-east-1f' }] }
  }
  const input = { cluster: 'c', taskDefinition: 'fargate', launchType: 'FARGATE' }
  const task = await runTask(world, { ...input, networkConfiguration: NETWORK })
  assert.is(task.availabilityZone, 'us-east-1f')
  const unknown = { awsvpcConfiguration: { subnets: ['subnet-0'] } }
  assert.match(
    await world.fault('RunTask', { ...input, networkConfiguration: unknown }),
    /^InvalidParameterException: Error retrieving subnet information/,
  )
  assert.equal(asked, [['subnet-1', 'sg-1'], ['subnet-0']])
  await world.close()
})

test('RunTask: a capacity provider strategy spreads tasks by base and weight', async () => {
  const world = await furnished()
  await world.register('fargate', {}, FARGATE)
  const { tasks } = await world.call('RunTask', {
    cluster: 'c',
    taskDefinition: 'fargate',
    count: 5,
    networkConfiguration: NETWORK,
    capacityProviderStrategy: [
      { capacityProvider: 'FARGATE', base: 1, weight: 1 },
      { capacityProvider: 'FARGATE_SPOT', weight: 3 },
    ],
  })
  const spot = tasks.filter((task: Answer) => task.capacityProviderName === 'FARGATE_SPOT')
  assert.is(spot.length, 3)
  assert.ok(tasks.every((task: Answer) => task.launchType === 'FARGATE'))
  assert.match(
    await world.fault('RunTask', {
      cluster: 'c',
      taskDefinition: 'fargate',
      launchType: 'FARGATE',
      capacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }],
    }),
    /Specifying both a launch type and capacity provider strategy is not supported/,
  )
  await world.close()
})

test('RunTask: an EC2 definition does not run on Fargate', async () => {
  const world = await furnished()
  assert.is(
    await world.fault('RunTask', { cluster: 'c', taskDefinition: 'web', launchType: 'FARGATE' }),
    'InvalidParameterException: Task definition does not support launch_type FARGATE.',
  )
  await world.close()
})

test('RunTask: distinct instances that are not there are failures', async () => {
  const world = await furnished()
  const { tasks, failures } = await world.call('RunTask', {
    cluster: 'c',
    taskDefinition: 'web',
    count: 3,
    placementConstraints: [{ type: 'distinctInstance' }],
  })
  assert.is(tasks.length, 1)
  assert.is(failures.length, 2)
  await world.close()
})

test('RunTask: what the runtime refuses is STOPPED with the reason', async () => {
  const world = await furnished()
  world.runtime.failNext('run', new RuntimeFault('RESOURCE:MEMORY', 'no room'))
  const { taskArn } = await runTask(world)
  await world.idle()
  const task = await world.task(taskArn)
  assert.is(task.lastStatus, 'STOPPED')
  assert.is(task.stopCode, 'TaskFailedToStart')
  assert.is(task.stoppedReason, 'RESOURCE:MEMORY: no room')
  assert.is(task.containers[0].exitCode, undefined)
  await world.close()
})

test('DescribeTasks: says what of the definition is not honoured', async () => {
  const world = await furnished()
  await world.register('files', {
    environmentFiles: [{ type: 's3', value: 'arn:aws:s3:::b/k.env' }],
  })
  const task = await runTask(world, { taskDefinition: 'files' })
  assert.equal(task.attributes[1], {
    name: 'kecs.warning',
    value: 'Environment files of container app are not read.',
  })
  await world.close()
})

test('DescribeTasks: takes ids and ARNs; what is not there is a failure', async () => {
  const world = await furnished()
  const { taskArn } = await runTask(world)
  const id = taskArn.split('/').at(-1)
  const missing = 'f'.repeat(32)
  const { tasks, failures } = await world.call('DescribeTasks', {
    cluster: 'c',
    tasks: [id, taskArn, missing],
  })
  assert.is(tasks.length, 2)
  assert.equal(failures, [
    { arn: `arn:aws:ecs:us-east-1:000000000000:task/c/${missing}`, reason: 'MISSING' },
  ])
  assert.match(
    await world.fault('DescribeTasks', { cluster: 'c', tasks: [] }),
    /Tasks cannot be empty/,
  )
  await world.close()
})

test('ListTasks: shows running ones by default, filters, and pages', async () => {
  const world = await furnished()
  await world.register('api')
  const one = await runTask(world, { startedBy: 'me' })
  const two = await runTask(world, { taskDefinition: 'api' })
  await world.call('StopTask', { cluster: 'c', task: two.taskArn })
  const list = async (input: object) =>
    (await world.call('ListTasks', { cluster: 'c', ...input })).taskArns
  assert.equal(await list({}), [one.taskArn])
  assert.equal(await list({ desiredStatus: 'STOPPED' }), [two.taskArn])
  assert.equal(await list({ startedBy: 'me' }), [one.taskArn])
  assert.equal(await list({ startedBy: 'you' }), [])
  assert.equal(await list({ family: 'web' }), [one.taskArn])
  assert.equal(await list({ family: 'api' }), [])
  assert.equal(await list({ launchType: 'FARGATE' }), [])
  assert.equal(await list({ containerInstance: one.containerInstanceArn }), [one.taskArn])
  assert.match(
    await world.fault('ListTasks', { cluster: 'c', serviceName: 'x' }),
    /^ServiceNotFound/,
  )
  for (let i = 0; i < 4; i++) await runTask(world)
  const first = await world.call('ListTasks', { cluster: 'c', maxResults: 3 })
  const rest = await world.call('ListTasks', { cluster: 'c', nextToken: first.nextToken })
  assert.is(new Set([...first.taskArns, ...rest.taskArns]).size, 5)
  await world.close()
})

test('StartTask: starts on the instances that are named', async () => {
  const world = await furnished()
  const { containerInstance } = await world.call('RegisterContainerInstance', { cluster: 'c' })
  const arn = containerInstance.containerInstanceArn
  const { tasks, failures } = await world.call('StartTask', {
    cluster: 'c',
    taskDefinition: 'web',
    containerInstances: [arn, 'f'.repeat(32)],
  })
  assert.is(tasks[0].containerInstanceArn, arn)
  assert.is(failures[0].reason, 'MISSING')
  await world.settle()
  const { containerInstances } = await world.call('DescribeContainerInstances', {
    cluster: 'c',
    containerInstances: [arn],
  })
  assert.is(containerInstances[0].runningTasksCount, 1)
  await world.call('UpdateContainerInstancesState', {
    cluster: 'c',
    containerInstances: [arn],
    status: 'DRAINING',
  })
  assert.match(
    await world.fault('RunTask', { cluster: 'c', taskDefinition: 'web' }),
    /No Container Instances were found in your cluster/,
  )
  await world.close()
})

test.run()
