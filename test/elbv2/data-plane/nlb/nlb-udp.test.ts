import { Buffer } from 'node:buffer'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveListener } from '../../../../elbv2/data-plane/model.ts'
import {
  createTcpUdpPort,
  createUdpPort,
  UDP_IDLE_MS,
} from '../../../../elbv2/data-plane/nlb/nlb-udp.ts'
import { portListeners } from '../tls/tls-world.ts'
import { heardBy, NlbWorld, until } from './nlb-world.ts'

const test = suite('nlb-udp')

class Udp {
  readonly socket: Socket = createSocket('udp4')
  readonly heard: string[] = []
  readonly from: RemoteInfo[] = []

  constructor() {
    this.socket.on('message', (message, from) => {
      this.heard.push(message.toString('latin1'))
      this.from.push(from)
    })
  }

  /** Its port. */
  async bind(): Promise<number> {
    await new Promise<void>((resolve) => this.socket.bind(0, '127.0.0.1', resolve))
    return this.socket.address().port
  }

  async ask(port: number, text: string): Promise<string> {
    const before = this.heard.length
    this.socket.send(text, port, '127.0.0.1')
    await until(() => this.heard.length > before)
    return this.heard.at(-1) ?? ''
  }
}

/** Tells its name and what it heard. */
async function echo(name: string, servers: Udp[]): Promise<number> {
  const udp = new Udp()
  servers.push(udp)
  udp.socket.on('message', (message, { port, address }) => {
    udp.socket.send(Buffer.concat([Buffer.from(`${name}:`), message]), port, address)
  })
  return udp.bind()
}

interface Bench {
  readonly world: NlbWorld
  readonly port: number
  readonly servers: Udp[]
  client(): Promise<Udp>
}

async function withPort(
  make: (world: NlbWorld, servers: Udp[]) => Promise<LiveListener>,
  work: (bench: Bench) => Promise<void>,
  create = createUdpPort,
): Promise<void> {
  const world = new NlbWorld()
  const servers: Udp[] = []
  const clients: Udp[] = []
  const listener = await make(world, servers)
  const opened = await create(world)(
    '127.0.0.1',
    portListeners(() => [listener]),
  )
  try {
    await work({
      world,
      port: opened.port,
      servers,
      async client() {
        const udp = new Udp()
        clients.push(udp)
        await udp.bind()
        return udp
      },
    })
  } finally {
    const closed = opened.close(0)
    world.clock.advance(0)
    await closed
    for (const { socket } of [...servers, ...clients]) socket.close()
    world.close()
  }
}

test('udp: each client hears the answers to its own datagrams, from the port that it asked', async () => {
  await withPort(
    async (world, servers) =>
      world.to(world.group('g', [await echo('a', servers)], { protocol: 'UDP' })),
    async ({ port, client }) => {
      const [one, two] = [await client(), await client()]
      const answers = await Promise.all([one.ask(port, '1'), two.ask(port, '2')])
      assert.equal(answers, ['a:1', 'a:2'])
      assert.is(one.from[0]?.port, port)
      assert.is(await one.ask(port, 'again'), 'a:again')
    },
  )
})

test('udp: flows and their bytes are told', async () => {
  await withPort(
    async (world, servers) =>
      world.to(world.group('g', [await echo('a', servers)], { protocol: 'UDP' })),
    async ({ world: { watch, clock }, port, client }) => {
      const [one, two] = [await client(), await client()]
      await one.ask(port, '1')
      await one.ask(port, '2')
      await two.ask(port, '3')
      assert.equal([watch.flows, watch.open, watch.bytes], [2, 2, 12])
      clock.advance(UDP_IDLE_MS)
      assert.equal([watch.flows, watch.open], [2, 0])
    },
  )
})

test('udp: a client’s flow stays with its target, and many clients use them all', async () => {
  await withPort(
    async (world, servers) => {
      const ports = [await echo('a', servers), await echo('b', servers), await echo('c', servers)]
      return world.to(world.group('g', ports, { protocol: 'UDP' }))
    },
    async ({ port, client }) => {
      const names = new Set<string>()
      for (let nth = 0; nth < 24; nth++) {
        const udp = await client()
        const first = await udp.ask(port, 'x')
        assert.is(await udp.ask(port, 'x'), first)
        names.add(first)
      }
      assert.is(names.size, 3)
    },
  )
})

test('udp: a flow that passes nothing for 120 seconds is forgotten, counted from its last datagram', async () => {
  await withPort(
    async (world, servers) =>
      world.to(world.group('g', [await echo('a', servers)], { protocol: 'UDP' })),
    async ({ world, port, client, servers }) => {
      const udp = await client()
      const { clock } = world
      const target = world.only('arn:group/g')
      await udp.ask(port, '1')
      assert.is(target.inFlight, 1)
      clock.advance(UDP_IDLE_MS - 1)
      await udp.ask(port, '2')
      clock.advance(UDP_IDLE_MS - 1)
      assert.is(target.inFlight, 1)
      clock.advance(1)
      assert.is(target.inFlight, 0)
      await udp.ask(port, '3')
      assert.is(target.inFlight, 1)
      const [, two, three] = servers[0]?.from ?? []
      assert.is.not(two?.port, three?.port)
    },
  )
})

test('udp: a target that becomes unhealthy loses its flows to others', async () => {
  await withPort(
    async (world, servers) => {
      const ports = [await echo('a', servers), await echo('b', servers)]
      return world.to(world.group('g', ports, { protocol: 'UDP' }))
    },
    async ({ world, port, client }) => {
      const udp = await client()
      const first = await udp.ask(port, 'x')
      const target = world.targets('arn:group/g').find(({ inFlight }) => inFlight === 1)
      if (target) world.live.setHealth(target, { state: 'unhealthy' })
      assert.is(target?.inFlight, 0)
      assert.is.not(await udp.ask(port, 'x'), first)
    },
  )
})

test('udp: every datagram has a header of PROXY protocol where the group asks for it', async () => {
  await withPort(
    async (world, servers) => {
      const attributes = { 'proxy_protocol_v2.enabled': 'true' }
      const ports = [await echo('a', servers)]
      return world.to(world.group('g', ports, { protocol: 'UDP', attributes }))
    },
    async ({ port, client }) => {
      const udp = await client()
      for (const text of ['1', '2']) {
        const answer = Buffer.from(await udp.ask(port, text), 'latin1')
        assert.is(answer.length, 'a:'.length + 100 + 1)
        assert.is(answer.subarray(2 + 12, 2 + 16).toString('hex'), '21120054')
        assert.is(answer.at(-1), text.charCodeAt(0))
      }
    },
  )
})

test('udp: datagrams that nobody takes are lost, and the port goes on', async () => {
  let arn = ''
  await withPort(
    async (world) => {
      arn = world.group('g', [], { protocol: 'UDP' })
      return world.to(arn)
    },
    async ({ world, port, client, servers }) => {
      const udp = await client()
      udp.socket.send('lost', port, '127.0.0.1')
      const target = await echo('a', servers)
      world.group('g', [target], { protocol: 'UDP' })
      let answer = ''
      while (answer === '') answer = await Promise.race([udp.ask(port, 'x'), later()])
      assert.is(answer, 'a:x')
    },
  )
})

const later = () => new Promise<string>((resolve) => setTimeout(() => resolve(''), 200))

test('tcp_udp: both protocols are served under one number', async () => {
  await withPort(
    async (world, servers) => {
      const udp = await echo('udp', servers)
      const arn = world.group('g', [udp], { protocol: 'TCP_UDP' })
      return world.to(arn, { protocol: 'TCP_UDP' })
    },
    async ({ world, port, client }) => {
      assert.is(await (await client()).ask(port, 'x'), 'udp:x')
      const tcp = connect(port, '127.0.0.1')
      // Nobody listens under TCP where that target is.
      assert.is(await heardBy(tcp), 'ECONNRESET')
      await until(() => world.only('arn:group/g').inFlight === 1)
    },
    createTcpUdpPort,
  )
})

test.run()
