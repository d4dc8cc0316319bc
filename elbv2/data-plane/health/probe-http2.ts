import { Buffer } from 'node:buffer'
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import { authorityOf } from '../../../gateway/proxy-fault.ts'
import { FAILED, GOOD, type ProbeResult, wrongCode } from './health-state.ts'
import { type Endpoint, type HttpCheck, MAX_BODY_BYTES, USER_AGENT } from './probe-endpoint.ts'

/** One message without content: uncompressed, of length 0. */
const EMPTY_GRPC_MESSAGE = Buffer.alloc(5)

/** What is known of an answer: more with its end than with its head. */
interface Answer {
  head: IncomingHttpHeaders | undefined
  trailers: IncomingHttpHeaders | undefined
}

type Judge = (answer: Answer) => ProbeResult

/** GET over HTTP/2: by prior knowledge, or by ALPN where there is TLS. */
export function probeHttp2(
  { path, isTls, matches }: HttpCheck,
  at: Endpoint,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const judge: Judge = ({ head }) => {
    const status = Number(head?.[':status'] ?? 0)
    if (status === 0) return FAILED
    return matches(status) ? GOOD : wrongCode(status)
  }
  return ask(at, isTls, { ':method': 'GET', ':path': path }, undefined, judge, signal)
}

/** A unary call with an empty message, judged by its `grpc-status`. */
export function probeGrpc(
  { path, isTls, matches }: HttpCheck,
  at: Endpoint,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const judge: Judge = ({ head, trailers }) => {
    const status = Number(head?.[':status'] ?? 0)
    // Before gRPC had its say, the code of HTTP is all that there is.
    if (status !== 0 && status !== 200) return wrongCode(status)
    const text = trailers?.['grpc-status'] ?? head?.['grpc-status']
    const code = /^\d{1,3}$/.test(String(text)) ? Number(text) : undefined
    if (code === undefined) return FAILED
    return matches(code) ? GOOD : wrongCode(code)
  }
  const head = {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  }
  return ask(at, isTls, head, EMPTY_GRPC_MESSAGE, judge, signal)
}

function ask(
  at: Endpoint,
  isTls: boolean,
  head: Record<string, string>,
  body: Buffer | undefined,
  judge: Judge,
  signal: AbortSignal,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const answer: Answer = { head: undefined, trailers: undefined }
    let session: ClientHttp2Session | undefined
    const settle = () => {
      signal.removeEventListener('abort', settle)
      session?.destroy()
      resolve(judge(answer))
    }
    signal.addEventListener('abort', settle)
    try {
      session = connect(`${isTls ? 'https' : 'http'}://${authorityOf(at)}`, {
        rejectUnauthorized: false,
      })
      session.unref()
      session.on('error', settle)
      session.once('close', settle)
      const stream = session.request(
        { ...head, 'user-agent': USER_AGENT },
        { endStream: body === undefined },
      )
      let bytes = 0
      stream.once('response', (headers) => {
        answer.head = headers
      })
      stream.once('trailers', (headers) => {
        answer.trailers = headers
      })
      stream.on('data', (chunk: Uint8Array) => {
        bytes += chunk.length
        if (bytes > MAX_BODY_BYTES) settle()
      })
      stream.on('error', settle)
      stream.once('close', settle)
      if (body) stream.end(body)
    } catch {
      settle()
    }
  })
}
