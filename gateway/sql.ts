/** SQL questions over what KECS knows: a queue in front of a thread that is started when first asked. */
import { type Clock, systemClock, type Timer } from './core/clock.ts'
import { messageOf } from './core/fault.ts'
import type { Logger } from './core/log.ts'
import type { SqlTable } from './core/sql-table.ts'
import { batchOf, buffersOf } from './sql-batch.ts'
import { assertReads, mentioned, SqlFault, type SqlReason } from './sql-guard.ts'
import { SqlThread } from './sql-thread.ts'
import type { SqlAnswer } from './sql-worker.ts'

export interface SqlEngineOptions {
  readonly tables: readonly SqlTable[]
  readonly log: Logger
  readonly idleMs?: number
  readonly timeLimitMs?: number
  readonly clock?: Clock
}

export interface SqlEngine {
  /** Answers one statement that reads, of the state at this moment; rejects with a SqlFault. */
  query(sql: string): Promise<SqlAnswer>
  /** Whether the engine is in memory now. */
  readonly loaded: boolean
  /** Refuses what waits and ends the thread; asking afterwards is UNAVAILABLE. */
  close(): Promise<void>
}

/** The engine leaves memory again when nobody asked for this long. */
export const SQL_IDLE_MS = 5 * 60_000
/** A question that takes longer is given up. */
export const SQL_TIME_LIMIT_MS = 30_000
export const MAX_SQL_ROWS = 10_000
/** Of all of an answer's text. */
export const MAX_SQL_CHARS = 16 * 1024 * 1024
/** Each waiting question holds the rows of its moment. */
export const MAX_SQL_WAITING = 16

/** An engine that grew beyond this is not kept for the next question. */
const MAX_KEPT_HEAP_BYTES = 512 * 1024 * 1024
const BATCH_ROWS = 2048

/** An engine over these tables. Nothing is loaded or started before the first question. */
export function createSqlEngine(options: SqlEngineOptions): SqlEngine {
  return new Engine(options)
}

interface Snapshot {
  readonly table: SqlTable
  readonly rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>
}

class Engine implements SqlEngine {
  readonly #options: SqlEngineOptions
  readonly #clock: Clock
  readonly #tables: ReadonlyMap<string, SqlTable>
  #thread?: SqlThread
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #idle?: Timer
  #isClosed = false

  constructor(options: SqlEngineOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#tables = new Map(options.tables.map((table) => [table.name, table]))
  }

  get loaded(): boolean {
    return this.#thread !== undefined
  }

  async query(sql: string): Promise<SqlAnswer> {
    this.#refuseIfClosed()
    assertReads(sql)
    if (this.#waiting >= MAX_SQL_WAITING) {
      throw new SqlFault('BUSY', `${MAX_SQL_WAITING} questions wait already; ask again later.`)
    }
    const snapshots = [...mentioned(sql, this.#tables.keys())].map((name): Snapshot => {
      const table = this.#tables.get(name)!
      return { table, rows: table.rows() }
    })
    this.#waiting++
    const answer = this.#tail.then(() => this.#run(sql, snapshots))
    this.#tail = answer.catch(() => {})
    return answer.finally(() => {
      this.#waiting--
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#idle?.cancel()
    await this.#end('The SQL engine was closed.')
    await this.#tail
  }

  async #run(sql: string, snapshots: readonly Snapshot[]): Promise<SqlAnswer> {
    this.#refuseIfClosed()
    this.#idle?.cancel()
    const thread = this.#thread ?? this.#start()
    const limitMs = this.#options.timeLimitMs ?? SQL_TIME_LIMIT_MS
    const limit = this.#clock.after(limitMs, () => {
      const seconds = limitMs / 1000
      void this.#end(`The question took longer than ${seconds} s and was given up.`, 'TIMEOUT')
    })
    try {
      await thread.opened
      for (const snapshot of snapshots) await fill(thread, snapshot)
      const answer = await thread.ask(sql, MAX_SQL_ROWS, MAX_SQL_CHARS)
      // Rows of the past are no use to the next question, and memory is.
      for (const { table } of snapshots) await thread.call({ kind: 'clear', table: table.name })
      return answer
    } finally {
      limit.cancel()
      if (thread.heapBytes > MAX_KEPT_HEAP_BYTES) await this.#end('it has grown large')
      this.#idle = this.#clock.after(this.#options.idleMs ?? SQL_IDLE_MS, () => {
        void this.#end('nobody asked for a while')
      })
    }
  }

  #start(): SqlThread {
    const thread = new SqlThread(this.#options.tables, (why) => {
      if (this.#thread === thread) this.#thread = undefined
      this.#options.log.warn('the SQL engine failed', { why })
    })
    this.#thread = thread
    this.#options.log.debug('the SQL engine starts')
    return thread
  }

  async #end(why: string, reason?: SqlReason): Promise<void> {
    const thread = this.#thread
    this.#thread = undefined
    if (!thread) return
    this.#options.log.debug('the SQL engine is unloaded', { why })
    await thread.end(why, reason)
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw new SqlFault('UNAVAILABLE', 'The SQL engine was closed.')
  }
}

// While the thread takes in one batch the next is made; between two, requests are served.
async function fill(thread: SqlThread, { table, rows }: Snapshot): Promise<void> {
  await thread.call({ kind: 'clear', table: table.name })
  let sent: Promise<unknown> = Promise.resolve()
  let chunk: (readonly unknown[])[] = []
  const flush = async () => {
    const batch = batchOf(table.columns, chunk)
    chunk = []
    await sent
    sent = thread.call({ kind: 'fill', table: table.name, batch }, buffersOf(batch))
    sent.catch(() => {})
  }
  try {
    for await (const row of rows) {
      if (chunk.push(row) === BATCH_ROWS) await flush()
    }
  } catch (thrown) {
    if (thrown instanceof SqlFault) throw thrown
    const message = `The rows of ${table.name} could not be read: ${messageOf(thrown)}`
    throw new SqlFault('UNAVAILABLE', message, { cause: thrown })
  }
  if (chunk.length > 0) await flush()
  await sent
}
