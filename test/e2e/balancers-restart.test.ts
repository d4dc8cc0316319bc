/** `kill -9` of KECS in the middle of it all: what was there is there again, and nothing dead is believed. */

import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answersByTask, ask } from './balancers-client.ts'
import { BalancedWorld, until } from './balancers-world.ts'

const restart = suite<{ world: BalancedWorld }>('kill -9 with load balancers')
restart.before(async (context) => {
  context.world = new BalancedWorld()
  await context.world.start()
})
restart.after(({ world }) => world.close())

restart(
  'balancers, rules and targets are there, are probed anew, and requests flow',
  async ({ world }) => {
    const balancer = await world.balancer('kept')
    const group = await world.group('kept', balancer)
    const listener = await world.listener(balancer, group)
    const FixedResponseConfig = {
      StatusCode: '418',
      ContentType: 'text/plain',
      MessageBody: 'kept',
    }
    await world.elb.send(
      new elb.CreateRuleCommand({
        ListenerArn: listener.arn,
        Priority: 1,
        Conditions: [{ Field: 'path-pattern', Values: ['/teapot'] }],
        Actions: [{ Type: 'fixed-response', FixedResponseConfig }],
      }),
    )
    await world.registerApp('app')
    await world.createService('web', { groupArn: group })
    await world.untilStates(group, '3 healthy')
    // One that no service owns, as a user registers it.
    const own = { Id: '127.0.0.1', Port: 9, AvailabilityZone: 'all' }
    await world.elb.send(new elb.RegisterTargetsCommand({ TargetGroupArn: group, Targets: [own] }))
    const before = await world.tasks('web')
    const ports = await Promise.all(before.map((task) => world.portOf(task)))
    const patience = { client: world.elb, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }
    await elb.waitUntilLoadBalancerAvailable(patience, { LoadBalancerArns: [balancer.arn] })
    const rows = await describe(world, balancer.arn, listener.arn, group)

    world.program.kill('SIGKILL')
    await world.program.ended
    await world.start()

    assert.equal(await describe(world, balancer.arn, listener.arn, group), rows)
    const targets = await until(
      'three new targets are healthy',
      async () =>
        (await world.health(group)).filter(
          ({ TargetHealth }) => TargetHealth?.State !== 'draining',
        ),
      (found) => found.filter(({ TargetHealth }) => TargetHealth?.State === 'healthy').length === 3,
    )
    const after = await world.tasks('web')
    assert.not.ok(
      after.some((task) => before.includes(task)),
      'the tasks died with their parent',
    )
    const live = await Promise.all(after.map((task) => world.portOf(task)))
    const registered = targets.map(({ Target }) => Target?.Port ?? 0).sort()
    assert.equal(registered, [...live, 9].sort(), 'no target of a dead task stays')
    const draining = (await world.health(group)).filter(
      ({ TargetHealth }) => TargetHealth?.State === 'draining',
    )
    for (const { Target } of draining) assert.ok(ports.includes(Target?.Port ?? 0))

    const where = { port: listener.port, host: balancer.dns }
    assert.is((await ask({ ...where, path: '/teapot' })).body, 'kept')
    assert.equal([...(await answersByTask(where, 9)).keys()].sort(), after.sort())
    assert.equal(
      [...(await answersByTask({ ...where, port: world.apiPort }, 9)).keys()].sort(),
      after,
    )
  },
)

restart('a roll that was under way is finished after the restart', async ({ world }) => {
  await world.registerApp('app', { environment: { REVISION: 'next' } })
  const { groups } = await groupsOf(world)
  await world.update('web', { taskDefinition: 'app:2' })
  await until(
    'it is under way',
    () => world.service('web'),
    ({ deployments }) => deployments?.length === 2,
  )
  world.program.kill('SIGKILL')
  await world.program.ended
  await world.start()
  const { taskDefinition } = await world.settled('web')
  assert.match(taskDefinition ?? '', /app:2$/)
  const [group = ''] = groups
  await world.untilStates(group, /3 healthy/)
  const { host, port } = await whereOf(world)
  for (let index = 0; index < 3; index++) {
    assert.is(JSON.parse((await ask({ host, port })).body).revision, 'next')
  }
})

async function groupsOf(world: BalancedWorld) {
  const { loadBalancers = [] } = await world.service('web')
  return { groups: loadBalancers.map(({ targetGroupArn = '' }) => targetGroupArn) }
}

async function whereOf(world: BalancedWorld) {
  const { LoadBalancers } = await world.elb.send(
    new elb.DescribeLoadBalancersCommand({ Names: ['kept'] }),
  )
  return { host: LoadBalancers?.[0]?.DNSName ?? '', port: world.apiPort }
}

async function describe(world: BalancedWorld, balancer: string, listener: string, group: string) {
  const [balancers, listeners, rules, groups] = await Promise.all([
    world.elb.send(new elb.DescribeLoadBalancersCommand({ LoadBalancerArns: [balancer] })),
    world.elb.send(new elb.DescribeListenersCommand({ ListenerArns: [listener] })),
    world.elb.send(new elb.DescribeRulesCommand({ ListenerArn: listener })),
    world.elb.send(new elb.DescribeTargetGroupsCommand({ TargetGroupArns: [group] })),
  ])
  return [balancers.LoadBalancers, listeners.Listeners, rules.Rules, groups.TargetGroups]
}

restart.run()
