import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { createServer as createHttp, type RequestListener } from 'node:http'
import {
  createServer as createHttp2,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FAILED, GOOD, wrongCode } from '../../../../elbv2/data-plane/health/health-state.ts'
import { probePlan } from '../../../../elbv2/data-plane/health/probe.ts'
import { probeHttp } from '../../../../elbv2/data-plane/health/probe-http.ts'
import { proxyHeader } from '../../../../elbv2/data-plane/nlb/proxy-protocol.ts'
import type { HealthCheck, TargetGroupRow } from '../../../../elbv2/rows.ts'
import { LiveWorld } from '../live-world.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../tls/test-certificate.ts'

const test = suite('probes')
const TLS = { key: TEST_KEY, cert: TEST_CERTIFICATE }
const servers: Server[] = []
const sockets = new Set<Socket>()

// Health checks keep no process alive; while they are all that there is, this test does.
let alive: ReturnType<typeof setInterval> | undefined
test.before(() => {
  alive = setInterval(() => {}, 60_000)
})
test.after(() => clearInterval(alive))

test.after.each(() => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

/** The port that a server, which ends with its test, listens on. */
async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

type Version = TargetGroupRow['protocolVersion']

/** What a health check of such a group finds at the port. */
function probe(
  port: number,
  healthCheck: Partial<HealthCheck> = {},
  protocolVersion: Version = 'HTTP1',
  signal = new AbortController().signal,
) {
  const world = new LiveWorld()
  const row = world.rows.targetGroups.get(world.putGroup('g', { protocolVersion, healthCheck }))
  if (!row) throw new Error('no row')
  return probePlan(row).probe({ host: '127.0.0.1', port }, signal)
}

/** All that a server hears which answers once it has heard the header of the PROXY protocol. */
async function heardFirst(healthCheck: Partial<HealthCheck>, answer: string, tls = false) {
  const header = proxyHeader(undefined)
  let heard: Buffer = Buffer.alloc(0)
  const plain = createHttp((_, res) => res.end(answer))
  const secure = createHttps(TLS, (_, res) => res.end(answer))
  const closed: Promise<unknown>[] = []
  const port = await listening(
    createTcp((socket) => {
      closed.push(once(socket, 'close'))
      socket.on('readable', function take() {
        const first: Buffer | null = socket.read(header.length)
        if (!first) return
        heard = first
        socket.off('readable', take)
        if (healthCheck.protocol === 'TCP') return void socket.resume()
        if (tls) secure.emit('connection', socket)
        else plain.emit('connection', socket)
      })
    }),
  )
  const world = new LiveWorld()
  const arn = world.putGroup('g', {
    protocol: 'TCP',
    healthCheck,
    attributes: { 'proxy_protocol_v2.enabled': 'true' },
  })
  const row = world.rows.targetGroups.get(arn)
  if (!row) throw new Error('no row')
  const { probe } = probePlan(row)
  const result = await probe({ host: '127.0.0.1', port }, new AbortController().signal)
  await Promise.all(closed)
  return { result, isHeader: heard.equals(header) }
}

test('probePlan: with the PROXY protocol every check begins with its header, without a client', async () => {
  const good = { result: GOOD, isHeader: true }
  assert.equal(await heardFirst({ protocol: 'TCP' }, ''), good)
  assert.equal(await heardFirst({ protocol: 'HTTP' }, 'ok'), good)
  assert.equal(await heardFirst({ protocol: 'HTTPS' }, 'ok', true), good)
})

function http(listener: RequestListener): Promise<number> {
  return listening(createHttp(listener))
}

/** A gRPC server whose every call ends with that status. */
function answerGrpc(status: string, seen?: (headers: IncomingHttpHeaders, body: string) => void) {
  return (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    let body = ''
    stream.on('error', () => {})
    stream.on('data', (chunk) => {
      body += chunk.toString('hex')
    })
    stream.once('end', () => {
      seen?.(headers, body)
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc' },
        { waitForTrailers: true },
      )
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
      stream.end(Uint8Array.of(0, 0, 0, 0, 0))
    })
  }
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createTcp()
  const port = await listening(server)
  server.close()
  await once(server, 'close')
  return port
}

test('HTTP: asks as ELB does, once a connection', async () => {
  let asked: string[] = []
  let url: string | undefined
  const port = await http((req, res) => {
    asked = req.rawHeaders
    url = `${req.method} ${req.url}`
    res.end('fine')
  })
  assert.is(await probe(port, { path: '/health?full=1' }), GOOD)
  assert.is(url, 'GET /health?full=1')
  assert.equal(asked, [
    'Host',
    `127.0.0.1:${port}`,
    'User-Agent',
    'ELB-HealthChecker/2.0',
    'Connection',
    'close',
  ])
})

test('HTTP: judges by the matcher, and follows no redirect', async () => {
  let asked = 0
  const port = await http((_req, res) => {
    asked++
    res.writeHead(302, { location: '/' }).end()
  })
  assert.equal(await probe(port), wrongCode(302))
  assert.is(await probe(port, { matcher: { HttpCode: '200-299,302' } }), GOOD)
  assert.is(asked, 2)
})

test('HTTP: whoever refuses, hangs up or talks something else has failed', async () => {
  assert.is(await probe(await closedPort()), FAILED)
  assert.is(await probe(await listening(createTcp((socket) => socket.destroy()))), FAILED)
  const babble = createTcp((socket) => socket.end('SSH-2.0-nothing\r\n'))
  assert.is(await probe(await listening(babble)), FAILED)
  const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'
  const other = createTcp((socket) => socket.once('data', () => socket.write(head)))
  assert.is(await probe(await listening(other)), FAILED)
})

test('HTTP: a body without end is cut, the code holds', async () => {
  let closed: Promise<unknown> | undefined
  const port = await http((_req, res) => {
    closed = once(res, 'close')
    const write = () => {
      while (res.write('x'.repeat(16_384)));
    }
    res.on('drain', write)
    write()
  })
  assert.is(await probe(port), GOOD)
  await closed
})

test('HTTP: lets go of its connection when time is up, having heard nothing', async () => {
  const late = new AbortController()
  let closed: Promise<void> | undefined
  const port = await http((req) => {
    closed = new Promise((resolve) => req.socket.once('close', () => resolve()))
    late.abort()
  })
  assert.is(await probe(port, {}, 'HTTP1', late.signal), FAILED)
  await closed
})

test('HTTP: a code that came in time holds, even when the body does not end in time', async () => {
  const late = new AbortController()
  const port = await http((_req, res) => res.write('x'))
  const matches = () => {
    queueMicrotask(() => late.abort())
    return true
  }
  const check = { path: '/', isTls: false, matches, preface: undefined }
  assert.is(await probeHttp(check, { host: '127.0.0.1', port }, late.signal), GOOD)
})

test('HTTPS: takes any certificate', async () => {
  const port = await listening(createHttps(TLS, (_req, res) => res.end('fine')))
  assert.is(await probe(port, { protocol: 'HTTPS' }), GOOD)
  assert.is(await probe(port, { protocol: 'HTTP' }).then((result) => result.isGood), false)
})

test('HTTPS: a port without TLS has failed', async () => {
  const port = await http((_req, res) => res.end('fine'))
  assert.is(await probe(port, { protocol: 'HTTPS' }), FAILED)
})

test('TCP: a connection is all that it takes', async () => {
  const port = await listening(createTcp((socket) => socket.resume()))
  assert.is(await probe(port, { protocol: 'TCP' }), GOOD)
  assert.is(await probe(await closedPort(), { protocol: 'TCP' }), FAILED)
})

test('HTTP2: asks over HTTP/2, with TLS and without', async () => {
  let asked: IncomingHttpHeaders = {}
  const answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    asked = headers
    stream.respond({ ':status': headers[':path'] === '/bad' ? 503 : 200 })
    stream.end('fine')
  }
  const plain = await listening(createHttp2().on('stream', answer))
  assert.is(await probe(plain, {}, 'HTTP2'), GOOD)
  assert.is(asked[':authority'], `127.0.0.1:${plain}`)
  assert.is(asked['user-agent'], 'ELB-HealthChecker/2.0')
  assert.equal(await probe(plain, { path: '/bad' }, 'HTTP2'), wrongCode(503))
  const secure = await listening(createSecureServer(TLS).on('stream', answer))
  assert.is(await probe(secure, { protocol: 'HTTPS' }, 'HTTP2'), GOOD)
})

test('HTTP2: a port that is closed or talks HTTP/1.1 has failed', async () => {
  assert.is(await probe(await closedPort(), {}, 'HTTP2'), FAILED)
  const port = await http((_req, res) => res.end('fine'))
  assert.is((await probe(port, {}, 'HTTP2')).isGood, false)
})

test('gRPC: calls the method with an empty message, and judges by its status', async () => {
  let asked: IncomingHttpHeaders = {}
  let message = ''
  const server = createHttp2().on(
    'stream',
    answerGrpc('12', (headers, body) => {
      asked = headers
      message = body
    }),
  )
  const port = await listening(server)
  const check = { path: undefined, matcher: undefined }
  assert.is(await probe(port, check, 'GRPC'), GOOD)
  assert.equal(
    [asked[':method'], asked[':path'], asked['content-type'], asked.te, message],
    ['POST', '/AWS.ALB/healthcheck', 'application/grpc', 'trailers', '0000000000'],
  )
  const only = { path: '/grpc.health.v1.Health/Check', matcher: { GrpcCode: '0' } }
  assert.equal(await probe(port, only, 'GRPC'), wrongCode(12))
  assert.is(await probe(port, { matcher: { GrpcCode: '0-99' } }, 'GRPC'), GOOD)
})

test('gRPC: a status without a message, no status at all, and an HTTP error', async () => {
  const server = createHttp2().on('stream', (stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] === '/short') stream.respond({ ':status': 200, 'grpc-status': '0' })
    else stream.respond({ ':status': headers[':path'] === '/404' ? 404 : 200 })
    stream.end()
  })
  const port = await listening(server)
  const at = (path: string) => probe(port, { path, matcher: { GrpcCode: '0' } }, 'GRPC')
  assert.is(await at('/short'), GOOD)
  assert.is(await at('/none'), FAILED)
  assert.equal(await at('/404'), wrongCode(404))
})

test('gRPC: lets go when time is up', async () => {
  const late = new AbortController()
  const port = await listening(createHttp2().on('stream', () => late.abort()))
  assert.is(await probe(port, {}, 'GRPC', late.signal), FAILED)
})

test.run()
