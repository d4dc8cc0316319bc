import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AnswerError, AnswerParser, MAX_HEAD_BYTES } from '../../gateway/answer-parser.ts'

const test = suite('AnswerParser')

interface Outcome {
  events: unknown[]
  body: string
  persists: boolean
  keepAliveMs: number | undefined
  error: string | undefined
}

/** What is made of the bytes of `pieces`, which come one after the other; `ends`: the connection does. */
function outcomeOf(pieces: readonly Buffer[], { isHead = false, ends = true } = {}): Outcome {
  const events: unknown[] = []
  let body = ''
  const parser = new AnswerParser({
    informed: (status) => void events.push(status),
    answered: (head) => void events.push({ ...head }),
    received: (piece) => {
      assert.ok(piece.length > 0)
      body += piece.toString('latin1')
    },
    ended: (rawTrailers) => void events.push(rawTrailers),
  })
  parser.begin(isHead)
  let error: string | undefined
  try {
    for (const piece of pieces) parser.read(piece)
    if (ends) parser.finish()
  } catch (thrown) {
    if (!(thrown instanceof AnswerError)) throw thrown
    error = thrown.message
    parser.stop()
  }
  return { events, body, persists: parser.persists, keepAliveMs: parser.keepAliveMs, error }
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function head(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Whole answers, with what is read of them. */
const ANSWERS: readonly (readonly [what: string, text: string, body: string, persists: boolean])[] =
  [
    ['a length', `${head('HTTP/1.1 200 OK', 'Content-Length: 2')}hi`, 'hi', true],
    ['a length of 0', head('HTTP/1.1 200 OK', 'Content-Length: 0'), '', true],
    ['no reason', `${head('HTTP/1.1 200 ', 'Content-Length: 2')}hi`, 'hi', true],
    ['no reason and no space', `${head('HTTP/1.1 200', 'content-length:2')}hi`, 'hi', true],
    ['an end with the connection', `${head('HTTP/1.1 200 OK')}all\r\nthis`, 'all\r\nthis', false],
    [
      'a close',
      `${head('HTTP/1.1 200 OK', 'Connection: a, Close', 'Content-Length: 0')}`,
      '',
      false,
    ],
    ['HTTP/1.0', `${head('HTTP/1.0 200 OK', 'Content-Length: 2')}hi`, 'hi', false],
    ['204', head('HTTP/1.1 204 No Content'), '', true],
    ['304 with a length', head('HTTP/1.1 304 Not Modified', 'Content-Length: 7'), '', true],
    [
      '1xx before',
      `${head('HTTP/1.1 100 Continue')}${head('HTTP/1.1 103 Early Hints', 'Link: a')}${head('HTTP/1.1 200 OK', 'Content-Length: 2')}hi`,
      'hi',
      true,
    ],
    [
      'chunks, an extension and trailers',
      `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}2;a="b"\r\nhi\r\n00A\r\n0123456789\r\n0\r\nX-T: 1\r\nX-U:\t2 \r\n\r\n`,
      'hi0123456789',
      true,
    ],
    [
      'more behind it',
      `${head('HTTP/1.1 200 OK', 'Content-Length: 2')}hiHTTP/1.1 200 OK\r\n\r\n`,
      'hi',
      false,
    ],
    ['a byte behind a 204', `${head('HTTP/1.1 204 No Content')}x`, '', false],
  ]

for (const [what, text, body, persists] of ANSWERS) {
  test(`${what}: it is read the same, however its bytes come`, () => {
    const whole = outcomeOf([bytes(text)])
    assert.is(whole.error, undefined)
    assert.is(whole.body, body)
    assert.is(whole.persists, persists)
    const single = [...bytes(text)].map((byte) => Buffer.of(byte))
    const bare = { ...whole, persists: undefined }
    assert.equal({ ...outcomeOf(single), persists: undefined }, bare)
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const ends = [...new Set([...cuts, text.length])].sort((a, b) => a - b)
        const pieces = ends.map((end, at) => bytes(text.slice(ends[at - 1] ?? 0, end)))
        assert.equal({ ...outcomeOf(pieces), persists: undefined }, bare)
      }),
      { numRuns: 50 },
    )
  })

  test(`${what}: of a part of it no end is told`, () => {
    const whole = outcomeOf([bytes(text)], { ends: false }).events.length
    for (let length = 0; length < text.length; length++) {
      const { events, error } = outcomeOf([bytes(text.slice(0, length))], { ends: false })
      assert.is(error, undefined, String(length))
      assert.ok(events.length <= whole)
    }
  })
}

/** What is refused, whole or byte by byte. */
const REFUSED: readonly (readonly [what: string, text: string])[] = [
  ['no HTTP', 'nonsense'],
  ['HTTP/2.0', head('HTTP/2.0 200 OK')],
  ['HTTP/1.2', head('HTTP/1.2 200 OK')],
  ['lower case', head('http/1.1 200 OK')],
  ['an empty line first', `\r\n${head('HTTP/1.1 200 OK')}`],
  ['a status of two digits', head('HTTP/1.1 20 OK')],
  ['a status of four digits', head('HTTP/1.1 2000 OK')],
  ['a status below 100', head('HTTP/1.1 099 OK')],
  ['a NUL in the reason', head('HTTP/1.1 200 O\0K')],
  ['a bare line feed in the reason', head('HTTP/1.1 200 OK\nX: 1')],
  ['101, unasked', head('HTTP/1.1 101 Switching Protocols')],
  ['a space before the colon', head('HTTP/1.1 200 OK', 'Content-Length : 2')],
  ['no colon', head('HTTP/1.1 200 OK', 'Content-Length')],
  ['no name', head('HTTP/1.1 200 OK', ': 2')],
  ['a folded line', head('HTTP/1.1 200 OK', 'X: 1', ' Content-Length: 2')],
  ['a bare line feed', head('HTTP/1.1 200 OK', 'X: 1\nContent-Length: 2')],
  ['a bare carriage return', head('HTTP/1.1 200 OK', 'X: 1\rContent-Length: 2')],
  ['a NUL in a value', head('HTTP/1.1 200 OK', 'X: \0')],
  ['a name that is no token', head('HTTP/1.1 200 OK', 'X\xe9: 1')],
  ['two lengths', head('HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 2')],
  ['a list of lengths', head('HTTP/1.1 200 OK', 'Content-Length: 2, 2')],
  ['a length with a sign', head('HTTP/1.1 200 OK', 'Content-Length: +2')],
  ['a length in hex', head('HTTP/1.1 200 OK', 'Content-Length: 0x2')],
  ['an empty length', head('HTTP/1.1 200 OK', 'Content-Length:')],
  ['a length beyond counting', head('HTTP/1.1 200 OK', `Content-Length: ${'9'.repeat(16)}`)],
  [
    'a length beside a coding',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Content-Length: 2'),
  ],
  [
    'a coding beside a length',
    head('HTTP/1.1 200 OK', 'Content-Length: 2', 'Transfer-Encoding: chunked'),
  ],
  ['another coding', head('HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked')],
  [
    'a coding twice',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'transfer-encoding: chunked'),
  ],
  ['a coding of 0x0b', head('HTTP/1.1 200 OK', 'Transfer-Encoding: \x0bchunked')],
  ['a coding with a NBSP', head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked\xa0')],
  ...['x', '', ' 2', '-2', '+2', '0x2', '2 2', '2\n', '2;\n', `${'1'.repeat(13)}`].map(
    (size): [string, string] => [
      `a chunk of size ${JSON.stringify(size)}`,
      `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${size}\r\nhi\r\n0\r\n\r\n`,
    ],
  ),
  [
    'a chunk longer than its size',
    `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}2\r\nhiho\r\n0\r\n\r\n`,
  ],
  [
    'a trailer that is folded',
    `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}0\r\nX: 1\r\n y\r\n\r\n`,
  ],
  [
    'an endless extension of a chunk',
    `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}2;${'x'.repeat(5_000)}`,
  ],
  ['too long a head', head('HTTP/1.1 200 OK', `X: ${'x'.repeat(MAX_HEAD_BYTES)}`)],
  ['a head without an end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(MAX_HEAD_BYTES)}`],
  [
    'trailers without an end',
    `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}0\r\n${'X: y\r\n'.repeat(MAX_HEAD_BYTES / 6 + 1)}`,
  ],
]

for (const [what, text] of REFUSED) {
  test(`${what} is refused, and nothing is said to be whole`, () => {
    const single = [...bytes(text)].map((byte) => Buffer.of(byte))
    for (const pieces of [[bytes(text)], single]) {
      const { error, events, persists } = outcomeOf(pieces)
      assert.type(error, 'string')
      assert.not.ok(persists)
      assert.not.ok(events.some((event) => Array.isArray(event)))
    }
  })
}

test('an answer to HEAD has no body, whatever its head says, and the connection goes on', () => {
  for (const framing of ['Content-Length: 7', 'Transfer-Encoding: chunked', 'X: 1']) {
    const outcome = outcomeOf([bytes(head('HTTP/1.1 200 OK', framing))], {
      isHead: true,
      ends: false,
    })
    assert.equal(outcome.events.length, 2)
    assert.ok(outcome.persists)
  }
})

test('names and values are told as they came, in Latin-1, without the space around them', () => {
  const { events } = outcomeOf([
    bytes(
      head('HTTP/1.1 299 Quite \xe9', 'X-Two:  1\t', 'x-two: \xa0\xe9', 'E:', 'Content-Length: 0'),
    ),
  ])
  assert.equal(events[0], {
    status: 299,
    message: 'Quite \xe9',
    rawHeaders: ['X-Two', '1', 'x-two', '\xa0\xe9', 'E', '', 'Content-Length', '0'],
    isChunked: false,
  })
})

test('trailers are told with the end', () => {
  const text = `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: CHUNKED')}0\r\nX-T: 1\r\nX-U:\t2 \r\n\r\n`
  assert.equal(outcomeOf([bytes(text)]).events.at(-1), ['X-T', '1', 'X-U', '2'])
})

test('the end of a connection ends only what ends with it', () => {
  const begun = [
    '',
    'HTTP/1.1 200 OK\r\n',
    head('HTTP/1.1 100 Continue'),
    `${head('HTTP/1.1 200 OK', 'Content-Length: 3')}hi`,
    `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}2\r\nhi\r\n0\r\n`,
  ]
  for (const text of begun) {
    const { events, error } = outcomeOf([bytes(text)])
    assert.is(error, undefined)
    assert.not.ok(events.some((event) => Array.isArray(event)))
  }
})

test('whatever comes, it is read to an end or refused', () => {
  const parts = fc.constantFrom(
    'HTTP/1.1 200 OK\r\n',
    'Content-Length: 3\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Connection: close\r\n',
    '\r\n',
    '\n',
    '\r',
    ':',
    '3\r\n',
    'abc',
    '0\r\n',
    '\0',
    '\xff',
  )
  fc.assert(
    fc.property(fc.array(parts), fc.boolean(), (all, isHead) => {
      const text = all.join('')
      const whole = outcomeOf([bytes(text)], { isHead })
      const pieces = outcomeOf(all.map(bytes), { isHead })
      assert.is(pieces.error === undefined, whole.error === undefined, JSON.stringify(text))
      if (whole.error === undefined) {
        assert.equal(pieces.events, whole.events)
        assert.is(pieces.body, whole.body)
      }
    }),
    { numRuns: 2_000 },
  )
})

test.run()
