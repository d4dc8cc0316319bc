import { X509Certificate } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveListener } from '../../../../elbv2/data-plane/model.ts'
import type { Revocation, TrustStoreRow } from '../../../../elbv2/rows.ts'
import { type Client, clientAuthority } from './client-certificates.ts'
import { A, B, failure, get, withPort } from './https-world.ts'
import { liveListener } from './tls-world.ts'

const test = suite('mutual-tls')
/** How it looks to a client depends on its TLS version and on who is first. */
const REFUSED = /ECONNRESET|alert|EPIPE|hang up/i

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
      world.trustStores.set(
        'store',
        trustStore({
          bundle: authority.certificate,
          revocations: [{ serials: ['C0FFEE'] } as unknown as Revocation],
        }),
      )
      for (const options of [{}, keys(stranger), keys(expired), keys(revoked)]) {
        assert.match(await failure(get(world, options)), REFUSED)
      }
      assert.is(world.peers.length, 0)
      const codes = world.watch.failures.map(({ failure }) => failure)
      assert.equal(codes, [
        'UnmappedConnectionError',
        'ClientCertUntrusted',
        'ClientCertExpired',
        'ClientCertCrlHit',
      ])
      const { peer } = world.watch.failures[3] ?? {}
      assert.is(peer?.tls?.clientCertificate?.leaf, revoked.certificate)
      assert.equal([world.watch.records.length, world.watch.open], [0, 0])
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
