import { Buffer } from 'node:buffer'
import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveListener, LiveRule, OpenPort } from '../../../../elbv2/data-plane/model.ts'
import { createTcpPort } from '../../../../elbv2/data-plane/nlb/nlb-tcp.ts'
import { proxyHeader } from '../../../../elbv2/data-plane/nlb/proxy-protocol.ts'
import { compileConditions } from '../../../../elbv2/data-plane/rules/match.ts'
import { portListeners } from '../tls/tls-world.ts'
import { heardBy, NlbWorld, until } from './nlb-world.ts'

const test = suite('nlb-tcp')

/** Which of them depends on whether the client was writing at that moment. */
const RESET = /^(ECONNRESET|EPIPE)$/

type Dial = () => Socket

async function withPort(
  make: (world: NlbWorld) => Promise<LiveListener>,
  work: (world: NlbWorld, dial: Dial) => Promise<void>,
): Promise<void> {
  const world = new NlbWorld()
  const clients: Socket[] = []
  let opened: OpenPort | undefined
  try {
    const listener = await make(world)
    const port = await createTcpPort(world)(
      '127.0.0.1',
      portListeners(() => [listener]),
    )
    opened = port
    await work(world, () => {
      const client = connect({ port: port.port, host: '127.0.0.1', allowHalfOpen: true })
      client.on('error', () => {})
      clients.push(client)
      return client
    })
  } finally {
    for (const client of clients) client.destroy()
    const closed = opened?.close(0)
    world.clock.advance(0)
    await closed
    world.close()
  }
}

/** Echoes; says good-bye when its client has ended. */
function echo(socket: Socket): void {
  socket.on('data', (chunk) => socket.write(chunk))
  socket.on('end', () => socket.end('bye'))
}

test('tcp: bytes pass both ways, and a client that has ended its half still hears', async () => {
  await withPort(
    async (world) => world.to(world.group('g', [await world.serve(echo)])),
    async (world, dial) => {
      const client = dial()
      client.write('ping ')
      client.end('pong ')
      assert.is(await heardBy(client), 'ping pong bye')
      await until(() => world.only('arn:group/g').inFlight === 0)
    },
  )
})

test('tcp: the first rule that matches the client’s address decides, else the default one', async () => {
  const heard = async (types: readonly ('ipv4' | 'ipv6')[]) => {
    let text = ''
    await withPort(
      async (world) => {
        const says = async (name: string) =>
          world.group(name, [await world.serve((socket) => socket.end(name))])
        const listener = world.to(await says('default'))
        const rules: LiveRule[] = []
        for (const [at, type] of types.entries()) {
          const arn = await says(`${type} ${at}`)
          const condition = { Field: 'source-ip', SourceIpConfig: { IpAddressType: type } }
          const matches = compileConditions([condition])
          rules.push(...world.to(arn).rules.map((rule) => ({ ...rule, matches })))
        }
        return { ...listener, rules: [...rules, ...listener.rules] }
      },
      async (_world, dial) => {
        text = await heardBy(dial())
      },
    )
    return text
  }
  assert.is(await heard(['ipv6', 'ipv4', 'ipv4']), 'ipv4 1')
  assert.is(await heard(['ipv6']), 'default')
})

test('tcp: flows and their bytes are told, and targets that take none', async () => {
  await withPort(
    async (world) => world.to(world.group('g', [await world.serve(echo)])),
    async ({ watch }, dial) => {
      const client = dial()
      client.write('ping')
      await until(() => watch.bytes === 8)
      assert.equal([watch.flows, watch.open], [1, 1])
      client.end()
      assert.is(await heardBy(client), 'pingbye')
      await until(() => watch.open === 0)
      assert.equal([watch.flows, watch.bytes, watch.unreachedGroups], [1, 11, []])
    },
  )
  await withPort(
    async (world) => world.to(world.group('dead', [await world.closedPort()])),
    async ({ watch }, dial) => {
      await heardBy(dial())
      await until(() => watch.unreachedGroups.length > 0)
      assert.equal([watch.flows, watch.unreachedGroups], [0, ['arn:group/dead']])
    },
  )
})

test('tcp: a target that has ended its half still hears its client', async () => {
  let heard: Promise<string> | undefined
  await withPort(
    async (world) =>
      world.to(
        world.group('g', [
          await world.serve((socket) => {
            heard = heardBy(socket)
            socket.end('first')
          }),
        ]),
      ),
    async (_world, dial) => {
      const client = dial()
      assert.is(await heardBy(client), 'first')
      client.end('after all')
      assert.is(await heard, 'after all')
    },
  )
})

test('tcp: many megabytes arrive whole through a target that reads slowly', async () => {
  const bytes = 24 * 1024 * 1024
  let target: Socket | undefined
  await withPort(
    async (world) =>
      world.to(
        world.group('g', [
          await world.serve((socket) => {
            let count = 0
            socket.on('data', (chunk) => {
              count += chunk.length
            })
            socket.pause()
            target = socket
            socket.on('end', () => socket.end(String(count)))
          }),
        ]),
      ),
    async (_world, dial) => {
      const client = dial()
      client.end(Buffer.alloc(bytes))
      await until(() => target !== undefined)
      target?.resume()
      assert.is(await heardBy(client), String(bytes))
    },
  )
})

test('tcp: a client is reset where its target refuses, and where there is none', async () => {
  await withPort(
    async (world) => world.to(world.group('g', [await world.closedPort()])),
    async (world, dial) => {
      assert.is(await heardBy(dial()), 'ECONNRESET')
      await until(() => world.only('arn:group/g').inFlight === 0)
    },
  )
  await withPort(
    async (world) => world.to(world.group('g', [])),
    async (_world, dial) => {
      assert.is(await heardBy(dial()), 'ECONNRESET')
    },
  )
})

test('tcp: where one side is reset, so is the other', async () => {
  let target: Socket | undefined
  await withPort(
    async (world) =>
      world.to(
        world.group('g', [
          await world.serve((socket) => {
            target = socket
            socket.write('hello')
          }),
        ]),
      ),
    async (world, dial) => {
      const client = dial()
      const heard = heardBy(client)
      await until(() => target !== undefined && client.bytesRead > 0)
      target?.resetAndDestroy()
      assert.is(await heard, 'ECONNRESET')
      await until(() => world.only('arn:group/g').inFlight === 0)
    },
  )
})

test('tcp: flows spread over the healthy targets, and every one is counted down again', async () => {
  await withPort(
    async (world) => {
      const ports = [await world.serve(echo), await world.serve(echo), await world.serve(echo)]
      const arn = world.group('g', ports)
      const [sick] = world.targets(arn)
      if (sick) world.live.setHealth(sick, { state: 'unhealthy' })
      return world.to(arn)
    },
    async (world, dial) => {
      const clients = Array.from({ length: 40 }, dial)
      const counts = () => world.targets('arn:group/g').map(({ inFlight }) => inFlight)
      await until(() => counts().reduce((sum, count) => sum + count) === 40)
      const [sick = 0, two = 0, three = 0] = counts()
      assert.is(sick, 0)
      assert.ok(two >= 5 && three >= 5, `${two} and ${three}`)
      for (const client of clients) client.destroy()
      await until(() => counts().every((count) => count === 0))
    },
  )
})

test('tcp: weighted groups get flows by their weights, and none with the weight 0', async () => {
  await withPort(
    async (world) => {
      const arns = []
      for (const name of ['a', 'b', 'c']) arns.push(world.group(name, [await world.serve(echo)]))
      const [a = '', b = '', c = ''] = arns
      return world.listener([
        { arn: a, weight: 3 },
        { arn: b, weight: 1 },
        { arn: c, weight: 0 },
      ])
    },
    async (world, dial) => {
      Array.from({ length: 120 }, dial)
      const of = (name: string) => world.only(`arn:group/${name}`).inFlight
      await until(() => of('a') + of('b') === 120)
      assert.is(of('c'), 0)
      assert.ok(of('b') >= 10 && of('b') <= 50, `${of('b')} of 120`)
    },
  )
})

test('tcp: with source_ip stickiness a client’s connections all go to one target, while it is healthy', async () => {
  await withPort(
    async (world) => {
      const ports = [await world.serve(echo), await world.serve(echo), await world.serve(echo)]
      return world.to(world.group('g', ports, { attributes: { 'stickiness.enabled': 'true' } }))
    },
    async (world, dial) => {
      const counts = () => world.targets('arn:group/g').map(({ inFlight }) => inFlight)
      Array.from({ length: 12 }, dial)
      await until(() => counts().includes(12))
      const first = world.targets('arn:group/g')[counts().indexOf(12)]
      if (first) world.live.setHealth(first, { state: 'unhealthy' })
      await until(() => first?.inFlight === 0)
      Array.from({ length: 12 }, dial)
      await until(() => counts().includes(12))
      assert.is(first?.inFlight, 0)
    },
  )
})

test('tcp: the header of PROXY protocol comes before the first byte, and not before that', async () => {
  let heard = ''
  await withPort(
    async (world) => {
      const attributes = { 'proxy_protocol_v2.enabled': 'true' }
      const port = await world.serve((socket) => {
        socket.write('220 ready')
        socket.on('data', (chunk) => {
          heard += chunk.toString('latin1')
        })
      })
      return world.to(world.group('g', [port], { attributes }))
    },
    async (_world, dial) => {
      const client = dial()
      await new Promise((resolve) => client.once('data', resolve))
      assert.is(heard, '')
      client.write('EHLO')
      await until(() => heard.endsWith('EHLO'))
      const header = proxyHeader({
        protocol: 'tcp',
        sourceIp: '127.0.0.1',
        sourcePort: client.localPort ?? 0,
        destinationIp: '127.0.0.1',
        destinationPort: client.remotePort ?? 0,
      })
      assert.is(heard, `${header.toString('latin1')}EHLO`)
    },
  )
})

test('tcp: a connection is reset after its idle time, counted from its last byte', async () => {
  await withPort(
    async (world) =>
      world.to(world.group('g', [await world.serve(echo)]), {
        attributes: { 'tcp.idle_timeout.seconds': '60' },
      }),
    async (world, dial) => {
      const client = dial()
      const heard = heardBy(client)
      client.write('a')
      await until(() => client.bytesRead === 1)
      world.clock.advance(59_000)
      client.write('b')
      await until(() => client.bytesRead === 2)
      world.clock.advance(59_000)
      client.write('c')
      await until(() => client.bytesRead === 3)
      world.clock.advance(60_000)
      assert.is(await heard, 'ECONNRESET')
      await until(() => world.only('arn:group/g').inFlight === 0)
    },
  )
})

test('tcp: a deregistered target’s connections end with its delay only where the group says so', async () => {
  for (const ends of [true, false]) {
    await withPort(
      async (world) => {
        const attributes = {
          'deregistration_delay.timeout_seconds': '30',
          'deregistration_delay.connection_termination.enabled': String(ends),
        }
        return world.to(world.group('g', [await world.serve(echo)], { attributes }))
      },
      async (world, dial) => {
        const client = dial()
        const heard = heardBy(client)
        client.write('a')
        await until(() => client.bytesRead === 1)
        world.deregister(world.only('arn:group/g'))
        // New connections have no target any more.
        assert.is(await heardBy(dial()), 'ECONNRESET')
        world.clock.advance(29_000)
        client.write('b')
        await until(() => client.bytesRead === 2)
        world.clock.advance(1_000)
        client.end('c')
        assert.match(await heard, ends ? RESET : /^abcbye$/)
      },
    )
  }
})

test('tcp: an unhealthy target’s connections are ended unless the group says not to', async () => {
  for (const ends of ['true', 'false']) {
    await withPort(
      async (world) => {
        const attributes = { 'target_health_state.unhealthy.connection_termination.enabled': ends }
        return world.to(world.group('g', [await world.serve(echo)], { attributes }))
      },
      async (world, dial) => {
        const client = dial()
        const heard = heardBy(client)
        client.write('a')
        await until(() => client.bytesRead === 1)
        world.live.setHealth(world.only('arn:group/g'), { state: 'unhealthy' })
        client.end('b')
        assert.match(await heard, ends === 'true' ? RESET : /^abbye$/)
      },
    )
  }
})

test('tcp: a target that does not accept in time costs its client the connection', async () => {
  await withPort(
    // Nobody is there, and nothing says so (TEST-NET-1).
    async (world) => {
      const arn = world.group('g', [9])
      world.only(arn).host = '192.0.2.1'
      return world.to(arn)
    },
    async (world, dial) => {
      const heard = heardBy(dial())
      const target = world.only('arn:group/g')
      await until(() => target.inFlight === 1 || target.inFlight === 0)
      world.clock.advance(10_000)
      await until(() => {
        world.clock.advance(10_000)
        return target.inFlight === 0
      })
      assert.is(await heard, 'ECONNRESET')
    },
  )
})

test.run()
