/**
 * Services behind load balancers in the `simulated` runtime, whose tasks have no address: nothing is
 * healthy unless labels say so. The clock is in the test's hands, the rest is the gateway whole.
 */
import * as ecs from '@aws-sdk/client-ecs'
import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createSimulatedRuntime } from '../../cluster/local/simulated.ts'
import { FakeClock } from '../fake-clock.ts'
import { startTestGateway, type TestGateway } from '../harness.ts'
import { ask } from './balancers-client.ts'

const LABEL = 'kecs.simulate.target-health'
const TURN_MS = 250
const MAX_TURNS = 800

interface Context {
  readonly clock: FakeClock
  readonly kecs: TestGateway
  readonly ecs: ecs.ECSClient
  readonly elb: elb.ElasticLoadBalancingV2Client
  readonly group: string
  readonly dns: string
}

const simulated = suite<Context>('simulated targets')
simulated.before.each(async (context) => {
  const clock = new FakeClock()
  const kecs = await startTestGateway({ clock, runtime: createSimulatedRuntime({ clock }) })
  const client = kecs.elb()
  Object.assign(context, { clock, kecs, ecs: kecs.ecs(), elb: client })
  const { LoadBalancers } = await client.send(
    new elb.CreateLoadBalancerCommand({ Name: 'my-alb', Subnets: ['subnet-12345'] }),
  )
  const { LoadBalancerArn, DNSName: dns, VpcId } = LoadBalancers?.[0] ?? {}
  const { TargetGroups } = await client.send(
    new elb.CreateTargetGroupCommand({
      Name: 'web',
      Protocol: 'HTTP',
      Port: 80,
      VpcId,
      TargetType: 'ip',
      HealthCheckIntervalSeconds: 5,
      HealthCheckTimeoutSeconds: 2,
      UnhealthyThresholdCount: 2,
    }),
  )
  const group = TargetGroups?.[0]?.TargetGroupArn ?? ''
  await client.send(
    new elb.CreateListenerCommand({
      LoadBalancerArn,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
    }),
  )
  Object.assign(context, { dns, group })
})
simulated.after.each(({ kecs }) => kecs.close())

async function serve(
  context: Context,
  dockerLabels: Record<string, string>,
  more: Partial<ecs.CreateServiceCommandInput> = {},
) {
  const { ecs: client, group } = context
  await client.send(new ecs.CreateClusterCommand({}))
  await client.send(
    new ecs.RegisterTaskDefinitionCommand({
      family: 'web',
      networkMode: 'awsvpc',
      containerDefinitions: [
        {
          name: 'app',
          image: 'nginx',
          memory: 64,
          portMappings: [{ containerPort: 80 }],
          dockerLabels,
        },
      ],
    }),
  )
  await client.send(
    new ecs.CreateServiceCommand({
      serviceName: 'web',
      taskDefinition: 'web',
      desiredCount: 2,
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-12345'] } },
      loadBalancers: [{ targetGroupArn: group, containerName: 'app', containerPort: 80 }],
      ...more,
    }),
  )
}

/** Turns the clock until the answer is as wanted; the answer. */
async function until<T>(
  { kecs, clock }: Context,
  what: string,
  look: () => Promise<T>,
  wanted: (answer: T) => unknown,
): Promise<T> {
  for (let turn = 0; ; turn++) {
    await kecs.reconciler.idle()
    const answer = await look()
    if (wanted(answer)) return answer
    if (turn === MAX_TURNS) throw new Error(`${what}: never, but ${JSON.stringify(answer)}`)
    clock.advance(TURN_MS)
  }
}

async function serviceOf({ ecs: client }: Context): Promise<ecs.Service> {
  const asked = new ecs.DescribeServicesCommand({ services: ['web'] })
  return (await client.send(asked)).services?.[0] ?? {}
}

async function targetsOf({ elb: client, group }: Context): Promise<elb.TargetHealth[]> {
  const asked = new elb.DescribeTargetHealthCommand({ TargetGroupArn: group })
  const { TargetHealthDescriptions = [] } = await client.send(asked)
  return TargetHealthDescriptions.map(({ TargetHealth = {} }) => TargetHealth)
}

async function tasksOf(
  { ecs: client }: Context,
  desiredStatus: 'RUNNING' | 'STOPPED',
): Promise<ecs.Task[]> {
  const listed = new ecs.ListTasksCommand({ serviceName: 'web', desiredStatus })
  const { taskArns: tasks = [] } = await client.send(listed)
  if (tasks.length === 0) return []
  return (await client.send(new ecs.DescribeTasksCommand({ tasks }))).tasks ?? []
}

const eventsOf = ({ events = [] }: ecs.Service) => events.map(({ message }) => message).join('\n')
const states = (targets: readonly elb.TargetHealth[]) => targets.map(({ State }) => State)

simulated(
  'without a label: targets are unhealthy, tasks are replaced, and events say why',
  async (context) => {
    const { group, kecs, dns } = context
    await serve(context, {}, { healthCheckGracePeriodSeconds: 60 })
    const initial = await until(
      context,
      'registered',
      () => targetsOf(context),
      ({ length }) => length === 2,
    )
    assert.equal(states(initial), ['initial', 'initial'])
    const [bad] = await until(
      context,
      'unhealthy',
      () => targetsOf(context),
      (targets) => targets.every(({ State }) => State === 'unhealthy'),
    )
    assert.is(bad?.Reason, 'Target.FailedHealthChecks')
    assert.is(bad?.Description, 'Health checks failed: no address of this target is known')
    assert.is((await ask({ port: kecs.apiPort, host: dns })).status, 503)
    const within = await serviceOf(context)
    assert.is(within.runningCount, 2, 'the grace period is not over')
    assert.is(within.deployments?.[0]?.rolloutState, 'IN_PROGRESS')

    const stopped = await until(
      context,
      'replaced',
      () => tasksOf(context, 'STOPPED'),
      ({ length }) => length >= 2,
    )
    for (const { stoppedReason, stopCode } of stopped) {
      assert.is(stoppedReason, `Task failed ELB health checks in (target-group ${group})`)
      assert.is(stopCode, 'ServiceSchedulerInitiated')
    }
    const service = await serviceOf(context)
    const why = `(port 80) is unhealthy in (target-group ${group}) due to (reason ${bad?.Description})`
    assert.ok(eventsOf(service).includes(why), eventsOf(service))
    assert.is(service.deployments?.[0]?.rolloutState, 'IN_PROGRESS')
    assert.not.match(eventsOf(service), /steady state/)
  },
)

simulated(
  'healthy: waiters of both SDKs finish, and the deployment is completed',
  async (context) => {
    const { clock, group, kecs } = context
    await serve(context, { [LABEL]: 'healthy' })
    const settled = await until(
      context,
      'settled',
      () => serviceOf(context),
      ({ deployments }) => deployments?.[0]?.rolloutState === 'COMPLETED',
    )
    assert.match(eventsOf(settled), /registered [12] targets in \(target-group /)
    const patience = { maxWaitTime: 20, minDelay: 1, maxDelay: 1 }
    const service = { services: ['web'] }
    await ecs.waitUntilServicesStable({ ...patience, client: context.ecs }, service)
    const targets = { TargetGroupArn: group }
    await elb.waitUntilTargetInService({ ...patience, client: context.elb }, targets)
    clock.advance(60_000)
    await kecs.reconciler.idle()
    assert.equal(states(await targetsOf(context)), ['healthy', 'healthy'])
    assert.equal(await tasksOf(context, 'STOPPED'), [])
  },
)

simulated('healthy-after: a deployment waits until its targets are healthy', async (context) => {
  const { clock, kecs } = context
  await serve(context, { [LABEL]: 'healthy-after:30s' })
  await until(
    context,
    'registered',
    () => targetsOf(context),
    ({ length }) => length === 2,
  )
  clock.advance(29_000)
  await kecs.reconciler.idle()
  assert.equal(states(await targetsOf(context)), ['initial', 'initial'])
  const waiting = await serviceOf(context)
  assert.equal([waiting.runningCount, waiting.deployments?.[0]?.rolloutState], [2, 'IN_PROGRESS'])
  clock.advance(1_000)
  const done = await until(
    context,
    'done',
    () => serviceOf(context),
    ({ deployments }) => deployments?.[0]?.rolloutState === 'COMPLETED',
  )
  assert.match(eventsOf(done), /\(service web\) has reached a steady state\./)
})

simulated(
  'unhealthy-after: targets are initial until then, and the tasks are replaced',
  async (context) => {
    const { clock, group } = context
    const startMs = clock.now()
    // With no room for replacements the unhealthy ones go first.
    const deploymentConfiguration = { maximumPercent: 100, minimumHealthyPercent: 0 }
    await serve(context, { [LABEL]: 'unhealthy-after:20s' }, { deploymentConfiguration })
    const first = await until(
      context,
      'registered',
      () => targetsOf(context),
      ({ length }) => length === 2,
    )
    assert.equal(states(first), ['initial', 'initial'])
    const stopped = await until(
      context,
      'replaced',
      () => tasksOf(context, 'STOPPED'),
      ({ length }) => length >= 2,
    )
    for (const { stoppedReason, startedAt, stoppingAt } of stopped) {
      assert.is(stoppedReason, `Task failed ELB health checks in (target-group ${group})`)
      const lived = (stoppingAt?.getTime() ?? 0) - (startedAt?.getTime() ?? 0)
      assert.ok(lived >= 20_000 && lived <= 20_000 + 2 * TURN_MS, `lived ${lived} ms`)
    }
    assert.ok(clock.now() - startMs < 30_000)
    const text = eventsOf(await serviceOf(context))
    assert.match(text, /is unhealthy in \(target-group .* due to \(reason Health checks failed\)/)
  },
)

simulated('a label that is none: the task does not start, and says so', async (context) => {
  await serve(context, { [LABEL]: 'fine' })
  const [task] = await until(
    context,
    'refused',
    () => tasksOf(context, 'STOPPED'),
    ({ length }) => length > 0,
  )
  assert.match(
    task?.stoppedReason ?? '',
    /label kecs\.simulate\.target-health must be .* not "fine"/,
  )
})

simulated.run()
