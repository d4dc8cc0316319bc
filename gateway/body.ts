import { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Clock } from './core/clock.ts'
import { AwsFault } from './core/fault.ts'

/** The largest body of an API call that is answered here. */
export const API_BODY_LIMIT_BYTES = 1024 * 1024
/** How long the body of such a call may take from head to end. */
export const API_BODY_TIMEOUT_MS = 30_000

/**
 * The whole body of an API call, or the fault it is to be answered with (`limitBytes` exceeded, too
 * slow, an encoding that AWS does not take). Undefined when the client went away.
 */
export function readBody(
  req: IncomingMessage,
  clock: Clock,
  limitBytes: number = API_BODY_LIMIT_BYTES,
): Promise<Buffer | AwsFault | undefined> {
  const encoding = req.headers['content-encoding']
  if (encoding && encoding.toLowerCase() !== 'identity') {
    return Promise.resolve(unsupportedEncoding(encoding))
  }
  const announced = Number(req.headers['content-length'] ?? 0)
  if (announced > limitBytes) return Promise.resolve(tooLarge(limitBytes))
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const end = (result: Buffer | AwsFault | undefined) => {
      timer.cancel()
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      // Late errors of an abandoned request are nobody's business any more.
      req.on('error', () => {})
      resolve(result)
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limitBytes) end(tooLarge(limitBytes))
      else chunks.push(chunk)
    }
    const onEnd = () => end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size))
    const onClose = () => end(undefined)
    const timer = clock.after(API_BODY_TIMEOUT_MS, () => end(tooSlow()))
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}

function tooLarge(limitBytes: number): AwsFault {
  return new AwsFault(
    'RequestEntityTooLargeException',
    `The request body is larger than ${limitBytes} bytes.`,
    413,
  )
}

function tooSlow(): AwsFault {
  return new AwsFault(
    'RequestTimeoutException',
    `The request body did not arrive within ${API_BODY_TIMEOUT_MS / 1000} seconds.`,
    408,
  )
}

function unsupportedEncoding(encoding: string): AwsFault {
  return new AwsFault(
    'SerializationException',
    `Content-Encoding ${JSON.stringify(encoding)} is not supported; send the body as it is.`,
  )
}
