/** A page of the admin port that tells what something wrote: a JSON object a line, as it comes. */
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import { messageOf } from './core/fault.ts'
import type { Logger } from './core/log.ts'

export interface LogQuery {
  readonly container?: string
  /** Only the last so many lines of what is there already. */
  readonly tail?: number
  /** Go on with what is written from now on. */
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** There is nothing of that name; the message says what there is. */
export class NoSuchLog extends Error {}

/** The lines of the thing of that name; undefined, or NoSuchLog thrown: there is none. */
export type LogSource = (name: string, query: LogQuery) => AsyncIterable<object> | undefined

/** What Hono knows of a request here: node's own. */
export type Incoming = { Bindings: { readonly incoming: IncomingMessage } }

/** Answers `GET /logs/:kind/:name?container=&tail=&follow=1`. */
export function answerLogs(
  context: Context<Incoming>,
  sources: Readonly<Record<string, LogSource>>,
  log: Logger,
): Response {
  const { kind = '', name = '' } = context.req.param() as { kind?: string; name?: string }
  const { container, tail, follow } = context.req.query()
  if (tail !== undefined && !/^\d{1,9}$/.test(tail)) {
    return context.json({ error: 'tail has to be a number of lines.' }, 400)
  }
  const gone = new AbortController()
  const query: LogQuery = {
    ...(container === undefined ? {} : { container }),
    ...(tail === undefined ? {} : { tail: Number(tail) }),
    follow: follow === '1' || follow === 'true',
    signal: gone.signal,
  }
  const lines = Object.hasOwn(sources, kind) ? linesOf(sources[kind], name, query) : undefined
  if (lines === undefined || lines instanceof NoSuchLog) {
    const error = lines?.message ?? `There is no ${kind} ${JSON.stringify(name)}.`
    return context.json({ error }, 404)
  }
  // One that was never written to says nothing: its socket alone tells that the reader has left.
  context.env.incoming.socket.once('close', () => gone.abort())
  return context.body(streamOf(lines, gone, log), 200, {
    'content-type': 'application/x-ndjson',
    'cache-control': 'no-store',
  })
}

function linesOf(
  source: LogSource | undefined,
  name: string,
  query: LogQuery,
): AsyncIterable<object> | NoSuchLog | undefined {
  try {
    return source?.(name, query)
  } catch (thrown) {
    if (thrown instanceof NoSuchLog) return thrown
    throw thrown
  }
}

function streamOf(
  lines: AsyncIterable<object>,
  gone: AbortController,
  log: Logger,
): ReadableStream<Uint8Array> {
  const iterator = lines[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`))
      } catch (thrown) {
        log.warn(`logs could not be read to their end: ${messageOf(thrown)}`)
        controller.error(thrown)
      }
    },
    cancel: () => gone.abort(),
  })
}
