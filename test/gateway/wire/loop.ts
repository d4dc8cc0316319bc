/** The real SDK clients against a codec, without a socket between them. */
import { Buffer } from 'node:buffer'
import type { EncodedAnswer, EncodedFault } from '../../../gateway/wire/codec.ts'

/** What an SDK's client hands to its transport, as far as a codec reads it. */
export interface Sent {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export type Answerer = (sent: Sent) => EncodedAnswer | EncodedFault

/** Settings for an SDK client whose requests are answered by `answer` in this process. */
export function loopTo(answer: Answerer) {
  return asyncLoopTo(async (sent) => answer(sent))
}

export function asyncLoopTo(answer: (sent: Sent) => Promise<EncodedAnswer | EncodedFault>) {
  return {
    region: 'us-east-1',
    endpoint: 'http://localhost',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
    requestHandler: {
      async handle(request: { headers: Record<string, string>; body?: string | Uint8Array }) {
        const answered = await answer({
          headers: request.headers,
          body: bytesOf(request.body ?? ''),
        })
        const status = 'status' in answered ? answered.status : 200
        const body = new Uint8Array(Buffer.from(answered.body))
        const headers = { 'content-type': answered.contentType }
        return { response: { statusCode: status, headers, body } }
      },
    },
  }
}

// Copied, because the SDK's own kind of bytes warns whoever takes it for text.
function bytesOf(body: string | Uint8Array): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : Buffer.concat([body])
}

/** The same with its Dates as epoch seconds, which is what handlers get and give. */
export function withSeconds(value: unknown): unknown {
  if (value instanceof Date) return value.getTime() / 1000
  if (Array.isArray(value)) return value.map(withSeconds)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, withSeconds(member)]),
  )
}

interface Client {
  send(command: object): Promise<object>
}

/** Sends operations of one SDK by their names; `module` is all that the SDK exports. */
export function senderOf(
  module: object,
  newClient: (settings: ReturnType<typeof loopTo>) => unknown,
) {
  const exported = module as Record<string, (new (input: unknown) => object) | undefined>
  return async (operation: string, input: unknown, answer: Answerer): Promise<object> => {
    const Command = exported[`${operation}Command`]
    if (!Command) throw new Error(`the SDK has no ${operation}`)
    const client = newClient(loopTo(answer)) as Client
    const output: { $metadata?: unknown } = await client.send(new Command(input))
    const { $metadata: _, ...members } = output
    return members
  }
}
