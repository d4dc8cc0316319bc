/** A port of HTTPS listeners: HTTP/1.1 and HTTP/2 under TLS. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../../gateway/core/clock.ts'
import { hostName } from '../../../gateway/core/host-name.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import { createHttpServer, type ServerLimits } from '../../../gateway/server.ts'
import type { Elbv2Rows } from '../../rows.ts'
import type { ConnectionRecord } from '../logs/connection-log.ts'
import type { ConnectionWatch } from '../logs/connection-watch.ts'
import type { HttpFront, LiveListener, PortListeners } from '../model.ts'
import type { NumberedPort, OpenNumbered } from '../nlb/tcp-server.ts'
import { SERVER } from '../rules/own-answers.ts'
import type { Certificates } from '../tls/certificates.ts'
import { isMutual } from '../tls/mutual-tls.ts'
import type { SecurityPolicies } from '../tls/security-policy.ts'
import { openTlsPort, type SecureConnection } from '../tls/tls-port.ts'
import { createLastsFor, LIMITS, refusal } from './http-port.ts'
import { createHttp2Connections } from './http2-server.ts'

export interface HttpsPortOptions {
  readonly front: HttpFront
  readonly watch: ConnectionWatch
  readonly certificates: Certificates
  readonly policies: SecurityPolicies
  readonly rows: Pick<Elbv2Rows, 'trustStores'>
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly limits?: ServerLimits
}

type Chosen = LiveListener | 'misdirected' | undefined

export function createHttpsPort(options: HttpsPortOptions): OpenNumbered {
  const { front, watch, clock, ids, log, limits = LIMITS } = options
  const lastsFor = createLastsFor(clock)

  return open

  async function open(host: string, listeners: PortListeners): Promise<NumberedPort> {
    const connections = new WeakMap<object, SecureConnection>()
    const listenerTo = (connection: SecureConnection | undefined, host: string | undefined) =>
      connection && listenerFor(listeners, connection, host)
    const http1 = createHttpServer(
      {
        web(req, res) {
          const connection = connections.get(req.socket)
          const listener = listenerTo(connection, req.headers.host)
          if (typeof listener === 'object') lastsFor(listener, req, res)
          answer(connection, listener, req, res)
        },
        upgrade(req, socket, head) {
          const connection = connections.get(req.socket)
          const listener = listenerTo(connection, req.headers.host)
          if (!connection || typeof listener !== 'object') socket.destroy()
          else front.upgrade(listener, connection.peer, req, socket, head)
        },
      },
      { log, ids, limits, refusal },
    )
    const http2 = createHttp2Connections({
      clock,
      log,
      web(known, req, res) {
        const connection = known as SecureConnection
        const { headers } = req
        const host = (headers[':authority'] as string | undefined) ?? headers.host
        answer(connection, listenerTo(connection, host), req, res)
      },
    })
    const port = await openTlsPort(host, listeners, {
      ...options,
      maxConnections: limits.connections,
      alpnOf: ({ balancer }) => (balancer.settings.http2 ? ['h2', 'http/1.1'] : ['http/1.1']),
      onPlain: (socket) => refusePlain(socket, clock.now()),
      onSecure(socket, connection) {
        const listener = listenerOf(listeners, connection)
        if (!listener) return void socket.destroy()
        socket.once('close', watch.connected(recordOf(listener, connection)))
        if (socket.alpnProtocol === 'h2') {
          http2.serve(socket, connection, listener.balancer.settings)
        } else {
          connections.set(socket, connection)
          http1.serve(socket)
        }
      },
    })
    return {
      port: port.port,
      async close(graceMs) {
        http2.close()
        await Promise.all([port.close(graceMs), http1.close(graceMs)])
      },
    }
  }

  function recordOf(
    { row, balancer }: LiveListener,
    { peer, handshakeMs }: SecureConnection,
  ): ConnectionRecord {
    const port = row.port ?? 0
    return { balancer, port, peer, atMs: clock.now(), handshakeMs, failure: undefined }
  }

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
