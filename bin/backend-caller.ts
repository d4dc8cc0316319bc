/** KECS's own calls to the services of the backend: ELBv2's port to them, and ECS's to EC2. */
import { Buffer } from 'node:buffer'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { BackendAnswer, BackendRequest, CallBackend } from '../elbv2/context.ts'

const CALL_TIMEOUT_MS = 5_000
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** Emulators take account and region from the scope and check no signature. */
const UNCHECKED = 'SignedHeaders=host, Signature=0'

/** Calls the backend at `url`, for the account and region that each call names. */
export function createBackendCaller(url: string | undefined): CallBackend {
  if (url === undefined) return () => undefined
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return (call) => send(host, Number(port) || 80, call)
}

function send(host: string, port: number, call: BackendRequest): Promise<BackendAnswer> {
  const { scope, service, method, path, headers, timeoutMs = CALL_TIMEOUT_MS } = call
  const body = Buffer.from(call.body ?? '')
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host,
        port,
        method,
        path,
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          authorization: `AWS4-HMAC-SHA256 Credential=${scope.account}/20260101/${scope.region}/${service}/aws4_request, ${UNCHECKED}`,
          'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
          'content-length': body.length,
          ...headers,
        },
      },
      (answer) => read(answer).then(resolve, reject),
    )
    request.on('error', (error) => {
      const late = error.name === 'AbortError' || error.name === 'TimeoutError'
      reject(late ? new Error(`the backend did not answer within ${timeoutMs / 1000} s`) : error)
    })
    request.end(body)
  })
}

async function read(answer: IncomingMessage): Promise<BackendAnswer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) {
      answer.destroy()
      throw new Error(`the backend's answer is over ${MAX_ANSWER_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(answer.headers)) headers[name] = String(value)
  return { status: answer.statusCode ?? 502, headers, body: Buffer.concat(chunks) }
}
