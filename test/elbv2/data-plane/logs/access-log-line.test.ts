import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accessLogLine, openSslName } from '../../../../elbv2/data-plane/logs/access-log-line.ts'
import type { RequestRecord } from '../../../../elbv2/data-plane/model.ts'
import { balancerRow, groupOf, listenerOf, recordOf, ruleTo } from '../live.ts'

const lines = suite('accessLogLine')

const TRACE = 'TID_1234abcd5678ef90'
const TLS = { version: 'TLSv1.2', cipher: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256' }
const FIELDS = 34

/** The fields of a line as those who read logs split it: quoted ones are one field. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
}

/** `record` with its times as AWS's examples have them, whose microseconds are not ours. */
function lineOf(changes: Partial<RequestRecord>): string {
  const endedAtMs = Date.UTC(2018, 6, 2, 22, 23, 0, 186) + 0.641
  return accessLogLine(recordOf({ endedAtMs, ...changes }), TRACE)
}

/** AWS's examples lack the last field, which its logs have: the address of the node. */
function withNode(example: string): string {
  return `${example} 127.0.0.1`
}

function peerOf(sourceIp: string, sourcePort: number, tls?: RequestRecord['peer']['tls']) {
  const protocol = tls ? ('https' as const) : ('http' as const)
  return { sourceIp, sourcePort, protocol, ...(tls ? { tls } : {}) }
}

function targetAt(host: string, port: number) {
  const group = groupOf({}, [host])
  const target = { ...group.targets[0], port } as (typeof group.targets)[number]
  return { group, target }
}

lines("is AWS's example of an HTTP entry", () => {
  assert.is(
    lineOf({}),
    withNode(
      'http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"',
    ),
  )
})

lines("is AWS's example of an HTTPS entry, with a transformed host", () => {
  const certificateArn =
    'arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012'
  const line = lineOf({
    type: 'https',
    peer: peerOf('192.168.131.39', 2817, { ...TLS, serverName: 'www.example.com', certificateArn }),
    url: 'https://www.example.com:443/',
    rule: ruleTo([groupOf()], 1),
    traceId: 'Root=1-58337281-1d84f3d73c47ec4e58577259',
    requestProcessingMs: 86,
    targetProcessingMs: 48,
    responseProcessingMs: 37,
    receivedBytes: 0,
    sentBytes: 57,
    actions: ['authenticate', 'forward'],
    transformedHost: 'm.example.com',
  })
  assert.is(
    line,
    withNode(
      'https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" 1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90 "m.example.com" "-" "TransformSuccess"',
    ),
  )
})

lines("is AWS's example of an HTTP/2 entry", () => {
  const line = lineOf({
    type: 'h2',
    peer: peerOf('10.0.1.252', 48160, TLS),
    target: targetAt('10.0.0.66', 9000),
    targetProcessingMs: 2,
    receivedBytes: 5,
    sentBytes: 257,
    url: 'https://10.0.2.105:773/',
    httpVersion: '2.0',
    traceId: 'Root=1-58337327-72bd00b0343d75b906739c42',
    rule: ruleTo([groupOf()], 1),
    actions: ['redirect'],
    redirectUrl: 'https://example.com:80/',
  })
  assert.is(
    line,
    withNode(
      'h2 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.1.252:48160 10.0.0.66:9000 0.000 0.002 0.000 200 200 5 257 "GET https://10.0.2.105:773/ HTTP/2.0" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337327-72bd00b0343d75b906739c42" "-" "-" 1 2018-07-02T22:22:48.364000Z "redirect" "https://example.com:80/" "-" "10.0.0.66:9000" "200" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"',
    ),
  )
})

lines("is AWS's example of a WebSockets entry", () => {
  const line = lineOf({
    type: 'ws',
    peer: peerOf('10.0.0.140', 40914),
    target: targetAt('10.0.1.192', 8010),
    requestProcessingMs: 1,
    targetProcessingMs: 3,
    status: 101,
    targetStatus: 101,
    receivedBytes: 218,
    sentBytes: 587,
    url: 'http://10.0.0.30:80/',
    userAgent: undefined,
    traceId: 'Root=1-58337364-23a8c76965a2ef7629b185e3',
    rule: ruleTo([groupOf()], 1),
  })
  assert.is(
    line,
    withNode(
      'ws 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.0.140:40914 10.0.1.192:8010 0.001 0.003 0.000 101 101 218 587 "GET http://10.0.0.30:80/ HTTP/1.1" "-" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 1 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.1.192:8010" "101" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"',
    ),
  )
})

lines(
  "is AWS's examples of entries for Lambda functions, one that succeeded and one that failed",
  () => {
    const group = groupOf({ targetType: 'lambda' }, ['arn:aws:lambda:us-east-2:1:function:f'])
    const target = { group, target: group.targets[0] as (typeof group.targets)[number] }
    const traceId = 'Root=1-58337364-23a8c76965a2ef7629b185e3'
    const head =
      'http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - 0.000 0.001 0.000'
    const middle =
      '34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-"'
    const tail = withNode('"-" "-" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"')
    assert.is(lineOf({ target, traceId }), `${head} 200 200 ${middle} "-" ${tail}`)
    const errorReason = 'LambdaInvalidResponse'
    assert.is(
      lineOf({ target, traceId, status: 502, targetStatus: undefined, errorReason }),
      `${head} 502 - ${middle} "LambdaInvalidResponse" ${tail}`,
    )
  },
)

lines('names the only group of a rule of which no target could take the request', () => {
  const fields = fieldsOf(
    lineOf({
      target: undefined,
      status: 503,
      targetStatus: undefined,
      requestProcessingMs: -1,
      targetProcessingMs: -1,
      responseProcessingMs: -1,
    }),
  )
  assert.equal(fields.slice(4, 10), ['-', '-1', '-1', '-1', '503', '-'])
  assert.match(fields[16] ?? '', ':targetgroup/my-targets/')
  const two = lineOf({ target: undefined, rule: ruleTo([groupOf(), groupOf()]) })
  assert.is(fieldsOf(two)[16], '-')
})

lines('shows a request that could not be read, and one whose client left', () => {
  const unread = { method: '', url: '', httpVersion: '', rule: undefined, actions: [] }
  const fields = fieldsOf(lineOf({ ...unread, target: undefined, status: 400 }))
  assert.is(fields[12], '- - - ')
  assert.is(fields[20], '-')
  assert.is(fields[22], '-')
  assert.is(fieldsOf(lineOf({ status: undefined }))[8], '460')
})

lines('escapes quotes, backslashes, control characters and bytes above ASCII as AWS does', () => {
  const fields = fieldsOf(
    lineOf({
      url: 'http://www.example.com:80/QUOTE_EXPERIMENT?bar="',
      userAgent: 'a"b\\c\r\nhttp 2018 forged \x7f\xe9 日\u{1f600}',
    }),
  )
  assert.is(fields[12], 'GET http://www.example.com:80/QUOTE_EXPERIMENT?bar=\\x22 HTTP/1.1')
  assert.is(
    fields[13],
    'a\\x22b\\x5Cc\\x0D\\x0Ahttp 2018 forged \\x7F\\xE9 \\xE6\\x97\\xA5\\xF0\\x9F\\x98\\x80',
  )
})

lines('cuts user agents after 8 KB', () => {
  assert.is(fieldsOf(lineOf({ userAgent: 'x'.repeat(20_000) }))[13]?.length, 8192)
})

lines('is one line of 34 fields of printable ASCII, whatever a client sends', () => {
  const any = fc.string({ unit: 'binary' })
  const arbitrary = fc.record({
    method: any,
    url: any,
    userAgent: fc.option(any, { nil: undefined }),
    traceId: any,
    serverName: any,
    transformedHost: fc.option(any, { nil: undefined }),
    redirectUrl: fc.option(any, { nil: undefined }),
  })
  fc.assert(
    fc.property(arbitrary, ({ serverName, ...changes }) => {
      const peer = peerOf('192.168.131.39', 2817, { ...TLS, serverName })
      const line = lineOf({ ...changes, peer })
      assert.match(line, /^[\x20-\x7e]+$/)
      assert.is(fieldsOf(line).length, FIELDS)
    }),
  )
})

lines('names cipher suites as OpenSSL does, those of TLS 1.3 as IANA', () => {
  const names = {
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
    TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
    TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
    TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  }
  for (const [iana, name] of Object.entries(names)) assert.is(openSslName(iana), name)
})

lines(
  'shows IPv4 clients of a dual socket as IPv4, and targets without an address by their id',
  () => {
    assert.is(fieldsOf(lineOf({ peer: peerOf('::ffff:10.1.2.3', 5) }))[3], '10.1.2.3:5')
    assert.is(fieldsOf(lineOf({ peer: peerOf('2001:db8::1', 5) }))[3], '2001:db8::1:5')
    const { group, target } = targetAt('i-0123456789abcdef0', 80)
    target.host = undefined
    assert.is(fieldsOf(lineOf({ target: { group, target } }))[4], 'i-0123456789abcdef0:80')
  },
)

lines('takes the load balancer of the listener', () => {
  const row = balancerRow({
    arn: 'arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/x/0123456789abcdef',
  })
  assert.is(fieldsOf(lineOf({ listener: listenerOf(row, []) }))[2], 'app/x/0123456789abcdef')
})

lines.run()
