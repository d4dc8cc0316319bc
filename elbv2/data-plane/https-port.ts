/** A port of HTTPS listeners: HTTP/1.1 and HTTP/2 under TLS. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Session,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../gateway/core/clock.ts'
import type { Ids } from '../../gateway/core/ids.ts'
import type { Logger } from '../../gateway/core/log.ts'
import { createHttpServer, type ServerLimits } from '../../gateway/server.ts'
import type { Elbv2Rows } from '../rows.ts'
import type { Certificates } from './certificates.ts'
import { createLastsFor, LIMITS, refusal } from './http-port.ts'
import type { HttpFront, LiveListener, OpenListener, PortListeners } from './model.ts'
import { isMutual } from './mutual-tls.ts'
import { SERVER } from './own-answers.ts'
import { hostName } from './port.ts'
import type { SecurityPolicies } from './security-policy.ts'
import { openTlsPort, type SecureConnection } from './tls-port.ts'

export interface HttpsPortOptions {
  readonly front: HttpFront
  readonly certificates: Certificates
  readonly policies: SecurityPolicies
  readonly rows: Pick<Elbv2Rows, 'trustStores'>
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly limits?: ServerLimits
}

/** AWS's number. */
const MAX_STREAMS = 128
const MAX_HEADER_LIST_BYTES = 64 * 1024
/** Megabytes that one connection may hold, by node's count; beyond it new streams are refused. */
const MAX_SESSION_MEMORY = 10
/** Frames that break the protocol, and streams that were refused, before a connection is cut. */
const MAX_INVALID_FRAMES = 100
const MAX_REJECTED_STREAMS = 100
/** Streams that a client may reset: so many at once, then so many a second (CVE-2023-44487). */
const RESET_BURST = 1_000
const RESET_RATE = 33

type Chosen = LiveListener | 'misdirected' | undefined

export function createHttpsPort(options: HttpsPortOptions): OpenListener {
  const { front, certificates, policies, rows, clock, ids, log, limits = LIMITS } = options
  const lastsFor = createLastsFor(clock)

  return async (host, listeners) => {
    const connections = new WeakMap<object, SecureConnection>()
    const sessions = new Set<ServerHttp2Session>()
    const http1 = createHttpServer(
      {
        web(req, res) {
          const connection = connections.get(req.socket)
          const listener = connection && listenerFor(listeners, connection, req.headers.host)
          if (typeof listener === 'object') lastsFor(listener, req, res)
          answer(connection, listener, req, res)
        },
        upgrade(req, socket, head) {
          const connection = connections.get(req.socket)
          const listener = connection && listenerFor(listeners, connection, req.headers.host)
          if (!connection || typeof listener !== 'object') socket.destroy()
          else front.upgrade(listener, connection.peer, req, socket, head)
        },
      },
      { log, ids, limits, refusal },
    )
    const http2 = limitedHttp2()
    const web2 = (req: IncomingMessage, res: ServerResponse) => {
      const { stream, headers } = req as IncomingMessage & { stream?: { session?: object } }
      const connection = stream?.session && connections.get(stream.session)
      const authority = (headers[':authority'] as string | undefined) ?? headers.host
      answer(connection, connection && listenerFor(listeners, connection, authority), req, res)
    }
    // Requests of HTTP/2 come in the shape of HTTP/1.1's.
    http2.on('request', web2 as never)
    http2.on('checkContinue', web2 as never)

    function answer(
      connection: SecureConnection | undefined,
      listener: Chosen,
      req: IncomingMessage,
      res: ServerResponse,
    ): void {
      if (listener === 'misdirected') res.writeHead(421, { Server: SERVER }).end()
      else if (!connection || !listener) req.socket.destroy()
      else front.web(listener, connection.peer, req, res)
    }

    function serveHttp2(socket: Duplex, connection: SecureConnection): void {
      http2.once('session', (session) => {
        sessions.add(session)
        connections.set(session, connection)
        const lasting = endInTime(session, listenerOf(listeners, connection), clock)
        session.once('close', () => {
          lasting()
          sessions.delete(session)
        })
      })
      http2.emit('connection', socket)
    }

    const port = await openTlsPort(host, listeners, {
      certificates,
      policies,
      rows,
      clock,
      log,
      maxConnections: limits.connections,
      alpnOf: ({ balancer }) => (balancer.settings.http2 ? ['h2', 'http/1.1'] : ['http/1.1']),
      onPlain: (socket) => refusePlain(socket, clock.now()),
      onSecure(socket, connection) {
        if (socket.alpnProtocol === 'h2') return serveHttp2(socket, connection)
        connections.set(socket, connection)
        http1.serve(socket)
      },
    })
    return {
      port: port.port,
      async close(graceMs) {
        for (const session of sessions) session.close()
        await Promise.all([port.close(graceMs), http1.close(graceMs)])
      },
    }
  }

  function limitedHttp2(): Http2Server {
    const server = createHttp2Server({
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_LIST_BYTES },
      maxSessionMemory: MAX_SESSION_MEMORY,
      maxSessionInvalidFrames: MAX_INVALID_FRAMES,
      maxSessionRejectedStreams: MAX_REJECTED_STREAMS,
      ...{ streamResetBurst: RESET_BURST, streamResetRate: RESET_RATE },
    })
    server.on('sessionError', (error: NodeJS.ErrnoException, session: ServerHttp2Session) => {
      log.debug('a client broke HTTP/2', { code: error.code })
      session.destroy()
    })
    return server
  }
}

/** The one that TLS was spoken for, as it is now; gone when it was deleted meanwhile. */
function listenerOf(
  listeners: PortListeners,
  { listenerArn }: SecureConnection,
): LiveListener | undefined {
  return listeners.current().find(({ row }) => row.arn === listenerArn)
}

/**
 * A client that named no load balancer when TLS began (`https://localhost`) may do so in its Host
 * header, but reaches none that asks for certificates: its own was never looked at.
 */
function listenerFor(
  listeners: PortListeners,
  connection: SecureConnection,
  host: string | undefined,
): Chosen {
  const own = listenerOf(listeners, connection)
  if (connection.named || host === undefined) return own
  const other = listeners.forHost(host)
  if (!other || other === own || other.balancer.dnsName !== hostName(host)) return own
  return isMutual(other.row) ? 'misdirected' : other
}

/** Ends a connection of HTTP/2 that is idle or old, its streams first; what calls that off. */
function endInTime(
  session: ServerHttp2Session,
  listener: LiveListener | undefined,
  clock: Clock,
): () => void {
  if (!listener) {
    session.close()
    return () => {}
  }
  const { idleTimeoutMs, clientKeepAliveMs } = listener.balancer.settings
  session.setTimeout(idleTimeoutMs, () => session.close())
  const timer = clock.after(clientKeepAliveMs, () => session.close())
  return () => timer.cancel()
}

const PLAIN = 'The plain HTTP request was sent to HTTPS port'

function refusePlain(socket: Socket, nowMs: number): void {
  const lines = [
    '<html>',
    `<head><title>400 ${PLAIN}</title></head>`,
    '<body>',
    '<center><h1>400 Bad Request</h1></center>',
    `<center>${PLAIN}</center>`,
    '</body>',
    '</html>',
    '',
  ]
  const body = lines.join('\r\n')
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nServer: ${SERVER}\r\nDate: ${new Date(nowMs).toUTCString()}\r\n` +
      `Content-Type: text/html\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  )
  socket.resume()
  // The other side may never close its half.
  socket.once('finish', () => socket.destroy())
}
