import { Buffer } from 'node:buffer'
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ForwardPlan, LiveTarget } from '../../../../elbv2/data-plane/model.ts'
import { type Chosen, createBalancer } from '../../../../elbv2/data-plane/targets/balance.ts'
import { createStickiness, setsCookie } from '../../../../elbv2/data-plane/targets/stickiness.ts'
import { addresses, LiveWorld, seededRandom } from '../live-world.ts'

const test = suite('stickiness')
const SEED = 20261126
const DAY_MS = 86_400_000
const LB_COOKIE = { 'stickiness.enabled': 'true' }
const APP_COOKIE = {
  'stickiness.enabled': 'true',
  'stickiness.type': 'app_cookie',
  'stickiness.app_cookie.cookie_name': 'SESSION',
  'stickiness.app_cookie.duration_seconds': '100',
}
const CHROME = 'Mozilla/5.0 Chrome/129.0.0.0 Safari/537.36'

class StickyWorld extends LiveWorld {
  balancer = this.newBalancer(1)

  constructor() {
    super()
    this.live.start()
  }

  newBalancer(key: number) {
    return createBalancer({
      clock: this.clock,
      random: seededRandom(SEED),
      stickiness: createStickiness({ key: Buffer.alloc(32, key), clock: this.clock }),
    })
  }
}

/** A client that keeps the cookies it is given. */
class Client {
  readonly jar = new Map<string, string>()
  readonly #world: StickyWorld
  readonly #plan: ForwardPlan

  constructor(world: StickyWorld, plan: ForwardPlan | string) {
    this.#world = world
    this.#plan = typeof plan === 'string' ? { groups: [{ arn: plan, weight: 1 }] } : plan
  }

  choose(): Chosen {
    const choice = this.#world.balancer.choose(this.#plan, this.#world.live, {
      cookie: (name) => this.jar.get(name),
      sourceIp: '127.0.0.1',
    })
    if (choice.kind === 'none') throw new Error(choice.reason)
    return choice
  }

  /** The id of the target that a request went to, whose answer set these cookies. */
  send(answered: readonly string[] = []): string {
    const { target, setCookies, appCookies } = this.choose()
    for (const text of [...setCookies, ...(appCookies?.(answered, undefined) ?? []), ...answered]) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
      this.jar.set(name, value)
    }
    return target.row.id
  }
}

function attributes(set: Record<string, string>): { attributes: Record<string, string> } {
  return { attributes: set }
}

test('AWSALB: both cookies have the same value, and attributes as ALB writes them', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(LB_COOKIE))
  world.registerHealthy(arn, ['a'])
  const [plain = '', cors = '', ...more] = new Client(world, arn).choose().setCookies
  const value = /^AWSALB=([A-Za-z0-9+/=]+);/.exec(plain)?.[1]
  const rest = 'Expires=Thu, 08 Jan 2026 00:00:00 GMT; Path=/'
  assert.is(plain, `AWSALB=${value}; ${rest}`)
  assert.is(cors, `AWSALBCORS=${value}; ${rest}; SameSite=None; Secure`)
  assert.equal(more, [])
})

test('AWSALB: a client stays at its target, by either cookie', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(LB_COOKIE))
  world.registerHealthy(arn, addresses(10))
  for (const dropped of ['AWSALB', 'AWSALBCORS']) {
    const client = new Client(world, arn)
    const first = client.send()
    for (let nth = 0; nth < 20; nth++) {
      client.jar.delete(dropped)
      assert.is(client.send(), first)
    }
  }
})

test('AWSALB: never breaks while its target lives and is healthy, whatever becomes of others', () => {
  const event = fc.record({
    what: fc.constantFrom('ill', 'well', 'register', 'deregister', 'send', 'wait', 'settings'),
    at: fc.nat(30),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const world = new StickyWorld()
      const arn = world.putGroup('g', attributes(LB_COOKIE))
      world.registerHealthy(arn, addresses(4))
      const client = new Client(world, arn)
      const mine = client.send()
      for (const { what, at } of events) {
        const { targets } = world.group(arn)
        const other = targets[at % targets.length] as LiveTarget
        const isMine = other.row.id === mine
        if (what === 'ill' && !isMine) world.live.setHealth(other, { state: 'unhealthy' })
        if (what === 'well') world.live.setHealth(other, { state: 'healthy' })
        if (what === 'register') world.register(arn, [`new-${at}`])
        if (what === 'deregister' && !isMine) world.deregister(other.key)
        if (what === 'wait') world.clock.advance(at * 1000)
        if (what === 'settings') {
          const set = { ...LB_COOKIE, 'deregistration_delay.timeout_seconds': String(at) }
          world.putGroup('g', attributes(set))
        }
        assert.is(client.send(), mine)
      }
    }),
    { seed: SEED, numRuns: 200 },
  )
})

test('AWSALB: ends with its duration, which every answer renews', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(LB_COOKIE))
  world.registerHealthy(arn, ['a', 'b'])
  const client = new Client(world, arn)
  assert.is(client.send(), 'a')
  world.clock.advance(DAY_MS)
  assert.is(client.send(), 'a')
  world.clock.advance(DAY_MS)
  assert.is(client.send(), 'a')
  world.clock.advance(DAY_MS + 1)
  assert.is(client.send(), 'b')
})

test('AWSALB: a duration that was shortened holds for cookies that are out already', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(LB_COOKIE))
  world.registerHealthy(arn, ['a', 'b'])
  const client = new Client(world, arn)
  assert.is(client.send(), 'a')
  world.clock.advance(2000)
  const short = { ...LB_COOKIE, 'stickiness.lb_cookie.duration_seconds': '1' }
  world.putGroup('g', attributes(short))
  assert.is(client.send(), 'b')
})

test('AWSALB: a target that is ill, draining or gone gives way, and the client stays at the next', () => {
  const ends: ((world: StickyWorld, target: LiveTarget) => void)[] = [
    (world, target) => world.live.setHealth(target, { state: 'unhealthy' }),
    (world, target) => world.deregister(target.key),
    (world, target) => world.rows.targets.delete(target.key),
  ]
  for (const end of ends) {
    const world = new StickyWorld()
    const arn = world.putGroup('g', attributes(LB_COOKIE))
    const targets = world.registerHealthy(arn, ['a', 'b', 'c'])
    const client = new Client(world, arn)
    assert.is(client.send(), 'a')
    end(world, targets[0] as LiveTarget)
    const next = client.send()
    assert.is.not(next, 'a')
    world.live.setHealth(targets[0] as LiveTarget, { state: 'healthy' })
    assert.equal([client.send(), client.send()], [next, next])
  }
})

test('AWSALB: forged, cut, foreign and oversized cookies are none: a new choice, a new cookie', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(LB_COOKIE))
  world.registerHealthy(arn, ['a', 'b'])
  const client = new Client(world, arn)
  assert.is(client.send(), 'a')
  const value = client.jar.get('AWSALB') ?? ''
  const flipped = Buffer.from(value, 'base64')
  flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1
  const foreign = createStickiness({ key: Buffer.alloc(32, 2), clock: world.clock })
    .targetCookies(world.group(arn).targets[0]?.key ?? '')[0]
    ?.slice('AWSALB='.length)
    .split(';')[0]
  const bad = ['', '%', value.slice(0, 30), flipped.toString('base64'), foreign, value.repeat(999)]
  const ids = bad.map((text = '') => {
    client.jar.set('AWSALB', text)
    client.jar.set('AWSALBCORS', text)
    const id = client.send()
    assert.is(client.send(), id)
    return id
  })
  // Each of them takes its turn, where a good one would have stayed at `a`.
  assert.equal(ids, ['b', 'a', 'b', 'a', 'b', 'a'])
})

test('AWSALB: the value of another cookie of ours is none', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(LB_COOKIE))
  world.registerHealthy(arn, ['a', 'b'])
  const plan = { groups: [{ arn, weight: 1 }], stickinessMs: 1000 }
  const client = new Client(world, plan)
  client.send()
  const stickiness = createStickiness({ key: Buffer.alloc(32, 1), clock: world.clock })
  const cookie = () => client.jar.get('AWSALB')
  assert.is(stickiness.targetOf({ cookie }, 1000), world.group(arn).targets[0]?.key)
  assert.is(stickiness.groupOf({ cookie }, 1000), undefined)
  assert.equal(stickiness.appBonds({ cookie }), [])
})

test('AWSALBTG: comes first, and keeps a client at its group against all weights', () => {
  const world = new StickyWorld()
  const [blue, green] = [world.putGroup('blue', attributes(LB_COOKIE)), world.putGroup('green')]
  world.registerHealthy(blue, ['a', 'b'])
  world.registerHealthy(green, ['c'])
  const plan = (weights: readonly [number, number]) => ({
    groups: [
      { arn: blue, weight: weights[0] },
      { arn: green, weight: weights[1] },
    ],
    stickinessMs: 60_000,
  })
  const client = new Client(world, plan([1, 0]))
  assert.equal(
    client.choose().setCookies.map((text) => text.slice(0, text.indexOf('='))),
    ['AWSALBTG', 'AWSALBTGCORS', 'AWSALB', 'AWSALBCORS'],
  )
  const first = client.send()
  const moved = new Client(world, plan([0, 1]))
  for (const [name, value] of client.jar) moved.jar.set(name, value)
  for (let nth = 0; nth < 10; nth++) assert.is(moved.send(), first)
  assert.is(new Client(world, plan([0, 1])).send(), 'c')
  world.clock.advance(60_001)
  assert.is(moved.send(), 'c')
})

test('AWSALBTG: who is stuck to a group that the rule has no more goes by the weights', () => {
  const world = new StickyWorld()
  const [blue, green] = [world.putGroup('blue'), world.putGroup('green')]
  world.registerHealthy(blue, ['a'])
  world.registerHealthy(green, ['c'])
  const client = new Client(world, { groups: [{ arn: blue, weight: 1 }], stickinessMs: 60_000 })
  client.send()
  const moved = new Client(world, { groups: [{ arn: green, weight: 1 }], stickinessMs: 60_000 })
  for (const [name, value] of client.jar) moved.jar.set(name, value)
  assert.is(moved.send(), 'c')
})

test('AWSALBAPP: binds nobody before the target sets the cookie that is asked for', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(APP_COOKIE))
  world.registerHealthy(arn, ['a', 'b'])
  const client = new Client(world, arn)
  assert.equal([client.send(), client.send(['OTHER=1']), client.send()], ['a', 'b', 'a'])
  assert.is(client.jar.get('AWSALBAPP-0'), '_remove_')
  assert.is(client.send(['SESSION=1; HttpOnly']), 'b')
  assert.equal([client.send(), client.send()], ['b', 'b'])
})

test('AWSALBAPP: four cookies, cross-site only for a Chromium that wants it said', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(APP_COOKIE))
  world.registerHealthy(arn, ['a'])
  const { appCookies, setCookies } = new Client(world, arn).choose()
  const rest = 'Expires=Thu, 08 Jan 2026 00:00:00 GMT; Path=/'
  assert.equal(setCookies, [])
  assert.equal(
    appCookies?.([], undefined),
    [0, 1, 2, 3].map((nth) => `AWSALBAPP-${nth}=_remove_; ${rest}`),
  )
  const [first = '', second] = appCookies?.(['SESSION=1'], CHROME) ?? []
  assert.match(first, /^AWSALBAPP-0=[A-Za-z0-9+/=]{40,}; .*Path=\/; SameSite=None; Secure$/)
  assert.is(second, `AWSALBAPP-1=_remove_; ${rest}; SameSite=None; Secure`)
})

test('AWSALBAPP: ends with its duration, which answers renew, or with the cookie of the application', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(APP_COOKIE))
  world.registerHealthy(arn, ['a', 'b'])
  const client = new Client(world, arn)
  assert.is(client.send(['SESSION=1']), 'a')
  world.clock.advance(100_000)
  assert.is(client.send(), 'a')
  world.clock.advance(100_000)
  assert.is(client.send(), 'a')
  world.clock.advance(100_001)
  assert.is(client.send(['SESSION=2']), 'b')
  client.jar.delete('SESSION')
  assert.is(client.send(), 'a')
  assert.is(client.jar.get('AWSALBAPP-0'), '_remove_')
})

test('AWSALBAPP: who loses its target is bound to the next without the application saying so', () => {
  const world = new StickyWorld()
  const arn = world.putGroup('g', attributes(APP_COOKIE))
  const [a] = world.registerHealthy(arn, ['a', 'b', 'c'])
  const client = new Client(world, arn)
  assert.is(client.send(['SESSION=1']), 'a')
  world.live.setHealth(a as LiveTarget, { state: 'unhealthy' })
  const next = client.send()
  world.live.setHealth(a as LiveTarget, { state: 'healthy' })
  assert.equal([client.send(), client.send()], [next, next])
})

test('AWSALBAPP: one cookie holds the bonds of several groups', () => {
  const world = new StickyWorld()
  const jar = new Map<string, string>()
  const clients = addresses(10).map((name) => {
    const arn = world.putGroup(name, attributes(APP_COOKIE))
    world.registerHealthy(arn, ['a', 'b', 'c'])
    return new Client(world, arn)
  })
  const share = (client: Client, answered: readonly string[] = []) => {
    for (const [name, value] of jar) client.jar.set(name, value)
    const id = client.send(answered)
    for (const [name, value] of client.jar) jar.set(name, value)
    return id
  }
  for (const client of clients) share(client, ['SESSION=1'])
  assert.ok((jar.get('AWSALBAPP-0') ?? '').length < 4000)
  // The last eight are remembered.
  for (const client of clients.slice(2)) {
    assert.equal([share(client), share(client)], ['a', 'a'])
  }
  assert.is(share(clients[0] as Client), 'b')
})

test('setsCookie: goes by the name alone', () => {
  assert.ok(setsCookie(['A=1; Path=/', ' SESSION =; Max-Age=0'], 'SESSION'))
  assert.not(setsCookie(['SESSIONS=1', 'session=1', 'X=SESSION=1', 'SESSIONX'], 'SESSION'))
})

test('createStickiness: refuses a key of another length', () => {
  const world = new LiveWorld()
  assert.throws(() => createStickiness({ key: Buffer.alloc(16), clock: world.clock }), /32 bytes/)
})

test.run()
