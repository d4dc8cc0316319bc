/** Tasks that fail their health checks: which of them go now, and what is said of them. Pure. */
import type { Member, ServiceView, StopAction } from './plan-types.ts'
import type { TaskRow } from './rows.ts'

/** A task that fails its health checks. */
export function unhealthyStop(
  task: TaskRow,
  { targetTroubles }: Pick<ServiceView, 'targetTroubles'>,
): StopAction {
  const stop = { task, code: 'ServiceSchedulerInitiated', failed: true } as const
  if (task.healthStatus === 'UNHEALTHY') {
    return { ...stop, reason: 'Task failed container health checks' }
  }
  const troubles = targetTroubles(task)
  const groups = troubles.map(({ targetGroupArn }) => `(target-group ${targetGroupArn})`)
  return { ...stop, reason: `Task failed ELB health checks in ${groups.join(' ')}`, troubles }
}

/**
 * The unhealthy ones that have been replaced, or must make room for those that replace them. As on
 * AWS a replacement is started first where the maximum allows it, and of too many tasks that are
 * unhealthy, the oldest go.
 */
export function replaced(
  members: readonly Member[],
  goal: { readonly desired: number; readonly most: number },
  primaryId: string,
): readonly Member[] {
  const unhealthy = members.filter(({ condition }) => condition === 'unhealthy')
  const healthy = members.filter(({ condition }) => condition === 'healthy')
  const mine = members.filter(
    ({ task, condition }) =>
      task.deploymentId === primaryId && (condition === 'healthy' || condition === 'starting'),
  )
  // Those that leave make room by themselves.
  const staying = members.filter(({ condition }) => condition !== 'leaving')
  const room = Math.max(0, goal.most - staying.length)
  const spare = healthy.length + unhealthy.length - goal.desired
  const inTheWay = goal.desired - mine.length - room
  const count = Math.max(0, spare, inTheWay)
  return unhealthy.slice(0, count)
}
