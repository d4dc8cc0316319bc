import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createHealthMonitor,
  type HealthMonitor,
  MAX_PROBES_AT_ONCE,
} from '../../../../elbv2/data-plane/health/health-monitor.ts'
import type { LiveTarget } from '../../../../elbv2/data-plane/model.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { addresses, LiveWorld, seededRandom } from '../live-world.ts'

const test = suite('health monitor')

interface Asked {
  readonly id: string
  readonly atMs: number
  readonly signal: AbortSignal
  answer(code: number): void
}

/** Functions as targets, whose health checks end in the test's hands: everything but sockets. */
class MonitorWorld extends LiveWorld {
  readonly inUse = new Set<string>()
  readonly asked: Asked[] = []
  /** What a check is answered at once; undefined leaves it to the test. */
  code: ((id: string) => number | undefined) | undefined
  readonly monitor: HealthMonitor

  constructor(random = seededRandom(1)) {
    super()
    this.live.start()
    this.monitor = createHealthMonitor({
      live: this.live,
      clock: this.clock,
      log: silentLogger,
      random,
      inUse: (arn) => this.inUse.has(arn),
      probeLambda: (target, _group, _path, signal) => this.#ask(target, signal),
    })
    this.monitor.start()
  }

  #ask({ row }: LiveTarget, signal: AbortSignal): Promise<number> {
    return new Promise((resolve) => {
      this.asked.push({ id: row.id, atMs: this.clock.now(), signal, answer: resolve })
      const code = this.code?.(row.id)
      if (code !== undefined) resolve(code)
    })
  }

  /** A group of functions that is in use. */
  functions(healthCheck = {}): string {
    const arn = this.putGroup('f', {
      targetType: 'lambda',
      protocol: undefined,
      port: undefined,
      healthCheck,
    })
    this.inUse.add(arn)
    return arn
  }

  /** Turns the clock in steps, letting what is answered arrive in between. */
  async pass(ms: number, stepMs = 50): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await settled()
      this.clock.advance(Math.min(stepMs, ms - passed))
    }
    await settled()
  }

  state(key: string): string {
    const row = this.rows.targets.get(key)
    if (!row) return 'gone'
    const { state, reason } = this.monitor.healthOf(row)
    return reason ? `${state} ${reason}` : state
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('healthOf: is unused until the group is in use, then initial, then healthy by one check', async () => {
  const world = new MonitorWorld()
  const arn = world.functions()
  world.inUse.clear()
  const [key = ''] = world.register(arn, ['f'])
  await world.pass(60_000, 1000)
  assert.is(world.state(key), 'unused Target.NotInUse')
  assert.is(world.asked.length, 0)
  world.inUse.add(arn)
  assert.is(world.state(key), 'initial Elb.RegistrationInProgress')
  world.monitor.lookAgain(arn)
  await world.pass(100)
  assert.is(world.state(key), 'initial Elb.InitialHealthChecking')
  world.asked[0]?.answer(200)
  await settled()
  assert.is(world.state(key), 'healthy')
})

test('a new target is asked at once and often, and serves within a second of listening', async () => {
  const world = new MonitorWorld(() => 0.9)
  const arn = world.functions()
  let isUp = false
  world.code = () => (isUp ? 200 : 500)
  const [key = ''] = world.register(arn, ['f'])
  await world.pass(20_000)
  assert.is(world.state(key), 'initial Elb.InitialHealthChecking')
  const [first = 0, second = 0, third = 0] = world.asked.map(({ atMs }) => atMs)
  assert.ok(first - world.clock.now() + 20_000 <= 10)
  assert.ok(second - first <= 300 && third - second <= 550)
  isUp = true
  await world.pass(1000)
  assert.is(world.state(key), 'healthy')
})

test('early checks that fail do not count: a new target is given up at the pace of its group', async () => {
  const world = new MonitorWorld(() => 0.5)
  world.code = () => 500
  const [key = ''] = world.register(world.functions({ unhealthyThreshold: 3 }), ['f'])
  await world.pass(74_900, 100)
  assert.is(world.state(key), 'initial Elb.InitialHealthChecking')
  await world.pass(200, 100)
  assert.is(world.state(key), 'unhealthy Target.ResponseCodeMismatch')
})

test('healthy and unhealthy change by thresholds, at the interval', async () => {
  const world = new MonitorWorld(() => 0)
  let code = 200
  world.code = () => code
  const arn = world.functions({
    intervalSeconds: 10,
    unhealthyThreshold: 2,
    healthyThreshold: 3,
  })
  const [key = ''] = world.register(arn, ['f'])
  await world.pass(1000)
  assert.is(world.state(key), 'healthy')
  code = 503
  await world.pass(10_000)
  assert.is(world.state(key), 'healthy')
  await world.pass(10_000)
  assert.is(world.state(key), 'unhealthy Target.ResponseCodeMismatch')
  code = 200
  await world.pass(20_000)
  assert.is(world.state(key), 'unhealthy Target.ResponseCodeMismatch')
  await world.pass(10_000)
  assert.is(world.state(key), 'healthy')
  assert.is(world.asked.length, 6)
})

test('a check that takes too long has timed out, and is let go of', async () => {
  const world = new MonitorWorld(() => 0)
  const arn = world.functions({ intervalSeconds: 10, timeoutSeconds: 4 })
  const [key = ''] = world.register(arn, ['f'])
  await world.pass(3900)
  assert.not(world.asked[0]?.signal.aborted)
  await world.pass(200)
  assert.ok(world.asked[0]?.signal.aborted)
  await world.pass(20_000)
  assert.is(world.state(key), 'unhealthy Target.Timeout')
})

test('a target that hangs while it is new counts at the pace of its group, too', async () => {
  const world = new MonitorWorld(() => 0.25)
  const arn = world.functions({ intervalSeconds: 10, timeoutSeconds: 9 })
  const [key = ''] = world.register(arn, ['f'])
  await world.pass(25_000)
  assert.is(world.state(key), 'unhealthy Target.Timeout')
})

test('without health checks a function is unavailable, and is asked nothing', async () => {
  const world = new MonitorWorld()
  const arn = world.functions({ enabled: false })
  const [key = ''] = world.register(arn, ['f'])
  await world.pass(60_000, 1000)
  assert.is(world.state(key), 'unavailable Target.HealthCheckDisabled')
  assert.is(world.asked.length, 0)
  world.code = () => 200
  world.functions({ enabled: true })
  await world.pass(1000)
  assert.is(world.state(key), 'healthy')
})

test('a group that is in use no more is left alone, and must prove itself when it comes back', async () => {
  const world = new MonitorWorld()
  world.code = () => 200
  const arn = world.functions()
  const [key = ''] = world.register(arn, ['f'])
  await world.pass(1000)
  world.inUse.clear()
  world.monitor.lookAgain(arn)
  assert.is(world.state(key), 'unused Target.NotInUse')
  assert.is(world.clock.waiting, 0)
  world.inUse.add(arn)
  world.monitor.lookAgain(arn)
  assert.is(world.target(key).health.state, 'initial')
  await world.pass(1000)
  assert.is(world.state(key), 'healthy')
})

test('a draining target is asked nothing more, and is draining whatever was found', async () => {
  const world = new MonitorWorld()
  world.code = () => 200
  const [key = ''] = world.register(world.functions(), ['f'])
  await world.pass(1000)
  world.deregister(key)
  const asked = world.asked.length
  assert.is(world.state(key), 'draining Target.DeregistrationInProgress')
  await world.pass(200_000, 1000)
  assert.is(world.asked.length, asked)
})

test('what a target answers after its deregistration makes it nothing', async () => {
  const world = new MonitorWorld()
  const [key = ''] = world.register(world.functions(), ['f'])
  await world.pass(100)
  world.deregister(key)
  world.asked[0]?.answer(200)
  await settled()
  assert.is(world.target(key).health.state, 'initial')
})

test('a new interval holds at once, and what was found stays', async () => {
  const world = new MonitorWorld()
  world.code = () => 200
  const [key = ''] = world.register(world.functions({ intervalSeconds: 300 }), ['f'])
  await world.pass(1000)
  world.functions({ intervalSeconds: 5 })
  assert.is(world.state(key), 'healthy')
  const asked = world.asked.length
  await world.pass(50_000)
  assert.is(world.asked.length, asked + 10)
})

test('close: no timer is left, checks under way are let go of', async () => {
  const world = new MonitorWorld()
  world.register(world.functions(), addresses(20))
  await world.pass(1000)
  world.monitor.close()
  assert.is(world.clock.waiting, 20, 'time-outs of checks under way')
  assert.ok(world.asked.every(({ signal }) => signal.aborted))
  await settled()
  assert.is(world.clock.waiting, 0)
})

test('a thousand targets: checks are spread over the interval', async () => {
  const world = new MonitorWorld()
  world.code = () => 200
  world.register(world.functions(), addresses(1000))
  await world.pass(40_000, 100)
  assert.ok(
    world
      .group([...world.inUse][0] ?? '')
      .targets.every(({ health }) => health.state === 'healthy'),
  )
  world.asked.length = 0
  const beginMs = world.clock.now()
  await world.pass(60_000, 100)
  assert.is(world.asked.length, 2000)
  const slices = new Map<number, number>()
  for (const { atMs } of world.asked) {
    const slice = Math.floor((atMs - beginMs) / 3000)
    slices.set(slice, (slices.get(slice) ?? 0) + 1)
  }
  // A tenth of the interval gets about a tenth of the targets.
  for (const count of slices.values()) assert.ok(count > 60 && count < 140, String(count))
})

test('a thousand new targets: the first checks are spread, too, and soon all have had one', async () => {
  const world = new MonitorWorld()
  world.code = () => 500
  world.register(world.functions(), addresses(1000))
  let most = 0
  for (let second = 0; second < 10; second++) {
    const before = world.asked.length
    await world.pass(1000)
    most = Math.max(most, world.asked.length - before)
  }
  assert.is(new Set(world.asked.map(({ id }) => id)).size, 1000)
  assert.ok(most < 400, `${most} in one second`)
})

test('a thousand targets that hang: never more than the cap are asked at once, and all in their turn', async () => {
  const world = new MonitorWorld()
  const arn = world.functions({ intervalSeconds: 30, timeoutSeconds: 20 })
  world.register(arn, addresses(1000))
  let most = 0
  for (let step = 0; step < 1800; step++) {
    await world.pass(100, 100)
    most = Math.max(most, world.asked.filter(({ signal }) => !signal.aborted).length)
  }
  assert.is(most, MAX_PROBES_AT_ONCE)
  assert.is(new Set(world.asked.map(({ id }) => id)).size, 1000)
})

test('a target without an address is unhealthy, and says why; with one it is asked', async () => {
  const world = new MonitorWorld(() => 0)
  world.addresses.set('i-1', undefined)
  const arn = world.putGroup('g', { targetType: 'instance' })
  world.inUse.add(arn)
  const server = createServer((_req, res) => res.end('fine'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [key = ''] = world.register(arn, ['i-1'], { port })
  await world.pass(31_000, 500)
  assert.equal(world.target(key).health, {
    state: 'unhealthy',
    reason: 'Target.FailedHealthChecks',
    description: 'Health checks failed: no address of this target is known',
  })
  world.addresses.set('i-1', '127.0.0.1')
  const healthy = new Promise<void>((resolve) => world.live.onHealth(() => resolve()))
  for (let nth = 0; nth < 5; nth++) {
    const asked = once(server, 'request')
    world.clock.advanceToNext()
    await asked
    // Its time-out is called off when the answer is there.
    while (world.clock.waiting > 1) await settled()
  }
  await healthy
  assert.is(world.state(key), 'healthy')
  world.monitor.close()
  server.close()
})

test.run()
