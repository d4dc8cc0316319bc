import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hostName } from '../../gateway/core/host-name.ts'
import { createGuard } from '../../gateway/guard.ts'

const SEED = 20260101

const head = (headers: Record<string, string>) => ({ method: 'POST', url: '/', headers })
const plain = createGuard({ allowedHosts: [], allowedOrigins: [] })

const guard = suite('guard')

for (const host of [
  'localhost',
  'localhost:4566',
  'LOCALHOST:4566',
  'localhost.',
  'web.elb.localhost:4566',
  '127.0.0.1:4566',
  '127.8.9.10',
  '[::1]:4566',
]) {
  guard(`refuse: Host ${host} may`, () => {
    assert.is(plain.refuse(head({ host })), undefined)
  })
}

guard('refuse: a wildcard allows what ends so, and nothing else', () => {
  const wild = createGuard({ allowedHosts: ['*.localhost.localstack.cloud'], allowedOrigins: [] })
  const may = (host: string) => wild.refuse(head({ host })) === undefined
  assert.ok(may('my-bucket.s3.localhost.localstack.cloud:4566'))
  assert.not.ok(may('localhost.localstack.cloud.evil.example'))
  assert.not.ok(may('xlocalhost.localstack.cloud'))
})

for (const host of [
  '',
  'evil.example',
  'evil.example:4566',
  'localhost.evil.example',
  'evillocalhost',
  '127.0.0.1.evil.example',
  '127.0.0.1@evil.example',
  'localhost:4566@evil.example',
  '10.0.0.1',
  '0.0.0.0:4566',
  '[::2]',
  'localhost:4566:1',
]) {
  guard(`refuse: Host ${JSON.stringify(host)} may not`, () => {
    assert.is(typeof plain.refuse(head({ host })), 'string')
  })
}

guard('refuse: a request without Host may not', () => {
  assert.match(String(plain.refuse(head({}))), /--allow-host/)
})

guard('refuse: names given by flag may, in any case, and no others', () => {
  const named = createGuard({ allowedHosts: ['Build-Box.lan'], allowedOrigins: [] })
  assert.is(named.refuse(head({ host: 'build-box.LAN:4566' })), undefined)
  assert.ok(named.refuse(head({ host: 'box.lan' })))
})

guard('refuse: a star lets every Host in', () => {
  const open = createGuard({ allowedHosts: ['*'], allowedOrigins: [] })
  assert.is(open.refuse(head({ host: 'anything.example' })), undefined)
})

guard('refuse: a page elsewhere may not call, whatever Host it reached', () => {
  for (const origin of ['http://evil.example', 'https://localhost.evil.example', 'null', '']) {
    assert.match(
      String(plain.refuse(head({ host: 'localhost', origin }))),
      /--allow-origin/,
      origin,
    )
  }
})

guard('refuse: pages of loopback and of configured origins may', () => {
  const named = createGuard({ allowedHosts: [], allowedOrigins: ['https://console.example'] })
  for (const origin of [
    'http://localhost:3000',
    'http://127.0.0.1:8080',
    'https://console.example',
  ]) {
    assert.is(named.refuse(head({ host: 'localhost', origin })), undefined, origin)
  }
  assert.ok(named.refuse(head({ host: 'localhost', origin: 'http://console.example' })))
})

guard('refuse: no Host with a foreign last label is let in', () => {
  const label = fc.stringMatching(/^[a-z0-9-]{1,12}$/)
  fc.assert(
    fc.property(fc.array(label, { minLength: 0, maxLength: 4 }), (labels) => {
      const host = [...labels, 'example'].join('.')
      assert.is(typeof plain.refuse(head({ host })), 'string')
    }),
    { seed: SEED },
  )
})

guard('corsHeaders: there are none unless an origin is configured', () => {
  assert.is(
    plain.corsHeaders(head({ host: 'localhost', origin: 'http://localhost:3000' })),
    undefined,
  )
  const named = createGuard({ allowedHosts: [], allowedOrigins: ['http://localhost:3000'] })
  const headers = named.corsHeaders(head({ host: 'localhost', origin: 'http://localhost:3000' }))
  assert.is(headers?.['access-control-allow-origin'], 'http://localhost:3000')
  assert.is(headers?.vary, 'origin')
  assert.is(named.corsHeaders(head({ origin: 'http://localhost:3001' })), undefined)
  assert.is(named.corsHeaders(head({ host: 'localhost' })), undefined)
})

guard('hostName: drops the port, never a part of an IPv6 address', () => {
  assert.is(hostName('[::1]:4566'), '[::1]')
  assert.is(hostName('Localhost:80'), 'localhost')
})

guard.run()
