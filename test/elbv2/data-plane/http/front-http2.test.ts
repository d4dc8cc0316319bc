import { Buffer } from 'node:buffer'
import { constants, createSecureServer } from 'node:http2'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../../fake-clock.ts'
import { answerOf, deadPort } from '../../../gateway/support-proxy.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../tls/test-certificate.ts'
import { frontSuite, get } from './front-suite.ts'
import { type FrontWorld, forwardTo } from './front-world.ts'
import { ask, heardBy, http2Front, http2Target } from './http2-ends.ts'

const { test, newWorld, raw, http, inFrontOf } = frontSuite('elbv2 front: HTTP/2')

const INTERNAL_ERROR = constants.NGHTTP2_INTERNAL_ERROR
const GRPC = {
  ':method': 'POST',
  ':path': '/pkg.Service/Call',
  'content-type': 'application/grpc',
  te: 'trailers',
}

/** A listener that forwards to a group of that protocol version, with this target. */
function inFront(world: FrontWorld, protocolVersion: 'HTTP2' | 'GRPC', port: number) {
  const group = world.putGroup('g', { protocolVersion })
  const target = world.targetAt(group, port)
  return { target, listener: world.listener(world.balancer(), forwardTo(group)) }
}

test('a client of HTTP/2 reaches a target of HTTP/1.1 as HTTP/1.1 says it', async () => {
  const target = await raw((socket, all) => {
    if (!/\r\n0\r\n\r\n$/.test(all)) return
    socket.write(
      answerOf('hello', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Connection: close', 'X-One: 1'),
    )
  })
  const { world, listener } = await inFrontOf(target.port)
  const client = await http2Front(world, listener)
  const headers = { ':method': 'POST', ':path': '/p?q', ':authority': 'my-alb', 'X-Mine': '1' }
  const heard = await ask(client, { ...headers, cookie: ['a=1', 'b=2'] }, 'body')
  assert.is(heard.headers[':status'], 200)
  assert.equal(heard.headers['set-cookie'], ['a=1', 'b=2'])
  assert.equal([heard.headers.connection, heard.headers['x-one']], [undefined, '1'])
  assert.is(heard.body, 'hello')
  const all = target.heard()
  assert.match(all, /^POST \/p\?q HTTP\/1.1\r\n/)
  assert.match(all, /\r\nHost: my-alb\r\n/)
  assert.match(all, /\r\ncookie: a=1; b=2\r\n/)
  assert.match(all, /\r\nTransfer-Encoding: chunked\r\n/)
  assert.match(all, /\r\n\r\n4\r\nbody\r\n0\r\n\r\n$/)
  assert.not.match(all, /\r\n:/)
  const record = await world.record()
  assert.equal([record.type, record.status, record.classification], ['h2', 200, '-'])
})

test('a GET of HTTP/2 has no body, and own answers reach its client', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith('\r\n\r\n')) socket.write(answerOf('hello'))
  })
  const { world, listener } = await inFrontOf(target.port)
  const client = await http2Front(world, listener)
  assert.is((await ask(client, { ':path': '/' })).body, 'hello')
  assert.not.match(target.heard(), /transfer-encoding|content-length/i)
  const refused = await ask(client, { ':path': '/', 'x-forwarded-for': '1,'.repeat(31) })
  assert.equal([refused.headers[':status'], refused.headers.server], [463, 'awselb/2.0'])
  const head = await ask(client, { ':path': '/', ':method': 'TRACE' })
  assert.match(head.body, /<h1>405 Not Allowed<\/h1>/)
})

test('HTTP2 groups: heads, bodies and trailers go both ways over one connection', async () => {
  const world = newWorld()
  const seen: unknown[] = []
  const target = await http2Target(world, (stream, headers) => {
    seen.push([headers[':method'], headers[':path'], headers[':authority'], headers['x-mine']])
    stream.respond({ ':status': 201, 'x-one': '1' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-last': 'yes' }))
    stream.pipe(stream)
  })
  const { listener } = inFront(world, 'HTTP2', target.port)
  const client = await http2Front(world, listener)
  const headers = { ':method': 'PUT', ':path': '/x?y', ':authority': 'my-alb', 'x-mine': '1' }
  for (const body of ['one', 'two']) {
    const heard = await ask(client, headers, body)
    assert.equal([heard.headers[':status'], heard.headers['x-one']], [201, '1'])
    assert.equal([heard.body, heard.trailers['x-last']], [body, 'yes'])
  }
  assert.equal(seen[0], ['PUT', '/x?y', 'my-alb', '1'])
  assert.is(target.sessions.length, 1)
  const record = await world.record()
  assert.equal([record.targetStatus, record.receivedBytes, record.sentBytes], [201, 3, 3])
})

test('gRPC: messages stream both ways while both sides are open, and the status is a trailer', async () => {
  const world = newWorld()
  const target = await http2Target(world, (stream, headers) => {
    assert.equal([headers.te, headers['content-type']], ['trailers', 'application/grpc'])
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.on('data', (chunk) => stream.write(`echo ${chunk}`))
    stream.on('end', () => stream.end())
  })
  const { target: live, listener } = inFront(world, 'GRPC', target.port)
  const client = await http2Front(world, listener)
  const stream = client.request(GRPC)
  const heard = heardBy(stream)
  for (const message of ['one', 'two']) {
    stream.write(message)
    const [chunk] = await new Promise<Buffer[]>((resolve) =>
      stream.once('data', (data: Buffer) => resolve([data])),
    )
    assert.is(String(chunk), `echo ${message}`)
    assert.is(live.inFlight, 1)
  }
  stream.end()
  const { trailers, body } = await heard
  assert.equal([trailers['grpc-status'], body], ['0', 'echo oneecho two'])
  assert.is((await world.record()).type, 'grpcs')
  assert.is(live.inFlight, 0)
})

test('gRPC: an answer that is a head alone reaches the client as one', async () => {
  const world = newWorld()
  const target = await http2Target(world, (stream) => {
    stream.respond({ 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true })
  })
  const { listener } = inFront(world, 'GRPC', target.port)
  const heard = await ask(await http2Front(world, listener), GRPC, 'message')
  assert.equal([heard.headers['grpc-status'], heard.headOnly], ['5', true])
})

test('464: the client’s protocol and the group’s do not go together', async () => {
  const world = newWorld()
  const target = await http2Target(world, (stream) => stream.respond({}, { endStream: true }))
  const { listener } = inFront(world, 'GRPC', target.port)
  const answer = await world.ask(await world.serve(listener), get())
  assert.match(answer, /^HTTP\/1.1 464 \r\nServer: awselb\/2.0\r\n/)
  const client = await http2Front(world, listener)
  assert.is((await ask(client, { ':path': '/' })).headers[':status'], 464)

  const plain = await http((_req, res) => res.end('ok'))
  const one = await inFrontOf(plain.port)
  const other = await http2Front(one.world, one.listener)
  assert.is((await ask(other, GRPC, 'x')).headers[':status'], 464)
  assert.is((await ask(other, { ':path': '/' })).body, 'ok')
})

test('502: the target refuses connections, or speaks HTTP/1.1 only', async () => {
  const plain = await http((_req, res) => res.end('ok'))
  for (const port of [await deadPort(), plain.port]) {
    const world = newWorld()
    const { target, listener } = inFront(world, 'HTTP2', port)
    const heard = await ask(await http2Front(world, listener), { ':path': '/' })
    assert.is(heard.headers[':status'], 502)
    assert.match(heard.body, /<h1>502 Bad Gateway<\/h1>/)
    await world.record()
    assert.is(target.inFlight, 0)
  }
})

test('a refused stream is sent again, once; one that was looked at is not', async () => {
  const world = newWorld()
  let refusals = 1
  let asked = 0
  const target = await http2Target(world, (stream) => {
    asked++
    if (refusals-- > 0) stream.close(constants.NGHTTP2_REFUSED_STREAM)
    else stream.respond({}, { endStream: true })
  })
  const { listener } = inFront(world, 'HTTP2', target.port)
  const client = await http2Front(world, listener)
  assert.is((await ask(client, { ':path': '/' })).headers[':status'], 200)
  assert.is(asked, 2)
  refusals = 2
  assert.is((await ask(client, { ':path': '/' })).headers[':status'], 502)
  assert.is(asked, 4)
})

test('GOAWAY: what is under way ends, and the next request has a connection of its own', async () => {
  const world = newWorld()
  const target = await http2Target(world, (stream) => {
    stream.session?.goaway()
    stream.respond({})
    stream.end('whole')
  })
  const { listener } = inFront(world, 'HTTP2', target.port)
  const client = await http2Front(world, listener)
  for (let round = 0; round < 3; round++) {
    assert.is((await ask(client, { ':path': '/' })).body, 'whole')
  }
  assert.is(target.sessions.length, 3)
})

test('aborts cross both ways', async () => {
  const world = newWorld()
  const closed: Promise<number | undefined>[] = []
  const target = await http2Target(world, (stream, headers) => {
    closed.push(new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode))))
    stream.respond({})
    stream.write('half')
    if (headers[':path'] === '/reset') stream.on('data', () => stream.close(INTERNAL_ERROR))
    if (headers[':path'] === '/die') stream.on('data', () => target.hangUp())
  })
  const { target: live, listener } = inFront(world, 'HTTP2', target.port)
  const client = await http2Front(world, listener)
  const stream = client.request({ ':path': '/' })
  await new Promise((resolve) => stream.once('data', resolve))
  assert.is(live.inFlight, 1)
  stream.close(constants.NGHTTP2_CANCEL)
  assert.is(await closed[0], constants.NGHTTP2_CANCEL)
  await world.record()
  assert.is(live.inFlight, 0)

  for (const path of ['/reset', '/die']) {
    const cut = client.request({ ':path': path, ':method': 'POST' })
    cut.once('data', () => cut.write('now'))
    const heard = await heardBy(cut)
    assert.equal([heard.body, heard.code], ['half', INTERNAL_ERROR], path)
  }
  await world.record(3)
  assert.is(live.inFlight, 0)
})

test('an HTTP2 group of HTTPS is asked over TLS', async () => {
  const world = newWorld()
  const tls = { key: TEST_KEY, cert: TEST_CERTIFICATE }
  const target = await http2Target(
    world,
    (stream, headers) => {
      stream.respond({})
      stream.end(headers[':scheme'])
    },
    createSecureServer(tls),
  )
  const group = world.putGroup('g', { protocol: 'HTTPS', protocolVersion: 'HTTP2' })
  world.targetAt(group, target.port)
  const client = await http2Front(world, world.listener(world.balancer(), forwardTo(group)))
  for (let round = 0; round < 2; round++) {
    assert.is((await ask(client, { ':path': '/' })).body, 'https')
  }
  assert.is(target.sessions.length, 1)
})

test('504: a target that says nothing on its stream for the idle time-out', async () => {
  const clock = new FakeClock()
  const world = newWorld(clock)
  let began = () => {}
  const asked = new Promise<void>((resolve) => {
    began = resolve
  })
  const target = await http2Target(world, () => began())
  const { target: live, listener } = inFront(world, 'GRPC', target.port)
  const client = await http2Front(world, listener)
  const heard = ask(client, GRPC, 'message')
  await asked
  clock.advance(80_000)
  assert.is((await heard).headers[':status'], 504)
  await world.record()
  assert.is(live.inFlight, 0)
})

test('504, not 408: a target of HTTP/1.1 that says nothing to a stream without a body', async () => {
  const clock = new FakeClock()
  const target = await raw()
  const { world, listener } = await inFrontOf(target.port, { clock })
  const client = await http2Front(world, listener)
  const heard = ask(client, { ':path': '/' })
  await target.hears('\r\n\r\n')
  clock.advance(80_000)
  assert.is((await heard).headers[':status'], 504)
})

test('a large body goes up and down a stream at the pace of who reads it', async () => {
  const world = newWorld()
  const target = await http2Target(world, (stream) => {
    stream.respond({})
    stream.pipe(stream)
  })
  const { listener } = inFront(world, 'HTTP2', target.port)
  const client = await http2Front(world, listener)
  const stream = client.request({ ':path': '/', ':method': 'POST' })
  let received = 0
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  const ended = new Promise((resolve) => stream.once('end', resolve))
  const chunk = Buffer.alloc(64 * 1024, 'x')
  for (let sent = 0; sent < 256; sent++) {
    if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve))
  }
  stream.end()
  await ended
  assert.is(received, 256 * chunk.length)
})

test('a stream that is reset, or answered, within its upload does not stay under way', async () => {
  const target = await raw()
  const { world, listener, target: live } = await inFrontOf(target.port)
  const client = await http2Front(world, listener)
  const upload = (headers: Record<string, string> = {}) => {
    const stream = client.request({ ':path': '/', ':method': 'POST', ...headers })
    stream.on('error', () => {})
    stream.write(Buffer.alloc(256 * 1024))
    return stream
  }
  const cancelled = upload()
  await target.hears('POST')
  target.sockets[0]?.pause()
  assert.is(live.inFlight, 1)
  cancelled.close(constants.NGHTTP2_CANCEL)
  assert.is((await world.record()).status, 460)
  assert.is(live.inFlight, 0)

  const refused = upload({ 'x-forwarded-for': '1,'.repeat(31) })
  const answered = new Promise((resolve) => refused.once('response', resolve))
  refused.resume()
  await answered
  refused.end()
  assert.is((await world.record(2)).status, 463)

  const broken = upload()
  await target.hears('POST', 1)
  const heard = heardBy(broken)
  target.sockets[1]?.destroy()
  broken.end()
  assert.is((await heard).headers[':status'], 502)
  await world.record(3)
  assert.is(live.inFlight, 0)
})

test('many streams share few connections', async () => {
  const world = newWorld()
  const held: (() => void)[] = []
  const target = await http2Target(world, (stream) => {
    held.push(() => stream.respond({}, { endStream: true }))
    if (held.length === 250) for (const answer of held) answer()
  })
  const { listener } = inFront(world, 'HTTP2', target.port)
  const client = await http2Front(world, listener)
  const all = await Promise.all(Array.from({ length: 250 }, () => ask(client, { ':path': '/' })))
  assert.ok(all.every(({ headers }) => Number(headers[':status']) === 200))
  assert.is(target.sessions.length, 3)
})

test.run()
