import { Buffer } from 'node:buffer'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Ids } from './core/ids.ts'
import type { Logger } from './core/log.ts'
import { rawHeadersOf } from './proxy-answer.ts'
import type { FaultAnswer } from './proxy-fault.ts'
import { writeAnswer } from './proxy-upgrade.ts'

/** What the listeners of both ports hold their callers to. Sizes in bytes, times in milliseconds. */
export interface ServerLimits {
  /** Of the request line and all headers together. */
  readonly headBytes: number
  /** How long the head of a request may take to arrive. */
  readonly headMs: number
  /** How long a kept connection may wait for its next request. */
  readonly keepAliveMs: number
  /** How long a connection may pass no byte in either direction, even within a request. */
  readonly silentMs: number
  readonly connections: number
}

/**
 * A whole request has no time limit: an upload to the backend may take hours. Bodies that are read
 * here have their own (body.ts). `silentMs` is beyond Lambda's longest run, which passes no byte.
 */
export const SERVER_LIMITS: ServerLimits = {
  headBytes: 32 * 1024,
  headMs: 15_000,
  keepAliveMs: 65_000,
  silentMs: 20 * 60_000,
  connections: 2_048,
}

const CHECK_INTERVAL_MS = 1_000
const DRAIN_CHECK_MS = 20

export interface Listener {
  web(req: IncomingMessage, res: ServerResponse): void
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
}

export interface HttpServer {
  /** Answers the port it listens on; rejects with node's error, e.g. code EADDRINUSE. */
  listen(port: number, host: string): Promise<number>
  /** Serves a connection that was accepted elsewhere, e.g. under TLS, in place of listening. */
  serve(socket: Duplex): void
  readonly connections: number
  /** Takes no new connections, lets requests under way finish for `graceMs`, then cuts them off. */
  close(graceMs: number): Promise<void>
}

export interface HttpServerOptions {
  readonly log: Logger
  readonly ids: Ids
  readonly limits?: ServerLimits
  /** What is answered to what is no request; AWS's JSON where absent. */
  readonly refusal?: (status: number, requestId: string) => FaultAnswer
  /** A connection was turned away because there are too many. */
  readonly dropped?: () => void
}

/** An HTTP/1.1 server with every limit set, the same on Node and on Deno. */
export function createHttpServer(listener: Listener, options: HttpServerOptions): HttpServer {
  const { log, ids, limits = SERVER_LIMITS, refusal = refusalAnswer, dropped } = options
  const server = limited(limits)
  const open = new Set<Socket>()
  const upgraded = new Set<Duplex>()
  const inFlight = new WeakMap<Duplex, Set<ServerResponse>>()
  let emptied = () => {}
  let serves = false

  function web(req: IncomingMessage, res: ServerResponse): void {
    if (!isServed(req)) {
      refuseVersion(res, refusal(505, ids.uuid()))
      return
    }
    const responses = inFlight.get(req.socket) ?? new Set()
    inFlight.set(req.socket, responses)
    responses.add(res)
    res.once('close', () => responses.delete(res))
    listener.web(req, res)
  }

  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      if (open.size === 0) emptied()
    })
  })
  if (dropped) server.on('drop', dropped)
  server.on('request', web)
  // Whoever answers says 100 Continue, or leaves it to the backend.
  server.on('checkContinue', web)
  server.on('upgrade', (req, socket, head) => {
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    socket.on('error', () => socket.destroy())
    if (isServed(req)) listener.upgrade(req, socket, head)
    else refuse(socket, refusal(505, ids.uuid()))
  })
  server.on('connect', (_req, socket) => {
    refuse(socket, refusal(405, ids.uuid()))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    log.debug('a client broke the protocol', { code: error.code })
    const responses = inFlight.get(socket)
    // An answer that has begun, or that belongs to an earlier request, must not be mixed with ours.
    const mixed = responses && [...responses].some((res) => res.headersSent || res.req.complete)
    // What was written goes out first: an answer may be the reason that the rest was not understood.
    if (mixed) (socket as Socket).destroySoon()
    else if (!socket.writable) socket.destroy()
    else refuse(socket, refusal(refusalOf(error.code), ids.uuid()))
  })

  return {
    listen: (port, host) => listen(server, port, host),
    serve(socket) {
      // Node begins to look for slow heads when its server listens; this one is given its connections.
      if (!serves) server.emit('listening')
      serves = true
      server.emit('connection', socket)
    },
    get connections() {
      return open.size
    },
    close,
  }

  async function close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      emptied = resolve
      server.close(() => {
        if (open.size === 0) resolve()
      })
    })
    for (const socket of upgraded) socket.destroy()
    const drain = setInterval(() => server.closeIdleConnections(), DRAIN_CHECK_MS)
    const cut = setTimeout(() => {
      for (const socket of open) socket.destroy()
    }, graceMs)
    await closed
    clearInterval(drain)
    clearTimeout(cut)
  }
}

function limited(limits: ServerLimits): Server {
  const server = createServer({
    maxHeaderSize: limits.headBytes,
    headersTimeout: limits.headMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.headMs),
  })
  // The size of the head bounds their number; beyond this limit node drops headers silently.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.timeout = limits.silentMs
  return server
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function refusalOf(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}

const REFUSALS: Readonly<Record<number, readonly [code: string, message: string]>> = {
  400: ['BadRequest', 'This is no request of HTTP/1.1.'],
  405: ['MethodNotAllowed', 'CONNECT is not for this endpoint.'],
  408: ['RequestTimeout', 'The head of the request did not arrive in time.'],
  431: ['RequestHeaderSectionTooLarge', 'The request line and its headers are too large.'],
  505: ['HttpVersionNotSupported', 'Requests on this connection are of HTTP/1.1 or HTTP/1.0.'],
}

function refusalAnswer(status: number, requestId: string): FaultAnswer {
  const [code, message] = REFUSALS[status] ?? []
  return {
    status,
    headers: { 'x-amzn-RequestId': requestId, 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify({ __type: code, message }),
  }
}

/** Node's parser takes `HTTP/2.0` and `HTTP/0.9` too; nobody behind it would know what they mean. */
function isServed({ httpVersion }: IncomingMessage): boolean {
  return httpVersion === '1.1' || httpVersion === '1.0'
}

function refuseVersion(res: ServerResponse, answer: FaultAnswer): void {
  const { status, headers, body, reason } = answer
  const length = ['content-length', String(Buffer.byteLength(body)), 'connection', 'close']
  res.writeHead(status, reason, [...rawHeadersOf(headers), ...length])
  res.end(body)
}

// There is no response object for what never became a request.
function refuse(socket: Duplex, answer: FaultAnswer): void {
  socket.on('error', () => socket.destroy())
  writeAnswer(socket, answer)
  socket.end()
  // The other side may never close its half.
  socket.once('finish', () => socket.destroy())
}
