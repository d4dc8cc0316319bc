/** What a pod's status says of each container of its task. Pure. */
import type { Ordered } from '../local/order.ts'
import type { ContainerSpec, Health, TaskSpec, TaskState } from '../runtime.ts'
import type { Decisions } from './decisions.ts'
import { dnsLabel } from './names.ts'
import type { ContainerStatus, Pod, Terminated } from './objects.ts'
import { GATE_IMAGE } from './pod.ts'

/** A container that kubelet tries to start and cannot; `final` where no later try can differ. */
export interface Trouble {
  readonly reason: string
  readonly final: boolean
}

export interface Seen extends Ordered {
  /** Its image is the gate: kubelet will not start it, and stops it if it runs. */
  readonly gated: boolean
  readonly finishedAtMs?: number
  /** It ended, and nobody saw how: its node went down, or containerd did. */
  readonly unseen?: boolean
  readonly reason?: string
  readonly runtimeId?: string
  readonly imageDigest?: string
  readonly trouble?: Trouble
  /** When its silence counts as a failed health check. */
  readonly healthDueMs?: number
}

/** A pod and whether the API server still has it. */
export interface Sight {
  readonly pod: Pod
  readonly gone: boolean
}

const MIN_PROBE_MS = 1000
const NEVER_RAN = new Set(['StartError', 'ContainerCannotRun'])
/** containerd's word, and kubelet's, for a container that is gone and left no exit code. */
const UNSEEN = new Set(['Unknown', 'ContainerStatusUnknown'])
const PULL_TROUBLE = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'RegistryUnavailable',
  'ImageInspectError',
  'ErrImageNeverPull',
  'InvalidImageName',
])
const FINAL_TROUBLE = new Set(['ErrImageNeverPull', 'InvalidImageName'])
const CREATE_TROUBLE = new Set(['CreateContainerConfigError', 'CreateContainerError'])

/** Whether nothing of the pod runs any more, and nothing will. */
export function isOver({ pod, gone }: Sight): boolean {
  const { phase, containerStatuses = [] } = pod.status ?? {}
  if (gone) return true
  // Some kubelets tell that a pod failed while its containers are still being stopped.
  return (
    (phase === 'Succeeded' || phase === 'Failed') &&
    !containerStatuses.some(({ state }) => state?.running)
  )
}

/** Each container of the task, in its order. `before` is what was last told of the task. */
export function seenOf(
  task: TaskSpec,
  sight: Sight,
  decisions: Decisions,
  before: TaskState | undefined,
  nowMs: number,
): Seen[] {
  const { spec, status } = sight.pod
  const over = isOver(sight)
  return task.containers.map((container) => {
    const name = dnsLabel(container.name)
    const gated = spec.containers.find((each) => each.name === name)?.image === GATE_IMAGE
    const found = status?.containerStatuses?.find((each) => each.name === name)
    const earlier = before?.containers.find((each) => each.name === container.name)
    const health = earlier?.health ?? 'unknown'
    const basis = { name: container.name, gated, health, ...idsOf(found) }
    const ended = found?.state?.terminated ?? found?.lastState?.terminated
    if (ended) return { ...basis, ...endOf(ended) }
    if (found?.state?.running && !sight.gone) {
      const startedAtMs = timeOf(found.state.running.startedAt) ?? nowMs
      return {
        ...basis,
        progress: 'running',
        startedAtMs,
        ...healthOf(container, found, health, startedAtMs, nowMs),
      }
    }
    if (over && (basis.runtimeId ?? earlier?.runtimeId) !== undefined) {
      const startedAtMs = timeOf(found?.state?.running?.startedAt) ?? before?.startedAtMs
      return {
        ...basis,
        progress: 'stopped',
        ...(startedAtMs === undefined ? {} : { startedAtMs }),
      }
    }
    const failed = decisions.failed?.[container.name]
    if (failed !== undefined) return { ...basis, progress: 'stopped', reason: failed }
    const trouble = gated ? undefined : troubleOf(found)
    const progress = over ? 'stopped' : gated ? 'waiting' : 'starting'
    return { ...basis, progress, ...(trouble ? { trouble } : {}) }
  })
}

function idsOf(status: ContainerStatus | undefined): Pick<Seen, 'runtimeId' | 'imageDigest'> {
  const ended = status?.state?.terminated
  if (!status?.containerID || (ended && NEVER_RAN.has(ended.reason ?? ''))) return {}
  const digest = /sha256:[0-9a-f]{64}/.exec(status.imageID ?? '')?.[0]
  return {
    runtimeId: status.containerID.replace(/^[a-z-]+:\/\//, ''),
    ...(digest === undefined ? {} : { imageDigest: digest }),
  }
}

function endOf(ended: Terminated): Partial<Seen> & Pick<Seen, 'progress'> {
  const { reason = '', message = '', exitCode } = ended
  if (NEVER_RAN.has(reason)) {
    return { progress: 'stopped', reason: `CannotStartContainerError: ${message}` }
  }
  const unseen = UNSEEN.has(reason)
  // Without an id no process was ever seen to end: the code is kubelet's invention.
  if (ended.containerID === undefined) return { progress: 'stopped', ...(unseen && { unseen }) }
  const times = { startedAtMs: timeOf(ended.startedAt), finishedAtMs: timeOf(ended.finishedAt) }
  if (unseen) return { progress: 'stopped', unseen, ...times }
  return {
    progress: 'stopped',
    exitCode,
    ...times,
    ...(reason === 'OOMKilled'
      ? { reason: 'OutOfMemoryError: Container killed due to memory usage' }
      : {}),
  }
}

/** Not ready says nothing before it was ready, until all the tries it has must have failed. */
function healthOf(
  { healthCheck }: ContainerSpec,
  { ready }: ContainerStatus,
  before: Health,
  startedAtMs: number,
  nowMs: number,
): Pick<Seen, 'health' | 'healthDueMs'> {
  if (!healthCheck) return { health: 'unknown' }
  if (ready) return { health: 'healthy' }
  if (before !== 'unknown') return { health: 'unhealthy' }
  const { startPeriodMs, retries, intervalMs, timeoutMs } = healthCheck
  const triesMs = retries * Math.max(intervalMs, MIN_PROBE_MS) + Math.max(timeoutMs, MIN_PROBE_MS)
  const healthDueMs = startedAtMs + startPeriodMs + triesMs
  return nowMs >= healthDueMs ? { health: 'unhealthy' } : { health: 'unknown', healthDueMs }
}

function troubleOf(status: ContainerStatus | undefined): Trouble | undefined {
  const { reason = '', message = '' } = status?.state?.waiting ?? {}
  // The gate was opened, and kubelet has not told of its next try yet.
  if (status?.image === GATE_IMAGE || message.includes(GATE_IMAGE)) return undefined
  const code = PULL_TROUBLE.has(reason)
    ? 'CannotPullContainerError'
    : CREATE_TROUBLE.has(reason)
      ? 'CannotCreateContainerError'
      : undefined
  if (code === undefined) return undefined
  return { reason: `${code}: ${message || reason}`, final: FINAL_TROUBLE.has(reason) }
}

export function timeOf(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}
