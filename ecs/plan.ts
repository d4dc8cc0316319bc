/**
 * What a service needs next: desired × actual → actions. Pure; the reconciler carries it out and
 * asks again until nothing is left to do.
 */
import { completed, replaceDeployment, tripBreaker } from './deployments.ts'
import type {
  Condition,
  LaunchAction,
  Member,
  ServicePlan,
  ServiceView,
  StopAction,
} from './plan-types.ts'
import type { DeploymentRow, ServiceRow, TaskRow } from './rows.ts'
import * as says from './service-events.ts'
import { replaced, unhealthyStop } from './unhealthy.ts'

/**
 * A task without health checks and targets is believed healthy once it ran for so long: a task that
 * crashes right after its start must not let a healthy one be stopped.
 */
export const PROVEN_AFTER_MS = 2_000

export function planService(view: ServiceView): ServicePlan {
  const { service } = view
  if (service.status === 'INACTIVE') return idle(service)
  if (service.status === 'DRAINING') return planDraining(view, membersOf(view, undefined))
  // Of another controller: whoever made the tasks says what becomes of them.
  if (service.deploymentController !== 'ECS') return idle(service)
  const tripped = tripBreaker(service, view.newDeploymentId, view.nowMs)
  const current = trimmed(counted(tripped.service, view), view)
  const [primary] = current.deployments
  if (!primary) return idle(current)
  const members = membersOf(view, primary)
  const goal = limitsOf(current, view)
  const stops = stopsFor(current, primary, members, goal, view)
  const launches = launchesFor(current, primary, members, stops, goal, view)
  const settled = settle(current, primary, members, stops, launches, goal, view.nowMs)
  return {
    service: settled.service,
    launches,
    stops,
    events: [...tripped.events, ...settled.events],
    lookAgainAtMs: nextLook(view, primary, members),
  }
}

function idle(service: ServiceRow): ServicePlan {
  return { service, launches: [], stops: [], events: [] }
}

/** Oldest first, whatever order the rows come in; tasks of `primary` have to prove their health. */
export function membersOf(
  view: ServiceView,
  primary: DeploymentRow | undefined,
  tasks = view.tasks,
): readonly Member[] {
  return [...tasks]
    .sort((left, right) => left.createdAtMs - right.createdAtMs || (left.id < right.id ? -1 : 1))
    .map((task) => ({ task, condition: conditionOf(view, task, primary) }))
}

function conditionOf(
  view: ServiceView,
  task: TaskRow,
  primary: DeploymentRow | undefined,
): Condition {
  if (task.desiredStatus === 'STOPPED' || isStopping(task)) return 'leaving'
  if (task.lastStatus !== 'RUNNING') return 'starting'
  const targets = view.targetState(task)
  if (view.hasHealthCheck(task)) {
    if (task.healthStatus === 'UNHEALTHY') return inGrace(view, task) ? 'starting' : 'unhealthy'
    if (task.healthStatus !== 'HEALTHY') return 'starting'
  }
  if (targets === 'unhealthy') return inGrace(view, task) ? 'starting' : 'unhealthy'
  if (targets === 'initial' || targets === 'draining') return 'starting'
  if (view.hasHealthCheck(task) || targets === 'healthy') return 'healthy'
  // What is being replaced counts as long as it runs; what replaces it has to prove itself first.
  if (task.deploymentId !== primary?.id) return 'healthy'
  return view.nowMs >= provenAtMs(task) ? 'healthy' : 'starting'
}

function provenAtMs(task: TaskRow): number {
  return (task.startedAtMs ?? task.createdAtMs) + PROVEN_AFTER_MS
}

function isStopping({ lastStatus }: TaskRow): boolean {
  return (
    lastStatus === 'DEACTIVATING' || lastStatus === 'STOPPING' || lastStatus === 'DEPROVISIONING'
  )
}

function graceEndsAtMs(view: ServiceView, task: TaskRow): number {
  const grace = (view.service.healthCheckGracePeriodSeconds ?? 0) * 1000
  return (task.startedAtMs ?? task.createdAtMs) + grace
}

function inGrace(view: ServiceView, task: TaskRow): boolean {
  return view.nowMs < graceEndsAtMs(view, task)
}

interface Limits {
  readonly desired: number
  /** Healthy tasks that a deployment must leave. */
  readonly least: number
  /** Tasks that may be starting or running at one time. */
  readonly most: number
}

/** AWS rounds the minimum up and the maximum down. */
function limitsOf(service: ServiceRow, view: ServiceView): Limits {
  const { minimumHealthyPercent = 0, maximumPercent = 100 } = service.deploymentConfiguration
  const desired =
    service.schedulingStrategy === 'DAEMON' ? view.instances.length : service.desiredCount
  return {
    desired,
    least: Math.ceil((desired * minimumHealthyPercent) / 100),
    most: Math.floor((desired * maximumPercent) / 100),
  }
}

/** With the desired count of a DAEMON service, which is what its cluster has instances for. */
function counted(service: ServiceRow, view: ServiceView): ServiceRow {
  if (service.schedulingStrategy !== 'DAEMON') return service
  const desiredCount = view.instances.length
  const [primary] = service.deployments
  if (service.desiredCount === desiredCount && primary?.desiredCount === desiredCount) {
    return service
  }
  const deployments = service.deployments.map((each) =>
    each.status === 'PRIMARY' ? { ...each, desiredCount } : each,
  )
  return { ...service, desiredCount, deployments }
}

/** Without the replaced deployments whose last task has left. */
function trimmed(service: ServiceRow, view: ServiceView): ServiceRow {
  const alive = new Set(view.tasks.map((task) => task.deploymentId))
  const deployments = service.deployments.filter(
    (each) => each.status === 'PRIMARY' || alive.has(each.id),
  )
  return deployments.length === service.deployments.length ? service : { ...service, deployments }
}

function planDraining(view: ServiceView, members: readonly Member[]): ServicePlan {
  const { service } = view
  const stops = members
    .filter(({ condition }) => condition !== 'leaving')
    .map(({ task }) => scaling(task, service.deployments[0]))
  if (members.length > 0) {
    return { service, launches: [], stops, events: stopEvents(service, stops) }
  }
  const gone: ServiceRow = { ...service, status: 'INACTIVE', deployments: [], steady: false }
  return idle(gone)
}

/** A task that is not wanted any more, on behalf of a deployment. */
export function scaling(task: TaskRow, deployment: DeploymentRow | undefined): StopAction {
  const id = deployment?.id ?? task.deploymentId ?? ''
  return {
    task,
    code: 'ServiceSchedulerInitiated',
    reason: `Scaling activity initiated by (deployment ${id})`,
    failed: false,
  }
}

/** What a service (or its task set) tells of the tasks it stops. */
export function stopEvents(
  service: Pick<ServiceRow, 'name'>,
  stops: readonly StopAction[],
): string[] {
  if (stops.length === 0) return []
  const tasks = stops.map(({ task }) => task)
  const unhealthy = stops
    .filter(({ failed }) => failed)
    .flatMap(({ task, troubles }) =>
      troubles
        ? troubles.map((trouble) => says.targetUnhealthy(service, task, trouble))
        : [says.taskUnhealthy(service, task)],
    )
  return [...unhealthy, says.tasksStopped(service, tasks)]
}

/** Unhealthy tasks, then more than are wanted, then those of replaced deployments as far as health allows. */
function stopsFor(
  service: ServiceRow,
  primary: DeploymentRow,
  members: readonly Member[],
  goal: Limits,
  view: ServiceView,
): StopAction[] {
  const isDaemon = service.schedulingStrategy === 'DAEMON'
  // A DAEMON's replacement has no other place to go.
  const unhealthy = isDaemon
    ? members.filter(({ condition }) => condition === 'unhealthy')
    : replaced(members, goal, primary.id)
  const usable = members.filter(
    ({ condition }) => condition === 'healthy' || condition === 'starting',
  )
  const mine = usable.filter(({ task }) => task.deploymentId === primary.id)
  const old = usable.filter(({ task }) => task.deploymentId !== primary.id)
  const surplus = isDaemon ? misplaced(mine, service) : surplusOf(mine, goal.desired)
  // A failed deployment that nothing takes back leaves what ran before it alone.
  const drained =
    primary.rolloutState === 'FAILED'
      ? []
      : drainable(members, mine, old, surplus, unhealthy.length, goal)
  return [
    ...unhealthy.map(({ task }) => unhealthyStop(task, view)),
    ...[...surplus, ...drained].map(({ task }) => scaling(task, primary)),
  ]
}

/** Those that have not proven themselves first, then the newest. */
export function surplusOf(mine: readonly Member[], wanted: number): readonly Member[] {
  const count = mine.length - wanted
  if (count <= 0) return []
  const starting = mine.filter(({ condition }) => condition === 'starting').reverse()
  const healthy = mine.filter(({ condition }) => condition === 'healthy').reverse()
  return [...starting, ...healthy].slice(0, count)
}

/** Of a DAEMON: all but the first task of each instance. */
function misplaced(mine: readonly Member[], service: ServiceRow): readonly Member[] {
  const seen = new Set<string | undefined>()
  return mine.filter(({ task }) => {
    const again = seen.has(task.containerInstanceArn) || service.desiredCount === 0
    seen.add(task.containerInstanceArn)
    return again
  })
}

function drainable(
  members: readonly Member[],
  mine: readonly Member[],
  old: readonly Member[],
  surplus: readonly Member[],
  leavingUnhealthy: number,
  goal: Limits,
): readonly Member[] {
  const leavingHealthy = surplus.filter(({ condition }) => condition === 'healthy').length
  const healthyMine = mine.filter(({ condition }) => condition === 'healthy').length
  const healthyOld = old.filter(({ condition }) => condition === 'healthy')
  const healthy = healthyMine + healthyOld.length - leavingHealthy
  const starting = old.filter(({ condition }) => condition === 'starting')
  // More than enough are healthy: the old ones go. There is no room for new ones: as many old ones
  // go as the minimum allows.
  const room = goal.most - occupying(members) + leavingUnhealthy
  const missing = goal.desired - (mine.length - surplus.length)
  const blocked = Math.max(0, missing - Math.max(0, room) - starting.length)
  const count = Math.min(
    healthy - goal.least,
    Math.max(healthy - goal.desired, blocked),
    healthyOld.length,
  )
  return [...starting, ...healthyOld.slice(0, Math.max(0, count))]
}

/** Tasks that count against the maximum: all that are starting or running, even if asked to stop. */
function occupying(members: readonly Member[]): number {
  return members.filter(({ task }) => !isStopping(task)).length
}

function launchesFor(
  service: ServiceRow,
  primary: DeploymentRow,
  members: readonly Member[],
  stops: readonly StopAction[],
  goal: Limits,
  view: ServiceView,
): LaunchAction[] {
  if (primary.rolloutState === 'FAILED' || view.nowMs < (primary.notBeforeMs ?? 0)) return []
  const room = goal.most - occupying(members)
  const stopped = new Set(stops.map(({ task }) => task))
  const staying = members.filter(
    ({ task, condition }) =>
      task.deploymentId === primary.id &&
      (condition === 'healthy' || condition === 'starting') &&
      !stopped.has(task),
  )
  if (service.schedulingStrategy === 'DAEMON') {
    const taken = new Set(members.map(({ task }) => task.containerInstanceArn))
    return view.instances
      .filter((arn) => !taken.has(arn))
      .slice(0, Math.max(0, room))
      .map((containerInstanceArn) => ({ deploymentId: primary.id, containerInstanceArn }))
  }
  const count = Math.max(0, Math.min(goal.desired - staying.length, room))
  return Array.from({ length: count }, () => ({ deploymentId: primary.id }))
}

/** What there is to tell, and to note in the service, once the actions are known. */
function settle(
  service: ServiceRow,
  primary: DeploymentRow,
  members: readonly Member[],
  stops: readonly StopAction[],
  launches: readonly LaunchAction[],
  goal: Limits,
  nowMs: number,
): { service: ServiceRow; events: readonly string[] } {
  const events = stopEvents(service, stops)
  const whole =
    stops.length === 0 &&
    launches.length === 0 &&
    members.length === goal.desired &&
    members.every(
      ({ task, condition }) => condition === 'healthy' && task.deploymentId === primary.id,
    )
  if (!whole) {
    const disturbed = service.steady && (stops.length > 0 || launches.length > 0)
    return { service: disturbed ? { ...service, steady: false } : service, events }
  }
  const done = completed(service, nowMs)
  events.push(...done.events)
  const rested = restedAfterFailures(done.service)
  if (rested.steady) return { service: rested, events }
  return { service: { ...rested, steady: true }, events: [...events, says.steadyState(rested)] }
}

/** A deployment all of whose tasks are healthy has no failures that follow on one another. */
function restedAfterFailures(service: ServiceRow): ServiceRow {
  const [primary] = service.deployments
  if (!primary || primary.failedTasks === 0 || primary.rolloutState === 'FAILED') return service
  return replaceDeployment(service, { ...primary, failedTasks: 0, notBeforeMs: undefined })
}

/** When time alone will change what there is to do for a deployment. */
export function nextLook(
  view: ServiceView,
  primary: DeploymentRow,
  members: readonly Member[],
): number | undefined {
  const times: number[] = []
  if (primary.notBeforeMs !== undefined) times.push(primary.notBeforeMs)
  for (const { task, condition } of members) {
    if (condition !== 'starting' || task.lastStatus !== 'RUNNING') continue
    times.push(provenAtMs(task), graceEndsAtMs(view, task))
  }
  const later = times.filter((time) => time > view.nowMs)
  return later.length > 0 ? Math.min(...later) : undefined
}
