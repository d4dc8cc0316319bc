import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compileGlob } from '../../../../elbv2/data-plane/rules/glob.ts'

const test = suite('elbv2 glob')

const CASES: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
  ['', '', true],
  ['', 'a', false],
  ['*', '', true],
  ['*', 'anything', true],
  ['?', '', false],
  ['?', 'a', true],
  ['?', 'ab', false],
  ['/img/*', '/img/picture.jpg', true],
  ['/img/*', '/img/', true],
  ['/img/*', '/img', false],
  ['/img/*', '/IMG/a', false],
  ['/img/*/pics', '/img/a/b/pics', true],
  ['/img/*/pics', '/img/pics', false],
  ['*.example.com', 'test.example.com', true],
  ['*.example.com', 'example.com', false],
  ['*.example.com', 'a.example.com.evil', false],
  ['/a?c', '/abc', true],
  ['/a?c', '/ac', false],
  ['*a*b', 'xaxbxb', true],
  ['**', 'x', true],
  ['a**b', 'ab', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['\\?', '?', true],
  ['\\?', 'a', false],
  ['\\\\', '\\', true],
  ['\\a', '\\a', true],
  ['a\\', 'a\\', true],
  ['[a-z]+.$', '[a-z]+.$', true],
  ['a.c', 'abc', false],
]

test('compileGlob: stars, question marks and escapes are those of AWS', () => {
  for (const [pattern, text, expected] of CASES) {
    assert.is(compileGlob(pattern)(text), expected, `${pattern} on ${text}`)
  }
})

test('compileGlob: case counts unless it is said not to', () => {
  assert.not(compileGlob('*chrome*')('Mozilla Chrome/1'))
  assert.ok(compileGlob('*chrome*', { ignoreCase: true })('Mozilla Chrome/1'))
  assert.ok(compileGlob('V1', { ignoreCase: true })('v1'))
  assert.not(compileGlob('[', { ignoreCase: true })('{'), 'only letters have case')
})

/** What the words say, read from left to right. */
function naive(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  const [first = '', second = ''] = pattern
  if (first === '*') {
    return naive(pattern.slice(1), text) || (text !== '' && naive(pattern, text.slice(1)))
  }
  if (text === '') return false
  if (first === '?') return naive(pattern.slice(1), text.slice(1))
  if (first === '\\' && (second === '*' || second === '?' || second === '\\')) {
    return text.startsWith(second) && naive(pattern.slice(2), text.slice(1))
  }
  return text.startsWith(first) && naive(pattern.slice(1), text.slice(1))
}

const small = (...chars: string[]) =>
  fc.array(fc.constantFrom(...chars), { maxLength: 8 }).map((all) => all.join(''))

test('compileGlob: agrees with a matcher that tries everything', () => {
  fc.assert(
    fc.property(
      small('a', 'b', 'A', '*', '?', '\\'),
      small('a', 'b', 'A', '*', '?', '\\'),
      (p, t) => {
        assert.is(compileGlob(p)(t), naive(p, t))
        const ignoring = compileGlob(p, { ignoreCase: true })
        assert.is(ignoring(t), naive(p.toLowerCase(), t.toLowerCase()))
      },
    ),
    { seed: 4, numRuns: 20_000 },
  )
})

/** A text that counts how often it is looked at; the matcher asks for no more of a string. */
function counted(text: string) {
  let reads = 0
  const charCodeAt = (at: number) => {
    reads++
    return text.charCodeAt(at)
  }
  return { text: { length: text.length, charCodeAt } as unknown as string, reads: () => reads }
}

test('compileGlob: takes at most pattern times text steps, whatever the pattern', () => {
  const length = 100_000
  for (const pattern of [
    '*a*a*a*a*b',
    `*${'a'.repeat(30)}b*`,
    '*?*?*?*?*b',
    `${'a*'.repeat(20)}b`,
  ]) {
    const { text, reads } = counted('a'.repeat(length))
    assert.not(compileGlob(pattern)(text), pattern)
    assert.ok(reads() <= pattern.length * length, `${pattern}: ${reads()} steps`)
  }
})

test.run()
