import { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { API_BODY_TIMEOUT_MS, readBody } from '../../gateway/body.ts'
import { AwsFault } from '../../gateway/core/fault.ts'
import { FakeClock } from '../fake-clock.ts'

const LIMIT_BYTES = 8

/** A request whose body is what the test writes into it. */
function request(headers: Record<string, string> = {}): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers }) as unknown as PassThrough & IncomingMessage
}

function codeOf(read: Buffer | AwsFault | undefined): string {
  assert.instance(read, AwsFault)
  return `${(read as AwsFault).status} ${(read as AwsFault).code}`
}

test('readBody: the chunks in their order, and no timer is left', async () => {
  const clock = new FakeClock()
  const req = request()
  const read = readBody(req, clock, LIMIT_BYTES)
  req.write('abc')
  req.write('')
  req.end('defgh')
  assert.equal(await read, Buffer.from('abcdefgh'))
  assert.is(clock.waiting, 0)
})

test('readBody: no body is an empty one', async () => {
  const req = request()
  req.end()
  assert.equal(await readBody(req, new FakeClock(), LIMIT_BYTES), Buffer.alloc(0))
})

test('readBody: one byte too many is 413, announced or not', async () => {
  const clock = new FakeClock()
  const announced = readBody(request({ 'content-length': '9' }), clock, LIMIT_BYTES)
  assert.is(codeOf(await announced), '413 RequestEntityTooLargeException')
  const req = request()
  const read = readBody(req, clock, LIMIT_BYTES)
  req.write('abcdefghi')
  assert.is(codeOf(await read), '413 RequestEntityTooLargeException')
  assert.is(clock.waiting, 0)
})

test('readBody: a body that stops is 408 when its time is over, not before', async () => {
  const clock = new FakeClock()
  const req = request()
  const read = readBody(req, clock, LIMIT_BYTES)
  req.write('abc')
  clock.advance(API_BODY_TIMEOUT_MS - 1)
  assert.is(clock.waiting, 1)
  clock.advance(1)
  assert.is(codeOf(await read), '408 RequestTimeoutException')
})

for (const encoding of ['gzip', 'br', 'deflate', 'gzip, gzip', 'aws-chunked', 'x"\\']) {
  test(`readBody: ${encoding} is an encoding that no call comes in`, async () => {
    const read = await readBody(request({ 'content-encoding': encoding }), new FakeClock())
    assert.is(codeOf(read), '400 SerializationException')
    assert.match((read as AwsFault).message, JSON.stringify(encoding))
  })
}

for (const encoding of ['identity', 'Identity', '']) {
  test(`readBody: "${encoding}" is the body as it is`, async () => {
    const req = request({ 'content-encoding': encoding })
    req.end('{}')
    assert.equal(await readBody(req, new FakeClock()), Buffer.from('{}'))
  })
}

test('readBody: a client that went away has no body, and may fail later', async () => {
  const clock = new FakeClock()
  const gone = request()
  const read = readBody(gone, clock)
  gone.write('abc')
  gone.destroy()
  assert.is(await read, undefined)
  const broken = request()
  const other = readBody(broken, clock)
  broken.destroy(new Error('ECONNRESET'))
  assert.is(await other, undefined)
  broken.emit('error', new Error('once more'))
  assert.is(clock.waiting, 0)
})

test.run()
