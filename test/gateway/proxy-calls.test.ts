import { request } from 'node:http'
import * as assert from 'uvu/assert'
import { systemClock } from '../../gateway/core/clock.ts'
import { systemIds } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createProxy } from '../../gateway/proxy.ts'
import { ALL_FREE_SOCKETS, createAgents } from '../../gateway/proxy-agent.ts'
import { createHttpServer } from '../../gateway/server.ts'
import { answerOf, httpTarget, type OnData, proxySuite } from './support-proxy.ts'

const { proxy, cleanUps, start } = proxySuite('createProxy: calls')

const HEAD_END = '\r\n\r\n'
const answersOk: OnData = (socket, all) => {
  if (all.endsWith(HEAD_END)) socket.write(answerOf('ok', 'X-Mine: 1', 'Set-Cookie: a=1'))
}

proxy(
  'a head of the call’s own goes in place of the client’s, framed as the client’s is',
  async () => {
    const head = {
      url: '/other?x',
      headers: ['Host', 'inner', 'X-Own', '1', 'Connection', 'X-Own2'],
    }
    const [front, target] = await start(
      (socket, all) => {
        if (all.endsWith('0\r\n\r\n')) socket.write(answerOf('ok'))
      },
      { call: { head } },
    )
    const client = front.connect()
    client.say(
      'POST / HTTP/1.1\r\nHost: h\r\nX-Yours: 1\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    )
    await client.hears(/ok$/)
    assert.is(
      target.heard(),
      'POST /other?x HTTP/1.1\r\nHost: inner\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n' +
        'TE: trailers\r\nConnection: keep-alive, TE\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    )
  },
)

proxy('onAnswer sees the head of an answer, and what it returns is sent', async () => {
  const seen: unknown[] = []
  const onAnswer = (status: number, headers: string[]) => {
    seen.push([status, headers])
    return [...headers.slice(2), 'Set-Cookie', 'b=2']
  }
  const [front] = await start(answersOk, { call: { onAnswer } })
  const client = front.connect()
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  const answer = await client.hears(/ok$/)
  assert.equal(seen, [[200, ['X-Mine', '1', 'Set-Cookie', 'a=1', 'content-length', '2']]])
  assert.match(
    answer,
    /^HTTP\/1.1 200 OK\r\nSet-Cookie: a=1\r\ncontent-length: 2\r\nSet-Cookie: b=2\r\n/,
  )
})

proxy(
  'watch hears of the connection and, once, of the end with the bytes of the request',
  async () => {
    const heard: unknown[] = []
    let over = () => {}
    const ended = new Promise<void>((resolve) => {
      over = resolve
    })
    const watch = {
      connected: () => void heard.push('connected'),
      over: (bytes: unknown) => {
        heard.push(bytes)
        over()
      },
    }
    const [front, target] = await start(answersOk, { call: { watch } })
    const client = front.connect()
    client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    await client.hears(/ok$/)
    await ended
    const received = answerOf('ok', 'X-Mine: 1', 'Set-Cookie: a=1').length
    assert.equal(heard, ['connected', { sent: target.heard().length, received }])
    client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    await client.hears(/HTTP[\s\S]*HTTP[\s\S]*ok$/)
    assert.is(target.sockets.length, 1)
    assert.is(heard[2], 'connected')
  },
)

proxy('alone: neither connection is used for another request', async () => {
  const [front, target] = await start(answersOk, { call: { alone: true } })
  for (let round = 0; round < 2; round++) {
    const client = front.connect()
    client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    assert.match(await client.toTheEnd(), /\r\nConnection: close\r\n/)
  }
  assert.is(target.sockets.length, 2)
  assert.match(target.heard(), /\r\nConnection: close\r\n/i)
})

proxy('what is idle to all targets together is bounded, and the oldest goes first', async () => {
  const counts = new Map<number, number>()
  const targets = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const target = await httpTarget((_req, res) => res.end('ok'))
      cleanUps.push(() => target.close())
      const sockets = new Set()
      target.server.on('connection', (socket) => {
        sockets.add(socket)
        counts.set(target.port, sockets.size)
        socket.once('close', () => {
          sockets.delete(socket)
          counts.set(target.port, sockets.size)
        })
      })
      return target
    }),
  )
  const agents = createAgents()
  cleanUps.push(() => Promise.resolve(agents.close()))
  const ask = (port: number) =>
    new Promise<void>((resolve, reject) => {
      const to = { host: '127.0.0.1', port }
      request({ ...to, agent: agents.kept(to) }, (answer) => answer.resume().on('end', resolve))
        .on('error', reject)
        .end()
    })
  // One target after the other, with as many connections as are kept for one.
  for (const { port } of targets) await Promise.all(Array.from({ length: 64 }, () => ask(port)))
  const open = () => [...counts.values()].reduce((sum, count) => sum + count, 0)
  for (let turn = 0; turn < 100 && open() > ALL_FREE_SOCKETS; turn++) {
    await ask(targets.at(-1)?.port ?? 0)
  }
  assert.ok(open() <= ALL_FREE_SOCKETS, String(open()))
  assert.is(counts.get(targets[0]?.port ?? 0), 0)
})

proxy('a target that speaks no TLS where TLS is asked for is a fault of its answer', async () => {
  const [, target] = await start((socket) => socket.end('HTTP/1.1 400 Bad\r\n\r\n'))
  const kinds: string[] = []
  const own = createProxy({ clock: systemClock })
  const server = createHttpServer(
    {
      web: (req, res) =>
        own.web(req, res, { host: '127.0.0.1', port: target.port, tls: true }, (fault) => {
          kinds.push(fault.kind)
          return { status: 502, headers: {}, body: '' }
        }),
      upgrade: (_req, socket) => socket.destroy(),
    },
    { log: silentLogger, ids: systemIds },
  )
  const port = await server.listen(0, '127.0.0.1')
  cleanUps.push(async () => {
    await server.close(0)
    own.close()
  })
  const status = await new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })
  assert.is(status, 502)
  assert.is(kinds.length, 1)
  assert.ok(['answer', 'reset'].includes(kinds[0] ?? ''), kinds[0])
})

proxy.run()
