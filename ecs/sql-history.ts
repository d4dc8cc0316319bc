/** What SQL can be asked about the past: what rows no longer remember. */
import { type SqlField, type SqlTable, tableOf } from '../gateway/core/sql-table.ts'

/** Reads the records of a kind, oldest first, as they are at the call. */
export interface HistoryReader {
  read(kind: 'task_event'): Iterable<TaskEventRecord> | AsyncIterable<TaskEventRecord>
  read(kind: 'api_call'): Iterable<ApiCallRecord> | AsyncIterable<ApiCallRecord>
}

interface Recorded {
  readonly atMs: number
  readonly account?: string
  readonly region?: string
}

/** A task went from one status to another. */
export interface TaskEventRecord extends Recorded {
  readonly taskArn: string
  readonly clusterArn?: string
  readonly serviceArn?: string
  readonly taskDefinitionArn?: string
  /** Absent when the task was new. */
  readonly from?: string
  readonly to: string
  readonly desiredStatus?: string
  readonly stopCode?: string
  readonly reason?: string
}

/** A call that one of KECS's own providers answered. */
export interface ApiCallRecord extends Recorded {
  readonly requestId?: string
  /** e.g. `ecs`. */
  readonly service?: string
  readonly operation?: string
  /** Of HTTP. */
  readonly status?: number
  /** Code and message of the fault that was answered, if it was one. */
  readonly code?: string
  readonly message?: string
  readonly durationMs?: number
}

export function historyTables(history: HistoryReader): SqlTable[] {
  return [
    tableOf(
      'task_events',
      'A row for each time a task went from one status to another.',
      () => history.read('task_event'),
      TASK_EVENT,
    ),
    tableOf(
      'api_calls',
      'A row for each call that KECS answered itself.',
      () => history.read('api_call'),
      API_CALL,
    ),
  ]
}

const shortName = (arn: string | undefined) => arn?.slice(arn.lastIndexOf('/') + 1)

const OWNER: readonly SqlField<Recorded>[] = [
  ['account', 'VARCHAR', 'Its account', (row) => row.account],
  ['region', 'VARCHAR', 'Its region', (row) => row.region],
]

const TASK_EVENT: readonly SqlField<TaskEventRecord>[] = [
  ['occurred_at', 'TIMESTAMP', 'When', (row) => row.atMs],
  ['task_id', 'VARCHAR', '`id` in tasks', (row) => shortName(row.taskArn)],
  ['cluster', 'VARCHAR', 'Name of its cluster', (row) => shortName(row.clusterArn)],
  ['service', 'VARCHAR', 'Name of its service, if it has one', (row) => shortName(row.serviceArn)],
  ['task_definition', 'VARCHAR', 'Family and revision', (row) => shortName(row.taskDefinitionArn)],
  ['from_status', 'VARCHAR', 'NULL when the task was new', (row) => row.from],
  ['to_status', 'VARCHAR', 'Its last status from then on', (row) => row.to],
  ['desired_status', 'VARCHAR', 'RUNNING or STOPPED', (row) => row.desiredStatus],
  ['stop_code', 'VARCHAR', 'Why it stops', (row) => row.stopCode],
  ['reason', 'VARCHAR', 'Why it stops, in words', (row) => row.reason],
  ['task_arn', 'VARCHAR', 'ARN of the task', (row) => row.taskArn],
  ...OWNER,
]

const API_CALL: readonly SqlField<ApiCallRecord>[] = [
  ['occurred_at', 'TIMESTAMP', 'When', (row) => row.atMs],
  ['service', 'VARCHAR', 'e.g. `ecs`', (row) => row.service],
  ['operation', 'VARCHAR', 'e.g. `RunTask`', (row) => row.operation],
  ['status', 'BIGINT', 'Of HTTP', (row) => row.status],
  ['code', 'VARCHAR', 'Code of the fault; NULL where it went well', (row) => row.code],
  ['message', 'VARCHAR', 'Message of the fault', (row) => row.message],
  ['duration_ms', 'DOUBLE', 'How long it took', (row) => row.durationMs],
  ['request_id', 'VARCHAR', 'The `x-amzn-RequestId` of its answer', (row) => row.requestId],
  ...OWNER,
]
