/** What containers wrote, from kubelet by way of the API server; it does not tell the streams apart. */
import type { LogLine, LogQuery, TaskSpec } from '../runtime.ts'
import { type KubeClient, KubeFault } from './client.ts'
import { dnsLabel } from './names.ts'

/** What the logs need to know of a task while they are read. */
export interface LogSource {
  readonly task: TaskSpec
  readonly namespace: string
  readonly pod: string
  /** Whether the container has, or had, something to read. */
  begun(container: string): boolean
  /** Whether nothing of it will write any more. */
  ended(container: string): boolean
  /** Resolves with the next change of the task, or a moment later, or when the signal goes. */
  changed(signal: AbortSignal): Promise<void>
}

interface Stamped {
  readonly stamp: string
  readonly line: LogLine
}

const NOT_FOUND = 404
const BAD_REQUEST = 400
/** Of a follower's streams, one after the other without a new line. */
const MAX_BREAKS = 30

/** Lines of all its containers, oldest first; a follower's as they come. */
export async function* readLogs(
  client: KubeClient,
  source: LogSource,
  query: LogQuery,
): AsyncGenerator<LogLine> {
  const names = source.task.containers
    .map(({ name }) => name)
    .filter((name) => query.container === undefined || name === query.container)
  const off = new AbortController()
  const callOff = () => off.abort()
  query.signal?.addEventListener('abort', callOff)
  if (query.signal?.aborted) callOff()
  try {
    const lists = await Promise.all(
      names.map((name) => collect(readOnce(client, source, name, query.tail, off.signal))),
    )
    const there = lists.flat().sort((a, b) => (a.stamp < b.stamp ? -1 : a.stamp > b.stamp ? 1 : 0))
    for (const { line } of query.tail === undefined
      ? there
      : there.slice(there.length - Math.min(there.length, query.tail))) {
      yield line
    }
    if (!query.follow) return
    const followers = names.map((name, index) =>
      follow(client, source, name, lists[index]?.at(-1)?.stamp ?? '', off.signal),
    )
    yield* merged(followers)
  } finally {
    off.abort()
    query.signal?.removeEventListener('abort', callOff)
  }
}

async function* readOnce(
  client: KubeClient,
  source: LogSource,
  container: string,
  tail: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Stamped> {
  if (!source.begun(container)) return
  // One line at least: a follower goes on from the last that was there.
  const tailLines = tail === undefined ? undefined : String(Math.max(1, tail))
  yield* stream(client, source, container, { tailLines }, signal)
}

/** New lines after that stamp, however often the server ends the stream, until the container has ended. */
async function* follow(
  client: KubeClient,
  source: LogSource,
  container: string,
  after: string,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  let stamp = after
  let breaks = 0
  while (!signal.aborted) {
    // Looked at before the log: what it writes until then is in it.
    const ended = source.ended(container)
    try {
      if (source.begun(container)) {
        const sinceTime = stamp === '' ? undefined : stamp.replace(/\.\d+/, '')
        const query = { follow: 'true', sinceTime }
        for await (const next of stream(client, source, container, query, signal)) {
          // The server counts in seconds.
          if (next.stamp <= stamp) continue
          stamp = next.stamp
          breaks = 0
          yield next.line
        }
      }
      if (ended) return
    } catch (thrown) {
      // An API server that is started anew, or a connection that broke: the rest is still there.
      if (signal.aborted || thrown instanceof KubeFault || ++breaks > MAX_BREAKS) throw thrown
    }
    if (!source.ended(container) || breaks > 0) await source.changed(signal)
  }
}

async function* stream(
  client: KubeClient,
  { namespace, pod }: LogSource,
  container: string,
  query: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): AsyncGenerator<Stamped> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`
  const asked = { ...query, container: dnsLabel(container), timestamps: 'true' }
  try {
    for await (const text of client.lines({ path, query: asked, signal, idleMs: 0 })) {
      const space = text.indexOf(' ')
      const stamp = space === -1 ? text : text.slice(0, space)
      const atMs = Date.parse(stamp)
      if (Number.isNaN(atMs)) continue
      const line = space === -1 ? '' : text.slice(space + 1).replace(/\r$/, '')
      yield { stamp, line: { atMs, container, stream: 'stdout', line } }
    }
  } catch (thrown) {
    // Not started yet, or its pod is gone with all that it wrote.
    const none = thrown instanceof KubeFault && [NOT_FOUND, BAD_REQUEST].includes(thrown.status)
    if (!none) throw thrown
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What several generators yield, as it comes. */
async function* merged<T>(sources: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const next = (source: AsyncGenerator<T>) => source.next().then((result) => ({ source, result }))
  const pending = new Map(sources.map((source) => [source, next(source)]))
  while (pending.size > 0) {
    const { source, result } = await Promise.race(pending.values())
    if (result.done) pending.delete(source)
    else {
      pending.set(source, next(source))
      yield result.value
    }
  }
}
