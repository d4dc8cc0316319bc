import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createSimulatedRuntime } from '../../../cluster/local/simulated.ts'
import { FakeClock } from '../../fake-clock.ts'
import { runtimeContract } from '../../runtime-contract.ts'
import { HEALTH_CHECK, taskOf, Watch, type World } from '../../runtime-watch.ts'

const MAX_TURNS = 10_000

function worldOf(clock: FakeClock): World {
  const runtime = createSimulatedRuntime({ clock })
  return {
    runtime,
    async until(done) {
      for (let turns = 0; !done(); turns++) {
        if (turns > MAX_TURNS || !clock.advanceToNext()) throw new Error('it never came so far')
      }
    },
    noticed() {},
    async restarted() {
      await runtime.close()
      return worldOf(clock)
    },
    dispose: () => runtime.close(),
  }
}

const labels = (of: Record<string, string>) => ({
  labels: Object.fromEntries(Object.entries(of).map(([name, v]) => [`kecs.simulate.${name}`, v])),
})

runtimeContract(
  'simulated runtime',
  {
    behaviours: {
      runsForEver: {},
      exits: (code) => labels({ 'exit-code': String(code) }),
      ignoresStop: labels({ 'stop-after': '1h' }),
      cannotStart: labels({ start: 'fail: no such thing' }),
      turnsHealthy: { healthCheck: HEALTH_CHECK },
      turnsUnhealthy: { healthCheck: HEALTH_CHECK, ...labels({ health: 'unhealthy' }) },
    },
    outlives: true,
    warnsOfUser: false,
  },
  async () => worldOf(new FakeClock()),
).run()

const scripts = suite('simulated runtime: scripts')

async function scene(containers: Parameters<typeof taskOf>[1][]) {
  const clock = new FakeClock()
  const world = worldOf(clock)
  const watch = new Watch(world)
  await watch.start()
  const spec = taskOf('t1', ...containers.filter((each) => each !== undefined))
  await world.runtime.run(spec)
  return { clock, watch, spec, startMs: clock.now() }
}

scripts('createSimulatedRuntime: nothing is claimed that no script says', async () => {
  const { watch } = await scene([
    { command: ['true'], ports: [{ containerPort: 80, protocol: 'tcp' }] },
  ])
  const state = await watch.reach('t1', 'running')
  await watch.world.runtime.stop('t1')
  const stopped = await watch.reach('t1', 'stopped')
  assert.is(state.address, undefined)
  assert.is(stopped.containers[0]?.exitCode, undefined)
  assert.is(stopped.containers[0]?.imageDigest, undefined)
  assert.equal(stopped.containers[0]?.ports, [])
  assert.equal(
    [...new Set(watch.seen.map(({ phase }) => phase))],
    ['pending', 'pulling', 'running', 'stopping', 'stopped'],
  )
})

scripts(
  'createSimulatedRuntime: a task without labels runs for ever, within a second of its start',
  async () => {
    const { clock, watch, startMs } = await scene([{}])
    const { startedAtMs = Number.NaN } = await watch.reach('t1', 'running')
    assert.ok(startedAtMs - startMs < 1_000)
    clock.advance(365 * 86_400_000)
    assert.is(watch.state('t1').phase, 'running')
  },
)

scripts(
  'kecs.simulate.exit-after: counts from the start, and the exit reason is given',
  async () => {
    const { clock, watch } = await scene([
      labels({
        'exit-after': '10s',
        'exit-code': '137',
        'exit-reason': 'OutOfMemoryError: rehearsed',
      }),
    ])
    const { startedAtMs = 0 } = await watch.reach('t1', 'running')
    clock.advance(startedAtMs + 9_999 - clock.now())
    assert.is(watch.state('t1').phase, 'running')
    clock.advance(1)
    assert.equal(watch.container('t1', 'c0').exitCode, 137)
    assert.is(watch.container('t1', 'c0').reason, 'OutOfMemoryError: rehearsed')
    assert.is(watch.state('t1').cause?.code, 'EssentialContainerExited')
  },
)

scripts('kecs.simulate.pull: a failed pull fails the task in the words of ECS', async () => {
  const { watch } = await scene([{}, labels({ pull: 'fail: not found' })])
  const { cause, containers } = await watch.reach('t1', 'stopped')
  assert.is(cause?.code, 'TaskFailedToStart')
  assert.is(
    cause?.reason,
    'CannotPullContainerError: pull of image example.test/image:1 failed: not found',
  )
  assert.is(containers[1]?.reason, cause?.reason)
})

scripts('kecs.simulate.health: a scripted health needs no health check', async () => {
  const { clock, watch } = await scene([labels({ health: 'unhealthy-after:5s' })])
  await watch.reach('t1', 'running')
  assert.is(watch.container('t1', 'c0').health, 'unknown')
  clock.advance(5_000)
  assert.is(watch.container('t1', 'c0').health, 'unhealthy')
})

scripts('createSimulatedRuntime: a label that is none fails the task and is named', async () => {
  for (const [name, value] of Object.entries({
    'exit-code': '256',
    'exit-after': 'soon',
    health: 'fine',
    pull: 'never',
    unheard: 'of',
  })) {
    const { watch } = await scene([labels({ [name]: value })])
    const { cause } = await watch.reach('t1', 'stopped')
    assert.is(cause?.code, 'TaskFailedToStart')
    assert.match(cause?.reason ?? '', /^ResourceInitializationError: /)
    assert.ok(cause?.reason.includes(`kecs.simulate.${name}`))
  }
})

scripts('start: what fell due while nobody watched happens at once after a restart', async () => {
  const { clock, watch, spec } = await scene([
    { ...labels({ 'exit-after': '1m', health: 'healthy-after:30s' }) },
    { ...labels({ 'exit-code': '4' }), essential: false },
  ])
  const ran = await watch.reach('t1', 'running')
  await watch.when('t1', () => watch.container('t1', 'c1').phase === 'stopped')
  const next = new Watch(await watch.world.restarted())
  clock.advance(31_000)
  await next.start([{ spec, state: watch.state('t1') }])
  clock.advance(0)
  assert.is(next.container('t1', 'c0').health, 'healthy')
  assert.is(next.container('t1', 'c1').exitCode, 4)
  clock.advance((ran.startedAtMs ?? 0) + 60_000 - clock.now())
  assert.is(next.container('t1', 'c0').exitCode, 0)
  clock.advance(1_000)
  assert.is(next.state('t1').phase, 'stopped')
  await next.world.runtime.remove('t1')
  assert.is(clock.waiting, 0)
})

scripts('start: a task of another runtime is not gone on with', async () => {
  const { watch, spec } = await scene([labels({})])
  await watch.reach('t1', 'running')
  const next = new Watch(await watch.world.restarted())
  const truth = await next.world.runtime.start(
    [{ spec, state: { ...watch.state('t1'), node: 'elsewhere' } }],
    () => {},
  )
  assert.equal(truth, [])
})

scripts.run()
