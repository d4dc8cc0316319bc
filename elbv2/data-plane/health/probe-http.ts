import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { authorityOf } from '../../../gateway/proxy-fault.ts'
import { FAILED, GOOD, type ProbeResult, wrongCode } from './health-state.ts'
import { type Endpoint, type HttpCheck, MAX_BODY_BYTES, USER_AGENT } from './probe-endpoint.ts'

/** Of an answer's head, by node's own limit. */
const MAX_HEADER_BYTES = 16 * 1024

/** GET over HTTP/1.1. Redirects are answers like any other; a certificate is not verified, as ALB does not. */
export function probeHttp(
  check: HttpCheck,
  at: Endpoint,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { path, isTls, matches } = check
  return new Promise((resolve) => {
    let result: ProbeResult = FAILED
    const request = (isTls ? httpsRequest : httpRequest)({
      host: at.host,
      port: at.port,
      path,
      ...connectionOf(check, at),
      headers: { Host: authorityOf(at), 'User-Agent': USER_AGENT, Connection: 'close' },
      maxHeaderSize: MAX_HEADER_BYTES,
      rejectUnauthorized: false,
    })
    const settle = () => {
      signal.removeEventListener('abort', settle)
      request.destroy()
      resolve(result)
    }
    signal.addEventListener('abort', settle)
    request.once('socket', (socket) => socket.unref())
    request.on('error', settle)
    // Alone where a target switches protocols, which nobody asked for.
    request.once('close', settle)
    request.once('response', (response: IncomingMessage) => {
      const { statusCode = 0 } = response
      result = matches(statusCode) ? GOOD : wrongCode(statusCode)
      let bytes = 0
      response.on('data', (chunk: Uint8Array) => {
        bytes += chunk.length
        if (bytes > MAX_BODY_BYTES) settle()
      })
      response.once('close', settle)
      response.on('error', settle)
    })
    request.end()
  })
}

/** Each check has a connection of its own. */
function connectionOf({ isTls, preface }: HttpCheck, at: Endpoint): RequestOptions {
  if (!preface) return { agent: false }
  return {
    createConnection() {
      const plain = connect({ host: at.host, port: at.port }).unref()
      plain.write(preface)
      if (!isTls) return plain
      const secure: Socket = connectTls({ socket: plain, rejectUnauthorized: false })
      plain.on('error', (error) => secure.destroy(error))
      return secure
    },
  }
}
