import { Buffer } from 'node:buffer'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveTarget, RequestRecord } from '../../../../elbv2/data-plane/model.ts'
import { createAnomalies, WINDOW_MS } from '../../../../elbv2/data-plane/targets/anomalies.ts'
import { createBalancer } from '../../../../elbv2/data-plane/targets/balance.ts'
import { createStickiness } from '../../../../elbv2/data-plane/targets/stickiness.ts'
import { addresses, LiveWorld, seededRandom } from '../live-world.ts'

const test = suite('anomalies')
const MITIGATED = {
  'load_balancing.algorithm.type': 'weighted_random',
  'load_balancing.algorithm.anomaly_mitigation': 'on',
}
const OK = { targetStatus: 200, status: 200 }
const BROKEN = { targetStatus: 500, status: 500 }
const UNREACHED = { targetStatus: undefined, status: 502 }
const LEFT = { targetStatus: undefined, status: 460 }

type Outcome = Pick<RequestRecord, 'targetStatus' | 'status'>

class AnomalyWorld extends LiveWorld {
  readonly anomalies = createAnomalies({ live: this.live, clock: this.clock })
  readonly balancer = createBalancer({
    clock: this.clock,
    random: seededRandom(20261126),
    stickiness: createStickiness({ key: Buffer.alloc(32, 1), clock: this.clock }),
    weightOf: this.anomalies.weightOf,
  })
  readonly arn: string
  readonly targets: readonly LiveTarget[]

  constructor(count: number, attributes: Record<string, string> = MITIGATED) {
    super()
    this.live.start()
    this.arn = this.putGroup('g', { attributes })
    this.targets = this.registerHealthy(this.arn, addresses(count))
  }

  /** So many requests of each target in one window: those named by their place come to this. */
  window(outcome: Outcome, places: readonly number[], requests = 20): void {
    for (const [place, target] of this.targets.entries()) {
      const record = places.includes(place) ? outcome : OK
      for (let nth = 0; nth < requests; nth++) {
        const chosen = { group: this.group(this.arn), target }
        this.anomalies.onRequest({ ...record, target: chosen } as RequestRecord)
      }
    }
    this.clock.advance(WINDOW_MS)
  }

  weights(): number[] {
    return this.targets.map((target) => this.anomalies.weightOf(this.group(this.arn), target))
  }

  told(place: number): string {
    const target = this.targets[place]
    const { Result, MitigationInEffect } = target ? this.anomalies.detection(target.row) : {}
    return `${Result} ${MitigationInEffect}`
  }
}

test('anomalies: who fails clearly more than the others has ever less weight, and gets it back', () => {
  const world = new AnomalyWorld(4)
  assert.equal(world.weights(), [1, 1, 1, 1])
  world.window(BROKEN, [1])
  assert.equal(world.weights(), [1, 0.5, 1, 1])
  assert.equal([world.told(0), world.told(1)], ['normal no', 'anomalous yes'])
  for (let nth = 0; nth < 5; nth++) world.window(UNREACHED, [1])
  assert.equal(world.weights(), [1, 1 / 16, 1, 1])
  world.window(OK, [])
  assert.equal(world.weights(), [1, 1 / 8, 1, 1])
  assert.is(world.told(1), 'normal yes')
  for (let nth = 0; nth < 3; nth++) world.window(OK, [])
  assert.equal(world.weights(), [1, 1, 1, 1])
  assert.is(world.told(1), 'normal no')
})

test('anomalies: few requests, clients that left, all failing alike and two targets say nothing', () => {
  const few = new AnomalyWorld(4)
  few.window(BROKEN, [1], 5)
  assert.equal(few.weights(), [1, 1, 1, 1])
  few.window(LEFT, [1])
  assert.equal(few.weights(), [1, 1, 1, 1])
  few.window(BROKEN, [0, 1, 2, 3])
  assert.equal(few.weights(), [1, 1, 1, 1])
  few.window(BROKEN, [0, 1, 2])
  assert.equal(few.weights(), [1, 1, 1, 1])
  const two = new AnomalyWorld(2)
  two.window(BROKEN, [1])
  assert.equal(two.weights(), [1, 1])
})

test('anomalies: with few requests an anomalous target stays so until it fails no more', () => {
  const world = new AnomalyWorld(4)
  world.window(BROKEN, [1])
  world.window(BROKEN, [1], 2)
  assert.equal(world.weights(), [1, 0.25, 1, 1])
  world.window(OK, [], 2)
  assert.equal(world.weights(), [1, 0.5, 1, 1])
  // Nothing was heard for longer than a window.
  world.clock.advance(2 * WINDOW_MS)
  assert.equal(world.weights(), [1, 1, 1, 1])
})

test('anomalies: they are told without mitigation, too, and then nobody gets less', () => {
  const world = new AnomalyWorld(4, {})
  world.window(BROKEN, [1])
  assert.is(world.told(1), 'anomalous no')
})

test('weighted_random: with mitigation an anomalous target gets its part of what others get', () => {
  const requests = 10_000
  const countOf = (world: AnomalyWorld, place: number) => {
    let count = 0
    for (let nth = 0; nth < requests; nth++) {
      const plan = { groups: [{ arn: world.arn, weight: 1 }] }
      const asker = { cookie: () => undefined, sourceIp: '127.0.0.1' }
      const choice = world.balancer.choose(plan, world.live, asker)
      if (choice.kind === 'target' && choice.target === world.targets[place]) count++
    }
    return count
  }
  const world = new AnomalyWorld(4)
  world.window(BROKEN, [1])
  world.window(BROKEN, [1])
  // A quarter of what each of three others gets.
  const wanted = (requests * 0.25) / 3.25
  const count = countOf(world, 1)
  assert.ok(Math.abs(count - wanted) < 100, `${count} instead of ${wanted}`)
  const off = new AnomalyWorld(4, { 'load_balancing.algorithm.type': 'weighted_random' })
  off.window(BROKEN, [1])
  assert.ok(countOf(off, 1) > requests / 4 - 200)
})

test.run()
