import { Buffer } from 'node:buffer'

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

/** Follows no redirects: a code or a token goes where the rule says and nowhere else. */
export function createIdpClient(timeoutMs = TIMEOUT_MS): CallIdp {
  return async ({ method, url, headers, body, maxBytes }) => {
    const response = await fetch(url, {
      method,
      headers,
      ...(body !== undefined && { body }),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { status: response.status, body: await readWhole(response, maxBytes) }
  }
}

async function readWhole(response: Response, maxBytes: number): Promise<Buffer> {
  const reader = response.body?.getReader()
  if (!reader) return Buffer.alloc(0)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks)
    bytes += value.length
    if (bytes > maxBytes) {
      await reader.cancel().catch(() => {})
      throw new AnswerTooLarge(`the answer has more than ${maxBytes} bytes`)
    }
    chunks.push(value)
  }
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

/** What a rejection says, without its stack: `fetch` keeps the reason in `cause`. */
export function whyNot(error: unknown): string {
  const { message, cause } = error as Error
  const inner = cause instanceof Error ? `: ${cause.message}` : ''
  return `${message}${inner}`
}
