import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemIds } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import {
  createHttpServer,
  type HttpServer,
  SERVER_LIMITS,
  type ServerLimits,
} from '../../gateway/server.ts'
import { RawConnection } from '../raw-http.ts'

interface Fixture {
  readonly server: HttpServer
  readonly port: number
  readonly seen: string[]
  /** Requests to /held, answered by whoever takes them out. */
  readonly held: ServerResponse[]
  readonly arrived: () => Promise<void>
  connect(): RawConnection
  close(): Promise<void>
}

async function start(limits: Partial<ServerLimits> = {}): Promise<Fixture> {
  const seen: string[] = []
  const held: ServerResponse[] = []
  const connections: RawConnection[] = []
  let wake = () => {}
  function web(req: IncomingMessage, res: ServerResponse): void {
    seen.push(`${req.method} ${req.url}`)
    wake()
    if (req.url === '/continue') res.writeContinue()
    if (req.url === '/held') {
      held.push(res)
      return
    }
    let size = 0
    req.on('data', (chunk) => {
      size += chunk.length
    })
    req.on('end', () => res.end(`got ${size}`))
    req.on('error', () => {})
  }
  function upgrade(req: IncomingMessage, socket: Duplex): void {
    seen.push(`upgrade ${req.url}`)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.pipe(socket)
  }
  const server = createHttpServer(
    { web, upgrade },
    { log: silentLogger, ids: systemIds, limits: { ...SERVER_LIMITS, ...limits } },
  )
  const port = await server.listen(0, '127.0.0.1')
  return {
    server,
    port,
    seen,
    held,
    arrived: () =>
      new Promise((resolve) => {
        wake = resolve
      }),
    connect() {
      const connection = new RawConnection(port)
      connections.push(connection)
      return connection
    },
    async close() {
      for (const connection of connections) connection.destroy()
      await server.close(0)
    },
  }
}

const test = suite<{ fixture: Fixture | undefined }>('server', { fixture: undefined })
test.after.each(async (context) => {
  await context.fixture?.close()
  context.fixture = undefined
})

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`

test('createHttpServer: a head that never ends is answered 408 and cut off', async (context) => {
  context.fixture = await start({ headMs: 100 })
  const connection = context.fixture.connect()
  connection.say('GET / HTTP/1.1\r\nhost: local')
  const heard = await connection.toTheEnd()
  assert.match(heard, /^HTTP\/1\.1 408 Request Timeout\r\n/)
  assert.match(heard, /x-amzn-RequestId: [0-9a-f-]{36}\r\n/)
  assert.is(context.fixture.seen.length, 0)
})

test('createHttpServer: a connection that says nothing is cut off', async (context) => {
  context.fixture = await start({ headMs: 100 })
  await context.fixture.connect().toTheEnd()
})

test('createHttpServer: an idle kept connection is closed', async (context) => {
  context.fixture = await start({ keepAliveMs: 50 })
  const connection = context.fixture.connect()
  connection.say(GET('/'))
  assert.match(await connection.toTheEnd(), /got 0$/)
})

test('createHttpServer: a request that passes no byte for long is cut off', async (context) => {
  context.fixture = await start({ silentMs: 100 })
  const connection = context.fixture.connect()
  connection.say('POST /slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc')
  await connection.toTheEnd()
  assert.equal(context.fixture.seen, ['POST /slow'])
})

test('createHttpServer: a head of more than the limit is 431', async (context) => {
  context.fixture = await start({ headBytes: 8192 })
  const connection = context.fixture.connect()
  connection.say(`GET / HTTP/1.1\r\nhost: localhost\r\nx-long: ${'x'.repeat(9000)}\r\n\r\n`)
  assert.match(await connection.toTheEnd(), /^HTTP\/1\.1 431 /)
  assert.is(context.fixture.seen.length, 0)
})

test('createHttpServer: presigned and session headers of 16 KiB pass', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  connection.say(`GET / HTTP/1.1\r\nhost: localhost\r\nx-long: ${'x'.repeat(16384)}\r\n\r\n`)
  assert.match(await connection.hears('got 0'), /^HTTP\/1\.1 200 OK/)
})

const MALFORMED: readonly (readonly [what: string, text: string])[] = [
  ['a method that HTTP does not have', 'BOGUS / HTTP/1.1\r\nhost: localhost\r\n\r\n'],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  [
    'Content-Length beside Transfer-Encoding',
    'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'two Content-Lengths',
    'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello',
  ],
]
for (const [what, text] of MALFORMED) {
  test(`createHttpServer: ${what} is 400 and reaches nobody`, async (context) => {
    context.fixture = await start()
    const connection = context.fixture.connect()
    connection.say(text)
    assert.match(await connection.toTheEnd(), /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.is(context.fixture.seen.length, 0)
  })
}

test('createHttpServer: a chunk size that is no number is 400', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  connection.say('POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n')
  const heard = await connection.toTheEnd()
  assert.match(heard, /^HTTP\/1\.1 400 /)
  assert.is(heard.match(/HTTP\/1\.1 \d/g)?.length, 1)
})

test('createHttpServer: nonsense behind a request under way never answers that one', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  connection.say(`${GET('/held')}NONSENSE\r\n\r\n`)
  assert.is(await connection.toTheEnd(), '')
})

test('createHttpServer: CONNECT is 405', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  connection.say('CONNECT example:443 HTTP/1.1\r\nhost: example:443\r\n\r\n')
  assert.match(await connection.toTheEnd(), /^HTTP\/1\.1 405 /)
})

test('createHttpServer: versions that are none of HTTP/1 are refused, upgrades as well', async (context) => {
  context.fixture = await start()
  const wants = ['', 'connection: upgrade\r\nupgrade: websocket\r\n', 'content-length: 4\r\n']
  for (const version of ['2.0', '0.9', '1.2', '3.0']) {
    for (const more of wants) {
      const connection = context.fixture.connect()
      connection.say(`GET / HTTP/${version}\r\nhost: localhost\r\n${more}\r\nbody`)
      assert.match(await connection.toTheEnd(), /^HTTP\/1\.1 (505|400) /, version + more)
    }
  }
  assert.equal(context.fixture.seen, [])
})

test('createHttpServer: pipelined requests are answered in their order', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  const post = 'POST /2 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello'
  connection.say(GET('/1') + post + GET('/3'))
  const heard = await connection.hears(/got 0[\s\S]*got 5[\s\S]*got 0/)
  assert.is(heard.split('HTTP/1.1 200 OK').length, 4)
  assert.equal(context.fixture.seen, ['GET /1', 'POST /2', 'GET /3'])
})

test('createHttpServer: who asks for 100 Continue reaches the listener, which says it', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  connection.say(
    'POST /continue HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n',
  )
  await connection.hears('HTTP/1.1 100 Continue\r\n\r\n')
  connection.say('hi')
  await connection.hears('got 2')
})

test('createHttpServer: connections beyond the limit are dropped, and room is given again', async (context) => {
  context.fixture = await start({ connections: 2 })
  const { held } = context.fixture
  const first = context.fixture.connect()
  const arrived = context.fixture.arrived()
  first.say(GET('/held'))
  await arrived
  const second = context.fixture.connect()
  second.say(GET('/'))
  await second.hears('got 0')
  const third = context.fixture.connect()
  third.say(GET('/'))
  assert.is(await third.toTheEnd(), '')
  held[0]?.end('done')
  await first.hears('done')
})

test('close: a request under way is finished, nothing new is taken', async (context) => {
  context.fixture = await start()
  const { server, held, port } = context.fixture
  const idle = context.fixture.connect()
  idle.say(GET('/'))
  await idle.hears('got 0')
  const busy = context.fixture.connect()
  const arrived = context.fixture.arrived()
  busy.say(GET('/held'))
  await arrived
  const closed = server.close(60_000)
  await idle.closed
  const late = new RawConnection(port)
  assert.is(await late.toTheEnd(), '')
  held[0]?.end('finished')
  assert.match(await busy.toTheEnd(), /finished$/)
  await closed
})

test('close: after the grace requests under way are cut off', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  const arrived = context.fixture.arrived()
  connection.say(GET('/held'))
  await arrived
  await context.fixture.server.close(50)
  assert.is(await connection.toTheEnd(), '')
})

test('close: upgraded connections are not waited for', async (context) => {
  context.fixture = await start()
  const connection = context.fixture.connect()
  connection.say(
    'GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n',
  )
  await connection.hears('101 Switching')
  connection.say('ping')
  await connection.hears('ping')
  await context.fixture.server.close(60_000)
  await connection.closed
})

test('listen: a taken port rejects with EADDRINUSE', async (context) => {
  context.fixture = await start()
  const other = createHttpServer(
    { web: () => {}, upgrade: (_req, socket) => (socket as Socket).destroy() },
    { log: silentLogger, ids: systemIds },
  )
  try {
    await other.listen(context.fixture.port, '127.0.0.1')
    assert.unreachable()
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'EADDRINUSE')
  }
})

test.run()
