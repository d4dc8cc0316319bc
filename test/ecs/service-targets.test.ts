import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RegistrationError } from '../../ecs/targets.ts'
import { FakeTargets } from './fake-targets.ts'
import { create, messages, update } from './service-world.ts'
import { type Answer, World } from './world.ts'

const PORTS = { portMappings: [{ containerPort: 80 }] }
const BALANCERS = [{ targetGroupArn: FakeTargets.group, containerName: 'app', containerPort: 80 }]

async function balanced(input: object = {}): Promise<{ world: World; targets: FakeTargets }> {
  const world = new World()
  const targets = new FakeTargets()
  world.targets = targets
  await world.call('CreateCluster', { clusterName: 'c' })
  await world.register('web', PORTS)
  await world.register('web', PORTS)
  await world.start()
  await create(world, { loadBalancers: BALANCERS, desiredCount: 2, ...input })
  return { world, targets }
}

const arnsOf = async (world: World, desiredStatus = 'RUNNING'): Promise<string[]> =>
  (await world.call('ListTasks', { cluster: 'c', desiredStatus })).taskArns

test('service: its tasks are registered once they run, and it is steady when they are healthy', async () => {
  const { world, targets } = await balanced()
  targets.fresh = 'initial'
  await world.settle(5000)
  const registered = `(service s) registered 1 targets in (target-group ${FakeTargets.group})`
  assert.equal(
    messages(await world.service()).filter((text) => text.includes('registered')),
    [registered, registered],
  )
  assert.not.match(messages(await world.service()).join(), /steady state/)
  for (const arn of targets.states.keys()) targets.found(arn, 'healthy')
  await world.settle()
  assert.match(messages(await world.service())[0] ?? '', /deployment completed|steady state/)
  await world.close()
})

test('StopTask: a task with requests under way is DEACTIVATING and goes on until the last has ended', async () => {
  const { world, targets } = await balanced({ desiredCount: 1 })
  await world.settle(3000)
  const [arn = ''] = await arnsOf(world)
  targets.busy.add(arn)
  await world.call('StopTask', { cluster: 'c', task: arn })
  await world.settle(5000)
  assert.is((await world.task(arn)).lastStatus, 'DEACTIVATING')
  assert.is(world.runtime.state(arn.slice(-32)).phase, 'running')
  assert.not.ok(targets.states.has(arn))
  targets.quiet(arn)
  await world.settle()
  assert.is((await world.task(arn)).lastStatus, 'STOPPED')
  await world.close()
})

test('service: a task that ends by itself is taken out of its groups', async () => {
  const { world, targets } = await balanced({ desiredCount: 1 })
  await world.settle(3000)
  const [arn = ''] = await arnsOf(world)
  assert.ok(targets.states.has(arn))
  world.runtime.crash(arn.slice(-32))
  await world.settle(3000)
  assert.not.ok(targets.states.has(arn))
  // The newest first.
  const told = messages(await world.service()).reverse()
  const deregistered = told.findIndex((text) => text.includes('deregistered 1 targets'))
  assert.is(
    told[deregistered + 1],
    '(service s, taskSet ecs-svc/N) has begun draining connections on 1 tasks.',
  )
  await world.close()
})

test('service: a task whose target is unhealthy is replaced, and both are told in AWS’s words', async () => {
  const { world, targets } = await balanced({ desiredCount: 1 })
  await world.settle(3000)
  const [arn = ''] = await arnsOf(world)
  targets.found(arn, 'unhealthy')
  await world.settle(3000)
  const gone = await world.task(arn)
  assert.is(
    gone.stoppedReason,
    `Task failed ELB health checks in (target-group ${FakeTargets.group})`,
  )
  assert.is.not((await arnsOf(world))[0], arn)
  assert.match(
    messages(await world.service()).join('\n'),
    /\(service s\) \(task\) \(port 80\) is unhealthy in \(target-group .*\) due to \(reason Request timed out\)/,
  )
  await world.close()
})

test('service: tells which group a task cannot be registered with, and the instance of a bad target', async () => {
  const { world, targets } = await balanced({ desiredCount: 1 })
  await world.settle(3000)
  const [arn = ''] = await arnsOf(world)
  targets.instanceId = 'i-0123456789abcdef0'
  targets.found(arn, 'unhealthy')
  targets.refusal = new RegistrationError('some-group', 'Target group not found')
  await world.settle(6000)
  const told = messages(await world.service())
  assert.ok(
    told.includes(
      '(service s) failed to register targets in (target-group some-group) with (error Target group not found)',
    ),
    told.join(),
  )
  // Only what takes its place lets the bad one go.
  targets.refusal = undefined
  await world.settle(30_000)
  assert.match(
    messages(await world.service()).join(),
    /\(service s\) \(instance i-0123456789abcdef0\) \(port 80\) is unhealthy in/,
  )
  await world.close()
})

test('service: an unhealthy task goes when the one in its place is healthy', async () => {
  const { world, targets } = await balanced({ desiredCount: 1 })
  await world.settle(3000)
  const [first = ''] = await arnsOf(world)
  targets.fresh = 'initial'
  targets.found(first, 'unhealthy')
  await world.settle(10_000)
  const both = await arnsOf(world)
  assert.is(both.length, 2)
  assert.is((await world.task(first)).lastStatus, 'RUNNING')
  const second = both.find((arn) => arn !== first) ?? ''
  targets.found(second, 'healthy')
  await world.settle(3000)
  assert.equal(await arnsOf(world), [second])
  assert.is((await world.service()).deployments[0].rolloutState, 'COMPLETED')
  await world.close()
})

test('service: of an unhealthy task and its unhealthy replacement the older one goes', async () => {
  const { world, targets } = await balanced({ desiredCount: 1 })
  await world.settle(3000)
  const [first = ''] = await arnsOf(world)
  targets.fresh = 'unhealthy'
  targets.found(first, 'unhealthy')
  await world.settle(1000)
  assert.is((await world.task(first)).lastStatus, 'STOPPED')
  assert.ok((await arnsOf(world)).length >= 1)
  await world.close()
})

test('service: an unhealthy task that recovers before it is replaced stays', async () => {
  const { world, targets } = await balanced({ desiredCount: 1 })
  await world.settle(3000)
  const [first = ''] = await arnsOf(world)
  targets.fresh = 'initial'
  targets.found(first, 'unhealthy')
  await world.settle(3000)
  targets.found(first, 'healthy')
  await world.settle(3000)
  assert.equal(await arnsOf(world), [first])
  await world.close()
})

test('service: at its maximum an unhealthy task goes first, and no more of them than must', async () => {
  const deploymentConfiguration = { maximumPercent: 150, minimumHealthyPercent: 50 }
  const { world, targets } = await balanced({ desiredCount: 2, deploymentConfiguration })
  await world.settle(3000)
  const before = await arnsOf(world)
  targets.fresh = 'initial'
  for (const arn of before) targets.found(arn, 'unhealthy')
  await world.settle(10_000)
  // Of three that may run, two are to be new.
  const stopped = await arnsOf(world, 'STOPPED')
  assert.is(stopped.length, 1)
  assert.is((await arnsOf(world)).length, 3)
  for (const arn of await arnsOf(world)) if (!before.includes(arn)) targets.found(arn, 'healthy')
  await world.settle(3000)
  const after = await arnsOf(world)
  assert.is(after.length, 2)
  assert.not.ok(after.some((arn) => before.includes(arn)))
  await world.close()
})

test('service: within its grace period an unhealthy target replaces nothing', async () => {
  const { world, targets } = await balanced({
    desiredCount: 1,
    healthCheckGracePeriodSeconds: 60,
  })
  targets.fresh = 'unhealthy'
  await world.settle(20_000)
  assert.is((await arnsOf(world)).length, 1)
  assert.equal(await arnsOf(world, 'STOPPED'), [])
  await world.settle(60_000)
  assert.is((await arnsOf(world)).length, 2, 'it is replaced first')
  await world.settle(60_000)
  assert.ok((await arnsOf(world, 'STOPPED')).length > 0)
  await world.close()
})

test('UpdateService: what runs is kept until the new tasks’ targets are healthy', async () => {
  const { world, targets } = await balanced()
  await world.settle(3000)
  const before = await arnsOf(world)
  targets.fresh = 'initial'
  await update(world, { taskDefinition: 'web:2' })
  await world.settle(10_000)
  const during = await arnsOf(world)
  assert.ok(before.every((arn) => during.includes(arn)))
  for (const arn of during) targets.found(arn, 'healthy')
  await world.settle(5000)
  const after = await arnsOf(world)
  assert.is(after.length, 2)
  assert.not.ok(after.some((arn) => before.includes(arn)))
  await world.close()
})

test('CreateService: refuses groups that are not there, not in use or for other targets', async () => {
  const { world, targets } = await balanced()
  const refused = (targetGroupArn: string) =>
    world.fault('CreateService', {
      cluster: 'c',
      serviceName: 't',
      taskDefinition: 'web',
      desiredCount: 1,
      loadBalancers: [{ targetGroupArn, containerName: 'app', containerPort: 80 }],
    })
  const asked: object[] = []
  world.describeTargetGroup = (arn, { account, region }) => {
    asked.push({ account, region })
    return targets.describe(arn)
  }
  assert.is(
    await refused('gone'),
    'InvalidParameterException: The target group with targetGroupArn gone was not found.',
  )
  assert.is(
    await refused('targetgroup/idle'),
    'InvalidParameterException: The target group with targetGroupArn targetgroup/idle does not have an associated load balancer.',
  )
  assert.is(
    await refused('targetgroup/ip'),
    'InvalidParameterException: The provided target group targetgroup/ip has target type ip, which is incompatible with the bridge network mode specified in the task definition.',
  )
  // Groups of others are not there for this caller.
  assert.equal(asked[0], { account: '000000000000', region: 'us-east-1' })
  await world.close()
})

test('CreateService, UpdateService: at most five groups of named containers, and a grace period only for them', async () => {
  const { world } = await balanced()
  const plain = { cluster: 'c', serviceName: 'p', taskDefinition: 'web', desiredCount: 0 }
  const many = {
    ...plain,
    loadBalancers: [1, 2, 3, 4, 5, 6].map((number) => ({
      targetGroupArn: `${FakeTargets.group}${number}`,
      containerName: 'app',
      containerPort: 80,
    })),
  }
  const tooMany = 'InvalidParameterException: load balancers can have at most 5 items.'
  assert.is(await world.fault('CreateService', many), tooMany)
  for (const part of [{ containerName: 'app' }, { containerPort: 80 }]) {
    const loadBalancers = [{ targetGroupArn: FakeTargets.group, ...part }]
    assert.is(
      await world.fault('CreateService', { ...plain, loadBalancers }),
      'InvalidParameterException: A load balancer must name a containerName and a containerPort.',
    )
  }
  const noBalancers =
    'InvalidParameterException: Health check grace period is only valid for services configured to use load balancers'
  const grace = { healthCheckGracePeriodSeconds: 30 }
  assert.is(await world.fault('CreateService', { ...plain, ...grace }), noBalancers)
  await create(world, { ...plain })
  const change = { cluster: 'c', service: 'p' }
  assert.is(await world.fault('UpdateService', { ...change, ...grace }), noBalancers)
  assert.is(
    await world.fault('UpdateService', { ...change, loadBalancers: many.loadBalancers }),
    tooMany,
  )
  await world.call('UpdateService', { ...change, loadBalancers: BALANCERS, ...grace })
  assert.match(
    await world.fault('UpdateService', { ...change, healthCheckGracePeriodSeconds: -1 }),
    /^InvalidParameterException: Health check grace period must be between 0 and/,
  )
  await world.close()
})

test('restart: tasks that run stay registered, and those that ended meanwhile are taken out', async () => {
  const { world, targets } = await balanced()
  await world.settle(3000)
  const [first = '', second = ''] = await arnsOf(world)
  await world.reconciler?.close()
  world.runtime.lose(first.slice(-32))
  await world.restart()
  await world.settle(3000)
  assert.not.ok(targets.states.has(first))
  assert.ok(targets.states.has(second))
  const told = messages(await world.service()) as Answer[]
  assert.is(told.filter((text) => text.includes(') registered 1')).length, 3)
  await world.close()
})

test.run()
