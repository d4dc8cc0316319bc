/** Access logs over a store in memory, with time and the backend in the test's hands. */
import { Buffer } from 'node:buffer'
import { gunzipSync } from 'node:zlib'
import type { BackendAnswer, BackendRequest, CallBackend } from '../../../../elbv2/context.ts'
import { createAccessLogs } from '../../../../elbv2/data-plane/logs/access-log.ts'
import type { RequestRecord } from '../../../../elbv2/data-plane/model.ts'
import type { LoadBalancerRow } from '../../../../elbv2/rows.ts'
import { openElbv2Rows } from '../../../../elbv2/rows.ts'
import { type LogFields, silentLogger } from '../../../../gateway/core/log.ts'
import { MemoryStore } from '../../../../gateway/core/memory-store.ts'
import { countingIds } from '../../../ecs/world.ts'
import { FakeClock } from '../../../fake-clock.ts'
import { balancerRow, groupOf, listenerOf, recordOf, ruleTo } from '../live.ts'

export const BUCKET = 'logs-bucket'

/** Attributes that switch logs on. */
export function logsTo(bucket: string, prefix = '', kind = 'access_logs') {
  return {
    [`${kind}.s3.enabled`]: 'true',
    [`${kind}.s3.bucket`]: bucket,
    [`${kind}.s3.prefix`]: prefix,
  }
}

export class LogWorld {
  /** Half a minute before five minutes are full. */
  readonly clock = new FakeClock(Date.UTC(2026, 0, 2, 23, 34, 30))
  readonly store = new MemoryStore({ freeze: true })
  readonly rows = openElbv2Rows(this.store)
  readonly said: string[] = []
  readonly puts: BackendRequest[] = []
  answer: CallBackend = () => Promise.resolve(answerOf(200))
  readonly logs = createAccessLogs({
    store: this.store,
    rows: this.rows,
    clock: this.clock,
    ids: countingIds(),
    log: {
      ...silentLogger,
      info: (message, fields) => this.#say('info', message, fields),
      warn: (message, fields) => this.#say('warn', message, fields),
    },
    callBackend: (request) => {
      this.puts.push(request)
      return this.answer(request)
    },
    dnsSuffix: 'elb.localhost',
  })
  #path = 0

  #say(level: string, message: string, fields: LogFields = {}): void {
    this.said.push(`${level}: ${message}${fields.reason ? ` (${fields.reason})` : ''}`)
  }

  put(changes: Partial<LoadBalancerRow> = {}): LoadBalancerRow {
    const row = balancerRow(changes)
    this.store.transact(() => this.rows.loadBalancers.put(row.arn, row))
    return row
  }

  delete(row: LoadBalancerRow): void {
    this.store.transact(() => this.rows.loadBalancers.delete(row.arn))
  }

  /** A listener of the load balancer as the table has it now; requests of it come to /1, /2 … */
  listener(row: LoadBalancerRow) {
    return listenerOf(row, [ruleTo([groupOf()])])
  }

  request(row: LoadBalancerRow, count = 1, listener = this.listener(row)): void {
    for (let i = 0; i < count; i++) {
      const url = `http://www.example.com:80/${++this.#path}`
      this.logs.onRequest(recordOf({ listener, url } satisfies Partial<RequestRecord>))
    }
  }

  /** The paths of the lines that are there. */
  async paths(name: string, tail?: number): Promise<string[]> {
    const query = { follow: false, signal: new AbortController().signal }
    const lines = this.logs.source(name, tail === undefined ? query : { ...query, tail })
    const paths: string[] = []
    for await (const { line } of lines ?? []) paths.push(pathOf(line))
    return paths
  }

  /** What was put so far, after all that is under way. */
  async delivered(count: number): Promise<BackendRequest[]> {
    for (let turns = 0; this.puts.length < count && turns < 1_000; turns++) await turn()
    await turn()
    return this.puts
  }
}

/** Lets gzip's threads and promises come to their end. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1))
}

export function answerOf(
  status: number,
  text = '',
  headers: Record<string, string> = {},
): BackendAnswer {
  return { status, headers, body: Buffer.from(text) }
}

/** The path of a line's request. */
export function pathOf(line: string): string {
  return /:80(\/\S*) HTTP/.exec(line)?.[1] ?? ''
}

/** The lines of a delivered file. */
export function linesOf(body: BackendRequest['body']): string[] {
  return gunzipSync(body as Buffer)
    .toString()
    .split('\n')
    .slice(0, -1)
}
