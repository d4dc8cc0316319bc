/**
 * What happened, for questions in SQL: lines appended without fsync, in files of bounded size and
 * number. The last moments before a kill -9 may be missing; the state itself never is.
 */
import { Buffer } from 'node:buffer'
import { appendFile, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Timer } from './clock.ts'
import { messageOf } from './fault.ts'
import { readLines } from './journal-lines.ts'
import type { Logger } from './log.ts'

export const HISTORY_FILE_BYTES = 16 * 1024 * 1024
/** Files kept a kind, the one that is written included. */
export const HISTORY_FILES = 4
/** Records kept a kind where there is no directory. */
export const HISTORY_IN_MEMORY = 10_000
const WRITE_EVERY_MS = 500
/** Records that may wait a kind when the disk is slow; later ones are let go. */
const MOST_WAITING = 100_000
/** A torn line is looked for in so many bytes at the end of a file. */
const TAIL_BYTES = 1024 * 1024

export interface History {
  /** Notes a record down; costs one JSON.stringify. */
  record(kind: string, fields: object): void
  /** The records of a kind, oldest first. */
  read(kind: string): AsyncIterable<never>
  close(): Promise<void>
}

export interface HistoryOptions {
  /** Undefined: in memory. */
  readonly dir: string | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly fileBytes?: number
}

/** A history in `dir`, which is there already, or in memory. */
export function createHistory(options: HistoryOptions): History {
  const { dir, clock, log } = options
  return dir === undefined
    ? memoryHistory()
    : new FileHistory(dir, clock, log, options.fileBytes ?? HISTORY_FILE_BYTES)
}

function memoryHistory(): History {
  const kinds = new Map<string, string[]>()
  return {
    record(kind, fields) {
      const records = kinds.get(kind) ?? []
      kinds.set(kind, records)
      records.push(JSON.stringify(fields))
      // In one go now and then: shifting one by one would cost as much as the list is long.
      if (records.length >= HISTORY_IN_MEMORY * 2) records.splice(0, HISTORY_IN_MEMORY)
    },
    async *read(kind) {
      for (const text of kinds.get(kind)?.slice(-HISTORY_IN_MEMORY) ?? [])
        yield JSON.parse(text) as never
    },
    close: async () => {},
  }
}

interface Kind {
  lines: string[]
  /** Number and size of the file that is written; found out at the first write. */
  file: { number: number; bytes: number } | undefined
}

class FileHistory implements History {
  readonly #dir: string
  readonly #clock: Clock
  readonly #log: Logger
  readonly #fileBytes: number
  readonly #kinds = new Map<string, Kind>()
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()
  #failed = false
  #closed = false

  constructor(dir: string, clock: Clock, log: Logger, fileBytes: number) {
    this.#dir = dir
    this.#clock = clock
    this.#log = log
    this.#fileBytes = fileBytes
  }

  record(kind: string, fields: object): void {
    if (this.#closed) return
    let known = this.#kinds.get(kind)
    if (!known) {
      known = { lines: [], file: undefined }
      this.#kinds.set(kind, known)
    }
    if (known.lines.length < MOST_WAITING) known.lines.push(JSON.stringify(fields))
    this.#timer ??= this.#clock.after(WRITE_EVERY_MS, () => void this.#flush())
  }

  async *read(kind: string): AsyncIterable<never> {
    await this.#flush()
    for (const number of await this.#numbers(kind)) {
      for await (const lines of readLines(this.#path(kind, number))) {
        for (const { bytes, whole } of lines) {
          const record = whole ? parsed(bytes.toString()) : undefined
          if (record !== undefined) yield record as never
        }
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#flush()
  }

  #flush(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#writeAll())
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    for (const [name, kind] of this.#kinds) {
      if (kind.lines.length === 0) continue
      const text = `${kind.lines.join('\n')}\n`
      kind.lines = []
      try {
        await this.#write(name, kind, text)
        this.#failed = false
      } catch (thrown) {
        // History is no state: it is said once, and what was to be written is let go.
        kind.file = undefined
        if (!this.#failed) this.#log.warn(`history is not written: ${messageOf(thrown)}`)
        this.#failed = true
      }
    }
  }

  async #write(name: string, kind: Kind, text: string): Promise<void> {
    let file = kind.file ?? (await this.#newest(name))
    if (file.bytes > this.#fileBytes) file = { number: file.number + 1, bytes: 0 }
    await appendFile(this.#path(name, file.number), text)
    kind.file = { number: file.number, bytes: file.bytes + Buffer.byteLength(text) }
    if (file.bytes > 0) return
    for (const number of await this.#numbers(name)) {
      if (number <= file.number - HISTORY_FILES) await rm(this.#path(name, number), { force: true })
    }
  }

  async #newest(name: string): Promise<{ number: number; bytes: number }> {
    const number = (await this.#numbers(name)).at(-1)
    if (number === undefined) return { number: 1, bytes: 0 }
    return { number, bytes: await cutTornLine(this.#path(name, number)) }
  }

  async #numbers(kind: string): Promise<number[]> {
    const pattern = new RegExp(`^history-${kind}-(\\d+)\\.jsonl$`)
    return (await readdir(this.#dir))
      .flatMap((name) => pattern.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((left, right) => left - right)
  }

  #path(kind: string, number: number): string {
    return join(this.#dir, `history-${kind}-${String(number).padStart(6, '0')}.jsonl`)
  }
}

/** Cuts what a kill or a full disk left of a line at the end of a file; how long the file is then. */
async function cutTornLine(path: string): Promise<number> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - TAIL_BYTES)
    const tail = Buffer.alloc(size - start)
    await file.read(tail, 0, tail.length, start)
    const length = start + tail.lastIndexOf('\n') + 1
    if (length < size) await file.truncate(length)
    return length
  } finally {
    await file.close()
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // Damaged from outside; the next line is whole again.
    return undefined
  }
}
