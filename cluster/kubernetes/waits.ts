/** What a pod waits for before its containers run: a node that takes it, then their images. Pure. */
import type { TaskState } from '../runtime.ts'
import type { Pod } from './objects.ts'
import { type Seen, timeOf } from './seen.ts'

/** How long a task waits for a node: an autoscaler brings one sooner, or none. */
export const PLACEMENT_PATIENCE_MS = 5 * 60_000

/** Words of the scheduler, and the code that stands for what is short. */
const SHORTAGES: readonly (readonly [words: string, code: string])[] = [
  ['Insufficient memory', 'RESOURCE:MEMORY'],
  ['Insufficient cpu', 'RESOURCE:CPU'],
  ["didn't have free ports", 'RESOURCE:PORTS'],
]

/** Why the scheduler finds no node, in its words after a code where there is one, and since when. */
export function unplacedIn(
  { metadata, spec, status }: Pod,
  nowMs: number,
): { readonly reason: string; readonly sinceMs: number } | undefined {
  if (spec.nodeName !== undefined) return undefined
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable') return undefined
  const { message = '', lastTransitionTime } = scheduled
  const code = SHORTAGES.find(([words]) => message.includes(words))?.[1]
  // What it would gain by ending others is nothing: no task goes before another.
  const words = message.replace(/\s*preemption: .*$/s, '') || 'no node takes it'
  return {
    reason: code === undefined ? words : `${code}: ${words}`,
    sinceMs: timeOf(lastTransitionTime) ?? timeOf(metadata.creationTimestamp) ?? nowMs,
  }
}

/**
 * Kubelet tells of pulls only in events, which take a right of their own and fade. So the pull begins
 * when a node has the pod and ends when the last container that waits for no other has started: whole
 * seconds, with the making of its network and the start itself in them.
 */
export function pullTimes(
  { status }: Pod,
  seen: readonly Seen[],
  before: TaskState | undefined,
): Pick<TaskState, 'pullStartedAtMs' | 'pullStoppedAtMs'> {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled')
  const placedAtMs = scheduled?.status === 'True' ? timeOf(scheduled.lastTransitionTime) : undefined
  const pullStartedAtMs = before?.pullStartedAtMs ?? placedAtMs
  const pullStoppedAtMs = before?.pullStoppedAtMs ?? lastStartOf(seen)
  return {
    ...(pullStartedAtMs === undefined ? {} : { pullStartedAtMs }),
    ...(pullStartedAtMs === undefined || pullStoppedAtMs === undefined ? {} : { pullStoppedAtMs }),
  }
}

function lastStartOf(seen: readonly Seen[]): number | undefined {
  if (seen.some(({ progress }) => progress === 'starting')) return undefined
  const starts = seen.flatMap(({ startedAtMs }) => startedAtMs ?? [])
  return starts.length === 0 ? undefined : Math.max(...starts)
}
