import type { RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compileConditions } from '../../../../elbv2/data-plane/rules/match.ts'
import { requestFacts, type TestRequest } from '../requests.ts'

const test = suite('elbv2 match')

type Case = readonly [request: TestRequest, matches: boolean]

function check(conditions: readonly RuleCondition[], cases: readonly Case[]): void {
  const matches = compileConditions(conditions)
  for (const [request, expected] of cases) {
    const shown = `${JSON.stringify(request)} by ${JSON.stringify(conditions)}`
    assert.is(matches(requestFacts(request)), expected, shown)
  }
}

test('host-header: wildcards, without case, without the port', () => {
  const Values = ['*.example.com', 'exact.test']
  check(
    [{ Field: 'host-header', HostHeaderConfig: { Values } }],
    [
      [{ host: 'test.example.com' }, true],
      [{ host: 'TEST.EXAMPLE.COM:4566' }, true],
      [{ host: 'a.b.example.com' }, true],
      [{ host: 'example.com' }, false],
      [{ host: 'Exact.Test' }, true],
      [{ host: 'exact.test.evil' }, false],
      [{ host: 'other', url: 'http://exact.test/' }, true],
    ],
  )
  check(
    [{ Field: 'host-header', HostHeaderConfig: { Values: ['WWW?.Example.com'] } }],
    [
      [{ host: 'www1.example.com' }, true],
      [{ host: 'www.example.com' }, false],
    ],
  )
})

test('host-header: regular expressions, which may ask for the port', () => {
  check(
    [
      {
        Field: 'host-header',
        HostHeaderConfig: { RegexValues: ['^(api|web)[0-9]+\\.example\\.com$'] },
      },
    ],
    [
      [{ host: 'api12.example.com' }, true],
      [{ host: 'API12.example.com:8080' }, true],
      [{ host: 'api.example.com' }, false],
    ],
  )
  check(
    [{ Field: 'host-header', RegexValues: ['^example\\.com:8443$'] }],
    [
      [{ host: 'Example.com:8443' }, true],
      [{ host: 'example.com' }, false],
    ],
  )
})

test('path-pattern: the path alone, with its case', () => {
  check(
    [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/img/*', '/v?/users'] } }],
    [
      [{ url: '/img/picture.jpg' }, true],
      [{ url: '/img/a/b?x=1' }, true],
      [{ url: '/IMG/picture.jpg' }, false],
      [{ url: '/img' }, false],
      [{ url: '/v1/users' }, true],
      [{ url: '/v1/users?next=/img/' }, true],
      [{ url: '/other?next=/img/x' }, false],
      [{ url: '/i%6dg/x' }, false],
      [{ url: 'http://www.example.com/img/x' }, true],
    ],
  )
  check(
    [{ Field: 'path-pattern', PathPatternConfig: { RegexValues: ['^/api/v[0-9]+/.*$'] } }],
    [
      [{ url: '/api/v12/users?x' }, true],
      [{ url: '/API/v12/users' }, false],
      [{ url: '/x?y=/api/v12/' }, false],
    ],
  )
})

test('http-header: without case, and any line of the header will do', () => {
  check(
    [
      {
        Field: 'http-header',
        HttpHeaderConfig: { HttpHeaderName: 'User-Agent', Values: ['*Chrome*', '*Safari*'] },
      },
    ],
    [
      [{ headers: ['user-agent', 'Mozilla/5.0 chrome/120'] }, true],
      [{ headers: ['USER-AGENT', 'SAFARI'] }, true],
      [{ headers: ['User-Agent', 'curl/8'] }, false],
      [{ headers: ['User-Agent', 'curl/8', 'User-Agent', 'Chrome'] }, true],
      [{ headers: ['X-User-Agent', 'Chrome'] }, false],
      [{}, false],
    ],
  )
  check(
    [
      {
        Field: 'http-header',
        HttpHeaderConfig: { HttpHeaderName: 'X-Id', RegexValues: ['^[a-f]{2}$', '^Z'] },
      },
    ],
    [
      [{ headers: ['x-id', 'ab'] }, true],
      [{ headers: ['x-id', 'AB'] }, false],
      [{ headers: ['x-id', 'abc', 'x-id', 'Zed'] }, true],
    ],
  )
})

test('query-string: pairs, or values under any key, without case and decoded', () => {
  check(
    [
      {
        Field: 'query-string',
        QueryStringConfig: { Values: [{ Key: 'version', Value: 'v1' }, { Value: 'example' }] },
      },
    ],
    [
      [{ url: '/?version=v1' }, true],
      [{ url: '/?a=b&VERSION=V1' }, true],
      [{ url: '/?version=v2&version=v1' }, true],
      [{ url: '/?version=v2' }, false],
      [{ url: '/?other=v1' }, false],
      [{ url: '/?any=Example' }, true],
      [{ url: '/?example' }, false],
      [{ url: '/?v%65rsion=v%31' }, true],
      [{ url: '/?version=v1#x' }, true],
      [{ url: '/#?version=v1' }, false],
      [{ url: '/version=v1' }, false],
    ],
  )
  check(
    [
      {
        Field: 'query-string',
        QueryStringConfig: {
          Values: [
            { Key: 'q*', Value: 'what\\?' },
            { Key: 'n', Value: '?' },
          ],
        },
      },
    ],
    [
      [{ url: '/?query=what%3f' }, true],
      [{ url: '/?q=what?' }, true],
      [{ url: '/?q=whats' }, false],
      [{ url: '/?n=7' }, true],
      [{ url: '/?n=77' }, false],
    ],
  )
})

test('http-request-method: exactly, with its case', () => {
  check(
    [
      {
        Field: 'http-request-method',
        HttpRequestMethodConfig: { Values: ['CUSTOM-METHOD', 'GET'] },
      },
    ],
    [
      [{ method: 'CUSTOM-METHOD' }, true],
      [{ method: 'GET' }, true],
      [{ method: 'get' }, false],
      [{ method: 'HEAD' }, false],
    ],
  )
})

test('source-ip: the connection counts, X-Forwarded-For does not', () => {
  check(
    [
      {
        Field: 'source-ip',
        SourceIpConfig: { Values: ['192.0.2.0/24', '198.51.100.10/32', '2001:db8::/32'] },
      },
    ],
    [
      [{ sourceIp: '192.0.2.7' }, true],
      [{ sourceIp: '::ffff:192.0.2.7' }, true],
      [{ sourceIp: '2001:db8::1' }, true],
      [{ sourceIp: '198.51.100.11' }, false],
      [{ sourceIp: '203.0.113.1', headers: ['X-Forwarded-For', '192.0.2.7'] }, false],
    ],
  )
})

test('source-ip: rules of network load balancers tell IPv4 from IPv6', () => {
  for (const type of ['ipv4', 'ipv6'] as const) {
    check(
      [{ Field: 'source-ip', SourceIpConfig: { IpAddressType: type } }],
      [
        [{ sourceIp: '192.0.2.7' }, type === 'ipv4'],
        [{ sourceIp: '2001:db8::1' }, type === 'ipv6'],
      ],
    )
  }
})

test('compileConditions: all conditions must hold', () => {
  check(
    [
      {
        Field: 'http-header',
        HttpHeaderConfig: { HttpHeaderName: 'X-Forwarded-For', Values: ['203.*'] },
      },
      { Field: 'path-pattern', Values: ['/admin/*'] },
      { Field: 'host-header', Values: ['admin.example.com'] },
    ],
    [
      [
        { host: 'admin.example.com', url: '/admin/x', headers: ['X-Forwarded-For', '203.0.113.1'] },
        true,
      ],
      [{ host: 'admin.example.com', url: '/admin/x' }, false],
      [
        { host: 'admin.example.com', url: '/x', headers: ['X-Forwarded-For', '203.0.113.1'] },
        false,
      ],
      [
        { host: 'example.com', url: '/admin/x', headers: ['X-Forwarded-For', '203.0.113.1'] },
        false,
      ],
    ],
  )
  const tag = (value: string): RuleCondition => ({
    Field: 'http-header',
    HttpHeaderConfig: { HttpHeaderName: 'tag', Values: [value] },
  })
  check(
    [tag('a*'), tag('*z')],
    [
      [{ headers: ['tag', 'a-z'] }, true],
      [{ headers: ['tag', 'a', 'tag', 'z'] }, true],
      [{ headers: ['tag', 'a'] }, false],
    ],
  )
})

test('compileConditions: refuses what could match by mistake', () => {
  const bad: readonly (readonly RuleCondition[])[] = [
    [],
    [{}],
    [{ Field: 'constructor', Values: ['x'] }],
    [{ Field: 'path-pattern' }],
    [{ Field: 'path-pattern', Values: [] }],
    [{ Field: 'http-header', HttpHeaderConfig: { Values: ['x'] } }],
    [{ Field: 'http-header', HttpHeaderConfig: { HttpHeaderName: 'x' } }],
    [{ Field: 'query-string', QueryStringConfig: { Values: [] } }],
    [{ Field: 'source-ip', SourceIpConfig: { Values: ['10.0.0.1'] } }],
    [{ Field: 'path-pattern', PathPatternConfig: { RegexValues: ['(a'] } }],
  ]
  for (const conditions of bad) {
    assert.throws(() => compileConditions(conditions), Error, JSON.stringify(conditions))
  }
})

test.run()
