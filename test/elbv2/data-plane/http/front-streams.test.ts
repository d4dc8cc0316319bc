import { Buffer } from 'node:buffer'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../../fake-clock.ts'
import { answerOf } from '../../../gateway/support-proxy.ts'
import { frontSuite, get } from './front-suite.ts'
import { fixed } from './front-world.ts'

const { test, raw, http, inFrontOf } = frontSuite('elbv2 front: streams')

const HEAD_END = '\r\n\r\n'

test('an answer reaches the client as it comes', async () => {
  const target = await raw((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n')
  })
  const { world, port } = await inFrontOf(target.port)
  const client = world.connect(port)
  client.say(get())
  await client.hears('first')
  target.sockets[0]?.write('6\r\nsecond\r\n0\r\n\r\n')
  await client.hears(/second[\s\S]*\r\n0\r\n\r\n$/)
})

test('a body reaches the target as it comes, with its trailers', async () => {
  const target = await raw((socket, all) => {
    if (all.includes('X-Last: yes')) socket.write(answerOf('ok'))
  })
  const { world, port } = await inFrontOf(target.port)
  const client = world.connect(port)
  client.say(
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Last\r\n\r\n5\r\nfirst\r\n',
  )
  await target.hears('5\r\nfirst\r\n')
  client.say('0\r\nX-Last: yes\r\n\r\n')
  await target.hears('0\r\nX-Last: yes\r\n\r\n')
  await client.hears(/ok$/)
})

test('the target’s trailers reach the client', async () => {
  const target = await raw((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n'
    socket.write(`${head}2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n`)
  })
  const { world, port } = await inFrontOf(target.port)
  assert.match(await world.ask(port, get()), /\r\nTrailer: X-Sum\r\n[\s\S]*0\r\nX-Sum: 1\r\n\r\n$/)
})

test('100-continue: the target decides whether the body is sent', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    else if (all.endsWith('body')) socket.write(answerOf('ok'))
  })
  const { world, port } = await inFrontOf(target.port)
  const client = world.connect(port)
  client.say('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n')
  await client.hears(/^HTTP\/1.1 100 Continue\r\n\r\n$/)
  client.say('body')
  await client.hears(/200 OK[\s\S]*ok$/)
})

test('HEAD: length and status are the target’s, and no body follows', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n')
  })
  const { world, port } = await inFrontOf(target.port)
  const answer = await world.ask(port, get().replace('GET', 'HEAD'))
  assert.match(answer, /^HTTP\/1.1 200 OK\r\nContent-Length: 99\r\n/)
  assert.match(answer, /\r\n\r\n$/)
})

test('WebSockets: what is said crosses, and they count as under way all their life', async () => {
  const target = await raw((socket, all, chunk) => {
    if (!all.endsWith(HEAD_END)) socket.write(`echo ${chunk}`)
    else socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  const { world, port, target: live } = await inFrontOf(target.port)
  const client = world.connect(port)
  client.say(
    'GET /chat?x=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
  await client.hears(HEAD_END)
  assert.is(live.inFlight, 1)
  for (const said of ['one', 'two']) {
    client.say(said)
    await client.hears(`echo ${said}`)
    assert.is(live.inFlight, 1)
  }
  client.destroy()
  const record = await world.record()
  assert.is(live.inFlight, 0)
  assert.equal([record.type, record.status, record.targetStatus], ['ws', 101, 101])
  assert.match(record.url, /\/chat\?x=1$/)
})

test('WebSockets: cookies and headers of the listener are in the answer; refusals are the target’s', async () => {
  const target = await raw((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    if (all.includes('/no')) socket.write(answerOf('no', 'X-Why: 1').replace('200 OK', '401 No'))
    else socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  const group = { attributes: { 'stickiness.enabled': 'true', 'stickiness.type': 'lb_cookie' } }
  const { world, port, target: live } = await inFrontOf(target.port, { group })
  const upgrade = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  const client = world.connect(port)
  client.say(upgrade('/'))
  assert.match(await client.hears(HEAD_END), /\r\nset-cookie: AWSALB=/i)
  assert.match(target.heard(), /\r\nX-Forwarded-For: 127.0.0.1\r\n/)
  client.destroy()
  const refused = await world.ask(port, upgrade('/no'))
  assert.match(refused, /^HTTP\/1.1 401 No\r\nX-Why: 1\r\n[\s\S]*\r\n\r\nno$/)
  await world.record(2)
  assert.is(live.inFlight, 0)
})

test('WebSockets: the load balancer’s own answers reach who asked for one', async () => {
  const { world, port, listener } = await inFrontOf(1)
  world.rule(listener, 1, {
    conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/own'] } }],
    actions: [fixed('200', 'own')],
  })
  const upgrade = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  const own = await world.ask(port, upgrade('/own'))
  assert.match(own, /^HTTP\/1.1 200 OK\r\nServer: awselb\/2.0\r\nDate: [\s\S]*\r\n\r\nown$/)
  assert.match(await world.ask(port, upgrade('/')), /^HTTP\/1.1 502 Bad Gateway\r\n/)
})

test('an upgrade to anything else is none: the request goes on as one of HTTP/1.1', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(answerOf('plain'))
  })
  const { world, port } = await inFrontOf(target.port)
  const client = world.connect(port)
  client.say(
    'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n',
  )
  assert.match(await client.hears(/plain$/), /^HTTP\/1.1 200 OK\r\n/)
  assert.not.match(target.heard(), /upgrade|http2-settings/i)
})

test('a client that leaves takes its request from the target, and the record says 460', async () => {
  const target = await raw()
  const { world, port, target: live } = await inFrontOf(target.port)
  const client = world.connect(port)
  client.say(get())
  await target.hears(HEAD_END)
  assert.is(live.inFlight, 1)
  const closed = new Promise((resolve) => target.sockets[0]?.once('close', resolve))
  client.destroy()
  await closed
  const record = await world.record()
  assert.equal([record.status, record.targetStatus, live.inFlight], [460, undefined, 0])
})

test('pipelined requests end with their connection, those behind another answer as well', async () => {
  const target = await raw((socket, all) => {
    if (all.includes('/quick')) socket.write(answerOf('quick'))
  })
  const { world, port, target: live } = await inFrontOf(target.port)
  const client = world.connect(port)
  const paths = ['/held', '/quick', '/held']
  client.say(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''))
  for (const at of paths.keys()) await target.hears(HEAD_END, at)
  assert.is(live.inFlight, 3)
  client.destroy()
  await world.record(3)
  assert.is(live.inFlight, 0)
})

test('a target that dies in its answer cuts the client off', async () => {
  const target = await raw((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', () => socket.destroy())
  })
  const { world, port, target: live } = await inFrontOf(target.port)
  const answer = await world.ask(port, get())
  assert.match(answer, /\r\n\r\nhalf$/)
  assert.equal([(await world.record()).status, live.inFlight], [200, 0])
})

test('504: a target that says nothing for the idle time-out; 408: a client that stops sending', async () => {
  const clock = new FakeClock()
  const target = await raw()
  const attributes = { 'idle_timeout.timeout_seconds': '30' }
  const { world, port, target: live } = await inFrontOf(target.port, { clock, attributes })
  const client = world.connect(port)
  client.say(get())
  await target.hears(HEAD_END)
  clock.advance(29_000)
  assert.is(live.inFlight, 1)
  clock.advance(9_000)
  assert.match(
    await client.toTheEnd(),
    /^HTTP\/1.1 504 Gateway Time-out\r\nServer: awselb\/2.0\r\n/,
  )
  assert.equal([(await world.record()).status, live.inFlight], [504, 0])

  const slow = world.connect(port)
  slow.say('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf')
  await target.hears('half', 1)
  clock.advance(38_000)
  await slow.hears(/^HTTP\/1.1 408 Request Time-out\r\n/)
  slow.destroy()
  assert.equal([(await world.record(2)).status, live.inFlight], [408, 0])
})

test('WebSockets end when they are silent for the idle time-out', async () => {
  const clock = new FakeClock()
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END))
      socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  const { world, port, target: live } = await inFrontOf(target.port, { clock })
  const client = world.connect(port)
  client.say('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await client.hears(HEAD_END)
  clock.advance(50_000)
  client.say('still here')
  await target.hears('still here')
  clock.advance(50_000)
  assert.is(live.inFlight, 1)
  clock.advance(30_000)
  await client.closed
  await world.record()
  assert.is(live.inFlight, 0)
})

test('connections to targets are kept, and hop-by-hop wishes of clients change nothing', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
  })
  const { world, port } = await inFrontOf(target.port)
  for (let round = 0; round < 10; round++) assert.match(await world.ask(port, get()), /ok$/)
  assert.is(target.sockets.length, 1)
})

test('a large body goes at the pace of the target: little of it is on its way', async () => {
  const megabyte = 1024 * 1024
  const total = 96 * megabyte
  let received = 0
  const target = await http((req, res) => {
    req.on('data', (chunk) => {
      received += chunk.length
      req.pause()
      setTimeout(() => req.resume(), 0)
    })
    req.on('end', () => res.end('whole'))
  })
  const { world, port } = await inFrontOf(target.port)
  const client = world.connect(port)
  const { socket } = client
  client.say(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${total}\r\n\r\n`)
  let most = 0
  for (let sent = 0; sent < total; sent += megabyte) {
    const isTaken = socket.write(Buffer.alloc(megabyte, 'x'))
    if (!isTaken) await new Promise((resolve) => socket.once('drain', resolve))
    most = Math.max(most, sent + megabyte - received)
  }
  await client.hears(/whole$/)
  assert.is(received, total)
  // Both kernels' buffers are among it.
  assert.ok(most < 40 * megabyte, `${most / megabyte} MB`)
})

test('under way is what is under way, whatever becomes of requests', async () => {
  const target = await raw((socket, all) => {
    const path = /GET \/(\w+) (?![\s\S]*GET \/)[\s\S]*\r\n\r\n$/.exec(all)?.[1]
    if (path === 'ok') socket.write(answerOf('ok'))
    if (path === 'die') socket.destroy()
    if (path === 'junk') socket.end('junk\r\n\r\n')
    if (path === 'half') socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    if (path === 'ws') {
      socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    }
  })
  const { world, port, target: live } = await inFrontOf(target.port)
  let most = 0
  const paths = ['ok', 'die', 'junk', 'half', 'leave', 'ws', 'wsdie']
  const ways = Array.from({ length: 105 }, (_, at) => paths[at % paths.length] ?? '')
  await Promise.all(
    ways.map(async (way) => {
      const client = world.connect(port)
      const upgrade = way.startsWith('ws') ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n' : ''
      const path = way === 'wsdie' ? 'die' : way
      client.say(`GET /${path} HTTP/1.1\r\nHost: h\r\n${upgrade}\r\n`)
      if (way !== 'leave') await client.hears(/\r\n\r\n/).catch(() => {})
      else await new Promise((resolve) => client.socket.write('', resolve))
      most = Math.max(most, live.inFlight)
      client.destroy()
    }),
  )
  await world.record(ways.length)
  assert.ok(most > 0)
  assert.equal([live.inFlight, world.records.length], [0, ways.length])
})

test('a target that drains keeps what is under way until it ends', async () => {
  const target = await raw()
  const { world, port, target: live, group } = await inFrontOf(target.port)
  const client = world.connect(port)
  client.say(get())
  await target.hears(HEAD_END)
  world.deregister(live.key)
  let isDrained = false
  const drained = world.live.drained(live.key).then(() => {
    isDrained = true
  })
  assert.match(await world.ask(port, get()), /^HTTP\/1.1 503 /)
  assert.is(isDrained, false)
  target.sockets[0]?.write(answerOf('done'))
  assert.match(await client.toTheEnd(), /done$/)
  await drained
  assert.is(world.group(group).targets.length, 1)
})

test.run()
