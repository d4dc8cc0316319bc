/** HTTP/2 over connections that are accepted elsewhere, with every limit set. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { BalancerSettings } from '../settings.ts'

/** AWS's number. */
const MAX_STREAMS = 128
const MAX_HEADER_LIST_BYTES = 64 * 1024
/** Megabytes that one connection may hold, by node's count; beyond it new streams are refused. */
const MAX_SESSION_MEMORY = 10
/** Frames that break the protocol, and streams that were refused, before a connection is cut. */
const MAX_INVALID_FRAMES = 100
const MAX_REJECTED_STREAMS = 100

export interface Http2Options {
  readonly clock: Clock
  readonly log: Logger
  /** Requests come in the shape of HTTP/1.1's; `connection` is what `serve` was given. */
  web(connection: object, req: IncomingMessage, res: ServerResponse): void
}

export interface Http2Connections {
  /** Ends the connection when it is idle or old, its streams first. */
  serve(
    socket: Duplex,
    connection: object,
    lasts: Pick<BalancerSettings, 'idleTimeoutMs' | 'clientKeepAliveMs'>,
  ): void
  /** Takes no new streams; those under way go on. */
  close(): void
}

export function createHttp2Connections({ clock, log, web }: Http2Options): Http2Connections {
  const open = new Map<object, object>()
  const server = limited()
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    const { session } = (req as IncomingMessage & { stream?: { session?: object } }).stream ?? {}
    const connection = session && open.get(session)
    if (connection) web(connection, req, res)
    else req.destroy()
  }
  server.on('request', onRequest as never)
  server.on('checkContinue', onRequest as never)
  server.on('sessionError', (error: NodeJS.ErrnoException, session: ServerHttp2Session) => {
    log.debug('a client broke HTTP/2', { code: error.code })
    session.destroy()
  })

  return {
    serve(socket, connection, { idleTimeoutMs, clientKeepAliveMs }) {
      server.once('session', (session) => {
        open.set(session, connection)
        session.setTimeout(idleTimeoutMs, () => session.close())
        const timer = clock.after(clientKeepAliveMs, () => session.close())
        session.once('close', () => {
          timer.cancel()
          open.delete(session)
        })
      })
      // The session is made before this returns.
      server.emit('connection', socket)
    },
    close() {
      for (const session of open.keys()) (session as ServerHttp2Session).close()
    },
  }
}

/** A client that resets streams without end (CVE-2023-44487) is cut off by node's own limits. */
function limited(): Http2Server {
  return createServer({
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_LIST_BYTES },
    maxSessionMemory: MAX_SESSION_MEMORY,
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    maxSessionRejectedStreams: MAX_REJECTED_STREAMS,
  })
}
