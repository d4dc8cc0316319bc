import type { RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkedConditions } from '../../elbv2/conditions.ts'
import { makeListener, makeRule, putBalancer } from './furnish.ts'
import { Elbv2World } from './world.ts'

const check = (...conditions: object[]) =>
  checkedConditions('application', conditions as RuleCondition[])

function refused(...conditions: object[]): string {
  try {
    check(...conditions)
  } catch (thrown) {
    const { code, message } = thrown as Error & { code: string }
    return `${code}: ${message}`
  }
  throw new Error(`taken: ${JSON.stringify(conditions)}`)
}

const host = (...Values: string[]) => ({ Field: 'host-header', HostHeaderConfig: { Values } })
const path = (...Values: string[]) => ({ Field: 'path-pattern', PathPatternConfig: { Values } })
const header = (HttpHeaderName: string, ...Values: string[]) => ({
  Field: 'http-header',
  HttpHeaderConfig: { HttpHeaderName, Values },
})
const query = (...Values: object[]) => ({ Field: 'query-string', QueryStringConfig: { Values } })
const method = (...Values: string[]) => ({
  Field: 'http-request-method',
  HttpRequestMethodConfig: { Values },
})
const source = (...Values: string[]) => ({ Field: 'source-ip', SourceIpConfig: { Values } })

test('conditions: the old form and the config are answered alike', () => {
  for (const [field, config, value] of [
    ['host-header', 'HostHeaderConfig', 'a.example.com'],
    ['path-pattern', 'PathPatternConfig', '/a'],
  ] as const) {
    const expected = [{ Field: field, Values: [value], [config]: { Values: [value] } }]
    assert.equal(check({ Field: field, Values: [value] }), expected)
    assert.equal(check({ Field: field, [config]: { Values: [value] } }), expected)
    const regex = [{ Field: field, RegexValues: ['^a+$'], [config]: { RegexValues: ['^a+$'] } }]
    assert.equal(check({ Field: field, RegexValues: ['^a+$'] }), regex)
    assert.equal(check({ Field: field, [config]: { RegexValues: ['^a+$'] } }), regex)
  }
})

test('conditions: what AWS documents is taken', () => {
  for (const condition of [
    host('*.example.com'),
    host('EXAMPLE.com', 'a-b.c?.org'),
    host('example.*'),
    path('/img/*/pics', '/a_b-c.d$e/~"\'@:+&f'),
    header('User-Agent', '*Chrome*'),
    header('x_y', 'a \\* b'),
    query({ Key: 'version', Value: 'v1' }, { Value: '*example*' }),
    method('GET', 'CUSTOM-METHOD', 'A_B'),
    source('192.0.2.0/24', '198.51.100.10/32', '2001:db8::/32', '0.0.0.0/0'),
  ]) {
    assert.is(check(condition).length, 1)
  }
  check(header('a', 'x'), header('b', 'y'), query({ Value: 'z' }), query({ Value: 'w' }), path('/'))
})

test('conditions: what AWS refuses is refused', () => {
  const long = 'a'.repeat(129)
  const cases: [object[], RegExp][] = [
    [[], /A condition must be specified/],
    [[{ Values: ['/a'] }], /A condition field must be specified/],
    [[{ Field: 'cookie', Values: ['/a'] }], /Condition field 'cookie' must be one of/],
    [[path('/a'), path('/b')], /only have one 'path-pattern' condition/],
    [[host('a.com'), host('b.com')], /only have one 'host-header' condition/],
    [[method('GET'), method('PUT')], /only have one 'http-request-method' condition/],
    [[source('10.0.0.0/8'), source('11.0.0.0/8')], /only have one 'source-ip' condition/],
    [[path()], /A condition value must be specified/],
    [[{ Field: 'path-pattern' }], /A condition value must be specified/],
    [[{ Field: 'source-ip' }], /A condition value must be specified/],
    [[{ ...path('/a'), Values: ['/a'] }], /cannot provide both Values and 'PathPatternConfig'/],
    [
      [{ ...host('a.com'), Values: ['a.com'] }],
      /cannot provide both Values and 'HostHeaderConfig'/,
    ],
    [
      [{ ...path('/a'), HostHeaderConfig: { Values: ['a.com'] } }],
      /cannot specify 'HostHeaderConfig'/,
    ],
    [[{ Field: 'http-request-method', Values: ['GET'] }], /cannot specify 'Values' for/],
    [[{ Field: 'source-ip', RegexValues: ['a'] }], /cannot specify 'RegexValues' for/],
    [
      [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/a'], RegexValues: ['b'] } }],
      /both values and regex values/,
    ],
    [[path('/1', '/2', '/3', '/4', '/5', '/6')], /only have '5' condition values and regex values/],
    [
      [path('/1', '/2', '/3'), host('a.com', 'b.com'), method('GET')],
      /only have '5' condition values/,
    ],
    [[path('/*?*?*?')], /condition wildcards/],
    [[path('/*/*'), host('*.a.*'), header('h', '**')], /condition wildcards/],
    [[path(`/${long}`)], /between 1 and 128 characters/],
    [[path('')], /between 1 and 128 characters/],
    [[path('/a b')], /Condition value '.*' contains a character that is not valid/],
    [[path('/é')], /Condition value '.*' contains a character that is not valid/],
    [[path('/a?b=1')], /Condition value '.*' contains a character that is not valid/],
    [[path('/%20')], /Condition value '.*' contains a character that is not valid/],
    [[host('*')], /Condition value '\*' contains a character that is not valid/],
    [[host('localhost')], /contains a character that is not valid/],
    [[host('10.0.0.1')], /contains a character that is not valid/],
    [[host('a.com:8080')], /Condition value '.*' contains a character that is not valid/],
    [[host(`${long}.com`)], /between 1 and 128/],
    [[header('', 'a')], /HTTP header name ''/],
    [[header('a b', 'a')], /HTTP header name 'a b'/],
    [[header('a'.repeat(41), 'a')], /up to 40 characters/],
    [[header('Host', 'a.com')], /host-header/],
    [[header('a', 'é')], /Condition value '.*' contains a character that is not valid/],
    [[query({ Key: 'a' })], /A value must be specified/],
    [[query({ Key: long, Value: 'a' })], /between 1 and 128/],
    [[method('get')], /A-Z/],
    [[method('G*')], /A-Z/],
    [[method('A'.repeat(41))], /up to 40/],
    [[source('10.0.0.1')], /must be a CIDR block/],
    [[source('10.0.0.0/33')], /must be a CIDR block/],
    [[source('2001:db8::/129')], /must be a CIDR block/],
    [[source('10.0.0.*/24')], /must be a CIDR block/],
    [[source('255.255.255.255/32')], /must be a CIDR block/],
    [[{ Field: 'source-ip', SourceIpConfig: { IpAddressType: 'ipv4' } }], /network load balancers/],
    [[{ Field: 'path-pattern', RegexValues: ['('] }], /not a valid regular expression/],
    [[{ Field: 'path-pattern', RegexValues: ['a(?=b)'] }], /not a valid regular expression/],
    [[{ Field: 'host-header', RegexValues: [long] }], /between 1 and 128/],
  ]
  for (const [conditions, message] of cases) {
    const said = refused(...conditions)
    assert.match(said, /^ValidationError: /)
    assert.match(said, message)
  }
})

test('conditions: an escaped wildcard of a header or a query is none', () => {
  check(header('a', '\\*\\*\\*\\*\\*\\*\\*'), query({ Value: '\\?\\?\\?\\?\\?\\?' }))
})

test('conditions: all six fields go through the SDK and come back', async () => {
  const world = new Elbv2World()
  const listener = await makeListener(world, putBalancer(world))
  const all = [
    header('X-A', 'a*'),
    query({ Key: 'k', Value: 'v' }),
    method('GET'),
    source('10.0.0.0/8'),
  ]
  const arn = await makeRule(world, listener, 1, { Conditions: all })
  const { Rules } = await world.call('DescribeRules', { RuleArns: [arn] })
  assert.equal(Rules[0].Conditions, all)
  const regex = {
    Field: 'http-header',
    HttpHeaderConfig: { HttpHeaderName: 'X-A', RegexValues: ['^a$'] },
  }
  const other = await makeRule(world, listener, 2, { Conditions: [regex, host('a.com')] })
  assert.equal((await world.call('DescribeRules', { RuleArns: [other] })).Rules[0].Conditions, [
    { ...regex, RegexValues: ['^a$'] },
    { ...host('a.com'), Values: ['a.com'] },
  ])
})

test.run()
