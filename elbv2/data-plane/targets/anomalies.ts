/**
 * Tells targets that fail clearly more often than the others of their group (AWS: Automatic Target
 * Weights). AWS publishes no numbers; these are ours, and all is judged once a window by what requests
 * of that window came to.
 */
import type { AnomalyDetection } from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { TargetRow } from '../../rows.ts'
import type { LiveGroup, LiveTarget, RequestRecord } from '../model.ts'
import type { LiveTargets } from './live-targets.ts'
import { isDraining } from './shares.ts'

export interface Anomalies {
  onRequest(record: RequestRecord): void
  /** Of the requests that the others get, from 0 to 1; less than 1 while a target is or was anomalous. */
  weightOf(group: LiveGroup, target: LiveTarget): number
  detection(row: TargetRow): AnomalyDetection
}

export const WINDOW_MS = 10_000
/** AWS's number. */
const LEAST_HEALTHY = 3
/** Of a target in a window: fewer say nothing. */
const LEAST_REQUESTS = 10
/** What a target's share of failures must be above that of the group's median one, and how many times it. */
const CLEARLY_MORE = 0.2
const TIMES_MORE = 3
/** Enough requests to see that it has recovered. */
const LEAST_WEIGHT = 1 / 16

interface Count {
  requests: number
  errors: number
}

interface Verdict {
  readonly isAnomalous: boolean
  readonly weight: number
}

interface State {
  window: number
  counts: Map<LiveTarget, Count>
  /** Of those that are not normal with all of their weight. */
  verdicts: ReadonlyMap<LiveTarget, Verdict>
}

const NORMAL: Verdict = { isAnomalous: false, weight: 1 }
const NONE: Count = { requests: 0, errors: 0 }

export interface AnomaliesOptions {
  readonly live: Pick<LiveTargets, 'group' | 'target'>
  readonly clock: Clock
}

export function createAnomalies({ live, clock }: AnomaliesOptions): Anomalies {
  const states = new WeakMap<LiveGroup, State>()

  /** As of the window that it is now: the last one is judged when somebody asks after its end. */
  function stateOf(group: LiveGroup): State {
    const window = Math.floor(clock.now() / WINDOW_MS)
    let state = states.get(group)
    if (!state) {
      state = { window, counts: new Map(), verdicts: new Map() }
      states.set(group, state)
    }
    if (state.window !== window) {
      // Windows without a request say nothing, good or bad: all begin anew.
      state.verdicts = state.window + 1 === window ? judged(group, state) : new Map()
      state.counts = new Map()
      state.window = window
    }
    return state
  }

  return {
    onRequest({ target: chosen, targetStatus, status }) {
      if (!chosen || chosen.group.row.targetType === 'lambda') return
      const { counts } = stateOf(chosen.group)
      let count = counts.get(chosen.target)
      if (!count) {
        count = { ...NONE }
        counts.set(chosen.target, count)
      }
      count.requests++
      // Its own answer, or ours for one that could not be had.
      if ((targetStatus ?? status ?? 0) >= 500) count.errors++
    },
    weightOf: (group, target) => stateOf(group).verdicts.get(target)?.weight ?? 1,
    detection(row) {
      const group = live.group(row.targetGroupArn)
      const target = live.target(row.arn)
      const verdict = (group && target && stateOf(group).verdicts.get(target)) ?? NORMAL
      const { algorithm, anomalyMitigation } = group?.settings ?? {}
      const isMitigated = algorithm === 'weighted_random' && anomalyMitigation === true
      return {
        Result: verdict.isAnomalous ? 'anomalous' : 'normal',
        MitigationInEffect: isMitigated && verdict.weight < 1 ? 'yes' : 'no',
      }
    },
  }
}

function judged({ targets }: LiveGroup, { counts, verdicts }: State) {
  const next = new Map<LiveTarget, Verdict>()
  const healthy = targets.filter(
    (target) => target.health.state === 'healthy' && !isDraining(target),
  )
  if (healthy.length < LEAST_HEALTHY) return next
  const countOf = (target: LiveTarget) => counts.get(target) ?? NONE
  const rates = healthy
    .map(countOf)
    .filter(({ requests }) => requests >= LEAST_REQUESTS)
    .map(rateOf)
    .sort((one, other) => one - other)
  // The lower of two: so never more than half are above it.
  const median = rates[Math.floor((rates.length - 1) / 2)] ?? 0
  for (const target of healthy) {
    const before = verdicts.get(target) ?? NORMAL
    const isAnomalous = isWorse(countOf(target), median, before)
    const weight = isAnomalous
      ? Math.max(LEAST_WEIGHT, before.weight / 2)
      : Math.min(1, before.weight * 2)
    if (weight < 1) next.set(target, { isAnomalous, weight })
  }
  return next
}

/** With too few requests to tell, an anomalous target stays so until it fails no more. */
function isWorse(count: Count, median: number, before: Verdict): boolean {
  if (count.requests < LEAST_REQUESTS) return before.isAnomalous && count.errors > 0
  const rate = rateOf(count)
  return rate - median >= CLEARLY_MORE && rate >= TIMES_MORE * median
}

function rateOf({ requests, errors }: Count): number {
  return errors / requests
}
