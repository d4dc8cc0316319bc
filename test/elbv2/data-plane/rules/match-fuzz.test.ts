/** Compiled rules against what AWS's documentation says, done slowly and in the plainest way. */
import type { RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compileConditions } from '../../../../elbv2/data-plane/rules/match.ts'
import { requestFacts, type TestRequest } from '../requests.ts'

const test = suite('elbv2 match, fuzzed')

/** Wildcards as a set of positions: none of the cleverness that is tested. */
function like(pattern: string, text: string): boolean {
  let reached = new Set([0])
  for (let at = 0; at < pattern.length; at++) {
    const next = new Set<number>()
    const escaped = pattern[at] === '\\' && /[*?\\]/.test(pattern[at + 1] ?? '')
    if (escaped) at++
    for (const position of reached) {
      if (!escaped && pattern[at] === '*') {
        for (let end = position; end <= text.length; end++) next.add(end)
      } else if (!escaped && pattern[at] === '?') {
        if (position < text.length) next.add(position + 1)
      } else if (text[position] === pattern[at]) {
        next.add(position + 1)
      }
    }
    reached = next
  }
  return reached.has(text.length)
}

const likeAnyCase = (pattern: string, text: string) =>
  like(pattern.toLowerCase(), text.toLowerCase())

function ipNumber(ip: string): number {
  return ip.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0)
}

function inBlock(block: string, ip: string): boolean {
  const [base = '', bits] = block.split('/')
  const size = 2 ** (32 - Number(bits))
  return Math.floor(ipNumber(base) / size) === Math.floor(ipNumber(ip) / size)
}

function holds(condition: RuleCondition, request: Required<TestRequest>): boolean {
  const [path = '', query = ''] = request.url.split('?')
  const values = condition.Values ?? []
  switch (condition.Field) {
    case 'host-header':
      return [...values, ...(condition.HostHeaderConfig?.Values ?? [])].some((value) =>
        likeAnyCase(value, request.host.replace(/:.*/, '')),
      )
    case 'path-pattern': {
      const { Values = [], RegexValues = [] } = condition.PathPatternConfig ?? {}
      return (
        [...values, ...Values].some((value) => like(value, path)) ||
        RegexValues.some((value) => new RegExp(value).test(path))
      )
    }
    case 'http-header': {
      const { HttpHeaderName = '', Values = [] } = condition.HttpHeaderConfig ?? {}
      const name = HttpHeaderName.toLowerCase()
      const lines = request.headers.filter(
        (_, at) => at % 2 === 1 && request.headers[at - 1]?.toLowerCase() === name,
      )
      return Values.some((value) => lines.some((line) => likeAnyCase(value, line)))
    }
    case 'query-string': {
      const pairs = query.split('&').filter((pair) => pair !== '')
      return (condition.QueryStringConfig?.Values ?? []).some(({ Key, Value = '' }) =>
        pairs.some((pair) => {
          const [key = '', ...rest] = pair.split('=')
          return (!Key || likeAnyCase(Key, key)) && likeAnyCase(Value, rest.join('='))
        }),
      )
    }
    case 'http-request-method':
      return condition.HttpRequestMethodConfig?.Values?.includes(request.method) ?? false
    default:
      return (condition.SourceIpConfig?.Values ?? []).some((block) =>
        inBlock(block, request.sourceIp),
      )
  }
}

const pick = (...values: readonly string[]) => fc.constantFrom(...values)
const text = (max: number, ...chars: readonly string[]) =>
  fc.array(pick(...chars), { maxLength: max }).map((all) => all.join(''))
const listOf = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 3 })

const host = text(4, 'a', 'B', 'b', '.')
const hostPattern = text(4, 'a', 'B', '.', '*', '?')
const path = text(5, 'a', 'A', 'b', '/').map((rest) => `/${rest}`)
const pathPattern = text(5, 'a', 'A', '/', '*', '?', '\\').map((rest) => `/${rest}`)
const word = text(3, 'x', 'X', 'y', '-', '=')
const wordPattern = text(3, 'x', 'Y', '-', '=', '*', '?')
const name = pick('tag', 'Tag', 'x-id')
const ip = fc.tuple(pick('10', '11', '192'), pick('0', '1'), pick('0', '255'), pick('1', '2'))
const dotted = ip.map((bytes) => bytes.join('.'))
const block = fc
  .tuple(dotted, fc.integer({ min: 0, max: 32 }))
  .map(([base, bits]) => `${base}/${bits}`)

const condition: fc.Arbitrary<RuleCondition> = fc.oneof(
  listOf(hostPattern).map((Values) => ({ Field: 'host-header', HostHeaderConfig: { Values } })),
  hostPattern.map((value) => ({ Field: 'host-header', Values: [value] })),
  pathPattern.map((value) => ({ Field: 'path-pattern', Values: [value] })),
  fc
    .tuple(
      listOf(pathPattern),
      fc.array(pick('^/a', 'b$', 'a+b', '^/[^/]*$', '(A|b)/'), { maxLength: 2 }),
    )
    .map(([Values, RegexValues]) => ({
      Field: 'path-pattern',
      PathPatternConfig: { Values, RegexValues },
    })),
  fc.tuple(name, listOf(wordPattern)).map(([HttpHeaderName, Values]) => ({
    Field: 'http-header',
    HttpHeaderConfig: { HttpHeaderName, Values },
  })),
  listOf(
    fc.record({
      Key: fc.option(text(2, 'x', 'Y', '*', '?'), { nil: undefined }),
      Value: wordPattern,
    }),
  ).map((Values) => ({ Field: 'query-string', QueryStringConfig: { Values } })),
  listOf(pick('GET', 'POST', 'get')).map((Values) => ({
    Field: 'http-request-method',
    HttpRequestMethodConfig: { Values },
  })),
  listOf(block).map((Values) => ({ Field: 'source-ip', SourceIpConfig: { Values } })),
)

const pair = fc.tuple(text(2, 'x', 'X', 'y'), fc.option(word, { nil: undefined }))
const query = fc
  .array(pair, { maxLength: 3 })
  .map((pairs) =>
    pairs.map(([key, value]) => (value === undefined ? key : `${key}=${value}`)).join('&'),
  )

const request: fc.Arbitrary<Required<TestRequest>> = fc.record({
  method: pick('GET', 'POST', 'HEAD'),
  url: fc
    .tuple(path, query)
    .map(([before, after]) => (after === '' ? before : `${before}?${after}`)),
  host: fc.tuple(host, pick('', ':80', ':4566')).map((all) => all.join('')),
  headers: fc.array(fc.tuple(name, word), { maxLength: 3 }).map((lines) => lines.flat()),
  sourceIp: dotted,
  protocol: fc.constant('http' as const),
  port: fc.constant(80),
})

test('rules: the first that matches is the one that a slow reader of the documentation picks', () => {
  const rule = fc.array(condition, { minLength: 1, maxLength: 3 })
  const rules = fc.array(rule, { minLength: 1, maxLength: 4 })
  const picked = new Map<number, number>()
  fc.assert(
    fc.property(rules, fc.array(request, { minLength: 1, maxLength: 8 }), (all, requests) => {
      const compiled = all.map(compileConditions)
      for (const each of requests) {
        const facts = requestFacts(each)
        const found = compiled.findIndex((matches) => matches(facts))
        const expected = all.findIndex((conditions) => conditions.every((one) => holds(one, each)))
        assert.is(found, expected, JSON.stringify([all, each]))
        picked.set(found, (picked.get(found) ?? 0) + 1)
      }
    }),
    { seed: 4, numRuns: 6000 },
  )
  // Else the property would hold of nothing.
  for (const index of [-1, 0, 1, 2, 3]) assert.ok((picked.get(index) ?? 0) > 100, `${index}`)
})

test.run()
