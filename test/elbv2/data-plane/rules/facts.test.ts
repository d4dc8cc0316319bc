import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveListener } from '../../../../elbv2/data-plane/model.ts'
import { factsOf } from '../../../../elbv2/data-plane/rules/facts.ts'
import { requestFacts } from '../requests.ts'

const test = suite('elbv2 facts')

test('factsOf: path and query are as they came', () => {
  const { path, query } = requestFacts({ url: '/a%20b/../c?x=1&y=%2F?z' })
  assert.equal([path, query], ['/a%20b/../c', 'x=1&y=%2F?z'])
  assert.equal(pathAndQuery('/'), ['/', ''])
  assert.equal(pathAndQuery('/?'), ['/', ''])
  assert.equal(pathAndQuery('*'), ['*', ''])
  assert.equal(pathAndQuery('/a#b?c'), ['/a', ''])
  assert.equal(pathAndQuery('//evil.example/x?y'), ['//evil.example/x', 'y'])
})

function pathAndQuery(url: string): [string, string] {
  const { path, query } = requestFacts({ url })
  return [path, query]
}

test('factsOf: an absolute target says the host, whatever the Host header says', () => {
  const facts = requestFacts({ url: 'http://Api.Example.com:81/x?y=1', host: 'other.example' })
  assert.equal([facts.host, facts.path, facts.query], ['api.example.com', '/x', 'y=1'])
  assert.equal(pathAndQuery('http://example.com'), ['/', ''])
  assert.equal(pathAndQuery('http://example.com?a'), ['/', 'a'])
  assert.is(requestFacts({ url: 'https://me:pw@example.com/' }).host, 'example.com')
})

test('factsOf: hosts have no port and no case', () => {
  const hosts: readonly [string, string][] = [
    ['WWW.Example.com', 'www.example.com'],
    ['www.example.com:8080', 'www.example.com'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::1]:443', '[2001:db8::1]'],
    ['192.0.2.1:80', '192.0.2.1'],
    ['', ''],
    [':80', ''],
    ['[::1', '[::1'],
  ]
  for (const [host, expected] of hosts) assert.is(requestFacts({ host }).host, expected, host)
})

test('factsOf: HTTP/2 names the host as :authority', () => {
  const rawHeaders = [':method', 'GET', ':authority', 'h2.example.com:443', ':path', '/', 'a', 'b']
  const facts = factsOf(
    { method: 'GET', url: '/', rawHeaders },
    { sourceIp: '::1', sourcePort: 1, protocol: 'https' },
    { row: { port: 443 } } as LiveListener,
  )
  assert.equal([facts.host, facts.protocol, facts.port], ['h2.example.com', 'https', 443])
  assert.equal(facts.header('a'), ['b'])
})

test('factsOf: headers of one name are all there, in their order', () => {
  const facts = requestFacts({ headers: ['X-Tag', 'one', 'Other', 'x', 'x-tag', 'two'] })
  assert.equal(facts.header('x-tag'), ['one', 'two'])
  assert.equal(facts.header('host'), ['www.example.com'])
  assert.equal(facts.header('absent'), [])
  assert.equal(facts.header('__proto__'), [])
})

test('factsOf: parameters are decoded once, bad escapes stay', () => {
  const facts = requestFacts({ url: '/?a=1&b&=c&a=%C3%A9&&d=%zz&e=%ff%41&f=1+1&g=a=b&%61=x#h=1' })
  assert.equal(facts.parameters, [
    ['a', '1'],
    ['b', ''],
    ['', 'c'],
    ['a', 'é'],
    ['d', '%zz'],
    ['e', '%ff%41'],
    ['f', '1+1'],
    ['g', 'a=b'],
    ['a', 'x'],
  ])
  assert.is(facts.parameters, facts.parameters)
  assert.equal(requestFacts({ url: '/' }).parameters, [])
})

test('factsOf: takes any target and any headers', () => {
  const latin1 = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 30 })
  const text = latin1.map((codes) => String.fromCharCode(...codes))
  const url = fc.oneof(
    text,
    fc.tuple(fc.constantFrom('/', 'http://', '/?', '%'), text).map((all) => all.join('')),
  )
  fc.assert(
    fc.property(url, text, fc.array(text, { maxLength: 5 }), (target, host, headers) => {
      const facts = requestFacts({ url: target, host, headers })
      assert.not(facts.path.includes('?'))
      assert.is(facts.host, facts.host.toLowerCase())
      for (const pair of facts.parameters) assert.is(pair.length, 2)
      facts.header('x')
    }),
    { seed: 4, numRuns: 3000 },
  )
})

test.run()
