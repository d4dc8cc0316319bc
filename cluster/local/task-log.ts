import { Buffer } from 'node:buffer'
import { appendFile, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogLine, LogQuery } from '../runtime.ts'

const BUFFER_LIMIT_CHARS = 262_144
// A follower that lags behind further loses lines rather than memory.
const MAX_FOLLOWER_LINES = 10_000

type Stored = readonly [seq: number, atMs: number, container: string, err: 0 | 1, line: string]

interface Follower {
  readonly queue: LogLine[]
  wake: () => void
}

/** What one task wrote: two files in `folder` that take turns, together no larger than `maxBytes`. */
export class TaskLog {
  readonly #folder: string
  readonly #maxBytes: number
  readonly #followers = new Set<Follower>()
  #buffer: string[] = []
  #bufferedChars = 0
  #sizeBytes = 0
  #seq = 0
  #ended = false
  #flushing: Promise<void> | undefined
  /** Why the last lines could not be kept, e.g. a full disk. */
  fault: string | undefined

  constructor(folder: string, maxBytes: number) {
    this.#folder = folder
    this.#maxBytes = maxBytes
  }

  /** Takes a line at once; await the answer before the next one, so that a flood is held back. */
  async append(line: LogLine): Promise<void> {
    const { atMs, container, stream } = line
    const stored: Stored = [this.#seq++, atMs, container, stream === 'stderr' ? 1 : 0, line.line]
    const text = `${JSON.stringify(stored)}\n`
    this.#buffer.push(text)
    this.#bufferedChars += text.length
    for (const { queue, wake } of this.#followers) {
      if (queue.length < MAX_FOLLOWER_LINES) queue.push(line)
      wake()
    }
    this.#flushing ??= this.#flush()
    if (this.#bufferedChars > BUFFER_LIMIT_CHARS) await this.#flushing
  }

  /** No line follows; followers come to their end. */
  async end(): Promise<void> {
    this.#ended = true
    for (const { wake } of this.#followers) wake()
    await this.#flushing
  }

  async *read(query: LogQuery): AsyncIterable<LogLine> {
    const wanted = (container: string) =>
      query.container === undefined || query.container === container
    // What an ended log holds may be older than this object, which then never saw a line.
    const before = this.#ended ? Number.POSITIVE_INFINITY : this.#seq
    const follower: Follower = { queue: [], wake: () => {} }
    if (query.follow && !this.#ended) this.#followers.add(follower)
    const onAbort = () => follower.wake()
    query.signal?.addEventListener('abort', onAbort)
    try {
      await this.#flushing
      const lines = (await readStored(this.#folder))
        .filter(([seq, , container]) => seq < before && wanted(container))
        .map(lineOf)
      const tail = query.tail ?? lines.length
      for (const line of lines.slice(Math.max(0, lines.length - tail))) {
        if (query.signal?.aborted) return
        yield line
      }
      while (this.#followers.has(follower) && !query.signal?.aborted) {
        const line = follower.queue.shift()
        if (line) {
          if (wanted(line.container)) yield line
        } else if (this.#ended) return
        else {
          await new Promise<void>((resolve) => {
            follower.wake = resolve
          })
        }
      }
    } finally {
      this.#followers.delete(follower)
      query.signal?.removeEventListener('abort', onAbort)
    }
  }

  async #flush(): Promise<void> {
    // Lines of the same turn go to the disk together.
    await Promise.resolve()
    while (this.#buffer.length > 0) {
      const text = this.#buffer.join('')
      this.#buffer = []
      this.#bufferedChars = 0
      try {
        await mkdir(this.#folder, { recursive: true })
        const bytes = Buffer.byteLength(text)
        if (this.#sizeBytes > 0 && this.#sizeBytes + bytes > this.#maxBytes / 2) {
          await rename(fileOf(this.#folder), olderOf(this.#folder))
          this.#sizeBytes = 0
        }
        await appendFile(fileOf(this.#folder), text)
        this.#sizeBytes += bytes
        this.fault = undefined
      } catch (error) {
        this.fault = error instanceof Error ? error.message : String(error)
      }
    }
    this.#flushing = undefined
  }
}

/** The logs of every task, a folder each; those of tasks from before a restart can still be read. */
export class TaskLogs {
  readonly #folder: string
  readonly #maxBytes: number
  readonly #open = new Map<string, TaskLog>()

  constructor(folder: string, maxBytesEach: number) {
    this.#folder = folder
    this.#maxBytes = maxBytesEach
  }

  open(id: string): TaskLog {
    const log = this.#open.get(id) ?? new TaskLog(join(this.#folder, id), this.#maxBytes)
    this.#open.set(id, log)
    return log
  }

  async *readLeft(id: string, query: LogQuery): AsyncIterable<LogLine> {
    const left = new TaskLog(join(this.#folder, id), this.#maxBytes)
    await left.end()
    yield* left.read(query)
  }

  async remove(id: string): Promise<void> {
    await this.#open.get(id)?.end()
    this.#open.delete(id)
    await rm(join(this.#folder, id), { recursive: true, force: true })
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#open.values()].map((log) => log.end()))
  }

  /** Why lines of some task are lost just now, if any are. */
  fault(): string | undefined {
    for (const { fault } of this.#open.values()) if (fault !== undefined) return fault
    return undefined
  }
}

function fileOf(folder: string): string {
  return join(folder, 'log.jsonl')
}

function olderOf(folder: string): string {
  return join(folder, 'log.1.jsonl')
}

async function readStored(folder: string): Promise<Stored[]> {
  const texts = await Promise.all(
    [olderOf(folder), fileOf(folder)].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  return texts.join('').split('\n').flatMap(storedOf)
}

function storedOf(text: string): Stored[] {
  try {
    const stored = JSON.parse(text)
    return Array.isArray(stored) && stored.length === 5 ? [stored as unknown as Stored] : []
  } catch {
    // The last line of a process that was killed while it wrote.
    return []
  }
}

function lineOf([, atMs, container, err, line]: Stored): LogLine {
  return { atMs, container, stream: err ? 'stderr' : 'stdout', line }
}
