/** The last lines of one load balancer's access log, and those who follow it. */

/** A line, and when it was written in milliseconds since the epoch. */
export interface LogLine {
  readonly atMs: number
  readonly line: string
}

export interface RingQuery {
  /** Only the last so many lines of what is there already. */
  readonly tail?: number
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** Lines that a load balancer keeps in memory. */
export const RING_LINES = 1_000
// A follower that lags behind further loses lines rather than memory.
const MAX_FOLLOWER_LINES = 10_000

/** A record until somebody reads its line. */
interface Entry<R> {
  record: R | undefined
  line: LogLine | undefined
}

interface Follower<R> {
  readonly queue: Entry<R>[]
  wake: () => void
}

export interface RingOptions<R> {
  readonly lineOf: (record: R) => LogLine
  /** What a record keeps alive together with its like, e.g. the load balancer as it then was. */
  readonly ageOf: (record: R) => unknown
}

/** Keeps records and makes lines of them when they are read, or when their age is over. */
export class LogRing<R> {
  readonly #options: RingOptions<R>
  readonly #followers = new Set<Follower<R>>()
  readonly #entries: Entry<R>[] = []
  /** Of the oldest entry, once the ring is full. */
  #oldest = 0
  #age: unknown
  #ended = false

  constructor(options: RingOptions<R>) {
    this.#options = options
  }

  push(record: R): void {
    const age = this.#options.ageOf(record)
    if (age !== this.#age) {
      this.#age = age
      for (const entry of this.#entries) this.#read(entry)
    }
    const entry: Entry<R> = { record, line: undefined }
    if (this.#entries.length < RING_LINES) this.#entries.push(entry)
    else {
      this.#entries[this.#oldest] = entry
      this.#oldest = (this.#oldest + 1) % RING_LINES
    }
    for (const { queue, wake } of this.#followers) {
      if (queue.length < MAX_FOLLOWER_LINES) queue.push(entry)
      wake()
    }
  }

  /** No line follows; followers come to their end. */
  end(): void {
    this.#ended = true
    for (const { wake } of this.#followers) wake()
  }

  async *read({ tail, follow, signal }: RingQuery): AsyncIterable<LogLine> {
    const kept = [...this.#entries.slice(this.#oldest), ...this.#entries.slice(0, this.#oldest)]
    const follower: Follower<R> = {
      queue: tail === undefined ? kept : kept.slice(Math.max(0, kept.length - tail)),
      wake: () => {},
    }
    if (follow && !this.#ended) this.#followers.add(follower)
    const onAbort = () => follower.wake()
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        const entry = follower.queue.shift()
        if (entry) yield this.#read(entry)
        else if (this.#ended || !this.#followers.has(follower)) return
        else {
          await new Promise<void>((resolve) => {
            follower.wake = resolve
          })
        }
      }
    } finally {
      this.#followers.delete(follower)
      signal.removeEventListener('abort', onAbort)
    }
  }

  #read(entry: Entry<R>): LogLine {
    entry.line ??= this.#options.lineOf(entry.record as R)
    entry.record = undefined
    return entry.line
  }
}
