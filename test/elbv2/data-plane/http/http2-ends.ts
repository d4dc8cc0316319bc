import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { HttpFront } from '../../../../elbv2/data-plane/model.ts'
import { peerOf } from '../../../../elbv2/data-plane/peer.ts'
import type { FrontWorld } from './front-world.ts'

export interface Http2Target {
  readonly port: number
  readonly sessions: readonly ServerHttp2Session[]
  /** Hangs up on whoever is there. */
  hangUp(): void
}

async function listening(
  world: FrontWorld,
  server: Http2Server | Http2SecureServer,
): Promise<number> {
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  world.onClose(() => {
    for (const session of sessions) session.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

/** A target of HTTP/2, in clear text where no other server is given. */
export async function http2Target(
  world: FrontWorld,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  server: Http2Server | Http2SecureServer = createServer(),
): Promise<Http2Target> {
  const sessions: ServerHttp2Session[] = []
  server.on('session', (session) => sessions.push(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  const hangUp = () => {
    for (const socket of sockets) socket.destroy()
  }
  return { port: await listening(world, server), sessions, hangUp }
}

/** A port of HTTP/2 for a listener, as the one of HTTPS feeds the front, without its TLS. */
export async function http2Front(
  world: FrontWorld,
  listenerArn: string,
  front: HttpFront = world.front(),
): Promise<ClientHttp2Session> {
  const server = createServer((req, res) => {
    front.web(
      world.liveListener(listenerArn),
      peerOf(req.socket, 'https'),
      req as unknown as IncomingMessage,
      res as unknown as ServerResponse,
    )
  })
  server.on('checkContinue', (req, res) => server.emit('request', req, res))
  const client = connect(`http://127.0.0.1:${await listening(world, server)}`)
  client.on('error', () => {})
  world.onClose(() => client.destroy())
  return client
}

export interface Heard {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly body: string
  readonly code: number | undefined
  /** Whether the head came with the end of the stream. */
  readonly headOnly: boolean
}

/** Everything that a stream hears until it is closed. */
export function heardBy(stream: ClientHttp2Stream): Promise<Heard> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  let headOnly = false
  const chunks: Buffer[] = []
  stream.on('response', (given, flags) => {
    headers = given
    headOnly = (flags & 1) === 1
  })
  stream.on('trailers', (given) => {
    trailers = given
  })
  stream.on('data', (chunk) => chunks.push(chunk))
  stream.on('error', () => {})
  return new Promise((resolve) => {
    stream.once('close', () => {
      const body = Buffer.concat(chunks).toString()
      resolve({ headers, trailers, body, code: stream.rstCode, headOnly })
    })
  })
}

export function ask(
  client: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string,
): Promise<Heard> {
  const stream = client.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return heardBy(stream)
}
