import type { Socket } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveListener } from '../../../../elbv2/data-plane/model.ts'
import { createTlsPort } from '../../../../elbv2/data-plane/nlb/nlb-tls.ts'
import { proxyHeader } from '../../../../elbv2/data-plane/nlb/proxy-protocol.ts'
import { createCertificates } from '../../../../elbv2/data-plane/tls/certificates.ts'
import { createSecurityPolicies } from '../../../../elbv2/data-plane/tls/security-policy.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import { pair, portListeners } from '../tls/tls-world.ts'
import { heardBy, NlbWorld, until } from './nlb-world.ts'

const test = suite('nlb-tls')
const A = 'a-1.us-east-1.elb.localhost'
const B = 'b-2.us-east-1.elb.localhost'

type Dial = (serverName: string, alpn?: string[]) => TLSSocket

async function withPort(
  make: (world: NlbWorld) => Promise<readonly LiveListener[]>,
  work: (world: NlbWorld, dial: Dial) => Promise<void>,
): Promise<void> {
  const world = new NlbWorld()
  const clients: Socket[] = []
  const all = await make(world)
  const certificates = createCertificates({
    callBackend: () => undefined,
    clock: world.clock,
    ids: systemIds,
    log: world.log,
  })
  const policies = createSecurityPolicies(world.log)
  const { clock, flows, log, rows, watch } = world
  const open = createTlsPort({ clock, flows, log, rows, watch, certificates, policies })
  const opened = await open(
    '127.0.0.1',
    portListeners(() => all),
  )
  const ca = (await certificates.authority()).certificate
  try {
    await work(world, (servername, alpn) => {
      const client = connect({
        port: opened.port,
        host: '127.0.0.1',
        ca,
        servername,
        ...(alpn && { ALPNProtocols: alpn }),
      })
      clients.push(client)
      return client
    })
  } finally {
    for (const client of clients) client.destroy()
    const closed = opened.close(0)
    clock.advance(0)
    await closed
    world.close()
  }
}

const secured = (client: TLSSocket) =>
  new Promise<void>((resolve, reject) => {
    client.once('secureConnect', resolve).once('error', reject)
  })

test('tls: flows are told, and handshakes that fail', async () => {
  await withPort(
    async (world) => {
      const port = await world.serve((socket) => socket.end('bye'))
      return [world.to(world.group('g', [port]), { dnsName: A, protocol: 'TLS' })]
    },
    async ({ watch }, dial) => {
      const client = dial(A)
      assert.is(await heardBy(client), 'bye')
      client.end()
      await until(() => watch.flows === 1 && watch.open === 0)
      assert.is(watch.bytes, 3)
      assert.equal(watch.failures, [])
    },
  )
})

test('tls: ends at the load balancer, and the target hears the bytes plain', async () => {
  let heard = ''
  await withPort(
    async (world) => {
      const port = await world.serve((socket) => {
        socket.on('data', (chunk) => {
          heard += chunk
          socket.end('good bye')
        })
      })
      return [world.to(world.group('g', [port]), { dnsName: A, protocol: 'TLS' })]
    },
    async (world, dial) => {
      const client = dial(A)
      client.write('hello')
      assert.is(await heardBy(client), 'good bye')
      assert.is(heard, 'hello')
      await until(() => world.only('arn:group/g').inFlight === 0)
    },
  )
})

test('tls: load balancers that share a port are told apart by the name', async () => {
  await withPort(
    async (world) => {
      const to = async (name: string, dnsName: string) => {
        const port = await world.serve((socket) => {
          socket.resume()
          socket.end(name)
        })
        return world.to(world.group(name, [port]), { dnsName, protocol: 'TLS' })
      }
      return [await to('a', A), await to('b', B)]
    },
    async (_world, dial) => {
      assert.is(await heardBy(dial(B)), 'b')
      assert.is(await heardBy(dial(A)), 'a')
    },
  )
})

test('tls: targets of a TLS group are spoken to in TLS, with the protocol that was agreed on', async () => {
  const alpns: unknown[] = []
  await withPort(
    async (world) => {
      const { key, certificate } = pair(['anything.example.com'])
      const server = createServer(
        { key, cert: certificate, ALPNProtocols: ['h2', 'http/1.1'] },
        (socket) => {
          alpns.push(socket.alpnProtocol)
          socket.on('error', () => {})
          socket.pipe(socket)
        },
      )
      const port = await world.keep(server)
      const arn = world.group('g', [port], { protocol: 'TLS' })
      return [world.to(arn, { dnsName: A, protocol: 'TLS', alpnPolicy: ['HTTP2Optional'] })]
    },
    async (_world, dial) => {
      for (const [offered, agreed] of [
        [['h2', 'http/1.1'], 'http/1.1'],
        [['h2'], 'h2'],
      ] as const) {
        const client = dial(A, [...offered])
        await secured(client)
        assert.is(client.alpnProtocol, agreed)
        client.write('hello')
        await new Promise((resolve) => client.once('data', resolve))
        assert.is(alpns.pop(), agreed)
      }
    },
  )
})

test('tls: without a policy no protocol is agreed on', async () => {
  await withPort(
    async (world) => {
      const port = await world.serve(() => {})
      return [world.to(world.group('g', [port]), { dnsName: A, protocol: 'TLS' })]
    },
    async (_world, dial) => {
      const client = dial(A, ['h2'])
      await secured(client)
      assert.not(client.alpnProtocol)
    },
  )
})

test('tls: the header of PROXY protocol tells of the client, before its first plain byte', async () => {
  let heard = ''
  await withPort(
    async (world) => {
      const attributes = { 'proxy_protocol_v2.enabled': 'true' }
      const port = await world.serve((socket) => {
        socket.on('data', (chunk) => {
          heard += chunk.toString('latin1')
        })
      })
      return [world.to(world.group('g', [port], { attributes }), { dnsName: A, protocol: 'TLS' })]
    },
    async (_world, dial) => {
      const client = dial(A)
      client.write('hello')
      await until(() => heard.endsWith('hello'))
      const header = proxyHeader({
        protocol: 'tcp',
        sourceIp: '127.0.0.1',
        sourcePort: client.localPort ?? 0,
        destinationIp: '127.0.0.1',
        destinationPort: client.remotePort ?? 0,
      })
      assert.is(heard, `${header.toString('latin1')}hello`)
    },
  )
})

test('tls: a client is cut off where its target refuses', async () => {
  await withPort(
    async (world) => {
      const arn = world.group('g', [await world.closedPort()])
      return [world.to(arn, { dnsName: A, protocol: 'TLS' })]
    },
    async (world, dial) => {
      assert.match(await heardBy(dial(A)), /^$|closed|ECONNRESET/)
      await until(() => world.only('arn:group/g').inFlight === 0)
    },
  )
})

test.run()
