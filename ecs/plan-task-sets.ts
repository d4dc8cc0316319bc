/**
 * What the task sets of a service need next. Pure, as plan.ts is: the reconciler carries it out and
 * asks again. ECS keeps their counts and no more: who rolls out and who rolls back is the caller.
 */
import { membersOf, nextLook, scaling, stopEvents, surplusOf } from './plan.ts'
import type { ServicePlan, ServiceView, StopAction } from './plan-types.ts'
import { type ServiceRow, type TaskRow, type TaskSetRow, taskSetsOf } from './rows.ts'
import * as says from './service-events.ts'
import { unhealthyStop } from './unhealthy.ts'

/** Products of decimal fractions miss whole numbers by less than this: 1000 × 1.1% is 11, not 12. */
const FRACTION_DIGITS = 6

/** AWS rounds up: 20% of 6 tasks are 2. */
export function computedDesiredCount(desiredCount: number, scalePercent: number): number {
  return Math.ceil(Number(((desiredCount * scalePercent) / 100).toFixed(FRACTION_DIGITS)))
}

/** The service with its task sets at what their scales make of its desired count. */
export function rescaled(service: ServiceRow, nowMs: number): ServiceRow {
  const deployments = service.deployments.map((each) => {
    if (!each.taskSet || each.status === 'DRAINING') return each
    const desiredCount = computedDesiredCount(service.desiredCount, each.taskSet.scalePercent)
    if (desiredCount === each.desiredCount) return each
    return stabilizing({ ...each, taskSet: each.taskSet, desiredCount, updatedAtMs: nowMs }, nowMs)
  })
  return { ...service, deployments }
}

/** The task set on its way to what is wanted of it. */
export function stabilizing(set: TaskSetRow, nowMs: number): TaskSetRow {
  if (set.rolloutState === 'IN_PROGRESS') return set
  return {
    ...set,
    rolloutState: 'IN_PROGRESS',
    rolloutStateReason: `Task set ${set.id} is stabilizing.`,
    updatedAtMs: nowMs,
    taskSet: { ...set.taskSet, stabilityStatusAtMs: nowMs },
  }
}

/** Of an ACTIVE service whose controller is EXTERNAL; its other states are `planService`'s. */
export function planTaskSets(view: ServiceView): ServicePlan {
  const { service, nowMs } = view
  const tasksBySet = new Map<string | undefined, TaskRow[]>()
  for (const task of view.tasks) {
    const own = tasksBySet.get(task.deploymentId)
    if (own) own.push(task)
    else tasksBySet.set(task.deploymentId, [task])
  }
  const parts = taskSetsOf(service)
    .filter((set) => set.status !== 'DRAINING' || tasksBySet.has(set.id))
    .map((set) => planOne(view, set, tasksBySet.get(set.id) ?? []))
  const deployments = parts.map(({ set }) => set)
  const changed =
    deployments.length !== service.deployments.length ||
    deployments.some((set, index) => set !== service.deployments[index])
  const kept = changed ? { ...service, deployments } : service
  const steady = parts.length > 0 && parts.every((part) => part.set.rolloutState === 'COMPLETED')
  const events = parts.flatMap((part) => part.events)
  if (steady && !service.steady) events.push(says.steadyState(service))
  const looks = parts.flatMap((part) => part.lookAgainAtMs ?? []).filter((at) => at > nowMs)
  return {
    service: steady === service.steady ? kept : { ...kept, steady },
    launches: parts.flatMap((part) => part.launches),
    stops: parts.flatMap((part) => part.stops),
    events,
    lookAgainAtMs: looks.length > 0 ? Math.min(...looks) : undefined,
  }
}

interface SetPlan extends Omit<ServicePlan, 'service'> {
  readonly set: TaskSetRow
}

function planOne(view: ServiceView, set: TaskSetRow, tasks: readonly TaskRow[]): SetPlan {
  const draining = set.status === 'DRAINING'
  const desired = draining ? 0 : set.desiredCount
  const members = membersOf(view, set, tasks)
  const unhealthy = members.filter(({ condition }) => condition === 'unhealthy')
  const usable = members.filter(
    ({ condition }) => condition === 'starting' || condition === 'healthy',
  )
  const stops: StopAction[] = [
    ...unhealthy.map(({ task }) => (draining ? scaling(task, set) : unhealthyStop(task, view))),
    ...surplusOf(usable, desired).map(({ task }) => scaling(task, set)),
  ]
  const missing = Math.max(0, desired - usable.length)
  const waits = view.nowMs < (set.notBeforeMs ?? 0)
  const launches = Array.from({ length: waits ? 0 : missing }, () => ({ deploymentId: set.id }))
  const stable =
    !draining &&
    missing === 0 &&
    stops.length === 0 &&
    usable.every(({ condition }) => condition === 'healthy')
  return {
    set: stable ? steadied(set, view.nowMs) : stabilizing(set, view.nowMs),
    launches,
    stops,
    events: stopEvents(says.nameIn(view.service, set), stops),
    lookAgainAtMs: nextLook(view, set, members),
  }
}

/** A task set all of whose tasks are healthy has no failures that follow on one another. */
function steadied(set: TaskSetRow, nowMs: number): TaskSetRow {
  if (set.rolloutState === 'COMPLETED' && set.failedTasks === 0) return set
  const before = set.rolloutState === 'COMPLETED' ? set.taskSet.stabilityStatusAtMs : nowMs
  return {
    ...set,
    rolloutState: 'COMPLETED',
    rolloutStateReason: `Task set ${set.id} is in a steady state.`,
    failedTasks: 0,
    notBeforeMs: undefined,
    updatedAtMs: nowMs,
    taskSet: { ...set.taskSet, stabilityStatusAtMs: before },
  }
}
