import { Buffer } from 'node:buffer'
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ForwardPlan, LiveTarget } from '../../../../elbv2/data-plane/model.ts'
import {
  type Balancer,
  type Choice,
  createBalancer,
} from '../../../../elbv2/data-plane/targets/balance.ts'
import { createStickiness } from '../../../../elbv2/data-plane/targets/stickiness.ts'
import { addresses, LiveWorld, seededRandom } from '../live-world.ts'

const test = suite('balance')
const SEED = 20261126
const REQUEST = { cookie: () => undefined, sourceIp: '127.0.0.1' }

class BalanceWorld extends LiveWorld {
  readonly balancer: Balancer = createBalancer({
    clock: this.clock,
    random: seededRandom(SEED),
    stickiness: createStickiness({ key: Buffer.alloc(32, 1), clock: this.clock }),
  })

  constructor() {
    super()
    this.live.start()
  }

  choose(plan: ForwardPlan, request = REQUEST): Choice {
    return this.balancer.choose(plan, this.live, request)
  }

  /** The id of the target that a request gets, or why it gets none. */
  next(plan: ForwardPlan, request = REQUEST): string {
    const choice = this.choose(plan, request)
    return choice.kind === 'target' ? choice.target.row.id : choice.reason
  }

  /** How many of so many requests each target gets. */
  count(plan: ForwardPlan, requests: number): Map<string, number> {
    const counts = new Map<string, number>()
    for (let nth = 0; nth < requests; nth++) {
      const id = this.next(plan)
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    return counts
  }
}

function to(...groups: readonly (readonly [arn: string, weight: number])[]): ForwardPlan {
  return { groups: groups.map(([arn, weight]) => ({ arn, weight })) }
}

function attributes(set: Record<string, string>): { attributes: Record<string, string> } {
  return { attributes: set }
}

test('choose: answers none for an empty group, one of draining targets, and one that nobody has', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup()
  assert.is(world.next(to([arn, 1])), 'no-registered')
  const [target] = world.registerHealthy(arn, ['a'])
  assert.is(world.next(to([arn, 1])), 'a')
  world.deregister(target?.key ?? '')
  assert.is(world.next(to([arn, 1])), 'no-registered')
  assert.is(world.next(to(['arn:nobody', 1])), 'no-group')
})

test('choose: a group of weight 0 gets nothing, not even as the only one', () => {
  const world = new BalanceWorld()
  const [first, second] = [world.putGroup('first'), world.putGroup('second')]
  world.registerHealthy(first, ['a'])
  world.registerHealthy(second, ['b'])
  assert.equal([...world.count(to([first, 0], [second, 3]), 50)], [['b', 50]])
  assert.is(world.next(to([first, 0])), 'no-group')
  assert.is(world.next(to([first, 0], [second, 0])), 'no-group')
})

test('choose: an empty group keeps its share of the requests, as with AWS', () => {
  const world = new BalanceWorld()
  const [full, empty] = [world.putGroup('full'), world.putGroup('empty')]
  world.registerHealthy(full, ['a'])
  const counts = world.count(to([full, 1], [empty, 1]), 10)
  assert.equal([counts.get('a'), counts.get('no-registered')], [5, 5])
})

test('choose: over any run, no group is further than the number of groups from its weight', () => {
  const world = new BalanceWorld()
  const arns = addresses(5).map((name) => world.putGroup(name))
  for (const arn of arns) world.registerHealthy(arn, [arn])
  const weights = fc.array(fc.nat(999), { minLength: 2, maxLength: 5 })
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 300 }), (each, requests) => {
      const sum = each.reduce((all, weight) => all + weight, 0)
      fc.pre(sum > 0)
      const plan = to(...each.map((weight, at) => [arns[at] ?? '', weight] as const))
      const counts = world.count(plan, requests)
      for (const [at, weight] of each.entries()) {
        const got = counts.get(arns[at] ?? '') ?? 0
        assert.ok(Math.abs(got - (requests * weight) / sum) < each.length)
        if (weight === 0) assert.is(got, 0)
      }
    }),
    { seed: SEED },
  )
})

test('round_robin: takes the targets in turn; none is ever more than one ahead', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(200), (targets, requests) => {
      const world = new BalanceWorld()
      const arn = world.putGroup()
      world.registerHealthy(arn, addresses(targets))
      const counts = [...world.count(to([arn, 1]), requests + targets).values()]
      assert.is(counts.length, targets)
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
    }),
    { seed: SEED, numRuns: 40 },
  )
})

test('round_robin: goes on where it was when targets come, go and fall ill', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup()
  const [a, b] = world.registerHealthy(arn, ['a', 'b', 'c'])
  const plan = to([arn, 1])
  assert.equal([world.next(plan), world.next(plan)], ['a', 'b'])
  world.registerHealthy(arn, ['d'])
  assert.equal([world.next(plan), world.next(plan)], ['c', 'd'])
  world.live.setHealth(a as LiveTarget, { state: 'unhealthy' })
  world.deregister(b?.key ?? '')
  assert.equal([...world.count(plan, 10).keys()].sort(), ['c', 'd'])
})

test('choose: new targets get nothing before they are healthy, unless nobody is', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup()
  world.register(arn, ['new'])
  assert.is(world.next(to([arn, 1])), 'new')
  world.registerHealthy(arn, ['old'])
  assert.equal([...world.count(to([arn, 1]), 10)], [['old', 10]])
})

test('choose: fails open when fewer are healthy than the count or the percentage asks for', () => {
  const least = 'target_group_health.unhealthy_state_routing.minimum_healthy_targets'
  const served = (set: Record<string, string>, healthy: number) => {
    const world = new BalanceWorld()
    const arn = world.putGroup('g', attributes(set))
    world.registerHealthy(arn, addresses(healthy))
    for (const id of ['x', 'y']) {
      for (const key of world.register(arn, [id])) {
        world.live.setHealth(world.target(key), { state: 'unhealthy' })
      }
    }
    return world.count(to([arn, 1]), 20).size
  }
  assert.is(served({}, 0), 2)
  assert.is(served({}, 1), 1)
  assert.is(served({ [`${least}.count`]: '3' }, 2), 4)
  assert.is(served({ [`${least}.count`]: '3' }, 3), 3)
  assert.is(served({ [`${least}.percentage`]: '60' }, 2), 4)
  assert.is(served({ [`${least}.percentage`]: '60' }, 3), 3)
})

test('choose: failing open, what was checked goes before what is new', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup()
  const [ill] = world.registerHealthy(arn, ['ill'])
  world.live.setHealth(ill as LiveTarget, { state: 'unhealthy' })
  world.register(arn, ['new'])
  assert.equal([...world.count(to([arn, 1]), 10)], [['ill', 10]])
  world.deregister(ill?.key ?? '')
  assert.is(world.next(to([arn, 1])), 'new')
})

test('choose: what has no address gets nothing even when all else is ill', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup()
  world.addresses.set('i-1', undefined)
  world.register(arn, ['i-1'])
  assert.is(world.next(to([arn, 1])), 'no-address')
  world.register(arn, ['a'])
  assert.equal([...world.count(to([arn, 1]), 6)], [['a', 6]])
})

test('choose: a function whose health checks are off is invoked, address or not', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup('g', { targetType: 'lambda', protocol: undefined, port: undefined })
  world.addresses.set('f', undefined)
  const [key = ''] = world.register(arn, ['f'], { port: undefined })
  world.live.setHealth(world.target(key), { state: 'unavailable' })
  assert.is(world.next(to([arn, 1])), 'f')
})

test('least_outstanding_requests: takes the idle one, however many are busy', () => {
  const world = new BalanceWorld()
  const least = { 'load_balancing.algorithm.type': 'least_outstanding_requests' }
  const arn = world.putGroup('g', attributes(least))
  const targets = world.registerHealthy(arn, addresses(16))
  for (const target of targets) world.live.began(target)
  const idle = targets[11] as LiveTarget
  world.live.finished(idle)
  for (let nth = 0; nth < 40; nth++) assert.is(world.next(to([arn, 1])), idle.row.id)
})

test('least_outstanding_requests: of equals, takes each in turn', () => {
  const world = new BalanceWorld()
  const least = { 'load_balancing.algorithm.type': 'least_outstanding_requests' }
  const arn = world.putGroup('g', attributes(least))
  world.registerHealthy(arn, ['a', 'b', 'c'])
  assert.equal([...world.count(to([arn, 1]), 9).values()], [3, 3, 3])
})

test('least_outstanding_requests: of a thousand busy ones, the idle one is found after a few', () => {
  const world = new BalanceWorld()
  const least = { 'load_balancing.algorithm.type': 'least_outstanding_requests' }
  const arn = world.putGroup('g', attributes(least))
  const targets = world.registerHealthy(arn, addresses(1000))
  for (const target of targets) world.live.began(target)
  const idle = targets[777] as LiveTarget
  world.live.finished(idle)
  assert.ok((world.count(to([arn, 1]), 70).get(idle.row.id) ?? 0) > 0)
})

test('least_outstanding_requests: of a thousand, nobody gets far ahead of the others', () => {
  const world = new BalanceWorld()
  const least = { 'load_balancing.algorithm.type': 'least_outstanding_requests' }
  const arn = world.putGroup('g', attributes(least))
  const targets = world.registerHealthy(arn, addresses(1000))
  const random = seededRandom(SEED)
  const open: LiveTarget[] = []
  for (let nth = 0; nth < 20_000; nth++) {
    const choice = world.choose(to([arn, 1]))
    if (choice.kind === 'target') {
      world.live.began(choice.target)
      open.push(choice.target)
    }
    if (open.length > 3000) {
      const at = Math.floor(random() * open.length)
      world.live.finished(open[at] as LiveTarget)
      open[at] = open[open.length - 1] as LiveTarget
      open.pop()
    }
  }
  assert.ok(Math.max(...targets.map(({ inFlight }) => inFlight)) <= 5)
})

test('weighted_random: spreads evenly, without an order', () => {
  const world = new BalanceWorld()
  const random = { 'load_balancing.algorithm.type': 'weighted_random' }
  const arn = world.putGroup('g', attributes(random))
  world.registerHealthy(arn, addresses(10))
  for (const count of world.count(to([arn, 1]), 10_000).values()) {
    assert.ok(count > 880 && count < 1120, String(count))
  }
})

test('slow start: a new target gets a share that grows linearly to its full one', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup('g', attributes({ 'slow_start.duration_seconds': '100' }))
  world.registerHealthy(arn, ['old'])
  world.clock.advance(1000)
  world.registerHealthy(arn, ['new'])
  const counts = [0, 0, 0, 0, 0].map((_, quarter) => {
    if (quarter > 0) world.clock.advance(25_000)
    return world.count(to([arn, 1]), 4000).get('new') ?? 0
  })
  for (const [quarter, count] of counts.entries()) {
    const wanted = 500 * quarter
    assert.ok(Math.abs(count - wanted) < 100, `${count} instead of ${wanted}`)
  }
  assert.equal([counts[0], counts[4]], [0, 2000])
})

test('slow start: the first of a group do not start slowly: nobody could take what they leave', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup('g', attributes({ 'slow_start.duration_seconds': '100' }))
  const [first] = world.registerHealthy(arn, ['a'])
  assert.is(first?.slowStart, false)
  assert.is(world.next(to([arn, 1])), 'a')
})

test('slow start: a target that was ill starts slowly again', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup('g', attributes({ 'slow_start.duration_seconds': '100' }))
  const [a] = world.registerHealthy(arn, ['a', 'b'])
  world.clock.advance(200_000)
  world.live.setHealth(a as LiveTarget, { state: 'unhealthy' })
  world.live.setHealth(a as LiveTarget, { state: 'healthy' })
  assert.equal([...world.count(to([arn, 1]), 100)], [['b', 100]])
})

test('source_ip: a client stays at its target while others come and go', () => {
  const world = new BalanceWorld()
  const arn = world.putGroup('g', {
    protocol: 'TCP',
    ...attributes({ 'stickiness.enabled': 'true' }),
  })
  const targets = world.registerHealthy(arn, addresses(5))
  const from = (sourceIp: string) => world.next(to([arn, 1]), { ...REQUEST, sourceIp })
  const clients = addresses(20)
  const before = clients.map(from)
  assert.is(new Set(before).size, 5)
  world.registerHealthy(arn, ['new'])
  const ill = targets[0] as LiveTarget
  world.live.setHealth(ill, { state: 'unhealthy' })
  const after = clients.map(from)
  for (const [nth, id] of before.entries()) {
    if (id === ill.row.id) assert.is.not(after[nth], id)
    else assert.is(after[nth], id)
  }
})

test('choose: costs the same for one target and for a thousand', () => {
  const millis = (count: number, type: string) => {
    const world = new BalanceWorld()
    const arn = world.putGroup('g', attributes({ 'load_balancing.algorithm.type': type }))
    world.registerHealthy(arn, addresses(count))
    const plan = to([arn, 1])
    for (let nth = 0; nth < 20_000; nth++) world.choose(plan)
    const begun = performance.now()
    for (let nth = 0; nth < 20_000; nth++) world.choose(plan)
    return performance.now() - begun
  }
  for (const type of ['round_robin', 'weighted_random', 'least_outstanding_requests']) {
    const [few, many] = [millis(20, type), millis(1000, type)]
    // A cost that grew with the targets would be fifty times as high; noise is not.
    assert.ok(many < few * 10 + 20, `${type}: ${few} ms for 20, ${many} ms for 1000`)
  }
})

test.run()
