/** One thread of `sql-worker.ts`, spoken to by request and reply. */
import { Worker } from 'node:worker_threads'
import type { SqlSchema } from './core/sql-table.ts'
import { SqlFault, type SqlReason } from './sql-guard.ts'
import type { SqlAnswer, SqlReply, SqlRequest } from './sql-worker.ts'

interface Waiting {
  readonly resolve: (answer: SqlAnswer | undefined) => void
  readonly reject: (fault: SqlFault) => void
}

/** Starts with its construction; every call rejects with a SqlFault once the thread has ended. */
export class SqlThread {
  /** Settles when questions can be asked. */
  readonly opened: Promise<unknown>
  #heapBytes = 0
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  readonly #onCrash: (why: string) => void
  #fault?: SqlFault

  constructor(tables: readonly SqlSchema[], onCrash: (why: string) => void) {
    this.#onCrash = onCrash
    // The compiled sources end in .js; Deno runs them as they are.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./sql-worker.${extension}`, import.meta.url))
    this.#worker.on('message', (reply: SqlReply) => this.#receive(reply))
    this.#worker.on('error', (error) => this.#crash(String(error)))
    this.#worker.on('exit', () => this.#crash('its thread exited'))
    const schemas = tables.map(({ name, description, columns }) => ({ name, description, columns }))
    this.opened = this.call({ kind: 'open', tables: schemas })
    this.opened.catch(() => {})
  }

  /** Sends a request; a statement that DuckDB refuses rejects as INVALID with its message. */
  call(request: SqlRequest, transfer: ArrayBuffer[] = []): Promise<SqlAnswer | undefined> {
    if (this.#fault) return Promise.reject(this.#fault)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      // An idle thread must not keep the process alive; one that works must.
      this.#worker.ref()
      this.#worker.postMessage(request, transfer)
    })
  }

  /** What the engine's memory has grown to; it never sinks. */
  get heapBytes(): number {
    return this.#heapBytes
  }

  async ask(sql: string, maxRows: number, maxChars: number): Promise<SqlAnswer> {
    const answer = await this.call({ kind: 'ask', sql, maxRows, maxChars })
    if (!answer) throw new SqlFault('UNAVAILABLE', 'The SQL engine gave no answer.')
    return answer
  }

  /** Ends the thread, whatever it is doing; what waits for it rejects for this reason. */
  async end(message: string, reason: SqlReason = 'UNAVAILABLE'): Promise<void> {
    this.#fail(new SqlFault(reason, message))
    await this.#worker.terminate()
  }

  #receive(reply: SqlReply): void {
    if (reply.kind === 'broken') {
      this.#crash(reply.message)
      return
    }
    this.#heapBytes = reply.heapBytes
    const waiting = this.#waiting.shift()
    if (this.#waiting.length === 0) this.#worker.unref()
    if (reply.kind === 'done') waiting?.resolve(reply.answer)
    else waiting?.reject(new SqlFault('INVALID', reply.message))
  }

  #crash(why: string): void {
    if (this.#fault) return
    const message = `The SQL engine failed (${why}); the next question starts it anew.`
    this.#fail(new SqlFault('UNAVAILABLE', message))
    this.#onCrash(why)
    void this.#worker.terminate()
  }

  #fail(fault: SqlFault): void {
    this.#fault ??= fault
    for (const { reject } of this.#waiting.splice(0)) reject(this.#fault)
  }
}
