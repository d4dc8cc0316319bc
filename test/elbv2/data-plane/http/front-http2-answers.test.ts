import type { Socket } from 'node:net'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../../fake-clock.ts'
import { frontSuite, get } from './front-suite.ts'
import { ask, http2Front } from './http2-ends.ts'

const { test, raw, inFrontOf } = frontSuite('elbv2 front: answers over HTTP/2')

const REPEATED = [
  'X-Content-Type-Options: nosniff',
  'X-Content-Type-Options: nosniff',
  'Content-Type: text/plain',
  'content-type: text/html',
  'Date: Thu, 01 Jan 1970 00:00:00 GMT',
  'date: Thu, 01 Jan 1970 00:00:00 GMT',
  'HTTP2-Settings: AAMAAABk',
  'Vary: a',
  'Vary: b',
]

async function inFrontOfAnswers(answer: string) {
  const target = await raw((socket: Socket, all: string) => {
    if (all.endsWith('\r\n\r\n')) socket.write(answer)
  })
  const { world, listener } = await inFrontOf(target.port)
  return http2Front(world, listener)
}

test('headers that a target repeats reach a client of HTTP/2', async () => {
  for (const body of ['Content-Length: 2\r\n\r\nok', 'Content-Length: 0\r\n\r\n']) {
    const client = await inFrontOfAnswers(`HTTP/1.1 200 OK\r\n${REPEATED.join('\r\n')}\r\n${body}`)
    const { headers } = await ask(client, { ':path': '/' })
    assert.equal(
      [headers[':status'], headers['x-content-type-options'], headers['content-type']],
      [200, 'nosniff', 'text/plain, text/html'],
    )
    assert.equal(
      [headers.date, headers.vary, headers['http2-settings']],
      ['Thu, 01 Jan 1970 00:00:00 GMT', 'a, b', undefined],
    )
  }
})

test('trailers that a target repeats reach a client of HTTP/2', async () => {
  const trailers = 'ETag: 1\r\netag: 2\r\nHTTP2-Settings: AAMAAABk\r\nX-Mine: 1\r\nx-mine: 2\r\n'
  const client = await inFrontOfAnswers(
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`,
  )
  const heard = await ask(client, { ':path': '/' })
  assert.is(heard.body, 'ok')
  assert.equal([heard.trailers.etag, heard.trailers['x-mine']], ['1, 2', '1, 2'])
})

test('a 204 has no length, whatever its target says', async () => {
  const answer = 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nX-Mine: 1\r\n\r\n'
  const client = await inFrontOfAnswers(answer)
  const { headers, code } = await ask(client, { ':path': '/' })
  assert.equal([headers[':status'], headers['x-mine'], code], [204, '1', 0])
  assert.is(headers['content-length'], undefined)
  const target = await raw((socket, all) => {
    if (all.endsWith('\r\n\r\n')) socket.write(answer)
  })
  const { world, port } = await inFrontOf(target.port)
  assert.not.match(await world.ask(port, get()), /content-length/i)
})

test('a head that HTTP/2 cannot say is the target’s fault', async () => {
  const answer = 'HTTP/1.1 999 What\r\nX-Mine: 1\r\nContent-Length: 0\r\n\r\n'
  const { headers } = await ask(await inFrontOfAnswers(answer), { ':path': '/' })
  assert.equal([headers[':status'], headers['x-mine']], [502, undefined])
})

test('504: a target that says nothing to a GET of HTTP/2, which has no body to wait for', async () => {
  const clock = new FakeClock()
  const target = await raw()
  const { world, listener } = await inFrontOf(target.port, { clock })
  const client = await http2Front(world, listener)
  const heard = ask(client, { ':path': '/' })
  await target.hears('\r\n\r\n')
  clock.advance(80_000)
  assert.is((await heard).headers[':status'], 504)
})

test.run()
