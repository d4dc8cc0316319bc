/**
 * What this runtime decides of a task beyond what kubelet does: that it stops, and which of its
 * containers will not start. Kept with the pod, so that whoever watches next goes on from there.
 */
import { readinessOf } from '../local/order.ts'
import type { StopCause, TaskSpec, TaskState } from '../runtime.ts'
import { ANNOTATIONS } from './names.ts'
import type { Pod } from './objects.ts'
import { isOver, type Seen, type Sight, seenOf, timeOf } from './seen.ts'
import { PLACEMENT_PATIENCE_MS, unplacedIn } from './waits.ts'

export interface Decisions {
  /** Without a cause: it was asked for. */
  readonly stop?: { readonly atMs: number; readonly cause?: StopCause }
  /** Why each of these containers will never start. */
  readonly failed?: Readonly<Record<string, string>>
}

/** Since when each container has been unable to start, and the best word on why. */
export type Troubles = ReadonlyMap<string, { readonly sinceMs: number; readonly reason: string }>

/** How long an image that cannot be pulled, and the like, is tried again: kubelet's second try is in it. */
export const TROUBLE_PATIENCE_MS = 20_000

const FAILED_TO_START: StopCause = { code: 'TaskFailedToStart', reason: 'Task failed to start' }
const ESSENTIAL_EXITED: StopCause = {
  code: 'EssentialContainerExited',
  reason: 'Essential container in task exited',
}
const MS_PER_SECOND = 1000

export function decisionsIn(pod: Pod): Decisions {
  try {
    const kept = JSON.parse(pod.metadata.annotations?.[ANNOTATIONS.decisions] ?? '{}')
    return typeof kept === 'object' && kept !== null ? kept : {}
  } catch {
    return {}
  }
}

export interface Judged {
  readonly decisions: Decisions
  readonly seen: readonly Seen[]
  /** When something is due that no event will tell of. */
  readonly wakeAtMs?: number
}

/** What is decided now, on top of what was; the same decisions where nothing is new. */
export function judge(
  task: TaskSpec,
  sight: Sight,
  first: Decisions,
  before: TaskState | undefined,
  troubles: Troubles,
  nowMs: number,
): Judged {
  let decisions = first
  // Again after each container that will not start: it may settle the fate of others.
  for (;;) {
    const seen = seenOf(task, sight, decisions, before, nowMs)
    const verdict = decisions.stop ? undefined : failureOf(task, seen, troubles, nowMs)
    if (verdict?.failed) {
      const [name, reason] = verdict.failed
      decisions = { ...decisions, failed: { ...decisions.failed, [name]: reason } }
      continue
    }
    const stop = decisions.stop ?? stopOf(task, sight, seen, before, nowMs)
    const dues = [placementDueMs(sight, nowMs), ...seen.map((each) => each.healthDueMs)]
    const wakeAtMs = earliest([verdict?.wakeAtMs, ...dues])
    return {
      decisions: stop === decisions.stop ? decisions : { ...decisions, ...(stop ? { stop } : {}) },
      seen,
      ...(wakeAtMs === undefined ? {} : { wakeAtMs }),
    }
  }
}

function failureOf(task: TaskSpec, seen: readonly Seen[], troubles: Troubles, nowMs: number) {
  let wakeAtMs: number | undefined
  for (const container of task.containers) {
    const own = seen.find(({ name }) => name === container.name)
    if (own?.progress === 'waiting') {
      const readiness = readinessOf(container, task, seen, nowMs)
      if (readiness.is === 'never') return { failed: [container.name, readiness.reason] as const }
      if (readiness.is === 'waiting') wakeAtMs = earliest([wakeAtMs, readiness.deadlineMs])
    }
    if (own?.progress !== 'starting' || !own.trouble) continue
    const known = troubles.get(container.name)
    const dueMs = own.trouble.final ? nowMs : (known?.sinceMs ?? nowMs) + TROUBLE_PATIENCE_MS
    if (dueMs <= nowMs) {
      return { failed: [container.name, known?.reason ?? own.trouble.reason] as const }
    }
    wakeAtMs = earliest([wakeAtMs, dueMs])
  }
  return { failed: undefined, wakeAtMs }
}

function stopOf(
  task: TaskSpec,
  sight: Sight,
  seen: readonly Seen[],
  before: TaskState | undefined,
  nowMs: number,
): Decisions['stop'] {
  const lost = lossOf(sight, nowMs)
  if (lost) return lost
  const refused = refusalOf(sight, nowMs)
  if (refused) return refused
  const ended = task.containers.filter(({ essential, name }) => {
    return essential && seen.find((each) => each.name === name)?.progress === 'stopped'
  })
  const ends = ended.flatMap(({ name }) => seen.find((each) => each.name === name) ?? [])
  // Those that never came to run first: a task fails to start even if another ended meanwhile.
  const first =
    ends.find(({ startedAtMs, unseen }) => startedAtMs === undefined && !unseen) ??
    ends.find(({ unseen }) => !unseen) ??
    ends[0]
  if (!first) return undefined
  const atMs = first.finishedAtMs ?? nowMs
  const rejected = rejectionOf(sight)
  if (rejected) return { atMs, cause: { code: 'TaskFailedToStart', reason: rejected } }
  if (first.unseen) {
    const { nodeName = '' } = sight.pod.spec
    const what = `Node ${nodeName} was restarted or lost container ${first.name}`
    return { atMs, cause: { code: 'Lost', reason: `${what}; how it ended is not known.` } }
  }
  const ran = first.startedAtMs !== undefined || before?.startedAtMs !== undefined
  if (ran) return { atMs, cause: ESSENTIAL_EXITED }
  const { reason } = first
  // As ECS tells it: what kept the image away is the task's reason, too.
  const told = reason?.startsWith('CannotPull') ? { ...FAILED_TO_START, reason } : FAILED_TO_START
  return { atMs, cause: told }
}

const LOSSES = new Set([
  'Evicted',
  'NodeLost',
  'NodeShutdown',
  'Shutdown',
  'Terminated',
  'Preempting',
])

/** Whoever took the pod away, and it was not this runtime. */
function lossOf(sight: Sight, nowMs: number): Decisions['stop'] {
  const { metadata, status } = sight.pod
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, namespace, name } = metadata
  const lost = (reason: string, atMs = nowMs) => ({
    atMs,
    cause: { code: 'Lost' as const, reason },
  })
  const why = status?.reason ?? ''
  if (LOSSES.has(why)) return lost(`${why}: ${status?.message ?? 'the pod was ended'}`)
  const deletedMs = timeOf(deletionTimestamp)
  // Since Kubernetes 1.26: a node that went silent or was drained.
  const moved = status?.conditions?.find(({ type }) => type === 'DisruptionTarget')
  const reason = moved?.reason
    ? `${moved.reason}: ${moved.message ?? ''}`
    : `Pod ${namespace}/${name} was deleted.`
  if (deletedMs !== undefined) {
    const atMs = Math.min(nowMs, deletedMs - deletionGracePeriodSeconds * MS_PER_SECOND)
    return lost(reason, atMs)
  }
  return sight.gone ? lost(reason) : undefined
}

function placementDueMs({ pod }: Sight, nowMs: number): number | undefined {
  const unplaced = unplacedIn(pod, nowMs)
  const dueMs = unplaced && unplaced.sinceMs + PLACEMENT_PATIENCE_MS
  return dueMs !== undefined && dueMs > nowMs ? dueMs : undefined
}

/** No node took it for as long as a task may wait for one. */
function refusalOf({ pod }: Sight, nowMs: number): Decisions['stop'] {
  const unplaced = unplacedIn(pod, nowMs)
  if (!unplaced || nowMs < unplaced.sinceMs + PLACEMENT_PATIENCE_MS) return undefined
  const reason = `Timeout waiting for a node: ${unplaced.reason}`
  return { atMs: nowMs, cause: { code: 'TaskFailedToStart', reason } }
}

/** Why a node would not take the pod at all. */
function rejectionOf(sight: Sight): string | undefined {
  const { phase, reason, message = '', containerStatuses = [] } = sight.pod.status ?? {}
  if (phase !== 'Failed' || !reason || reason === 'DeadlineExceeded') return undefined
  if (!isOver(sight) || containerStatuses.some(({ containerID }) => containerID)) return undefined
  return `${reason}: ${message}`
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((each) => each !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
