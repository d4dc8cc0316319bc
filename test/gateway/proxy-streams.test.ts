import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import type { TLSSocket } from 'node:tls'
import * as assert from 'uvu/assert'
import { systemClock } from '../../gateway/core/clock.ts'
import { systemIds } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createProxy } from '../../gateway/proxy.ts'
import { createHttpServer } from '../../gateway/server.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../elbv2/data-plane/tls/test-certificate.ts'
import { RawConnection } from '../raw-http.ts'
import { answerOf, frontOf, httpTarget, proxySuite } from './support-proxy.ts'

const { proxy, cleanUps, start } = proxySuite('createProxy: streams')

const HEAD_END = '\r\n\r\n'
const MEGABYTE = 1024 * 1024

proxy('a large answer goes at the pace of the client: little of it is on its way', async () => {
  const total = 96 * MEGABYTE
  let written = 0
  const target = await httpTarget(async (_req, res) => {
    res.writeHead(200, { 'content-length': total })
    while (written < total) {
      written += MEGABYTE
      if (!res.write(Buffer.alloc(MEGABYTE, 'x'))) await once(res, 'drain')
    }
    res.end()
  })
  cleanUps.push(() => target.close())
  const front = await frontOf(target.port)
  cleanUps.push(() => front.close())
  const { socket } = front.connect()
  let [received, most] = [0, 0]
  socket.removeAllListeners('data')
  socket.on('data', (chunk) => {
    received += chunk.length
    most = Math.max(most, written - received)
    socket.pause()
    setTimeout(() => socket.resume(), 0)
  })
  socket.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  assert.ok(received > total)
  // The kernels' buffers are among it.
  assert.ok(most < 40 * MEGABYTE, `${most / MEGABYTE} MB`)
})

proxy('bodies of any size arrive whole both ways, by length and in chunks', async () => {
  const target = await httpTarget((req, res) => {
    if (req.url === '/length') res.setHeader('content-length', req.headers['x-length'] ?? '')
    req.pipe(res)
  })
  cleanUps.push(() => target.close())
  const front = await frontOf(target.port)
  cleanUps.push(() => front.close())
  for (const size of [1, 16_383, 65_536, 65_537, 1_000_003]) {
    const body = Buffer.alloc(size, '0123456789abcdef')
    const client = front.connect()
    const head = `Host: h\r\nX-Length: ${size}\r\nConnection: close\r\n`
    client.say(`PUT /length HTTP/1.1\r\n${head}Content-Length: ${size}\r\n\r\n`)
    client.say(body)
    const whole = await client.toTheEnd()
    assert.is(whole.slice(whole.indexOf(HEAD_END) + 4), body.toString())

    const chunked = front.connect()
    chunked.say(`PUT /chunks HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n`)
    chunked.say(`${size.toString(16)}\r\n`)
    chunked.say(body)
    chunked.say('\r\n0\r\n\r\n')
    const answer = await chunked.toTheEnd()
    assert.is(unchunked(answer.slice(answer.indexOf(HEAD_END) + 4)), body.toString())
  }
})

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    if (size === 0) return body
    body += text.slice(end + 2, end + 2 + size)
    at = end + 4 + size
  }
}

proxy('thousands of chunks that come at once reach a client that reads later', async () => {
  const [count, size] = [20_000, 100]
  const [front] = await start((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    const chunk = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    socket.write(`${chunk.repeat(count)}0\r\n\r\n`)
  })
  const warnings: string[] = []
  const onWarning = ({ name }: Error) => void warnings.push(name)
  process.on('warning', onWarning)
  const client = front.connect()
  client.socket.pause()
  client.say('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  setTimeout(() => client.socket.resume(), 50)
  const answer = await client.toTheEnd()
  process.off('warning', onWarning)
  assert.is(unchunked(answer.slice(answer.indexOf(HEAD_END) + 4)), 'x'.repeat(count * size))
  assert.match(answer, /0\r\n\r\n$/)
  assert.not.ok(warnings.includes('MaxListenersExceededWarning'), String(warnings))
})

proxy('answers of 1xx that nobody asked for stay here, and the real one passes', async () => {
  const [front] = await start((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n`)
    socket.write(answerOf('ok'))
  })
  const client = front.connect()
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.match(await client.hears(/ok$/), /^HTTP\/1.1 200 OK/)
})

proxy('a target that switches protocols unasked is a fault', async () => {
  const [front] = await start((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write('HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nevil')
  })
  const client = front.connect()
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.match(await client.hears(/x-fault: \w+/), 'x-fault: answer')
  assert.not.match(client.heard, 'evil')
})

proxy('a second answer behind the first is nobody’s', async () => {
  const [front, target] = await start((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(`${answerOf('ok')}${answerOf('evil')}`)
  })
  const client = front.connect()
  for (const answers of [1, 2]) {
    client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    await client.hears(new RegExp(`(ok[\\s\\S]*){${answers}}$`))
    assert.is(target.sockets.length, answers)
  }
  assert.not.match(client.heard, 'evil')
})

proxy('an answer that breaks off its chunks cuts the client off', async () => {
  const [front] = await start((socket, all) => {
    if (!all.endsWith(HEAD_END)) return
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nnonsense\r\n')
  })
  const client = front.connect()
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.not.match(await client.toTheEnd(), /0\r\n\r\n$/)
  assert.is((await front.fault()).kind, 'answer')
})

proxy('a connection whose upload was answered early is not used again', async () => {
  const [front, target] = await start((socket, all) => {
    if (all.includes(HEAD_END) && !all.includes('no more')) socket.write(answerOf('enough'))
  })
  const client = front.connect()
  client.say('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\npart')
  await client.hears(/enough$/)
  client.say('x'.repeat(16))
  client.say('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  await client.hears(/enough[\s\S]*enough$/)
  assert.is(target.sockets.length, 2)
  assert.not.match(target.heard(), 'GET')
})

proxy(
  'over TLS: whoever’s certificate is taken, a name is asked for, an address is not',
  async () => {
    const asked: unknown[] = []
    const server = createServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (req, res) => {
      const { servername } = req.socket as TLSSocket
      asked.push(servername || false)
      res.end('sealed')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const own = createProxy({ clock: systemClock })
    const hosts = ['localhost', '127.0.0.1', '127.0.0.1']
    const front = createHttpServer(
      {
        web: (req, res) =>
          own.web(req, res, { host: hosts.shift() ?? '', port, tls: true }, ({ detail }) => {
            return { status: 502, headers: {}, body: detail }
          }),
        upgrade: (_req, socket) => socket.destroy(),
      },
      { log: silentLogger, ids: systemIds },
    )
    const frontPort = await front.listen(0, '127.0.0.1')
    cleanUps.push(async () => {
      await front.close(0)
      own.close()
      server.closeAllConnections()
      server.close()
    })
    const client = new RawConnection(frontPort)
    for (const answers of [1, 2, 3]) {
      client.say('GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n')
      await client.hears(new RegExp(`(sealed[\\s\\S]*){${answers}}`))
    }
    client.destroy()
    assert.equal(asked, ['localhost', false, false])
  },
)

proxy.run()
