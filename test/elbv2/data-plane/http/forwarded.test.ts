import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { classify } from '../../../../elbv2/data-plane/http/desync.ts'
import { forwardedHeaders, traceIdOf } from '../../../../elbv2/data-plane/http/forwarded.ts'
import type { LiveListener, Peer } from '../../../../elbv2/data-plane/model.ts'
import { balancerSettings, listenerSettings } from '../../../../elbv2/data-plane/settings.ts'
import type { Attributes, ListenerRow, LoadBalancerRow } from '../../../../elbv2/rows.ts'
import { pairsOf } from '../../../../gateway/proxy-headers.ts'
import { countingIds } from '../../../ecs/world.ts'
import { CA_PEM } from '../../pem-fixtures.ts'
import { TEST_CERTIFICATE } from '../tls/test-certificate.ts'

const test = suite('elbv2 forwarded headers')

interface Options {
  readonly attributes?: Attributes
  readonly listener?: Attributes
  readonly mode?: string
  readonly port?: number
  readonly peer?: Partial<Peer>
  readonly headers?: readonly string[]
  readonly host?: string
}

function sent(options: Options): [name: string, value: string][] {
  const { attributes = {}, listener = {}, mode, port = 80, peer, headers = [] } = options
  const balancer = { type: 'application', attributes } as unknown as LoadBalancerRow
  const row = {
    port,
    attributes: listener,
    mutualAuthentication: mode && { Mode: mode },
  } as unknown as ListenerRow
  const live = {
    row,
    balancer: { row: balancer, settings: balancerSettings(balancer) },
    settings: listenerSettings(row, 'application'),
  } as unknown as LiveListener
  return pairsOf(
    forwardedHeaders({
      listener: live,
      peer: { sourceIp: '192.0.2.1', sourcePort: 4711, protocol: 'http', ...peer },
      rawHeaders: ['Host', 'app.test:8080', ...headers],
      traceId: 'Root=1',
      host: options.host,
      identity: undefined,
    }),
  )
}

function headerOf(name: string, options: Options): string | undefined {
  return sent(options).find(([each]) => each.toLowerCase() === name)?.[1]
}

test('X-Forwarded-For: the client’s port, and brackets around IPv6 with it alone', () => {
  const attributes = { 'routing.http.xff_client_port.enabled': 'true' }
  const six = { sourceIp: '2001:db8::1' }
  const value = (options: Options) => headerOf('x-forwarded-for', options)
  assert.is(value({}), '192.0.2.1')
  assert.is(value({ attributes }), '192.0.2.1:4711')
  assert.is(value({ peer: six }), '2001:db8::1')
  assert.is(value({ peer: six, attributes }), '[2001:db8::1]:4711')
  assert.is(value({ headers: ['X-Forwarded-For', 'a, b'] }), 'a, b, 192.0.2.1')
  assert.is(value({ headers: ['X-Forwarded-For', ''] }), '192.0.2.1')
})

test('Host: without a port of HTTP’s own, with every other; whole where it is preserved', () => {
  const value = (options: Options) => headerOf('host', options)
  const attributes = { 'routing.http.preserve_host_header.enabled': 'true' }
  assert.is(value({}), 'app.test')
  assert.is(value({ port: 443 }), 'app.test')
  assert.is(value({ port: 8080 }), 'app.test:8080')
  assert.is(value({ port: 9000 }), 'app.test:8080')
  assert.is(value({ port: 9000, host: 'inner' }), 'inner:9000')
  assert.is(value({ attributes }), 'app.test:8080')
  assert.is(value({ attributes, port: 9000 }), 'app.test:8080')
})

test('X-Amzn-Tls-*: only where the balancer is asked for them, and then nobody else’s', () => {
  const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' }
  const peer = { protocol: 'https' as const, tls }
  const attributes = { 'routing.http.x_amzn_tls_version_and_cipher_suite.enabled': 'true' }
  const headers = ['X-Amzn-Tls-Version', 'forged']
  assert.is(headerOf('x-amzn-tls-version', { peer, headers }), 'forged')
  assert.is(headerOf('x-amzn-tls-version', { peer, headers, attributes }), 'TLSv1.3')
  assert.is(headerOf('x-amzn-tls-cipher-suite', { peer, attributes }), tls.cipher)
  assert.is(headerOf('x-amzn-tls-version', { headers, attributes }), undefined)
})

test('X-Amzn-Mtls-*: a verified certificate in parts, a passed one whole, a client’s own never', () => {
  const clientWith = (leaf: string) => {
    const clientCertificate = { leaf, chain: leaf }
    return { tls: { version: 'TLSv1.3', cipher: 'x', clientCertificate } }
  }
  const peer = clientWith(CA_PEM)
  const headers = ['X-Amzn-Mtls-Clientcert-Subject', 'CN=root', 'x-amzn-mtls-clientcert', 'forged']
  const verified = Object.fromEntries(sent({ mode: 'verify', peer, headers }))
  assert.is(verified['X-Amzn-Mtls-Clientcert-Subject'], 'CN=KECS test CA')
  assert.is(verified['X-Amzn-Mtls-Clientcert-Issuer'], 'CN=KECS test CA')
  assert.match(verified['X-Amzn-Mtls-Clientcert-Serial-Number'] ?? '', /^[0-9A-F]{40}$/)
  assert.is(
    verified['X-Amzn-Mtls-Clientcert-Validity'],
    'NotBefore=2026-11-26T09:27:24Z;NotAfter=2126-11-02T09:27:24Z',
  )
  const leaf = verified['X-Amzn-Mtls-Clientcert-Leaf'] ?? ''
  assert.is(decodeURIComponent(leaf), CA_PEM)
  assert.match(leaf, /^-----BEGIN%20CERTIFICATE-----%0A/)
  assert.not.match(JSON.stringify(verified), /root|forged/)

  const other = { mode: 'passthrough', peer: clientWith(CA_PEM), headers }
  const passed = headerOf('x-amzn-mtls-clientcert', other)
  assert.is(decodeURIComponent(passed ?? ''), CA_PEM)
  assert.is(headerOf('x-amzn-mtls-clientcert', { mode: 'passthrough', headers }), undefined)
  assert.is(headerOf('x-amzn-mtls-clientcert', { mode: 'off', headers }), 'forged')
})

test('X-Amzn-Mtls-*: names are the listener’s own where it has some, and parts go from near to far', () => {
  const clientCertificate = { leaf: TEST_CERTIFICATE, chain: '' }
  const peer = { tls: { version: 'TLSv1.3', cipher: 'x', clientCertificate } }
  const listener = {
    'routing.http.request.x_amzn_mtls_clientcert_subject.header_name': 'X-Subject',
  }
  const headers = ['X-Subject', 'forged']
  assert.equal(
    sent({ mode: 'verify', peer, listener, headers }).filter(([name]) => /subject/i.test(name)),
    [['X-Subject', 'CN=test.invalid,O=KECS']],
  )
})

test('traceIdOf: a root where there is none, and this hop where there is', () => {
  const trace = (value?: string) =>
    traceIdOf(
      value === undefined ? [] : ['X-Amzn-Trace-Id', value],
      countingIds(),
      0x67891233 * 1000,
    )
  const own = /^1-[0-9a-f]{8}-[0-9a-f]{24}$/
  const fields = (value?: string) => trace(value).split(';')
  const [root = ''] = fields()
  assert.match(root.replace('Root=', ''), own)
  assert.is(fields('Root=1-67891234-12456789abcdef012345678').length, 2)
  assert.match(
    trace('Root=1-67891234-12456789abcdef012345678;CalledFrom=app'),
    /^Self=1-[0-9a-f-]+;Root=1-67891234-12456789abcdef012345678;CalledFrom=app$/,
  )
  assert.match(trace('Self=1-1-1;Root=1-2-2'), /^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-2-2$/)
  assert.match(trace('CalledFrom=app'), /^Root=1-[0-9a-f]{8}-[0-9a-f]{24};CalledFrom=app$/)
  assert.match(trace(''), /^Root=/)
})

test('classify: what can get past node’s parser is told as the guardian tells it', () => {
  const cases: readonly (readonly [head: string, expected: string])[] = [
    ['GET /', '- -'],
    ['POST / Content-Length=5', '- -'],
    ['POST / Transfer-Encoding=chunked', '- -'],
    ['GET / Content-Length=0', 'Acceptable GetHeadZeroContentLength'],
    ['GET / Content-Length=5', 'Ambiguous UndefinedContentLengthSemantics'],
    ['HEAD / Transfer-Encoding=chunked', 'Ambiguous UndefinedTransferEncodingSemantics'],
    ['POST / X=\xe9', 'Acceptable NonCompliantHeader'],
    ['POST /\xe9 X=1', 'Ambiguous AmbiguousUri'],
    ['POST / Transfer_Encoding=chunked', 'Ambiguous SuspiciousHeader'],
    ['POST / Content--Length=1', 'Ambiguous SuspiciousHeader'],
    ['POST / .transfer-encoding=chunked', 'Ambiguous SuspiciousHeader'],
    ['POST / X-Content-Length=1', '- -'],
    ['POST / Transfer-Encoding=gzip', 'Severe BadTransferEncoding'],
  ]
  for (const [head, expected] of cases) {
    const [method = '', url = '', ...headers] = head.split(' ')
    const rawHeaders = ['Host', 'h', ...headers.flatMap((header) => header.split('='))]
    const found = classify({ method, url, httpVersion: '1.1', rawHeaders })
    assert.is(`${found.classification} ${found.reason}`, expected, head)
  }
  const old = ['Host', 'h', 'Transfer-Encoding', 'chunked']
  assert.is(
    classify({ method: 'POST', url: '/', httpVersion: '1.0', rawHeaders: old }).reason,
    'UndefinedTransferEncodingSemantics',
  )
})

test.run()
