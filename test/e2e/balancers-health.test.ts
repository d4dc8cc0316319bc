/**
 * Services whose targets fail their health checks, with real processes. Health checks are at least 5 s
 * apart, so that all of these services live at the same time.
 */

import type * as ecs from '@aws-sdk/client-ecs'
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ask, type HammerResult, hammer, taskThatAnswers } from './balancers-client.ts'
import { BalancedWorld, type Balancer, until } from './balancers-world.ts'

const GRACE_S = 12
/** No replacement is started before the unhealthy one has gone. */
const ROOMLESS = { maximumPercent: 100, minimumHealthyPercent: 0 }

interface Site {
  readonly group: string
  readonly where: { readonly port: number; readonly host: string }
}

interface Context {
  readonly world: BalancedWorld
  /** Its only task fell ill at the begin, under a hammer. */
  readonly ill: Site & { readonly task: string; readonly hammered: Promise<HammerResult> }
  /** Its only task begins ill, within a grace period that does not end. */
  readonly late: Site
  /** Its only task stays ill, and the grace period ends. */
  readonly hopeless: Site & { readonly task: string }
  /** Well, and then rolled to a revision that is ill, with a circuit breaker, under a hammer. */
  readonly broken: Site & { readonly hammered: Promise<HammerResult> }
}

const health = suite<Context>('health of services')

async function site(
  world: BalancedWorld,
  balancer: Balancer,
  name: string,
  count: number,
  more: {
    taskDefinition?: string
    graceS?: number
    deploymentConfiguration?: ecs.DeploymentConfiguration
  } = {},
): Promise<Site> {
  const group = await world.group(name, balancer, { HealthyThresholdCount: 2 })
  const { port } = await world.listener(balancer, group)
  await world.createService(name, {
    groupArn: group,
    count,
    taskDefinition: more.taskDefinition ?? 'well:1',
    more: {
      healthCheckGracePeriodSeconds: more.graceS,
      deploymentConfiguration: more.deploymentConfiguration,
    },
  })
  return { group, where: { port, host: balancer.dns } }
}

health.before(async (context) => {
  const world = new BalancedWorld()
  Object.assign(context, { world })
  await world.start()
  await world.registerApp('well')
  await world.registerApp('ill', { environment: { STARTS: 'ill' } })
  const balancer = await world.balancer('health')
  const taskDefinition = 'ill:1'
  const [ill, late, hopeless, broken] = await Promise.all([
    site(world, balancer, 'ill', 1),
    site(world, balancer, 'late', 1, { taskDefinition, graceS: 600 }),
    site(world, balancer, 'hopeless', 1, {
      taskDefinition,
      graceS: GRACE_S,
      deploymentConfiguration: ROOMLESS,
    }),
    site(world, balancer, 'broken', 3, {
      deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } },
    }),
  ])
  await world.settled('broken')
  const hammered = hammer(broken.where, async () => {
    await world.update('broken', { taskDefinition })
    await until(
      'it is rolled back',
      () => world.service('broken'),
      ({ taskDefinition: is = '', deployments }) =>
        is.endsWith('well:1') && deployments?.length === 1,
    )
  })
  hammered.catch(() => {})
  await world.untilStates(ill.group, '1 healthy')
  const task = await taskThatAnswers(ill.where)
  const port = await world.portOf(task)
  const [first = ''] = await until(
    'it runs',
    () => world.tasks('hopeless'),
    ({ length }) => length > 0,
  )
  const illHammered = hammer(ill.where, async () => {
    await ask({ port, host: 'target', path: '/fall-ill' })
    await until(
      'it is stopped',
      () => world.task(task),
      ({ lastStatus }) => lastStatus === 'STOPPED',
    )
  })
  illHammered.catch(() => {})
  Object.assign(context, {
    ill: { ...ill, task, hammered: illHammered },
    late,
    hopeless: { ...hopeless, task: first },
    broken: { ...broken, hammered },
  })
})
health.after(({ world }) => world.close())

async function targetOf(world: BalancedWorld, group: string): Promise<elb.TargetHealth> {
  return (await world.health(group))[0]?.TargetHealth ?? {}
}

health(
  'a target is initial, then unhealthy; within its grace period its task is left alone',
  async ({ world, late }) => {
    const [target] = await until(
      'it is registered',
      () => world.health(late.group),
      ({ length }) => length === 1,
    )
    assert.is(target?.TargetHealth?.State, 'initial')
    assert.match(
      target?.TargetHealth?.Reason ?? '',
      /^Elb\.(RegistrationInProgress|InitialHealthChecking)$/,
    )
    const unhealthy = await until(
      'unhealthy',
      () => targetOf(world, late.group),
      ({ State }) => State === 'unhealthy',
    )
    assert.is(unhealthy.Reason, 'Target.ResponseCodeMismatch')
    assert.is(unhealthy.Description, 'Health checks failed with these codes: [500]')
    const service = await world.service('late')
    assert.equal([service.runningCount, service.deployments?.[0]?.rolloutState], [1, 'IN_PROGRESS'])
    // Where all are unhealthy, requests are sent to them all the same.
    assert.is((await ask(late.where)).status, 200)
  },
)

health(
  'a task that fell ill is replaced before it goes: no request is lost, and AWS’s words say why',
  async ({ world, ill }) => {
    const { failures, tasks } = await ill.hammered
    assert.equal(failures, [])
    assert.is(tasks.size, 2)
    const stopped = await world.task(ill.task)
    assert.is(stopped.stoppedReason, `Task failed ELB health checks in (target-group ${ill.group})`)
    assert.is(stopped.stopCode, 'ServiceSchedulerInitiated')
    const port = stopped.containers?.[0]?.networkBindings?.[0]?.hostPort
    const said = await world.events('ill')
    for (const text of [
      `(port ${port}) is unhealthy in (target-group ${ill.group}) due to (reason Health checks failed with these codes: [500])`,
      `(service ill) has stopped 1 running tasks: (task ${ill.task}).`,
      `(service ill) deregistered 1 targets in (target-group ${ill.group})`,
    ]) {
      assert.ok(said.includes(text), `${text} is not in ${said}`)
    }
    await world.untilStates(ill.group, '1 draining, 1 healthy')
    assert.not.ok((await world.tasks('ill')).includes(ill.task))
  },
)

health(
  'a task that is still ill when its grace period is over is replaced, and not before',
  async ({ world, hopeless }) => {
    const { stoppingAt, startedAt, stoppedReason } = await until(
      'it is stopped',
      () => world.task(hopeless.task),
      ({ lastStatus }) => lastStatus === 'STOPPED',
    )
    assert.is(stoppedReason, `Task failed ELB health checks in (target-group ${hopeless.group})`)
    const lived = (stoppingAt?.getTime() ?? 0) - (startedAt?.getTime() ?? 0)
    assert.ok(lived >= GRACE_S * 1000, `stopped after ${lived} ms`)
  },
)

health(
  'a task that gets well within its grace period is healthy, and its deployment completes',
  async ({ world, late }) => {
    const tasks = await world.tasks('late')
    const port = await world.portOf(tasks[0] ?? '')
    await ask({ port, host: 'target', path: '/get-well' })
    await world.untilStates(late.group, '1 healthy')
    await world.settled('late')
    assert.equal(await world.tasks('late'), tasks)
    assert.not.match(await world.events('late'), /unhealthy/)
  },
)

health(
  'a revision whose targets are unhealthy: the circuit breaker rolls back, and no request is lost',
  async ({ world, broken }) => {
    const { failures } = await broken.hammered
    assert.equal(failures, [])
    const said = await world.events('broken')
    assert.match(said, /deployment failed: tasks failed to start\./)
    assert.match(said, /rolling back to deployment ecs-svc\//)
    assert.match(await world.states(broken.group), /3 healthy/)
  },
)

health.run()
