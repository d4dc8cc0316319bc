/** Who of a group may have requests, and how many; pure. */
import type { LiveGroup, LiveTarget } from '../model.ts'

export function isDraining(target: LiveTarget): boolean {
  return target.row.drainingSinceMs !== undefined
}

/** Of the requests that others get, from 0 to 1: less than 1 only while a target starts slowly. */
export function shareOf(target: LiveTarget, slowStartMs: number, nowMs: number): number {
  if (!target.slowStart || target.healthySinceMs === undefined || slowStartMs === 0) return 1
  return Math.min(1, (nowMs - target.healthySinceMs) / slowStartMs)
}

/** Whether a target that becomes healthy now finds one beside which it can start slowly. */
export function canStartSlowly({ targets, settings }: LiveGroup, nowMs: number): boolean {
  const { slowStartMs } = settings
  if (slowStartMs === 0) return false
  return targets.some(
    (target) =>
      !isDraining(target) &&
      target.health.state === 'healthy' &&
      target.healthySinceMs !== undefined &&
      shareOf(target, slowStartMs, nowMs) === 1,
  )
}

/** Why nobody can have a request. */
export type NoTarget = 'no-registered' | 'no-address'

/**
 * The targets that requests may go to now. Where fewer are healthy than the group asks for, all
 * registered ones are used (fail-open), as far as they can be reached at all. Even then a new target
 * gets nothing before its first health checks, unless all are new: it may not listen yet.
 */
export function eligible({ targets, settings, row }: LiveGroup): readonly LiveTarget[] | NoTarget {
  const registered = targets.filter((target) => !isDraining(target))
  if (registered.length === 0) return 'no-registered'
  const healthy = registered.filter(
    ({ health }) => health.state === 'healthy' || health.state === 'unavailable',
  )
  const { count, share } = settings.leastHealthy
  const isEnough =
    healthy.length > 0 && healthy.length >= count && healthy.length >= share * registered.length
  const wanted = isEnough ? healthy : registered
  // Lambda functions are invoked, and have no address.
  const reachable =
    row.targetType === 'lambda' ? wanted : wanted.filter(({ host }) => host !== undefined)
  const checked = reachable.filter(({ health }) => health.state !== 'initial')
  if (checked.length > 0) return checked
  return reachable.length > 0 ? reachable : 'no-address'
}
