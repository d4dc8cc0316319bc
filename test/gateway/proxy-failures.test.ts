import * as assert from 'uvu/assert'
import { FakeClock } from '../fake-clock.ts'
import { answerOf, deadPort, frontOf, proxySuite } from './support-proxy.ts'

const { proxy, cleanUps, start } = proxySuite('createProxy: failures')

const HEAD_END = '\r\n\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'

proxy('nobody listens: the answer is the caller’s to make, and says so', async () => {
  const front = await frontOf(await deadPort())
  cleanUps.push(() => front.close())
  const client = front.connect()
  client.say(GET)
  assert.match(await client.hears(/x-fault: \w+/), 'x-fault: unreachable')
})

proxy('the target hangs up before its answer', async () => {
  const [front] = await start((socket) => socket.destroy())
  const client = front.connect()
  client.say(GET)
  assert.match(await client.hears(/x-fault: \w+/), 'x-fault: reset')
})

proxy('the target hangs up within its answer: the client never takes half for whole', async () => {
  const [front] = await start((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
    setImmediate(() => socket.destroy())
  })
  const client = front.connect()
  client.say(GET)
  await client.closed
  assert.not.match(client.heard, /x-fault/)
  assert.ok(client.heard.length < 400)
  assert.is((await front.fault()).kind, 'reset')
})

proxy('a kept connection that died meanwhile: a request that may be repeated is', async () => {
  const [front, target] = await start((socket, all) => {
    // It answers the first request of each connection, and dies with the second.
    if (all.split(HEAD_END).length > 2) socket.destroy()
    else if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
  })
  for (const answers of [1, 2, 3]) {
    const client = front.connect()
    client.say(GET)
    await client.hears(/ok$/)
    assert.ok(target.sockets.length <= answers)
  }
  assert.equal(front.faults, [])
})

proxy('a kept connection that died meanwhile: what must not be repeated is not', async () => {
  const [front, target] = await start((socket, all) => {
    if (all.includes('POST')) socket.destroy()
    else if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
  })
  const client = front.connect()
  client.say(GET)
  await client.hears(/ok$/)
  client.say('POST / HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.match(await client.hears(/x-fault: \w+/), 'x-fault: reset')
  assert.is(target.sockets.length, 1)
})

proxy('an answer that is no HTTP', async () => {
  const [front] = await start((socket) => socket.write('nonsense\r\n\r\n'))
  const client = front.connect()
  client.say(GET)
  assert.match(await client.hears(/x-fault: \w+/), /x-fault: (answer|reset)/)
})

proxy('a target that falls silent: given up after its time, and not before', async () => {
  const clock = new FakeClock()
  const [front, target] = await start(() => {}, { clock, idleTimeoutMs: 60_000 })
  const client = front.connect()
  client.say(GET)
  await target.hears(HEAD_END)
  clock.advance(45_000)
  assert.is(client.heard, '')
  clock.advance(60_000)
  assert.match(await client.hears(/x-fault: \w+/), 'x-fault: timeout')
})

proxy('a client that leaves: the target’s request is ended, too', async () => {
  const [front, target] = await start(() => {})
  const client = front.connect()
  client.say(GET)
  await target.hears(HEAD_END)
  const closed = new Promise((resolve) => target.sockets[0]?.once('close', resolve))
  client.destroy()
  await closed
  assert.is((await front.fault()).kind, 'gone')
})

proxy('a client that leaves within its upload: the target’s request is ended, too', async () => {
  const [front, target] = await start(() => {})
  const client = front.connect()
  client.say('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\npart')
  await target.hears('part')
  const closed = new Promise((resolve) => target.sockets[0]?.once('close', resolve))
  client.destroy()
  await closed
})

proxy('an answer before the upload was read reaches the client whole', async () => {
  const [front] = await start((socket, all) => {
    if (all.includes(HEAD_END)) socket.end(answerOf('no', 'connection: close'))
  })
  const client = front.connect()
  client.say(`PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(100_000)}`)
  assert.match(await client.hears(/\r\n\r\nno/), 'HTTP/1.1 200 OK')
})

const SMUGGLED: readonly (readonly [what: string, head: string])[] = [
  ['CL.TE', 'Content-Length: 4\r\nTransfer-Encoding: chunked'],
  ['TE.CL', 'Transfer-Encoding: chunked\r\nContent-Length: 4'],
  ['TE.TE', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
  ['an odd coding', 'Transfer-Encoding: xchunked'],
  ['two lengths', 'Content-Length: 4\r\nContent-Length: 5'],
  ['a length that is none', 'Content-Length: +4'],
  ['a space before the colon', 'Content-Length : 4'],
  ['a bare line feed in a header', 'X: a\nTransfer-Encoding: chunked'],
]

for (const [what, head] of SMUGGLED) {
  proxy(`smuggling by ${what}: nothing of it reaches the target`, async () => {
    const [front, target] = await start((socket, all) => {
      if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
    })
    const client = front.connect()
    client.say(
      `POST / HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n`,
    )
    await Promise.race([client.hears(/^HTTP\/1.1 (400|502)/), client.closed])
    assert.not.match(target.heard(), 'evil')
    assert.not.match(target.heard(), 'POST')
  })
}

proxy('a websocket: bytes both ways, and the end of one side is the end of the other', async () => {
  const [front, target] = await start((socket, all, chunk) => {
    if (all.endsWith(HEAD_END)) {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello',
      )
    } else socket.write(chunk)
  })
  const client = front.connect()
  client.say('GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await client.hears(/hello$/)
  client.say('echo me')
  await client.hears(/echo me$/)
  target.sockets[0]?.destroy()
  await client.closed
})

proxy('a websocket that the target refuses: its answer is the client’s', async () => {
  const [front] = await start((socket, all) => {
    if (all.endsWith(HEAD_END)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
    }
  })
  const client = front.connect()
  client.say('GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  assert.match(await client.hears(/403 Forbidden[\s\S]*no$/), 'HTTP/1.1 403')
})

proxy.run()
