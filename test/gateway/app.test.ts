import { Buffer } from 'node:buffer'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { contract } from '../../ecs/contract.gen.ts'
import { contract as elbv2Contract } from '../../elbv2/contract.gen.ts'
import { createApp } from '../../gateway/app.ts'
import type { Backend } from '../../gateway/backend.ts'
import { API_BODY_LIMIT_BYTES, API_BODY_TIMEOUT_MS } from '../../gateway/body.ts'
import { AwsFault } from '../../gateway/core/fault.ts'
import { systemIds } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createMemoryStore } from '../../gateway/core/memory-store.ts'
import { type CallRecord, createDispatcher } from '../../gateway/dispatch.ts'
import { createGuard } from '../../gateway/guard.ts'
import { LINGER_MS } from '../../gateway/linger.ts'
import { createOwnPages } from '../../gateway/own-pages.ts'
import { createHttpServer, type HttpServer } from '../../gateway/server.ts'
import { FakeClock } from '../fake-clock.ts'
import { RawConnection } from '../raw-http.ts'

interface Fixture {
  readonly clock: FakeClock
  readonly server: HttpServer
  readonly port: number
  readonly calls: CallRecord[]
  /** Method, path and replayed body of what went to the backend. */
  readonly proxied: string[]
  connect(): RawConnection
}

const connections: RawConnection[] = []
const app = suite<{ fixture: Fixture }>('app')

async function start(allowedOrigins: readonly string[] = []): Promise<Fixture> {
  const clock = new FakeClock()
  const calls: CallRecord[] = []
  const proxied: string[] = []
  const ecs = {
    name: 'ecs',
    contract,
    validationCode: 'InvalidParameterException',
    handlers: {
      ListClusters: () => ({ clusterArns: [] }),
      CreateCluster: () => {
        throw new AwsFault('ClientException', 'no')
      },
      DeleteCluster: () => {
        throw new Error('a bug')
      },
    },
  }
  const elbv2 = {
    name: 'elbv2',
    contract: elbv2Contract,
    validationCode: 'ValidationError',
    handlers: {
      DescribeLoadBalancers: ({ Names }: { Names: string[] }) => {
        throw new AwsFault('LoadBalancerNotFound', Names.join())
      },
    },
  }
  const healthy = { status: 'up', state: 'up', detail: 'well', sinceMs: 0 } as const
  const backend: Backend = {
    target: undefined,
    health: () => healthy,
    check: async () => healthy,
    close: () => {},
    web(req, res, body) {
      proxied.push(`${req.method} ${req.url} ${body ?? ''}`)
      if (req.url === '/broken') throw new Error('a bug')
      req.resume()
      res.end('from the backend')
    },
    upgrade(req, socket) {
      proxied.push(`upgrade ${req.url}`)
      socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n')
    },
  }
  const handler = createApp({
    dispatcher: createDispatcher({
      providers: [ecs, elbv2],
      store: createMemoryStore(),
      clock,
      log: silentLogger,
      onCall: (record) => calls.push(record),
    }),
    backend,
    guard: createGuard({ allowedHosts: [], allowedOrigins }),
    edges: [],
    own: createOwnPages({
      health: () => ({ status: 'up', components: [] }),
      ready: () => false,
      version: '1.2.3',
      log: silentLogger,
    }),
    clock,
    ids: systemIds,
    log: silentLogger,
  })
  const server = createHttpServer(handler, { log: silentLogger, ids: systemIds })
  const port = await server.listen(0, '127.0.0.1')
  return {
    clock,
    server,
    port,
    calls,
    proxied,
    connect() {
      const connection = new RawConnection(port)
      connections.push(connection)
      return connection
    },
  }
}

app.before.each(async (context) => {
  context.fixture = await start()
})
app.after.each(async (context) => {
  for (const connection of connections.splice(0)) connection.destroy()
  await context.fixture.server.close(0)
})

const TARGET = 'x-amz-target: AmazonEC2ContainerServiceV20141113'
const JSON_TYPE = 'content-type: application/x-amz-json-1.1'

function call(operation: string, body: string, ...headers: string[]): string {
  const lines = [`${TARGET}.${operation}`, JSON_TYPE, `content-length: ${body.length}`, ...headers]
  return `POST / HTTP/1.1\r\nhost: localhost\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

async function answerTo(connection: RawConnection, text: string | Uint8Array): Promise<string> {
  connection.say(text)
  const head = await connection.hears('\r\n\r\n')
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
  return connection.hears(new RegExp(`\\r\\n\\r\\n[\\s\\S]{${length}}`))
}

app('web: a call is answered with a request id and in the JSON protocol', async ({ fixture }) => {
  const answer = await answerTo(fixture.connect(), call('ListClusters', '{}'))
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(answer, /x-amzn-RequestId: [0-9a-f-]{36}\r\n/i)
  assert.match(answer, /content-type: application\/x-amz-json-1\.1\r\n/)
  assert.match(answer, /\{"clusterArns":\[\]\}$/)
  assert.is(fixture.calls[0]?.outcome, 'ok')
})

app('web: a query call may have its form in the URL or in the body', async ({ fixture }) => {
  const form = 'Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1=a+b'
  const inUrl = `GET /?${form} HTTP/1.1\r\nhost: localhost\r\n\r\n`
  assert.match(await answerTo(fixture.connect(), inUrl), '<Message>a b</Message>')
  const type = 'content-type: application/x-www-form-urlencoded'
  const head = `POST / HTTP/1.1\r\nhost: localhost\r\n${type}\r\ncontent-length: ${form.length}`
  const inBody = await answerTo(fixture.connect(), `${head}\r\n\r\n${form}`)
  assert.match(inBody, '<Message>a b</Message>')
})

app('web: no CORS header unless an origin is configured', async ({ fixture }) => {
  const origin = 'origin: http://localhost:3000'
  const answer = await answerTo(fixture.connect(), call('ListClusters', '{}', origin))
  assert.match(answer, /^HTTP\/1\.1 200 OK/)
  assert.not.match(answer, /access-control/i)
})

app('web: a configured origin gets CORS, on preflights and on answers', async (context) => {
  await context.fixture.server.close(0)
  context.fixture = await start(['http://localhost:3000'])
  const connection = context.fixture.connect()
  connection.say(
    'OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:3000\r\n' +
      'access-control-request-method: POST\r\naccess-control-request-headers: x-amz-target\r\n\r\n',
  )
  const preflight = await connection.hears('\r\n\r\n')
  assert.match(preflight, /^HTTP\/1\.1 204 /)
  assert.match(preflight, /access-control-allow-origin: http:\/\/localhost:3000\r\n/)
  assert.match(preflight, /access-control-allow-headers: x-amz-target\r\n/)
  const text = call('ListClusters', '{}', 'origin: http://localhost:3000')
  const answer = await answerTo(context.fixture.connect(), text)
  assert.match(answer, /access-control-allow-origin: http:\/\/localhost:3000\r\n/)
  assert.equal(context.fixture.proxied, [])
})

app('web: a foreign Host or Origin is 403 and reaches nobody', async ({ fixture }) => {
  const rebound = call('ListClusters', '{}').replace('host: localhost', 'host: evil.example')
  for (const text of [rebound, call('ListClusters', '{}', 'origin: http://evil.example')]) {
    const answer = await answerTo(fixture.connect(), text)
    assert.match(answer, /^HTTP\/1\.1 403 /)
    assert.match(answer, /"__type":"AccessDeniedException"/)
    assert.match(answer, /x-amzn-requestid/i)
  }
  assert.equal(fixture.calls, [])
  assert.equal(fixture.proxied, [])
})

app('upgrade: a foreign Host is 403, others are the backend’s', async ({ fixture }) => {
  const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\n\r\n'
  const foreign = fixture.connect()
  foreign.say(`GET /ws HTTP/1.1\r\nhost: evil.example\r\n${upgrade}`)
  assert.match(await foreign.toTheEnd(), /^HTTP\/1\.1 403 /)
  assert.equal(fixture.proxied, [])
  const own = fixture.connect()
  own.say(`GET /ws HTTP/1.1\r\nhost: localhost\r\n${upgrade}`)
  assert.match(await own.toTheEnd(), /^HTTP\/1\.1 426 /)
  assert.equal(fixture.proxied, ['upgrade /ws'])
})

app('web: a body of exactly 1 MiB is read', async ({ fixture }) => {
  const body = `{"x":"${'a'.repeat(API_BODY_LIMIT_BYTES - 8)}"}`
  assert.match(await answerTo(fixture.connect(), call('ListClusters', body)), /^HTTP\/1\.1 200 /)
})

app(
  'web: one byte more is 413, even to a client that sends all of it first',
  async ({ fixture }) => {
    const body = 'a'.repeat(API_BODY_LIMIT_BYTES + 1)
    const connection = fixture.connect()
    const answer = await answerTo(connection, call('ListClusters', body))
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.match(answer, /"__type":"RequestEntityTooLargeException"/)
    assert.match(answer, /connection: close/i)
    await connection.closed
  },
)

app(
  'web: a much larger body is 413, even to a client that reads only when all is sent',
  async ({ fixture }) => {
    const connection = fixture.connect()
    connection.socket.pause()
    const sent = new Promise((resolve) => {
      connection.socket.write(call('ListClusters', ''.padEnd(24 * 1024 * 1024, 'a')), resolve)
    })
    assert.not.ok(await sent)
    connection.socket.resume()
    assert.match(
      await connection.toTheEnd(),
      /^HTTP\/1\.1 413 [\s\S]*RequestEntityTooLargeException/,
    )
  },
)

app('web: chunks that add up to more are 413, without an end in sight', async ({ fixture }) => {
  const connection = fixture.connect()
  connection.say(
    `POST / HTTP/1.1\r\nhost: localhost\r\n${TARGET}.ListClusters\r\n${JSON_TYPE}\r\n` +
      'transfer-encoding: chunked\r\n\r\n',
  )
  const chunk = `10000\r\n${'a'.repeat(0x10000)}\r\n`
  for (let i = 0; i < 17; i++) connection.say(chunk)
  assert.match(await connection.hears('RequestEntityTooLargeException'), /^HTTP\/1\.1 413 /)
})

app('web: a chunked body is a body', async ({ fixture }) => {
  const connection = fixture.connect()
  connection.say(
    `POST / HTTP/1.1\r\nhost: localhost\r\n${TARGET}.ListClusters\r\n${JSON_TYPE}\r\n` +
      'transfer-encoding: chunked\r\n\r\n1\r\n{\r\n',
  )
  connection.say('1\r\n}\r\n0\r\n\r\n')
  assert.match(await connection.hears('clusterArns'), /^HTTP\/1\.1 200 /)
})

app('web: a body that stops coming is 408 when its time is over', async ({ fixture }) => {
  const connection = fixture.connect()
  const announced = call('ListClusters', '').replace('content-length: 0', 'content-length: 5')
  connection.say(`${announced}{`)
  while (fixture.clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  fixture.clock.advance(API_BODY_TIMEOUT_MS)
  assert.match(await connection.hears('RequestTimeoutException'), /^HTTP\/1\.1 408 /)
  fixture.clock.advance(LINGER_MS)
  await connection.closed
})

app('web: a gzipped body is a typed fault', async ({ fixture }) => {
  const body = gzipSync('{}').toString('latin1')
  const text = call('ListClusters', body, 'content-encoding: gzip')
  const answer = await answerTo(fixture.connect(), Buffer.from(text, 'latin1'))
  assert.match(answer, /^HTTP\/1\.1 400 /)
  assert.match(answer, /"__type":"[^"]*SerializationException"/)
})

app('web: no body at all is a typed fault or an empty input, never a hang', async ({ fixture }) => {
  const text = `POST / HTTP/1.1\r\nhost: localhost\r\n${TARGET}.ListClusters\r\n${JSON_TYPE}\r\n\r\n`
  assert.match(await answerTo(fixture.connect(), text), /^HTTP\/1\.1 (200|400) /)
})

app('web: whoever expects 100 Continue gets it before the body', async ({ fixture }) => {
  const connection = fixture.connect()
  connection.say(call('ListClusters', '{}', 'expect: 100-continue').slice(0, -2))
  await connection.hears('HTTP/1.1 100 Continue\r\n\r\n')
  connection.say('{}')
  await connection.hears('clusterArns')
})

app('web: a bug is a 500 that names the request, not its cause', async ({ fixture }) => {
  const answer = await answerTo(fixture.connect(), call('DeleteCluster', '{"cluster":"x"}'))
  assert.match(answer, /^HTTP\/1\.1 500 /)
  assert.match(answer, /"__type":"ServerException"/)
  assert.not.match(answer, /a bug/)
})

app(
  'web: whatever throws on the way is a 500, and the next request is answered',
  async ({ fixture }) => {
    const broken = 'GET /broken HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const answer = await answerTo(fixture.connect(), broken)
    assert.match(answer, /^HTTP\/1\.1 500 /)
    assert.not.match(answer, /a bug/)
    assert.match(await answerTo(fixture.connect(), call('ListClusters', '{}')), /^HTTP\/1\.1 200 /)
  },
)

app('web: pipelined calls are answered in their order', async ({ fixture }) => {
  const connection = fixture.connect()
  connection.say(
    call('ListClusters', '{}') + call('CreateCluster', '{}') + call('ListClusters', '{}'),
  )
  const heard = await connection.hears(/clusterArns[\s\S]*ClientException[\s\S]*clusterArns/)
  assert.is(heard.match(/HTTP\/1\.1 \d/g)?.length, 3)
})

app('own: /health and /ready are answered to whoever does not sign', async ({ fixture }) => {
  const health = await answerTo(
    fixture.connect(),
    'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n',
  )
  assert.match(health, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(health, /\{"status":"up","version":"1\.2\.3"\}$/)
  const ready = await answerTo(fixture.connect(), 'GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n')
  assert.match(ready, /^HTTP\/1\.1 503 /)
  assert.match(ready, /\{"ready":false\}$/)
})

app('own: HEAD /health has no body', async ({ fixture }) => {
  const connection = fixture.connect()
  connection.say('HEAD /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
  const heard = await connection.toTheEnd()
  assert.match(heard, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(heard, /\r\n\r\n$/)
})

app('own: a bucket called health is the backend’s', async ({ fixture }) => {
  const signed =
    'GET /health HTTP/1.1\r\nhost: localhost\r\nauthorization: AWS4-HMAC-SHA256 ' +
    'Credential=test/20260101/us-east-1/s3/aws4_request\r\n\r\n'
  const presigned = 'GET /health?X-Amz-Credential=x HTTP/1.1\r\nhost: localhost\r\n\r\n'
  const bucketHost = 'GET /health HTTP/1.1\r\nhost: files.s3.localhost:4566\r\n\r\n'
  const written = 'PUT /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n'
  for (const text of [signed, presigned, bucketHost, written]) {
    await answerTo(fixture.connect(), text)
  }
  assert.is(fixture.proxied.length, 4)
})

app(
  'web: a form of another service is replayed to the backend byte for byte',
  async ({ fixture }) => {
    const body = 'Action=GetCallerIdentity&Version=2011-06-15&x=%C3%A9+'
    const text =
      'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n' +
      `content-length: ${body.length}\r\n\r\n${body}`
    await answerTo(fixture.connect(), text)
    assert.is(fixture.proxied.length, 1)
  },
)

app.run()
