/**
 * Load balancers as a new user tries them, with the real SDKs against the real program: services of
 * real processes behind them, reached, rolled, scaled and killed under traffic. (With the AWS CLI it
 * is .ci/walk-balancers.sh.)
 */
import process from 'node:process'
import * as ecs from '@aws-sdk/client-ecs'
import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answersByTask, ask, hammer, taskThatAnswers } from './balancers-client.ts'
import { BalancedWorld, type Balancer, CLUSTER, until } from './balancers-world.ts'

interface Context {
  readonly world: BalancedWorld
  /** Of the story, which the tests tell in turn. */
  readonly balancer: Balancer
  readonly group: string
  readonly listenerArn: string
  readonly where: { readonly port: number; readonly host: string }
}

const balancers = suite<Context>('load balancers')
balancers.before(async (context) => {
  const world = new BalancedWorld()
  Object.assign(context, { world })
  await world.start()
  const balancer = await world.balancer('my-alb')
  const group = await world.group('web', balancer)
  const listener = await world.listener(balancer, group)
  const where = { port: listener.port, host: balancer.dns }
  Object.assign(context, { balancer, group, where, listenerArn: listener.arn })
  for (const REVISION of ['1', '2', '3']) {
    await world.registerApp('app', { environment: { REVISION } })
  }
})
balancers.after(({ world }) => world.close())

balancers(
  'a service of three tasks: waiters finish, and both ways reach the three in turn',
  async ({ world, balancer, group, where }) => {
    const patience = { client: world.elb, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }
    await elb.waitUntilLoadBalancerAvailable(patience, { LoadBalancerArns: [balancer.arn] })
    assert.equal(await world.health(group), [])
    assert.is((await ask(where)).status, 503, 'nothing is registered yet')

    await world.createService('web', { groupArn: group })
    await world.stable('web')
    await world.untilStates(group, '3 healthy')
    const tasks = (await world.tasks('web')).sort()
    for (const port of [where.port, world.apiPort]) {
      const counts = await answersByTask({ ...where, port }, 9)
      assert.equal([...counts.keys()].sort(), tasks, `port ${port}`)
      assert.equal([...counts.values()], [3, 3, 3], `port ${port}`)
    }
    const targets = (await world.health(group)).map(({ Target }) => Target?.Port)
    const ports = await Promise.all(tasks.map((task) => world.portOf(task)))
    assert.equal(targets.sort(), ports.sort())
    const registered = `registered [1-3] targets in \\(target-group ${group}\\)`
    assert.match(await world.events('web'), new RegExp(`\\(service web\\) ${registered}`))
    await until(
      'a steady state',
      () => world.events('web'),
      (said) => said.includes('(service web) has reached a steady state.'),
    )
  },
)

balancers(
  'rules: weighted, redirect and fixed response; a group of no rule is unused',
  async ({ world, balancer, group, listenerArn, where }) => {
    const idle = await world.group('idle', balancer)
    const targets = [{ Id: '127.0.0.1', Port: 9, AvailabilityZone: 'all' }]
    await world.elb.send(new elb.RegisterTargetsCommand({ TargetGroupArn: idle, Targets: targets }))
    const [unused] = await world.health(idle)
    assert.is(unused?.TargetHealth?.State, 'unused')
    assert.is(unused?.TargetHealth?.Reason, 'Target.NotInUse')
    const rule = (Priority: number, path: string, Actions: elb.Action[]) =>
      world.elb.send(
        new elb.CreateRuleCommand({
          ListenerArn: listenerArn,
          Priority,
          Conditions: [{ Field: 'path-pattern', Values: [path] }],
          Actions,
        }),
      )
    const MessageBody = 'short and stout'
    await rule(10, '/teapot', [
      {
        Type: 'fixed-response',
        FixedResponseConfig: { StatusCode: '418', ContentType: 'text/plain', MessageBody },
      },
    ])
    await rule(20, '/old/*', [
      { Type: 'redirect', RedirectConfig: { Path: '/new', StatusCode: 'HTTP_301' } },
    ])
    const TargetGroups = [
      { TargetGroupArn: group, Weight: 1 },
      { TargetGroupArn: idle, Weight: 0 },
    ]
    await rule(30, '/', [{ Type: 'forward', ForwardConfig: { TargetGroups } }])

    const teapot = await ask({ ...where, path: '/teapot' })
    assert.equal([teapot.status, teapot.body], [418, MessageBody])
    const moved = await ask({ ...where, path: '/old/page' })
    assert.is(moved.headers.location, `http://${where.host}:${where.port}/new`)
    assert.is(moved.status, 301)
    assert.is((await answersByTask(where, 6)).size, 3)
    const [used] = await world.health(idle)
    assert.not.equal(used?.TargetHealth?.State, 'unused')
  },
)

balancers(
  'a roll to the next revision: no request is lost, without any retry',
  async ({ world, group, where }) => {
    const before = await world.tasks('web')
    const { failures, tasks } = await hammer(where, async () => {
      await world.update('web', { taskDefinition: 'app:2' })
      await world.settled('web')
    })
    assert.equal(failures, [])
    const after = await world.tasks('web')
    for (const task of [...before, ...after]) assert.ok(tasks.has(task), `${task} was asked`)
    assert.not.ok(after.some((task) => before.includes(task)))
    // What was replaced is shown as long as the deregistration delay lasts.
    assert.is(await world.states(group), '3 draining, 3 healthy')
  },
)

balancers(
  'scaling 3 to 1 to 3: no request is lost, without any retry',
  async ({ world, group, where }) => {
    await world.attributes(group, { 'deregistration_delay.timeout_seconds': '1' })
    const { failures } = await hammer(where, async () => {
      await world.update('web', { desiredCount: 1 })
      await world.untilStates(group, '1 healthy')
      await until(
        'one runs',
        () => world.service('web'),
        ({ runningCount }) => runningCount === 1,
      )
      await world.update('web', { desiredCount: 3 })
      await world.untilStates(group, '3 healthy')
    })
    assert.equal(failures, [])
    assert.match(await world.events('web'), /deregistered [12] targets in \(target-group /)
  },
)

balancers(
  'StopTask and a forced deployment: no request is lost, without any retry',
  async ({ world, group, where }) => {
    const { failures, tasks } = await hammer(where, async () => {
      const [task = ''] = await world.tasks('web')
      await world.ecs.send(new ecs.StopTaskCommand({ cluster: CLUSTER, task }))
      await until(
        'it has stopped',
        () => world.task(task),
        ({ lastStatus }) => lastStatus === 'STOPPED',
      )
      await world.untilStates(group, '3 healthy')
      await world.update('web', { forceNewDeployment: true })
      await world.settled('web')
    })
    assert.equal(failures, [])
    assert.ok(tasks.size >= 7, 'three, the one in place of the stopped one, and three new ones')
  },
)

balancers(
  'UpdateService to another group, and to two: tasks are registered there, the old ones drained',
  async ({ world, balancer, group, where }) => {
    const other = await world.group('other', balancer)
    const { port } = await world.listener(balancer, other)
    const behind = (...arns: string[]) => ({
      loadBalancers: arns.map((targetGroupArn) => ({
        targetGroupArn,
        containerName: 'app',
        containerPort: 80,
      })),
    })
    await world.update('web', behind(group, other))
    await world.settled('web')
    await world.untilStates(group, '3 healthy')
    assert.is(await world.states(other), '3 healthy')
    assert.is((await answersByTask({ ...where, port }, 6)).size, 3)
    await world.update('web', behind(group))
    await world.settled('web')
    await world.untilStates(group, '3 healthy')
    assert.is(await world.states(other), '3 draining')
  },
)

balancers(
  'SIGKILL to a task: it is replaced, and who repeats a GET sees no failure',
  async ({ world, group, where }) => {
    const killed = await taskThatAnswers(where)
    const kept = (await world.tasks('web')).filter((task) => task !== killed)
    const port = await world.portOf(killed)
    const work = async () => {
      process.kill(await world.pidOf(killed), 'SIGKILL')
      await until(
        'the task has stopped',
        () => world.task(killed),
        ({ lastStatus }) => lastStatus === 'STOPPED',
      )
      await world.untilStates(group, '3 healthy')
    }
    const { failures } = await hammer(where, work, 4)
    assert.equal(failures, [])
    const { stopCode, stoppedReason, containers } = await world.task(killed)
    assert.is(stopCode, 'EssentialContainerExited')
    assert.is(stoppedReason, 'Essential container in task exited')
    assert.is(containers?.[0]?.exitCode, 137)
    const now = await world.tasks('web')
    assert.ok(
      kept.every((task) => now.includes(task)),
      'the others were left alone',
    )
    const ports = (await world.health(group)).map(({ Target }) => Target?.Port)
    assert.not.ok(ports.includes(port), 'the killed task is not registered any more')
  },
)

balancers(
  'a long request: its task is DEACTIVATING until it is answered, and gets no other',
  async ({ world, group, where }) => {
    await world.attributes(group, { 'deregistration_delay.timeout_seconds': '60' })
    const long = ask({ ...where, path: '/long' })
    long.catch(() => {})
    const holder = await until(
      'the request is under way',
      async () => {
        for (const task of await world.tasks('web')) {
          if ((await taskThatHolds(world, task)) === true) return task
        }
        return undefined
      },
      (task) => task !== undefined,
    )
    const task = holder ?? ''
    await world.ecs.send(new ecs.StopTaskCommand({ cluster: CLUSTER, task }))
    await world.untilStates(group, /1 draining/)
    await world.untilStates(group, '1 draining, 3 healthy')
    assert.is((await world.task(task)).lastStatus, 'DEACTIVATING')
    assert.not.ok((await answersByTask(where, 9)).has(task))
    await ask({ port: await world.portOf(task), host: 'target', path: '/finish' })
    assert.is((await long).body, `${task} begins, ${task} ends`)
    const stopped = await until(
      'it stops',
      () => world.task(task),
      ({ lastStatus }) => lastStatus === 'STOPPED',
    )
    assert.is(stopped.stopCode, 'UserInitiated')
  },
)

balancers(
  'sticky sessions: over a roll a client stays where it is as long as its target lives',
  async ({ world, group, where }) => {
    await world.attributes(group, {
      'stickiness.enabled': 'true',
      'stickiness.type': 'lb_cookie',
      'stickiness.lb_cookie.duration_seconds': '3600',
    })
    const first = await ask(where)
    const set = first.headers['set-cookie']?.find((cookie) => cookie.startsWith('AWSALB=')) ?? ''
    let cookie = set.slice(0, set.indexOf(';'))
    const seen = [JSON.parse(first.body).task]
    let isRolled = false
    const rolled = (async () => {
      await world.update('web', { taskDefinition: 'app:3' })
      await world.settled('web')
    })().finally(() => {
      isRolled = true
    })
    rolled.catch(() => {})
    while (!isRolled) {
      const answer = await ask({ ...where, headers: { cookie } })
      assert.is(answer.status, 200)
      const given = answer.headers['set-cookie']?.find((each) => each.startsWith('AWSALB='))
      if (given) cookie = given.slice(0, given.indexOf(';'))
      const { task } = JSON.parse(answer.body)
      if (seen.at(-1) !== task) seen.push(task)
    }
    await rolled
    // Each move was forced: nobody goes back, nor away from a target that serves.
    assert.equal(new Set(seen).size, seen.length)
    assert.ok(
      (await world.tasks('web')).includes(seen.at(-1)),
      'it ends at a task of the new revision',
    )
    const { lastStatus } = await world.task(seen[0])
    assert.ok(lastStatus !== 'RUNNING')
    await world.attributes(group, { 'stickiness.enabled': 'false' })
  },
)

balancers('bridge: instance targets with host ports', async ({ world, balancer }) => {
  await world.registerApp('bridged', { networkMode: 'bridge' })
  const group = await world.group('instances', balancer, { TargetType: 'instance' })
  const { port } = await world.listener(balancer, group)
  await world.createService('bridged', {
    groupArn: group,
    taskDefinition: 'bridged:1',
    more: { launchType: 'EC2', networkConfiguration: undefined },
  })
  await world.untilStates(group, '3 healthy')
  for (const { Target } of await world.health(group))
    assert.match(Target?.Id ?? '', /^i-[0-9a-f]+$/)
  const asked = { port, host: balancer.dns }
  assert.is(
    (
      await until(
        'it is open',
        () => answersByTask(asked, 9),
        () => true,
      )
    ).size,
    3,
  )
})

balancers(
  'delete-service drains and deregisters; deleting the balancer closes its port',
  async ({ world, balancer, group, where }) => {
    await world.attributes(group, { 'deregistration_delay.timeout_seconds': '5' })
    const input = { cluster: CLUSTER, service: 'web', force: true }
    await world.ecs.send(new ecs.DeleteServiceCommand(input))
    await world.untilStates(group, '3 draining')
    await until(
      'its tasks have stopped',
      () => world.service('web'),
      ({ status }) => status === 'INACTIVE',
    )
    await world.untilStates(group, '')
    assert.is((await ask(where)).status, 503)
    const arns = { LoadBalancerArns: [balancer.arn] }
    await world.elb.send(new elb.DeleteLoadBalancerCommand({ LoadBalancerArn: balancer.arn }))
    const patience = { client: world.elb, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }
    await elb.waitUntilLoadBalancersDeleted(patience, arns)
    const refused = () => ask(where).then(() => '', String)
    assert.match(
      await until('the port is closed', refused, (said) => said !== ''),
      /ECONNREFUSED|refused/i,
    )
  },
)

async function taskThatHolds(world: BalancedWorld, task: string): Promise<boolean> {
  const asked = { port: await world.portOf(task), host: 'target', path: '/holds' }
  return (await ask(asked)).body === 'yes'
}

balancers.run()
