import { Buffer } from 'node:buffer'
import { request } from 'node:https'
import process from 'node:process'
import { connect as connectTls } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createCertificates } from '../../../../elbv2/data-plane/tls/certificates.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { FakeClock } from '../../../fake-clock.ts'
import { RawConnection } from '../../../raw-http.ts'
import { withTempDir } from '../../../temp-dir.ts'
import { until } from '../nlb/nlb-world.ts'
import { A, B, failure, get, get2, type World, withPort } from '../tls/https-world.ts'
import { liveListener } from '../tls/tls-world.ts'

const test = suite('https-port')
const isDeno = process.versions.deno !== undefined
const TLS12 = 'ELBSecurityPolicy-FS-1-2-Res-2020-10'
const TLS13 = 'ELBSecurityPolicy-TLS13-1-3-2021-06'
const MODERN = 'ELBSecurityPolicy-TLS13-1-2-2021-06'

test('https: a client that trusts the authority is answered, over HTTP/1.1 and HTTP/2', async () => {
  const one = liveListener({ dnsName: A, certificateArns: ['cert-a'], sslPolicy: MODERN })
  await withPort(
    () => [one],
    async (world) => {
      const told = await get(world)
      assert.is(told.version, '1.1')
      assert.equal(told.tls, {
        version: 'TLSv1.3',
        cipher: told.tls?.cipher,
        serverName: A,
        certificateArn: 'cert-a',
      })
      assert.match(told.tls?.cipher ?? '', /^TLS_/)
      assert.is((await get2(world, {})).version, '2.0')
    },
  )
})

test('https: a client that does not trust the authority refuses the certificate', async () => {
  const one = liveListener({ dnsName: A })
  await withPort(
    () => [one],
    async (world) => {
      const { ca: other } = await otherAuthority()
      assert.match(await failure(get(world, { ca: other })), /CERT|ISSUER|SIGNATURE|UNKNOWN/i)
    },
  )
})

test('https: connections are told with their handshake, and handshakes that fail', async () => {
  const one = liveListener({ dnsName: A, sslPolicy: TLS13 })
  await withPort(
    () => [one],
    async (world) => {
      await get(world)
      await get2(world, {})
      const { watch } = world
      assert.is(watch.records.length, 2)
      for (const { balancer, port, handshakeMs, failure, peer } of watch.records) {
        assert.is(balancer, one.balancer)
        assert.equal([port, failure, peer.tls?.version], [443, undefined, 'TLSv1.3'])
        assert.is(typeof handshakeMs, 'number')
      }
      await until(() => watch.open === 0)
      await failure(get(world, { maxVersion: 'TLSv1.2' }))
      await until(() => watch.failures.length === 1)
      const [told] = watch.failures
      assert.equal([told?.failure, told?.handshakeMs], ['UnmappedConnectionError', undefined])
      assert.is(told?.peer.sourceIp, '127.0.0.1')
      assert.is(watch.records.length, 2)
    },
  )
})

async function otherAuthority() {
  const certificates = createCertificates({
    callBackend: () => undefined,
    clock: new FakeClock(Date.now()),
    ids: systemIds,
    log: silentLogger,
  })
  return { ca: (await certificates.authority()).certificate }
}

test('https: the authority is there when the port is open, and the same after a restart', async () => {
  await withTempDir(async (dir) => {
    const one = liveListener({ dnsName: A })
    let first = ''
    const starts = async (world: World) => {
      assert.ok(world.isKept)
      first ||= world.ca
      assert.is((await get(world, { ca: first })).status, 200)
    }
    await withPort(() => [one], starts, { dir })
    await withPort(() => [one], starts, { dir })
  })
})

test('https: HTTP/2 is not offered where the load balancer has it off', async () => {
  const balancerAttributes = { 'routing.http2.enabled': 'false' }
  const one = liveListener({ dnsName: A, balancerAttributes })
  await withPort(
    () => [one],
    async (world) => {
      const { port, ca } = world
      const socket = connectTls({
        port,
        host: '127.0.0.1',
        ca,
        servername: A,
        ALPNProtocols: ['h2', 'http/1.1'],
      })
      await new Promise((resolve) => socket.once('secureConnect', resolve))
      assert.is(socket.alpnProtocol, 'http/1.1')
      socket.destroy()
    },
  )
})

test('https: load balancers that share a port are told apart by the name in TLS, whatever Host says', async () => {
  const all = [
    liveListener({ dnsName: A, certificateArns: ['cert-a'], sslPolicy: MODERN }),
    liveListener({ dnsName: B, certificateArns: ['cert-b'], sslPolicy: TLS12 }),
  ]
  await withPort(
    () => all,
    async (world) => {
      const b = await get(world, { servername: B, headers: { host: A } })
      assert.is(b.dnsName, B)
      assert.is(b.tls?.certificateArn, 'cert-b')
      assert.is(b.tls?.version, 'TLSv1.2')
      const a = await get(world, { servername: A, headers: { host: `${B}:443` } })
      assert.is(a.dnsName, A)
      assert.is(a.tls?.version, 'TLSv1.3')
    },
  )
})

test('https: a client that names none in TLS names the load balancer by Host', async () => {
  const all = [liveListener({ dnsName: A }), liveListener({ dnsName: B })]
  await withPort(
    () => all,
    async (world) => {
      const to = (host: string) => get(world, { servername: 'localhost', headers: { host } })
      assert.is((await to(`${B}:8443`)).dnsName, B)
      assert.is((await to('www.example.com')).dnsName, A)
      assert.is((await get2(world, { ':authority': B })).dnsName, A)
    },
  )
})

test('https: a policy of TLS 1.3 alone refuses clients of TLS 1.2, and the other way round', async () => {
  let one = liveListener({ dnsName: A, sslPolicy: TLS13 })
  await withPort(
    () => [one],
    async (world) => {
      assert.match(await failure(get(world, { maxVersion: 'TLSv1.2' })), /protocol.?version/i)
      one = liveListener({ dnsName: A, sslPolicy: TLS12 })
      assert.match(await failure(get(world, { minVersion: 'TLSv1.3' })), /protocol.?version/i)
    },
  )
})

if (!isDeno) {
  test('https: a policy’s ciphers and old versions hold', async () => {
    let one = liveListener({ dnsName: A, sslPolicy: TLS12 })
    await withPort(
      () => [one],
      async (world) => {
        const cbc = { ciphers: 'ECDHE-ECDSA-AES128-SHA256', maxVersion: 'TLSv1.2' as const }
        assert.match(await failure(get(world, cbc)), /handshake failure/)
        const gcm = await get(world, { ...cbc, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })
        assert.is(gcm.tls?.cipher, 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256')
        one = liveListener({ dnsName: A, sslPolicy: 'ELBSecurityPolicy-2016-08' })
        const old = await get(world, {
          minVersion: 'TLSv1',
          maxVersion: 'TLSv1',
          ciphers: 'DEFAULT@SECLEVEL=0',
        })
        assert.is(old.tls?.version, 'TLSv1')
      },
    )
  })
}

test('https: plain HTTP is told so, and what is neither is closed', async () => {
  const one = liveListener({ dnsName: A })
  await withPort(
    () => [one],
    async ({ port }) => {
      const client = new RawConnection(port)
      client.say('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      const heard = await client.toTheEnd()
      assert.match(heard, /^HTTP\/1\.1 400 Bad Request\r\nServer: awselb\/2\.0\r\n/)
      assert.match(heard, 'The plain HTTP request was sent to HTTPS port')
    },
  )
})

test('https: a client that says nothing, or its first message too slowly, is cut off', async () => {
  const one = liveListener({ dnsName: A })
  await withPort(
    () => [one],
    async ({ port, clock }) => {
      const client = new RawConnection(port)
      client.say(Buffer.from([22, 3, 1, 2, 0, 1]))
      while (clock.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      clock.advance(10_000)
      assert.is(await client.toTheEnd(), '')
    },
  )
})

test('https: a head that comes too slowly is answered 408', async () => {
  const one = liveListener({ dnsName: A })
  await withPort(
    () => [one],
    async ({ port, ca }) => {
      const socket = connectTls({ port, host: '127.0.0.1', ca, servername: A })
      socket.write('GET / HTTP/1.1\r\nHos')
      let heard = ''
      socket.on('data', (chunk) => {
        heard += chunk
      })
      await new Promise((resolve) => socket.once('close', resolve))
      assert.match(heard, /^HTTP\/1\.1 408 /)
    },
    { headMs: 300 },
  )
})

test('https: an upgrade reaches the front', async () => {
  const one = liveListener({ dnsName: A })
  await withPort(
    () => [one],
    async ({ port, ca }) => {
      const sent = request({
        host: '127.0.0.1',
        port,
        ca,
        servername: A,
        headers: { connection: 'upgrade', upgrade: 'echo' },
      })
      sent.end()
      const status = await new Promise((resolve) =>
        sent.once('upgrade', (res, socket) => {
          socket.destroy()
          resolve(res.statusCode)
        }),
      )
      assert.is(status, 101)
    },
  )
})

test.run()
