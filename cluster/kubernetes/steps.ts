/** What is to be done about a task now, by comparing its pod with what was decided. Pure. */
import { mayStop, readinessOf } from '../local/order.ts'
import type { TaskSpec } from '../runtime.ts'
import type { Decisions, Judged } from './decisions.ts'
import { ANNOTATIONS, dnsLabel } from './names.ts'
import { GATE_IMAGE } from './pod.ts'
import { isOver, type Seen, type Sight } from './seen.ts'

export interface Step {
  /** A strategic merge patch that makes the pod as it should be. */
  readonly patch?: object
  /** `now`: nobody runs it yet; `force`: its node does not answer. */
  readonly remove?: 'now' | 'force'
  readonly wakeAtMs?: number
}

const MS_PER_SECOND = 1000
/** On top of the grace that containers have: what a living kubelet never needs. */
const FORCE_AFTER_MS = 60_000

/**
 * Kubernetes deletes what it is asked to stop, with its logs. A pod whose deadline has passed is
 * stopped as politely and stays, so that is how tasks end; while some containers have to wait for
 * others, those that may end get the gate for an image.
 */
export function stepOf(
  task: TaskSpec,
  sight: Sight,
  { decisions, seen }: Judged,
  nowMs: number,
): Step {
  const { pod } = sight
  if (isOver(sight)) return {}
  const images = new Map<string, string>()
  for (const name of Object.keys(decisions.failed ?? {})) images.set(name, GATE_IMAGE)
  if (!decisions.stop) {
    for (const container of task.containers) {
      const own = seen.find(({ name }) => name === container.name)
      if (own?.progress !== 'waiting') continue
      if (readinessOf(container, task, seen, nowMs).is !== 'ready') continue
      images.set(container.name, container.image)
    }
    return patchStep(sight, decisions, images, false)
  }
  const forceAtMs = decisions.stop.atMs + graceMs(task, sight) + FORCE_AFTER_MS
  if (nowMs >= forceAtMs) return { remove: 'force' }
  const wake = { wakeAtMs: forceAtMs }
  if (pod.metadata.deletionTimestamp !== undefined) return wake
  if (pod.spec.nodeName === undefined) return { ...wake, remove: 'now' }
  const live = seen.filter(({ progress }) => progress === 'running' || progress === 'starting')
  const settled = seen.map((each): Seen => {
    return each.progress === 'waiting' ? { ...each, progress: 'stopped' } : each
  })
  const ready = live.filter(({ name }) => mayStop(name, task, settled))
  const all = ready.length === live.length
  if (!all) for (const { name } of ready) images.set(name, GATE_IMAGE)
  return { ...wake, ...patchStep(sight, decisions, images, all) }
}

function patchStep(
  { pod }: Sight,
  decisions: Decisions,
  images: ReadonlyMap<string, string>,
  ends: boolean,
): Step {
  const containers = [...images].flatMap(([container, image]) => {
    const name = dnsLabel(container)
    const now = pod.spec.containers.find((each) => each.name === name)
    return now && now.image !== image ? [{ name, image }] : []
  })
  const text = JSON.stringify(decisions)
  const kept = pod.metadata.annotations?.[ANNOTATIONS.decisions] ?? '{}'
  const deadline = ends && pod.spec.activeDeadlineSeconds !== 1
  if (containers.length === 0 && text === kept && !deadline) return {}
  return {
    patch: {
      metadata: { annotations: { [ANNOTATIONS.decisions]: text } },
      spec: {
        ...(containers.length > 0 ? { containers } : {}),
        ...(deadline ? { activeDeadlineSeconds: 1 } : {}),
      },
    },
  }
}

/** As long as containers may take that end one after another. */
function graceMs(task: TaskSpec, { pod }: Sight): number {
  const ordered = task.containers.some(({ dependsOn }) => dependsOn.length > 0)
  const rounds = ordered ? task.containers.length : 1
  return rounds * (pod.spec.terminationGracePeriodSeconds ?? 0) * MS_PER_SECOND
}
