import { Buffer } from 'node:buffer'
import { X509Certificate } from 'node:crypto'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import process from 'node:process'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createCertificates } from '../../../elbv2/data-plane/certificates.ts'
import { createHttpsPort } from '../../../elbv2/data-plane/https-port.ts'
import type { HttpFront, LiveListener, OpenPort, Peer } from '../../../elbv2/data-plane/model.ts'
import { mutualTlsHeaders } from '../../../elbv2/data-plane/mutual-tls.ts'
import { createSecurityPolicies } from '../../../elbv2/data-plane/security-policy.ts'
import type { TrustStoreRow } from '../../../elbv2/rows.ts'
import { systemIds } from '../../../gateway/core/ids.ts'
import { silentLogger } from '../../../gateway/core/log.ts'
import { SERVER_LIMITS } from '../../../gateway/server.ts'
import { FakeClock } from '../../fake-clock.ts'
import { RawConnection } from '../../raw-http.ts'
import { withTempDir } from '../../temp-dir.ts'
import { type Client, clientAuthority } from './client-certificates.ts'
import { liveListener, portListeners } from './tls-world.ts'

const test = suite('https-port')
const isDeno = process.versions.deno !== undefined
const TLS12 = 'ELBSecurityPolicy-FS-1-2-Res-2020-10'
const TLS13 = 'ELBSecurityPolicy-TLS13-1-3-2021-06'
const MODERN = 'ELBSecurityPolicy-TLS13-1-2-2021-06'
/** How it looks to a client depends on its TLS version and on who is first. */
const REFUSED = /ECONNRESET|alert|EPIPE|hang up/i
const A = 'a-1.us-east-1.elb.localhost'
const B = 'b-2.us-east-1.elb.localhost'

interface World {
  readonly port: number
  readonly ca: string
  readonly clock: FakeClock
  readonly peers: Peer[]
  readonly trustStores: Map<string, TrustStoreRow>
  readonly opened: OpenPort
}

/** A port whose front answers, as JSON, what it was told. */
async function withPort(
  all: () => readonly LiveListener[],
  work: (world: World) => Promise<void>,
  { dir, headMs = 15_000 }: { dir?: string; headMs?: number } = {},
): Promise<void> {
  const clock = new FakeClock(Date.now())
  const peers: Peer[] = []
  const trustStores = new Map<string, TrustStoreRow>()
  const front: HttpFront = {
    web(listener, peer, req, res) {
      peers.push(peer)
      const headers = Object.fromEntries(mutualTlsHeaders(listener, peer))
      const { dnsName } = listener.balancer
      res.end(JSON.stringify({ dnsName, version: req.httpVersion, tls: peer.tls, headers }))
    },
    upgrade(_listener, _peer, _req, socket) {
      socket.end(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello',
      )
    },
  }
  const options = { clock, ids: systemIds, log: silentLogger }
  const certificates = createCertificates({ ...options, callBackend: () => undefined, dir })
  const open = createHttpsPort({
    ...options,
    front,
    certificates,
    policies: createSecurityPolicies(silentLogger),
    rows: { trustStores } as never,
    limits: { ...SERVER_LIMITS, headMs },
  })
  const opened = await open('127.0.0.1', portListeners(all))
  const { port } = opened as OpenPort & { port: number }
  const { certificate: ca } = await certificates.authority()
  try {
    await work({ port, ca, clock, peers, trustStores, opened })
  } finally {
    const closed = opened.close(0)
    clock.advance(0)
    await closed
  }
}

interface Told {
  readonly status: number | undefined
  readonly dnsName: string
  readonly version: string
  readonly tls: Peer['tls']
  readonly headers: Record<string, string>
}

function get(
  { port, ca }: World,
  options: ConnectionOptions & { readonly headers?: Record<string, string> } = {},
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, ca, agent: false, servername: A, ...options },
      (res) => {
        let body = ''
        res.on('data', (chunk) => {
          body += chunk
        })
        res.on('end', () => {
          resolve({ status: res.statusCode, ...(body === '' ? {} : JSON.parse(body)) })
        })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

/** The code of the error that the connection or request ends in. */
async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (thrown) {
    return `${(thrown as NodeJS.ErrnoException).code}: ${thrown}`
  }
  throw new Error('it worked')
}

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

/** Over HTTP/2. */
function get2({ port, ca }: World, headers: Record<string, string>): Promise<Told> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: A })
    session.on('error', reject)
    const stream = session.request({ ':path': '/', ':authority': A, ...headers })
    stream.on('error', reject)
    let body = ''
    let status = 0
    stream.on('response', (head) => {
      status = Number(head[':status'])
    })
    stream.on('data', (chunk) => {
      body += chunk
    })
    stream.on('end', () => {
      session.close()
      resolve({ status, ...(body === '' ? {} : JSON.parse(body)) })
    })
  })
}

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

async function otherAuthority() {
  const certificates = createCertificates({
    callBackend: () => undefined,
    clock: new FakeClock(Date.now()),
    ids: systemIds,
    log: silentLogger,
  })
  return { ca: (await certificates.authority()).certificate }
}

test('https: the authority is the same after a restart', async () => {
  await withTempDir(async (dir) => {
    const one = liveListener({ dnsName: A })
    let first = ''
    const starts = async (world: World) => {
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

function trustStore(parts: Partial<TrustStoreRow>): TrustStoreRow {
  return { bundle: '', revocations: [], ...parts } as TrustStoreRow
}

function mutual(parts: object): LiveListener {
  return liveListener({
    dnsName: A,
    mutualAuthentication: { Mode: 'verify', TrustStoreArn: 'store', ...parts },
  })
}

const keys = ({ key, certificate }: Client) => ({ key, cert: certificate })

test('mutual TLS: a certificate of the trust store’s authority is let in, and told to the target', async () => {
  const one = mutual({})
  const authority = clientAuthority()
  const client = authority.issue({ serial: '03A5B1' })
  await withPort(
    () => [one],
    async (world) => {
      world.trustStores.set('store', trustStore({ bundle: `# ours\n${authority.certificate}` }))
      const { headers, status } = await get(world, keys(client))
      const { validFrom, validTo } = new X509Certificate(client.certificate)
      const iso = (text: string) => new Date(text).toISOString().replace('.000', '')
      assert.is(status, 200)
      assert.is(headers['X-Amzn-Mtls-Clientcert-Serial-Number'], '03A5B1')
      assert.is(headers['X-Amzn-Mtls-Clientcert-Subject'], 'CN=client #1,OU=x+O=Acme\\, Inc.,C=US')
      assert.is(
        headers['X-Amzn-Mtls-Clientcert-Issuer'],
        'CN=J\\C3\\BCrgen’s CA'.replace('’', '\\E2\\80\\99'),
      )
      assert.is(
        headers['X-Amzn-Mtls-Clientcert-Validity'],
        `NotBefore=${iso(validFrom)};NotAfter=${iso(validTo)}`,
      )
      const leaf = headers['X-Amzn-Mtls-Clientcert-Leaf'] ?? ''
      assert.is(decodeURIComponent(leaf), client.certificate)
      assert.match(leaf, /^-----BEGIN%20CERTIFICATE-----%0A[^%]/)
    },
  )
})

test('mutual TLS: none, another authority’s, an expired and a revoked certificate are refused', async () => {
  const authority = clientAuthority()
  const stranger = clientAuthority().issue({})
  const expired = authority.issue({ days: -1 })
  const revoked = authority.issue({ serial: '00C0FFEE' })
  const one = mutual({})
  await withPort(
    () => [one],
    async (world) => {
      const source = { bucket: 'b', key: 'k' }
      const revocation = { revocationId: 1, numberOfRevokedEntries: 1, content: '', source }
      world.trustStores.set(
        'store',
        trustStore({
          bundle: authority.certificate,
          revocations: [{ ...revocation, type: 'CRL', serials: ['C0FFEE'] }],
        }),
      )
      for (const options of [{}, keys(stranger), keys(expired), keys(revoked)]) {
        assert.match(await failure(get(world, options)), REFUSED)
      }
      assert.is(world.peers.length, 0)
    },
  )
})

test('mutual TLS: expiry is overlooked where the listener says so, but not trust', async () => {
  const authority = clientAuthority()
  const one = mutual({ IgnoreClientCertificateExpiry: true })
  await withPort(
    () => [one],
    async (world) => {
      world.trustStores.set('store', trustStore({ bundle: authority.certificate }))
      assert.is((await get(world, keys(authority.issue({ days: -1 })))).status, 200)
      const stranger = clientAuthority().issue({ days: -1 })
      assert.match(await failure(get(world, keys(stranger))), REFUSED)
      assert.match(await failure(get(world)), REFUSED)
    },
  )
})

test('mutual TLS: without its trust store nobody is let in', async () => {
  const client = clientAuthority().issue({})
  const one = mutual({})
  await withPort(
    () => [one],
    async (world) => {
      assert.match(await failure(get(world, keys(client))), REFUSED)
    },
  )
})

test('mutual TLS: passthrough lets everybody in and tells the whole chain', async () => {
  const authority = clientAuthority()
  const { key, certificate } = authority.issue({})
  const attributes = {
    'routing.http.request.x_amzn_mtls_clientcert.header_name': 'X-Client-Chain',
  }
  const one = liveListener({
    dnsName: A,
    mutualAuthentication: { Mode: 'passthrough' },
    attributes,
  })
  await withPort(
    () => [one],
    async (world) => {
      const chain = certificate + authority.certificate
      const { headers } = await get(world, { key, cert: chain })
      assert.equal(Object.keys(headers), ['X-Client-Chain'])
      assert.is(decodeURIComponent(headers['X-Client-Chain'] ?? ''), chain)
      assert.equal((await get(world)).headers, {})
    },
  )
})

test('mutual TLS: a Host header leads nobody past it', async () => {
  const all = [
    liveListener({ dnsName: A }),
    liveListener({ dnsName: B, mutualAuthentication: { Mode: 'passthrough' } }),
  ]
  await withPort(
    () => all,
    async (world) => {
      const { status } = await get(world, { servername: 'localhost', headers: { host: B } })
      assert.is(status, 421)
      assert.is(world.peers.length, 0)
    },
  )
})

test.run()
