/** Logs of load balancers: the last lines of access in memory for whoever asks, and files in S3. */
import { messageOf } from '../../../gateway/core/fault.ts'
import type { Change } from '../../../gateway/core/store.ts'
import type { Elbv2Context } from '../../context.ts'
import { dnsNameOf } from '../../names.ts'
import type { LoadBalancerRow } from '../../rows.ts'
import type { Peer, RequestRecord } from '../model.ts'
import { type BalancerSettings, balancerSettings, type LogDelivery } from '../settings.ts'
import { accessLogLine } from './access-log-line.ts'
import { type ConnectionRecord, connectionLogLine } from './connection-log.ts'
import { LogFiles, type LogKind } from './log-delivery.ts'
import { type LogLine, LogRing, type RingQuery } from './log-ring.ts'

export interface AccessLogs {
  /** Takes what a request came to; a line is made of it only where somebody wants one. */
  onRequest(record: RequestRecord): void
  /** Takes a client's connection, once it is established or has failed. */
  onConnection(record: ConnectionRecord): void
  /** Lines of the load balancer of that name, ARN or DNS name; undefined: there is none. */
  source(name: string, query: RingQuery): AsyncIterable<LogLine> | undefined
  /** Ends those who follow, and delivers what is left. */
  close(): Promise<void>
}

interface BalancerLog {
  readonly ring: LogRing<RequestRecord>
  /** Made when the first line of that kind is to go to S3. */
  readonly files: Map<LogKind, LogFiles>
}

const KINDS = ['access', 'connection'] as const

export type AccessLogContext = Pick<
  Elbv2Context,
  'store' | 'rows' | 'clock' | 'ids' | 'log' | 'callBackend' | 'dnsSuffix'
>

export function createAccessLogs(context: AccessLogContext): AccessLogs {
  const { store, rows, ids, log } = context
  const logs = new Map<string, BalancerLog>()
  const traceIdOf = connectionTraceIds(() => ids.hex())
  const ringOptions = {
    lineOf: (record: RequestRecord) => ({
      atMs: record.endedAtMs,
      line: accessLogLine(record, traceIdOf(record.peer)),
    }),
    ageOf: (record: RequestRecord) => record.listener.balancer,
  }

  function logOf(arn: string): BalancerLog | undefined {
    const known = logs.get(arn)
    // One that was deleted while its last requests ended gets no new log.
    if (known || !rows.loadBalancers.get(arn)) return known
    const made: BalancerLog = { ring: new LogRing(ringOptions), files: new Map() }
    logs.set(arn, made)
    return made
  }

  function filesOf({ files }: BalancerLog, row: LoadBalancerRow, kind: LogKind): LogFiles {
    let found = files.get(kind)
    if (!found) {
      found = new LogFiles(context, row, kind)
      files.set(kind, found)
    }
    return found
  }

  function onChange(changes: readonly Change[]): void {
    for (const { collection, key, before, after } of changes) {
      if (collection !== rows.loadBalancers.name) continue
      if (!after) void drop(key)
      else switchedOn(before as LoadBalancerRow | undefined, after as LoadBalancerRow)
    }
  }

  function switchedOn(before: LoadBalancerRow | undefined, after: LoadBalancerRow): void {
    for (const kind of KINDS) {
      const now = destinationOf(balancerSettings(after), kind)
      if (now && !same(before && destinationOf(balancerSettings(before), kind), now)) {
        const balancerLog = logOf(after.arn)
        if (balancerLog) void filesOf(balancerLog, after, kind).writeTestFile(now)
      }
    }
  }

  async function drop(arn: string): Promise<void> {
    const gone = logs.get(arn)
    logs.delete(arn)
    gone?.ring.end()
    try {
      await Promise.all([...(gone?.files.values() ?? [])].map((files) => files.flush()))
    } catch (thrown) {
      log.warn('the last lines of a log are lost', { arn, reason: messageOf(thrown) })
    }
  }

  const stopListening = store.onChange(onChange)

  return {
    onRequest(record) {
      const { row, settings } = record.listener.balancer
      const balancerLog = logOf(row.arn)
      if (!balancerLog) return
      balancerLog.ring.push(record)
      if (settings.accessLogs === undefined) return
      const files = filesOf(balancerLog, row, 'access')
      if (files.open) files.add(ringOptions.lineOf(record).line, settings.accessLogs)
    },
    onConnection(record) {
      const { row, settings } = record.balancer
      if (settings.connectionLogs === undefined) return
      const balancerLog = logOf(row.arn)
      const files = balancerLog && filesOf(balancerLog, row, 'connection')
      if (!files?.open) return
      files.add(connectionLogLine(record, traceIdOf(record.peer)), settings.connectionLogs)
    },
    source(name, query) {
      const row = named(context, name)
      return row && logOf(row.arn)?.ring.read(query)
    },
    async close() {
      stopListening()
      await Promise.all([...logs.keys()].map(drop))
    },
  }
}

/** `TID_…` of a client's connection: the same each time that it is asked for. */
function connectionTraceIds(newId: () => string): (peer: Peer) => string {
  const known = new WeakMap<Peer, string>()
  return (peer) => {
    let id = known.get(peer)
    if (id === undefined) {
      id = `TID_${newId()}`
      known.set(peer, id)
    }
    return id
  }
}

function destinationOf(settings: BalancerSettings, kind: LogKind): LogDelivery | undefined {
  return kind === 'access' ? settings.accessLogs : settings.connectionLogs
}

function same(one: LogDelivery | undefined, other: LogDelivery): boolean {
  return one?.bucket === other.bucket && one.prefix === other.prefix
}

function named({ rows, dnsSuffix }: AccessLogContext, name: string): LoadBalancerRow | undefined {
  const byArn = rows.loadBalancers.get(name)
  if (byArn) return byArn
  const host = name.toLowerCase()
  for (const row of rows.loadBalancers.all()) {
    if (row.name === name || dnsNameOf(row, dnsSuffix) === host) return row
  }
  return undefined
}
