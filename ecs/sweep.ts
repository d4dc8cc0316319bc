import type { EcsRows } from './rows.ts'

/** ECS shows a stopped task for at least an hour. */
export const STOPPED_TASK_KEPT_MS = 60 * 60 * 1000
/** How long a deleted service can still be described. */
export const INACTIVE_SERVICE_KEPT_MS = 24 * 60 * 60 * 1000
/** For so long the same client token means the same call. */
export const CLIENT_TOKEN_KEPT_MS = 24 * 60 * 60 * 1000

/** Deletes rows whose time is over; the ids of the tasks among them. */
export function sweep(rows: EcsRows, nowMs: number): string[] {
  const gone: string[] = []
  for (const task of rows.tasks.by('stopped', 'yes')) {
    if ((task.stoppedAtMs ?? nowMs) + STOPPED_TASK_KEPT_MS > nowMs) continue
    rows.tasks.delete(task.arn)
    gone.push(task.id)
  }
  for (const service of rows.services.by('inactive', 'yes')) {
    if ((service.deletedAtMs ?? nowMs) + INACTIVE_SERVICE_KEPT_MS > nowMs) continue
    for (const event of rows.serviceEvents.by('service', service.arn)) {
      rows.serviceEvents.delete(event.id)
    }
    rows.services.delete(service.arn)
  }
  for (const definition of rows.taskDefinitions.by('deleting', 'yes')) {
    if (rows.tasks.by('definitionLive', definition.arn).size > 0) continue
    if (isUsed(rows, definition.arn)) continue
    rows.taskDefinitions.delete(definition.arn)
  }
  for (const call of rows.idempotency.all()) {
    if (call.createdAtMs + CLIENT_TOKEN_KEPT_MS <= nowMs) rows.idempotency.delete(call.arn)
  }
  return gone
}

function isUsed(rows: EcsRows, definitionArn: string): boolean {
  for (const service of rows.services.by('live', 'yes')) {
    if (service.deployments.some((each) => each.taskDefinitionArn === definitionArn)) return true
  }
  return false
}
