import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compileRegex } from '../../../../elbv2/data-plane/rules/regex.ts'

const test = suite('elbv2 regex')

test('compileRegex: finds a pattern anywhere, and where it is anchored', () => {
  assert.ok(compileRegex('b+c').test('aabbcc'))
  assert.not(compileRegex('^b+c$').test('aabbcc'))
  assert.ok(compileRegex('^/v[0-9]+/.*$').test('/v12/users'))
  assert.not(compileRegex('^/V1/').test('/v1/'))
  assert.ok(compileRegex('^/V1/', { ignoreCase: true }).test('/v1/'))
})

test('compileRegex: gives groups, those that took no part as undefined', () => {
  const found = compileRegex('b(c)?(d)').exec('abd')
  assert.equal(found, { index: 1, groups: ['bd', undefined, 'd'] })
  assert.is(compileRegex('b(c)?(d)').groups, 2)
  assert.is(compileRegex('x').exec('abc'), undefined)
})

test('compileRegex: refuses what load balancers do not know, with the reason', () => {
  for (const pattern of [
    '(?=a)',
    '(?!a)',
    '(?<=a)b',
    '(?<!a)b',
    '(a)\\1',
    '(?>a)',
    'a++',
    '(?R)',
    '\\p{L}',
    '[a',
    '(a',
    'a{2,1}',
    '*a',
  ]) {
    assert.throws(() => compileRegex(pattern), /^error parsing regexp: /, pattern)
  }
})

test('compileRegex: refuses a pattern whose repetitions would take seconds', () => {
  assert.throws(() => compileRegex('(a.{0,999})(b.{0,999})(c.{0,999})z[0-9]'), /too large/)
  assert.ok(compileRegex(`^[a-z]{1,200}${'x?'.repeat(50)}$`).test('abc'))
})

test('compileRegex: a pattern that hangs backtracking engines is answered', () => {
  const text = 'x'.repeat(20_000)
  assert.not(compileRegex('^(x+x+)+y$').test(text))
  assert.not(compileRegex('(x|x)*(x|x)*(x|x)*y').test(text))
  assert.is(compileRegex('^(([a-z])+.)+[A-Z]([a-z])+$').exec(text), undefined)
})

test.run()
