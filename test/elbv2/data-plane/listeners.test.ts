import { createServer, type Server } from 'node:net'
import * as assert from 'uvu/assert'
import { createHttpPort } from '../../../elbv2/data-plane/http/http-port.ts'
import { createListeners, type ListenersOptions } from '../../../elbv2/data-plane/listeners.ts'
import type { OpenListener } from '../../../elbv2/data-plane/model.ts'
import { systemClock } from '../../../gateway/core/clock.ts'
import { systemIds } from '../../../gateway/core/ids.ts'
import { type Logger, silentLogger } from '../../../gateway/core/log.ts'
import { FakeClock } from '../../fake-clock.ts'
import { deadPort } from '../../gateway/support-proxy.ts'
import { frontSuite } from './http/front-suite.ts'
import { type FrontWorld, fixed, forwardTo } from './http/front-world.ts'

const { test, newWorld } = frontSuite('elbv2 listeners')

function listenersOf(world: FrontWorld, options: Partial<ListenersOptions> = {}) {
  const warnings: string[] = []
  const log: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) }
  const http = createHttpPort({
    front: world.front(),
    watch: world.watch,
    clock: systemClock,
    ids: systemIds,
    log: silentLogger,
  })
  const listeners = createListeners({
    table: () => world.tables.current(),
    openers: { HTTP: http },
    host: '127.0.0.1',
    reserved: new Map(),
    clock: world.clock,
    log,
    enabled: true,
    ...options,
  })
  world.store.onChange(() => listeners.update())
  world.onClose(() => listeners.close(0))
  return { listeners, warnings }
}

function get(host: string): string {
  return `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
}

async function occupy(port: number): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

async function refuses(world: FrontWorld, port: number): Promise<void> {
  assert.is(await world.ask(port, get('x')), '')
}

test('createListeners: a listener’s port is open while the listener is there', async () => {
  const world = newWorld()
  const { listeners } = listenersOf(world)
  const port = await deadPort()
  const balancer = world.balancer()
  const arn = world.listener(balancer, fixed('200', 'here'), { port })
  await listeners.idle()
  assert.match(await world.ask(port, get('anything')), /here$/)
  assert.is(listeners.trouble(balancer), undefined)
  world.rows.listeners.delete(arn)
  await listeners.idle()
  await refuses(world, port)
  world.listener(balancer, fixed('200', 'again'), { port })
  await listeners.idle()
  assert.match(await world.ask(port, get('anything')), /again$/)
})

test('createListeners: listeners that are there when it starts are opened', async () => {
  const world = newWorld()
  const port = await deadPort()
  world.listener(world.balancer(), fixed('200', 'here'), { port })
  const { listeners } = listenersOf(world)
  listeners.update()
  await listeners.idle()
  assert.match(await world.ask(port, get('anything')), /here$/)
})

test('createListeners: balancers share a port by Host; who names none of them gets the oldest', async () => {
  const world = newWorld()
  const { listeners } = listenersOf(world)
  const port = await deadPort()
  const one = world.balancer('one')
  const two = world.balancer('two')
  const first = world.listener(one, fixed('200', 'one'), { port })
  world.listener(two, fixed('200', 'two'), { port })
  await listeners.idle()
  const name = (balancer: string) => `${balancer}-1234567890.us-east-1.elb.localhost`
  assert.match(await world.ask(port, get(name('one'))), /one$/)
  assert.match(await world.ask(port, get(`${name('Two')}:${port}`)), /two$/)
  assert.match(await world.ask(port, get('localhost')), /one$/)
  world.rows.listeners.delete(first)
  await listeners.idle()
  assert.match(await world.ask(port, get('localhost')), /two$/)
  assert.equal([listeners.trouble(one), listeners.trouble(two)], [undefined, undefined])
})

test('createListeners: a balancer is reached without its name where its port is open and it is the oldest', async () => {
  const world = newWorld()
  const { listeners } = listenersOf(world)
  const port = await deadPort()
  const [one, two] = [world.balancer('one'), world.balancer('two')]
  const first = world.listener(one, fixed('200'), { port })
  world.listener(two, fixed('200'), { port })
  assert.is(listeners.reachedAt(one, port), undefined)
  await listeners.idle()
  assert.is(listeners.reachedAt(one, port), '127.0.0.1')
  assert.is(listeners.reachedAt(two, port), undefined)
  world.rows.listeners.delete(first)
  assert.is(listeners.reachedAt(two, port), '127.0.0.1')
  assert.is(listenersOf(world, { enabled: false }).listeners.reachedAt(two, port), undefined)
})

test('createListeners: a port that is taken is said once, and had as soon as it is free', async () => {
  const world = newWorld()
  const port = await deadPort()
  const other = await occupy(port)
  const { listeners, warnings } = listenersOf(world)
  const balancer = world.balancer()
  world.listener(balancer, fixed('200', 'here'), { port })
  await listeners.idle()
  const reason = `listener port ${port}: taken by another program`
  assert.is(listeners.trouble(balancer), reason)
  for (let round = 0; round < 3; round++) {
    world.clock.advanceToNext()
    await listeners.idle()
  }
  listeners.update()
  assert.equal(warnings, [reason])
  await new Promise((resolve) => other.close(resolve))
  world.clock.advanceToNext()
  await listeners.idle()
  assert.is(listeners.trouble(balancer), undefined)
  assert.match(await world.ask(port, get('x')), /here$/)
})

test('createListeners: what waits for a taken port is forgotten with its listener', async () => {
  const world = newWorld()
  const port = await deadPort()
  const other = await occupy(port)
  const { listeners } = listenersOf(world)
  const balancer = world.balancer()
  const arn = world.listener(balancer, fixed('200'), { port })
  await listeners.idle()
  world.rows.listeners.delete(arn)
  await listeners.idle()
  assert.is(listeners.trouble(balancer), undefined)
  assert.is(world.clock.waiting, 0)
  await new Promise((resolve) => other.close(resolve))
})

test('createListeners: a port that is not allowed is another reason, and so is one of our own', async () => {
  const world = newWorld()
  const port = await deadPort()
  const denied: OpenListener = () =>
    Promise.reject(Object.assign(new Error('permission denied'), { code: 'EACCES' }))
  const { listeners, warnings } = listenersOf(world, {
    openers: { HTTP: denied },
    reserved: new Map([[port, 'KECS’s API']]),
  })
  const balancer = world.balancer()
  world.listener(balancer, fixed('200'), { port: 80 })
  world.listener(balancer, fixed('200'), { port })
  await listeners.idle()
  assert.is(
    listeners.trouble(balancer),
    `listener port 80: this user is not allowed to open it; listener port ${port}: taken by KECS’s API`,
  )
  listeners.update()
  await listeners.idle()
  assert.is(warnings.length, 2)
})

test('createListeners: of two protocols on one port the oldest listener has it', async () => {
  const world = newWorld()
  const opened: string[] = []
  const opener =
    (protocol: string): OpenListener =>
    () => {
      opened.push(protocol)
      return Promise.resolve({ close: () => Promise.resolve() })
    }
  const openers = { HTTP: opener('HTTP'), TCP: opener('TCP') }
  const { listeners } = listenersOf(world, { openers })
  const [one, two, three] = [
    world.balancer('one', {}, { type: 'network' }),
    world.balancer('two'),
    world.balancer('three', {}, { type: 'network' }),
  ]
  const forward = forwardTo(world.putGroup())
  const first = world.listener(one, forward, { port: 7000, protocol: 'TCP' })
  world.listener(two, fixed('200'), { port: 7000 })
  world.listener(three, forward, { port: 7000, protocol: 'TCP' })
  await listeners.idle()
  assert.equal(opened, ['TCP'])
  assert.is(listeners.trouble(one), undefined)
  const reason = 'listener port 7000: load balancer one has it for TCP'
  // Nothing in TCP says which of them is meant.
  assert.equal([listeners.trouble(two), listeners.trouble(three)], [reason, reason])
  world.rows.listeners.delete(first)
  await listeners.idle()
  assert.equal(opened, ['TCP', 'HTTP'])
  assert.is(listeners.trouble(two), undefined)
})

test('createListeners: UDP has a number beside TCP, and TCP_UDP has it whole', async () => {
  const world = newWorld()
  const open: string[] = []
  const opener =
    (protocol: string): OpenListener =>
    () => {
      open.push(protocol)
      const close = async () => void open.splice(open.indexOf(protocol), 1)
      return Promise.resolve({ close })
    }
  const protocols = ['HTTP', 'UDP', 'TCP_UDP']
  const openers = Object.fromEntries(protocols.map((each) => [each, opener(each)]))
  const { listeners } = listenersOf(world, { openers, reserved: new Map([[53, 'somebody']]) })
  const nlb = (name: string) => world.balancer(name, {}, { type: 'network' })
  const [web, web2] = [world.balancer('web'), world.balancer('web2')]
  const [dns, late, both] = [nlb('dns'), nlb('late'), nlb('both')]
  const forward = forwardTo(world.putGroup())
  const all = [
    world.listener(web, fixed('200'), { port: 7000 }),
    world.listener(dns, forward, { port: 7000, protocol: 'UDP' }),
  ]
  world.listener(web2, fixed('200'), { port: 7000 })
  world.listener(late, forward, { port: 7000, protocol: 'UDP' })
  world.listener(both, forward, { port: 7000, protocol: 'TCP_UDP' })
  world.listener(dns, forward, { port: 53, protocol: 'UDP' })
  await listeners.idle()
  assert.equal(open, ['HTTP', 'UDP', 'UDP'])
  for (const arn of [web, web2, dns]) assert.is(listeners.trouble(arn), undefined)
  const trouble = 'listener port 7000: load balancer'
  assert.is(listeners.trouble(late), `${trouble} dns has it for UDP`)
  assert.is(listeners.trouble(both), `${trouble} web has it for HTTP`)

  for (const arn of all) world.rows.listeners.delete(arn)
  world.rows.loadBalancers.delete(late)
  for (const row of [...world.rows.listeners.by('loadBalancer', late)]) {
    world.rows.listeners.delete(row.arn)
  }
  for (const row of [...world.rows.listeners.by('loadBalancer', web2)]) {
    world.rows.listeners.delete(row.arn)
  }
  await listeners.idle()
  assert.equal(open, ['UDP', 'TCP_UDP'])
  assert.is(listeners.trouble(both), undefined)
})

test('createListeners: a protocol that nobody opens is said; switched off, nothing is opened', async () => {
  const world = newWorld()
  const { listeners } = listenersOf(world)
  const balancer = world.balancer('udp', {}, { type: 'network' })
  world.listener(balancer, forwardTo(world.putGroup()), { port: 53, protocol: 'UDP' })
  await listeners.idle()
  assert.is(
    listeners.trouble(balancer),
    'listener port 53: UDP is not served on ports of their own',
  )

  const off = listenersOf(world, { enabled: false })
  const port = await deadPort()
  off.listeners.update()
  await off.listeners.idle()
  await refuses(world, port)
  assert.is(off.listeners.trouble(balancer), undefined)
})

test('address: where a listener is reached without its name, and nowhere while it is not', async () => {
  const world = newWorld()
  const port = await deadPort()
  const other = await occupy(port)
  const { listeners } = listenersOf(world)
  const [one, two] = [world.balancer('one'), world.balancer('two')]
  const first = world.listener(one, fixed('200', 'one'), { port })
  await listeners.idle()
  assert.is(listeners.reachedAt(one, port), undefined, 'another program has it')
  await new Promise((resolve) => other.close(resolve))
  world.clock.advanceToNext()
  await listeners.idle()
  assert.is(listeners.reachedAt(one, port), '127.0.0.1')
  assert.is(listeners.reachedAt(one, port + 1), undefined)
  world.listener(two, fixed('200', 'two'), { port })
  await listeners.idle()
  assert.is(listeners.reachedAt(two, port), undefined, 'who names nobody reaches the other one')
  world.rows.listeners.delete(first)
  await listeners.idle()
  assert.equal(
    [listeners.reachedAt(one, port), listeners.reachedAt(two, port)],
    [undefined, '127.0.0.1'],
  )
})

test('address: of a listener on every address of this machine, its loopback', async () => {
  const open: OpenListener = () => Promise.resolve({ close: () => Promise.resolve() })
  for (const [host, loopback] of [
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
    ['10.0.0.1', '10.0.0.1'],
  ] as const) {
    const world = newWorld()
    const { listeners } = listenersOf(world, { host, openers: { HTTP: open } })
    const balancer = world.balancer()
    world.listener(balancer, fixed('200'), { port: 80 })
    await listeners.idle()
    assert.is(listeners.reachedAt(balancer, 80), loopback)
  }
})

test('createHttpPort: a client’s connection ends when it is as old as the balancer allows', async () => {
  const world = newWorld()
  const clock = new FakeClock()
  const openers = {
    HTTP: createHttpPort({
      front: world.front(),
      watch: world.watch,
      clock,
      ids: systemIds,
      log: silentLogger,
    }),
  }
  const { listeners } = listenersOf(world, { openers })
  const port = await deadPort()
  const balancer = world.balancer('my-alb', { 'client_keep_alive.seconds': '60' })
  world.listener(balancer, fixed('200', 'here'), { port })
  await listeners.idle()
  const client = world.connect(port)
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
  for (let round = 1; round <= 2; round++) {
    client.say(request)
    await client.hears(new RegExp(`(here[\\s\\S]*){${round}}`))
    clock.advance(29_000)
  }
  clock.advance(2_000)
  client.say(request)
  assert.match(await client.toTheEnd(), /Connection: close\r\n[\s\S]*here$/i)
})

test('createListeners: close lets what is under way finish', async () => {
  const world = newWorld()
  const { listeners } = listenersOf(world)
  const port = await deadPort()
  const balancer = world.balancer()
  const action = { Type: 'authenticate-oidc' } as never
  world.listener(balancer, fixed('200', 'late'), { port }, [action])
  await listeners.idle()
  let allow = () => {}
  const asked = new Promise<void>((resolve) => {
    world.authenticate = () => {
      resolve()
      return new Promise((done) => {
        allow = () => done({ kind: 'allow', headers: [] })
      })
    }
  })
  const answer = world.ask(port, get('x'))
  await asked
  const closed = listeners.close(10_000)
  allow()
  assert.match(await answer, /late$/)
  await closed
  await refuses(world, port)
})

test.run()
