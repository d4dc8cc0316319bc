/** From a pod to the task's state as callers see it. Pure. */
import { readinessOf } from '../local/order.ts'
import type {
  ContainerSpec,
  ContainerState,
  PortBinding,
  TaskPhase,
  TaskSpec,
  TaskState,
} from '../runtime.ts'
import type { Judged } from './decisions.ts'
import { isOver, type Seen, type Sight } from './seen.ts'
import { unhonoured } from './unhonoured.ts'
import { pullTimes, unplacedIn } from './waits.ts'

const PHASES: readonly TaskPhase[] = ['pending', 'pulling', 'running', 'stopping', 'stopped']

/** The state after `before`; phases never go back, and times and causes stay as they were told. */
export function stateOf(
  task: TaskSpec,
  sight: Sight,
  { seen, decisions }: Judged,
  before: TaskState | undefined,
  nowMs: number,
): TaskState {
  const { pod } = sight
  const phase = later(
    before?.phase,
    phaseOf(task, sight, seen, decisions.stop !== undefined, nowMs),
  )
  const stopped = phase === 'stopped'
  const startedAtMs = before?.startedAtMs ?? startOf(task, seen)
  const ending = phase === 'stopping' || stopped
  const stoppingAtMs =
    before?.stoppingAtMs ?? (ending ? (decisions.stop?.atMs ?? nowMs) : undefined)
  const cause =
    before?.cause ?? (before?.stoppingAtMs === undefined ? decisions.stop?.cause : undefined)
  const address = task.network === 'none' ? undefined : pod.status?.podIP
  const warnings = unhonoured(task)
  const unplaced = phase === 'pending' ? unplacedIn(pod, nowMs)?.reason : undefined
  return {
    id: task.id,
    phase,
    containers: task.containers.map((container, index) =>
      containerStateOf(container, task, seen[index], before?.containers[index], stopped, address),
    ),
    ...(address === undefined ? {} : { address }),
    ...(pod.spec.nodeName === undefined ? {} : { node: pod.spec.nodeName }),
    ...(unplaced === undefined ? {} : { unplaced }),
    ...(cause === undefined ? {} : { cause }),
    ...pullTimes(pod, seen, before),
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(stoppingAtMs === undefined ? {} : { stoppingAtMs }),
    ...(stopped ? { stoppedAtMs: before?.stoppedAtMs ?? endOf(seen, stoppingAtMs, nowMs) } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  }
}

/** A task that its pod is not there for yet, or never will be: why it failed. */
export function podlessState(
  task: TaskSpec,
  failure?: { reason: string; atMs: number },
): TaskState {
  const phase = failure ? 'stopped' : 'pending'
  const containers = task.containers.map(({ name }): ContainerState => {
    return { name, phase, health: 'unknown', ports: [] }
  })
  const warnings = unhonoured(task)
  return {
    id: task.id,
    phase,
    containers,
    ...(failure
      ? {
          cause: { code: 'TaskFailedToStart', reason: failure.reason },
          stoppingAtMs: failure.atMs,
          stoppedAtMs: failure.atMs,
        }
      : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  }
}

function phaseOf(
  task: TaskSpec,
  sight: Sight,
  seen: readonly Seen[],
  stopping: boolean,
  nowMs: number,
): TaskPhase {
  const quiet = seen.every(({ progress }) => progress === 'stopped' || progress === 'waiting')
  if (isOver(sight) || (stopping && quiet)) return 'stopped'
  if (stopping) return 'stopping'
  const settled = task.containers.every((container, index) => {
    const own = seen[index]
    if (!own || own.progress === 'starting') return false
    if (own.progress !== 'waiting') return true
    return !container.essential && readinessOf(container, task, seen, nowMs).is !== 'ready'
  })
  if (settled && startOf(task, seen) !== undefined) return 'running'
  return sight.pod.spec.nodeName === undefined ? 'pending' : 'pulling'
}

/** When the last of the essential containers started. */
function startOf(task: TaskSpec, seen: readonly Seen[]): number | undefined {
  const starts = task.containers.flatMap(({ essential }, index) =>
    essential ? [seen[index]?.startedAtMs ?? Number.POSITIVE_INFINITY] : [],
  )
  const lastMs = Math.max(...starts)
  return Number.isFinite(lastMs) ? lastMs : undefined
}

function endOf(seen: readonly Seen[], stoppingAtMs = 0, nowMs = 0): number {
  const ends = seen.flatMap(({ finishedAtMs }) => finishedAtMs ?? [])
  return ends.length === 0 ? nowMs : Math.max(stoppingAtMs, ...ends)
}

function containerStateOf(
  container: ContainerSpec,
  task: TaskSpec,
  seen: Seen | undefined,
  before: ContainerState | undefined,
  taskStopped: boolean,
  address: string | undefined,
): ContainerState {
  const { progress = 'waiting', startedAtMs } = seen ?? {}
  const stopped = taskStopped || progress === 'stopped' || before?.phase === 'stopped'
  const running = startedAtMs !== undefined || before?.phase === 'running'
  const runtimeId = seen?.runtimeId ?? before?.runtimeId
  const imageDigest = seen?.imageDigest ?? before?.imageDigest
  const exitCode = seen?.exitCode ?? before?.exitCode
  const reason = seen?.reason ?? before?.reason
  return {
    name: container.name,
    phase: stopped ? 'stopped' : running ? 'running' : 'pending',
    ...(runtimeId === undefined ? {} : { runtimeId }),
    ...(imageDigest === undefined ? {} : { imageDigest }),
    ...(exitCode === undefined || !stopped ? {} : { exitCode }),
    ...(reason === undefined ? {} : { reason }),
    health: seen?.health ?? 'unknown',
    ports: running && address !== undefined ? portsOf(container, task, address) : [],
  }
}

/** A port without one on the host is reached at the pod's own address. */
function portsOf({ ports }: ContainerSpec, { network }: TaskSpec, address: string): PortBinding[] {
  return ports.map(({ containerPort, hostPort = 0, protocol }) => {
    const onHost = network === 'host' || (network === 'bridge' && hostPort > 0)
    const port = network === 'bridge' && hostPort > 0 ? hostPort : containerPort
    return { containerPort, hostPort: port, bindIp: onHost ? '0.0.0.0' : address, protocol }
  })
}

function later(before: TaskPhase | undefined, now: TaskPhase): TaskPhase {
  return before && PHASES.indexOf(before) > PHASES.indexOf(now) ? before : now
}
