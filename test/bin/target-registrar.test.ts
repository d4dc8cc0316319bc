import type { LoadBalancer } from '@aws-sdk/client-ecs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { noScripts, type ScriptedTargets } from '../../bin/scripted-targets.ts'
import { createTargetRegistrar, targetAddress } from '../../bin/target-registrar.ts'
import type { TaskState } from '../../cluster/runtime.ts'
import { type ContainerInstanceRow, type EcsRows, openRows, type TaskRow } from '../../ecs/rows.ts'
import type { TargetRegistrar } from '../../ecs/targets.ts'
import type { TargetHealth } from '../../elbv2/data-plane/model.ts'
import { targetKey } from '../../elbv2/rows.ts'
import { LiveWorld } from '../elbv2/data-plane/live-world.ts'
import { listenerRow } from '../elbv2/row-fixtures.ts'

const SCOPE = { account: '000000000000', region: 'us-east-1' }
const PREFIX = 'arn:aws:ecs:us-east-1:000000000000'
const INSTANCE = `${PREFIX}:container-instance/c/1`

interface Context {
  world: LiveWorld
  ecs: EcsRows
  registrar: TargetRegistrar
  /** What health checks find, by target's id; `initial` where nothing is set. */
  found: Map<string, TargetHealth>
  scripts: { changesAtMs: number | undefined }
  /** Tasks that the registrar told of. */
  told: string[]
}

const registrar = suite<Context>('target registrar')
registrar.before.each((context) => {
  const world = new LiveWorld()
  world.live.start()
  const ecs = openRows(world.store)
  const found = new Map<string, TargetHealth>()
  const scripted: Context['scripts'] = { changesAtMs: undefined }
  const scripts: ScriptedTargets = { ...noScripts, changesAtMs: () => scripted.changesAtMs }
  const told: string[] = []
  const made = createTargetRegistrar({
    ecs,
    elbv2: world.rows,
    live: world.live,
    healthOf: ({ id }) => found.get(id) ?? { state: 'initial' },
    scripts,
    clock: world.clock,
  })
  made.onChange((arn) => told.push(arn))
  Object.assign(context, { world, ecs, registrar: made, found, scripts: scripted, told })
})
registrar.after.each(({ world }) => world.live.close())

/** A running task with one container `app` whose port 80 is bound, on an address of its own or not. */
function taskOf(id: string, address?: string, hostPort = 30_080): TaskRow {
  const ports = [{ containerPort: 80, hostPort, bindIp: '127.0.0.1', protocol: 'tcp' as const }]
  const observed: TaskState = {
    id,
    phase: 'running',
    containers: [{ name: 'app', phase: 'running', health: 'unknown', ports }],
    ...(address !== undefined && { address }),
  }
  return {
    ...SCOPE,
    arn: `${PREFIX}:task/c/${id}`,
    id,
    clusterArn: `${PREFIX}:cluster/c`,
    taskDefinitionArn: `${PREFIX}:task-definition/web:1`,
    group: 'service:web',
    launchType: 'EC2',
    containerInstanceArn: INSTANCE,
    availabilityZone: 'us-east-1a',
    desiredStatus: 'RUNNING',
    lastStatus: 'RUNNING',
    containers: [],
    attachments: [],
    overrides: {},
    enableExecuteCommand: false,
    tags: [],
    healthStatus: 'UNKNOWN',
    createdAtMs: 0,
    version: 1,
    observed,
  }
}

function instanceRow(status: ContainerInstanceRow['status'] = 'ACTIVE'): ContainerInstanceRow {
  return {
    ...SCOPE,
    arn: INSTANCE,
    id: '1',
    clusterArn: `${PREFIX}:cluster/c`,
    status,
    implicit: true,
    ec2InstanceId: 'i-1',
    cpuUnits: 1_024,
    memoryMiB: 1_024,
    attributes: [],
    tags: [],
    registeredAtMs: 0,
    version: 1,
  }
}

function behind(...groups: string[]): LoadBalancer[] {
  return groups.map((targetGroupArn) => ({
    targetGroupArn,
    containerName: 'app',
    containerPort: 80,
  }))
}

/** `id:port` of the group's targets, with how it is with them. */
function targetsIn({ world }: Context, group: string): string[] {
  return [...world.rows.targets.by('group', group)].map(
    ({ id, port, drainingSinceMs }) =>
      `${id}:${port}${drainingSinceMs === undefined ? '' : ' draining'}`,
  )
}

registrar(
  'register: by address, by where its ports are bound, or by its id where there is neither',
  (context) => {
    const { world, registrar: made } = context
    const group = world.putGroup()
    const count = [{ targetGroupArn: group, count: 1 }]
    assert.equal(made.register(taskOf('a', '10.0.0.1'), behind(group)), count)
    assert.equal(made.register(taskOf('b'), behind(group)), count)
    const { observed: _, ...unbound } = taskOf('c')
    assert.equal(made.register(unbound, behind(group)), count)
    assert.equal(targetsIn(context, group), ['10.0.0.1:30080', '127.0.0.1:30080', 'c:80'])
  },
)

registrar(
  'register: of an instance, a port that the host does not have by its own address',
  (context) => {
    const { world, ecs, registrar: made } = context
    const group = world.putGroup('g', { targetType: 'instance' })
    ecs.containerInstances.put(INSTANCE, instanceRow())
    const tasks = [taskOf('a', '10.0.0.1', 80), taskOf('b', '10.0.0.2', 80)]
    for (const { observed, ...row } of tasks) {
      const bindIp = observed?.address ?? ''
      const containers = (observed?.containers ?? []).map((each) => ({
        ...each,
        ports: each.ports.map((port) => ({ ...port, bindIp })),
      }))
      made.register(
        { ...row, ...(observed && { observed: { ...observed, containers } }) },
        behind(group),
      )
    }
    assert.equal(targetsIn(context, group), ['10.0.0.1:80', '10.0.0.2:80'])
  },
)

registrar('register: instances by their EC2 id and host port', (context) => {
  const { world, ecs, registrar: made } = context
  const group = world.putGroup('g', { targetType: 'instance' })
  ecs.containerInstances.put(INSTANCE, instanceRow())
  made.register(taskOf('a'), behind(group))
  assert.equal(targetsIn(context, group), ['i-1:30080'])
})

registrar('register: with every group that is named, once; again it changes nothing', (context) => {
  const { world, registrar: made } = context
  const groups = [world.putGroup('one'), world.putGroup('two')]
  const task = taskOf('a')
  const classic = { loadBalancerName: 'classic', containerName: 'app', containerPort: 80 }
  const registered = made.register(task, [...behind(...groups), classic])
  assert.equal(
    registered.map(({ targetGroupArn, count }) => [targetGroupArn, count]),
    groups.map((group) => [group, 1]),
  )
  const [row] = world.rows.targets.by('owner', task.arn)
  assert.equal(made.register(task, behind(...groups)), [])
  assert.is([...world.rows.targets.by('owner', task.arn)][0], row)
})

registrar('register: a group that is gone is an Error that names it', ({ registrar: made }) => {
  assert.throws(
    () => made.register(taskOf('a'), behind('arn:gone')),
    /Target group 'arn:gone' not found/,
  )
})

registrar(
  'register: a port that a stopped task had and still drains goes to the next one',
  (context) => {
    const { world, registrar: made } = context
    const group = world.putGroup()
    const [before, after] = [taskOf('a'), taskOf('b')]
    made.register(before, behind(group))
    made.deregister(before)
    assert.equal(targetsIn(context, group), ['127.0.0.1:30080 draining'])
    made.register(after, behind(group))
    assert.equal(targetsIn(context, group), ['127.0.0.1:30080'])
    assert.equal(made.deregister(before), [], 'it is not the first one’s any more')
    assert.ok(made.drained(before))
    assert.equal(made.state(after, behind(group)), 'initial')
  },
)

registrar(
  'deregister: drains at once and once; the task is drained when its last request has ended',
  async (context) => {
    const { world, registrar: made, told } = context
    const group = world.putGroup()
    const task = taskOf('a')
    made.register(task, behind(group))
    assert.not.ok(made.drained(task), 'it is registered')
    const target = world.target(targetKey(group, '127.0.0.1', 30_080))
    world.live.began(target)
    world.live.began(target)
    assert.equal(made.deregister(task), [{ targetGroupArn: group, count: 1 }])
    assert.equal(made.deregister(task), [])
    assert.is(made.state(task, behind(group)), 'draining')
    world.live.finished(target)
    assert.not.ok(made.drained(task))
    told.length = 0
    world.live.finished(target)
    assert.ok(made.drained(task))
    await Promise.resolve()
    assert.equal(told, [task.arn])
  },
)

registrar('drained: not waited for longer than the deregistration delay', async (context) => {
  const { world, registrar: made, told } = context
  const attributes = { 'deregistration_delay.timeout_seconds': '30' }
  const group = world.putGroup('g', { attributes })
  const task = taskOf('a')
  made.register(task, behind(group))
  world.live.began(world.target(targetKey(group, '127.0.0.1', 30_080)))
  made.deregister(task)
  world.clock.advance(29_999)
  assert.not.ok(made.drained(task))
  told.length = 0
  world.clock.advance(1)
  assert.ok(made.drained(task))
  await Promise.resolve()
  assert.equal(told, [task.arn])
  assert.equal(targetsIn(context, group), [])
})

registrar('state: of all of a task’s targets together, the worst', (context) => {
  const { world, ecs, registrar: made, found } = context
  const groups = [world.putGroup('one'), world.putGroup('two', { targetType: 'instance' })]
  ecs.containerInstances.put(INSTANCE, instanceRow())
  const task = taskOf('a')
  const balancers = behind(...groups)
  const state = (one: TargetHealth['state'], two: TargetHealth['state']) => {
    found.set('127.0.0.1', { state: one })
    found.set('i-1', { state: two })
    return made.state(task, balancers)
  }
  assert.is(made.state(task, []), 'none')
  assert.is(made.state(task, balancers), 'initial', 'not registered yet')
  made.register(task, balancers)
  assert.is(state('healthy', 'healthy'), 'healthy')
  assert.is(state('healthy', 'initial'), 'initial')
  assert.is(state('initial', 'unhealthy'), 'unhealthy')
  assert.is(state('healthy', 'unused'), 'healthy', 'no listener uses the group any more')
  assert.is(state('healthy', 'unavailable'), 'healthy', 'its health checks are disabled')
})

registrar(
  'troubles: targets that are unhealthy, with the balancer’s reason',
  ({ world, registrar: made, found }) => {
    const group = world.putGroup()
    const task = taskOf('a')
    made.register(task, behind(group))
    assert.equal(made.troubles(task), [])
    const trouble = { targetGroupArn: group, port: 30_080 }
    found.set('127.0.0.1', { state: 'unhealthy', description: 'Request timed out' })
    assert.equal(made.troubles(task), [{ ...trouble, reason: 'Request timed out' }])
    found.set('127.0.0.1', { state: 'unhealthy' })
    assert.equal(made.troubles(task), [{ ...trouble, reason: 'Health checks failed' }])
  },
)

registrar(
  'describe: the type of a group, and whether a listener forwards to it',
  ({ world, registrar: made }) => {
    const describe: (arn: string, scope: typeof SCOPE) => unknown = made.describe
    const group = world.putGroup()
    assert.is(describe('arn:gone', SCOPE), undefined)
    assert.equal(describe(group, SCOPE), { targetType: 'ip', balanced: false })
    const defaultActions = [{ Type: 'forward' as const, TargetGroupArn: group }]
    world.rows.listeners.put('l', { ...listenerRow('l', 'b'), defaultActions })
    assert.equal(describe(group, SCOPE), { targetType: 'ip', balanced: true })
  },
)

registrar(
  'onChange: tells whose target has another health, and stops when told to',
  ({ world, registrar: made, told }) => {
    const group = world.putGroup()
    const task = taskOf('a')
    made.register(task, behind(group))
    const others: string[] = []
    const stop = made.onChange((arn) => others.push(arn))
    world.registerHealthy(group, ['10.9.9.9'])
    assert.equal(told, [], 'a target of nobody’s')
    const target = world.target(targetKey(group, '127.0.0.1', 30_080))
    world.live.setHealth(target, { state: 'healthy' })
    stop()
    world.live.setHealth(target, { state: 'unhealthy' })
    assert.equal(told, [task.arn, task.arn])
    assert.equal(others, [task.arn])
  },
)

registrar(
  'onChange: tells when labels make a task’s health another',
  ({ world, registrar: made, scripts, told }) => {
    scripts.changesAtMs = world.clock.now() + 5_000
    const task = taskOf('a')
    made.register(task, behind(world.putGroup()))
    world.clock.advance(4_999)
    assert.equal(told, [])
    world.clock.advance(1)
    assert.equal(told, [task.arn])
  },
)

registrar(
  'targetAddress: its own where it is one; of an instance, that of its machine while it lives',
  ({ world, ecs }) => {
    const address = (id: string, group: string) => {
      const row = { ...SCOPE, arn: id, targetGroupArn: group, id, registeredAtMs: 0 }
      const groupRow = world.rows.targetGroups.get(group)
      if (!groupRow) throw new Error(`there is no ${group}`)
      const where = {
        ecs,
        nodeAddress: ({ arn }: { arn: string }) => (arn === INSTANCE ? '10.1.1.1' : undefined),
        balancerAddress: () => undefined,
      }
      return targetAddress(where, row, groupRow)
    }
    const ip = world.putGroup('ip')
    const instance = world.putGroup('instance', { targetType: 'instance' })
    assert.is(address('10.0.0.1', ip), '10.0.0.1')
    assert.is(address('fd00::1', ip), 'fd00::1')
    assert.is(address('some-task', ip), undefined)
    assert.is(address('i-1', instance), undefined)
    ecs.containerInstances.put(INSTANCE, instanceRow())
    assert.is(address('i-1', instance), '10.1.1.1')
    assert.is(address('i-1', ip), undefined)
    ecs.containerInstances.put(INSTANCE, instanceRow('INACTIVE'))
    assert.is(address('i-1', instance), undefined)
  },
)

registrar.run()
