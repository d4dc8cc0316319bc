import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BoundedMap } from '../../../../elbv2/data-plane/auth/bounded-map.ts'
import {
  cookiesOf,
  expiredShards,
  joinShards,
  shardedCookies,
} from '../../../../elbv2/data-plane/auth/cookies.ts'
import { createSealer } from '../../../../elbv2/data-plane/auth/seal.ts'
import { factsOf } from './browser.ts'

const test = suite('parts of authentication')
const sealer = createSealer(Buffer.alloc(32, 1), randomBytes)

test('Sealer: opens what it sealed, for the same purpose only', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), fc.string(), (value, purpose, other) => {
      const sealed = sealer.seal(purpose, value)
      assert.equal(JSON.stringify(sealer.open(purpose, sealed)), JSON.stringify(value))
      if (Buffer.compare(Buffer.from(purpose), Buffer.from(other)) !== 0) {
        assert.is(sealer.open(other, sealed), undefined)
      }
    }),
  )
})

test('Sealer: opens nothing else', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      assert.is(sealer.open('p', text), undefined)
    }),
  )
  const sealed = sealer.seal('p', { a: 1 })
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
    assert.is(sealer.open('p', changed), undefined)
    assert.is(sealer.open('p', sealed.slice(0, at)), undefined)
  }
  assert.is(
    sealer.open('p', sealed.replaceAll('-', '+').replaceAll('_', '/').concat('=')),
    undefined,
  )
})

test('Sealer: the same content is sealed differently each time', () => {
  assert.is.not(sealer.seal('p', 1), sealer.seal('p', 1))
})

test('cookies: texts of all lengths come back whole, in cookies that browsers take', () => {
  const text = fc.integer({ min: 1, max: 34_000 }).map((length) => 'x'.repeat(length))
  const name = fc.stringMatching(/^[A-Za-z]{1,100}$/)
  fc.assert(
    fc.property(text, name, (text, name) => {
      const set = shardedCookies(name, text, 0, new Map()) ?? []
      assert.ok(set.every((cookie) => cookie.length <= 4096))
      const cookie = [set.map((each) => each.split(';')[0]).join('; ')]
      const cookies = cookiesOf(factsOf({ headers: { cookie } }))
      assert.is(joinShards(cookies, name), text)
    }),
  )
  assert.is(shardedCookies('a', 'x'.repeat(50_000), 0, new Map()), undefined)
})

test('cookies: shards that are missing or too many give nothing', () => {
  const join = (cookies: Record<string, string>) =>
    joinShards(new Map(Object.entries(cookies)), 'a')
  assert.is(join({}), undefined)
  assert.is(join({ 'a-1': 'x' }), undefined)
  assert.is(join({ 'a-0': '' }), undefined)
  assert.is(join({ 'a-0': '2.x' }), '')
  assert.is(join({ 'a-0': '0.x' }), '')
  assert.is(join({ 'a-0': '11.x' }), '')
  assert.is(join({ 'a-0': 'x' }), '')
  assert.is(join({ 'a-0': '2.x', 'a-1': 'y', 'a-2': 'z' }), 'xy')
})

test('cookies: are read from all headers, the first of a name counts', () => {
  const cookie = ['a=1; b=2;c = 3', 'a=4; d', '=5; e==6']
  const cookies = cookiesOf(factsOf({ headers: { cookie } }))
  assert.equal(Object.fromEntries(cookies), { a: '1', b: '2', c: '3', '': '5', e: '=6' })
})

test('cookies: only shards that the browser has are expired', () => {
  const expired = expiredShards(
    'a',
    new Map([
      ['a-1', 'x'],
      ['b-0', 'y'],
    ]),
    1,
  )
  assert.equal(expired, [
    'a-1=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure; HttpOnly; SameSite=None',
  ])
})

test('BoundedMap: forgets the oldest', () => {
  const map = new BoundedMap<number>(2)
  map.set('a', 1)
  map.set('b', 2)
  map.set('a', 3)
  map.set('c', 4)
  assert.equal([map.get('a'), map.get('b'), map.get('c'), map.size], [3, undefined, 4, 2])
})

test.run()
