import { Buffer } from 'node:buffer'
import { type IncomingMessage, request } from 'node:http'
import { request as secureRequest } from 'node:https'

/** ALB waits no longer for an identity provider. */
const TIMEOUT_MS = 5_000

export interface IdpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** An answer with a larger body rejects with `AnswerTooLarge`. */
  readonly maxBytes: number
}

export interface IdpAnswer {
  readonly status: number
  readonly body: Buffer
}

/** One request to an identity provider; rejects where no whole answer comes in time. */
export type CallIdp = (request: IdpRequest) => Promise<IdpAnswer>

export class AnswerTooLarge extends Error {}

/**
 * Follows no redirects: a code or a token goes where the rule says and nowhere else. A connection of
 * its own for each request: those that are kept may die, and Deno's `fetch` then says a POST twice.
 */
export function createIdpClient(timeoutMs = TIMEOUT_MS): CallIdp {
  return ({ method, url, headers, body, maxBytes }) =>
    new Promise((resolve, reject) => {
      const start = url.startsWith('https:') ? secureRequest : request
      const signal = AbortSignal.timeout(timeoutMs)
      const call = start(url, { method, headers, agent: false, signal }, (response) => {
        const { statusCode: status = 0 } = response
        readWhole(response, maxBytes).then((whole) => resolve({ status, body: whole }), reject)
      })
      call.on('error', reject)
      call.end(body)
    })
}

async function readWhole(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    // Leaving the loop closes the connection.
    if (bytes > maxBytes) throw new AnswerTooLarge(`the answer has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Undefined for what is no JSON object. */
export function jsonObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return value as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** What a rejection says, without its stack: a time-out says so in `cause` alone. */
export function whyNot(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
