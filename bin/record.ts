import type { TaskRow } from '../ecs/rows.ts'
import type { ApiCallRecord, TaskEventRecord } from '../ecs/sql-history.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { History } from '../gateway/core/history.ts'
import type { Store } from '../gateway/core/store.ts'
import type { CallRecord } from '../gateway/dispatch.ts'

/** Notes down each status that a task comes to; answers how to stop noting. */
export function recordTasks(store: Store, history: History, clock: Clock): () => void {
  return store.onChange((changes) => {
    for (const { collection, before, after } of changes) {
      if (collection !== 'tasks' || !after) continue
      const event = taskEvent(before as TaskRow | undefined, after as TaskRow, clock.now())
      if (event) history.record('task_event', event)
    }
  })
}

function taskEvent(
  before: TaskRow | undefined,
  after: TaskRow,
  atMs: number,
): TaskEventRecord | undefined {
  if (before?.lastStatus === after.lastStatus) return undefined
  return {
    atMs,
    account: after.account,
    region: after.region,
    taskArn: after.arn,
    clusterArn: after.clusterArn,
    ...(after.serviceArn !== undefined && { serviceArn: after.serviceArn }),
    taskDefinitionArn: after.taskDefinitionArn,
    ...(before && { from: before.lastStatus }),
    to: after.lastStatus,
    desiredStatus: after.desiredStatus,
    ...(after.stopCode !== undefined && { stopCode: after.stopCode }),
    ...(after.stoppedReason !== undefined && { reason: after.stoppedReason }),
  }
}

export function recordCall(history: History, call: CallRecord): void {
  const { startedAtMs, account, region, requestId, service, operation, status, durationMs } = call
  const record: ApiCallRecord = {
    atMs: startedAtMs,
    account,
    region,
    requestId,
    service,
    operation,
    status,
    durationMs,
    ...(call.outcome !== 'ok' && { code: call.outcome, message: call.message }),
  }
  history.record('api_call', record)
}
