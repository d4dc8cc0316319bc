/**
 * The life of a task as a pure machine: events in, the next task and what to do about it out. Both
 * embedded runtimes run on it; what differs between them is who sends the events.
 */
import type {
  ContainerState,
  Health,
  PortBinding,
  StopCause,
  TaskSpec,
  TaskState,
} from '../runtime.ts'
import { mayStop, type Ordered, orderProblem, readinessOf } from './order.ts'

/** A container's part in a task; `starting` and `stopping`: told to, and not answered yet. */
export interface LocalContainer extends Ordered {
  readonly runtimeId?: string
  readonly reason?: string
  readonly ports: readonly PortBinding[]
}

export interface LocalTask {
  readonly spec: TaskSpec
  readonly reached: 'pending' | 'pulling' | 'running'
  /** Everything is there that the first container needs. */
  readonly prepared: boolean
  readonly stopAsked: boolean
  readonly containers: readonly LocalContainer[]
  readonly cause?: StopCause
  readonly node?: string
  readonly warnings?: readonly string[]
  readonly pullStartedAtMs?: number
  readonly pullStoppedAtMs?: number
  readonly startedAtMs?: number
  readonly stoppingAtMs?: number
  readonly stoppedAtMs?: number
}

/** What happened. `failed`: before any container could start; `tick`: nothing but time passing. */
export type LocalEvent =
  | { readonly kind: 'pulling' | 'stop' | 'tick' }
  | { readonly kind: 'prepared'; readonly ports?: ReadonlyMap<string, readonly PortBinding[]> }
  | { readonly kind: 'failed'; readonly reason: string; readonly container?: string }
  | { readonly kind: 'started'; readonly container: string; readonly runtimeId?: string }
  | { readonly kind: 'startFailed'; readonly container: string; readonly reason: string }
  | {
      readonly kind: 'exited'
      readonly container: string
      readonly exitCode?: number
      readonly reason?: string
    }
  | { readonly kind: 'health'; readonly container: string; readonly health: Health }

/** The next task, the containers to start and to stop now, and when to look again without an event. */
export interface Step {
  readonly task: LocalTask
  readonly start: readonly string[]
  readonly stop: readonly string[]
  readonly wakeAtMs?: number
}

const FAILED_TO_START: StopCause = { code: 'TaskFailedToStart', reason: 'Task failed to start' }
const ESSENTIAL_EXITED: StopCause = {
  code: 'EssentialContainerExited',
  reason: 'Essential container in task exited',
}

/** A task as accepted, with whatever part of its spec is not honoured. */
export function acceptedTask(
  spec: TaskSpec,
  more: { readonly node?: string; readonly warnings?: readonly string[] } = {},
): LocalTask {
  const containers = spec.containers.map(
    ({ name }): LocalContainer => ({ name, progress: 'waiting', health: 'unknown', ports: [] }),
  )
  return {
    spec,
    reached: 'pending',
    prepared: false,
    stopAsked: false,
    containers,
    ...(more.node === undefined ? {} : { node: more.node }),
    ...(more.warnings?.length ? { warnings: more.warnings } : {}),
  }
}

/** A task as its last stored state tells it; its containers count as started when the task did. */
export function resumedTask(spec: TaskSpec, state: TaskState, nowMs: number): LocalTask {
  const sinceMs = state.startedAtMs ?? state.pullStoppedAtMs ?? nowMs
  const containers = state.containers.map(({ phase, ...rest }): LocalContainer => {
    const progress = phase === 'pending' ? 'waiting' : phase
    return rest.runtimeId === undefined
      ? { ...rest, progress }
      : { ...rest, progress, startedAtMs: sinceMs }
  })
  const { id: _id, phase, address: _address, ...kept } = state
  const going = phase === 'pending' || phase === 'pulling' || phase === 'running'
  return {
    ...kept,
    spec,
    containers,
    reached: going ? phase : state.startedAtMs === undefined ? 'pending' : 'running',
    prepared: state.startedAtMs !== undefined || state.pullStoppedAtMs !== undefined,
    stopAsked: !going && state.cause === undefined,
  }
}

/** What an event makes of a task. Events that come too late change nothing. */
export function advance(task: LocalTask, event: LocalEvent, nowMs: number): Step {
  if (task.stoppedAtMs !== undefined) return { task, start: [], stop: [] }
  return settle(apply(task, event, nowMs), nowMs)
}

/** The state that callers see. */
export function stateOf(task: LocalTask): TaskState {
  const { spec, reached, prepared: _, stopAsked: __, containers, ...kept } = task
  const phase =
    task.stoppedAtMs !== undefined ? 'stopped' : isEnding(task) ? ('stopping' as const) : reached
  return { id: spec.id, phase, containers: containers.map(containerStateOf), ...kept }
}

function containerStateOf(container: LocalContainer): ContainerState {
  const { progress, startedAtMs, ...kept } = container
  const phase =
    progress === 'stopped' ? 'stopped' : startedAtMs === undefined ? 'pending' : 'running'
  return { phase, ...kept }
}

function isEnding(task: LocalTask): boolean {
  return task.stopAsked || task.cause !== undefined
}

function apply(task: LocalTask, event: LocalEvent, nowMs: number): LocalTask {
  switch (event.kind) {
    case 'tick':
      return task
    case 'stop':
      return task.stopAsked ? task : { ...task, stopAsked: true }
    case 'pulling':
      return { ...task, reached: 'pulling', pullStartedAtMs: nowMs }
    case 'prepared': {
      const containers = task.containers.map((container) => {
        const ports = event.ports?.get(container.name)
        return ports ? { ...container, ports } : container
      })
      const pulled = task.reached === 'pulling' ? { pullStoppedAtMs: nowMs } : {}
      return { ...task, ...pulled, containers, prepared: true }
    }
    case 'failed': {
      const containers = task.containers.map((container) =>
        container.name === event.container ? { ...container, reason: event.reason } : container,
      )
      const cause = { code: 'TaskFailedToStart' as const, reason: event.reason }
      return { ...task, containers, cause: task.cause ?? cause }
    }
    default:
      return applyToContainer(task, event, nowMs)
  }
}

type ContainerEvent = Extract<LocalEvent, { kind: 'started' | 'startFailed' | 'exited' | 'health' }>

function applyToContainer(task: LocalTask, event: ContainerEvent, nowMs: number): LocalTask {
  const container = task.containers.find(({ name }) => name === event.container)
  if (!container || container.progress === 'stopped') return task
  switch (event.kind) {
    case 'started': {
      const progress = container.progress === 'starting' ? 'running' : container.progress
      const id = event.runtimeId === undefined ? {} : { runtimeId: event.runtimeId }
      return withContainer(task, { ...container, ...id, progress, startedAtMs: nowMs })
    }
    case 'health':
      return container.health === event.health
        ? task
        : withContainer(task, { ...container, health: event.health })
    case 'startFailed':
      return ended(task, { ...container, reason: event.reason })
    case 'exited': {
      const { exitCode, reason } = event
      return ended(task, {
        ...container,
        ...(exitCode === undefined ? {} : { exitCode }),
        ...(reason === undefined ? {} : { reason }),
      })
    }
  }
}

/** The container is stopped; where it was essential and nobody asked for it, so ends the task. */
function ended(task: LocalTask, container: LocalContainer): LocalTask {
  const next = withContainer(task, { ...container, progress: 'stopped' })
  const essential = task.spec.containers.find(({ name }) => name === container.name)?.essential
  if (!essential || isEnding(task)) return next
  const started = container.startedAtMs !== undefined || task.reached === 'running'
  return { ...next, cause: started ? ESSENTIAL_EXITED : FAILED_TO_START }
}

function withContainer(task: LocalTask, container: LocalContainer): LocalTask {
  const containers = task.containers.map((each) =>
    each.name === container.name ? container : each,
  )
  return { ...task, containers }
}

function settle(first: LocalTask, nowMs: number): Step {
  const problem = first.prepared || isEnding(first) ? undefined : orderProblem(first.spec)
  const checked = problem ? apply(first, { kind: 'failed', reason: problem }, nowMs) : first
  const begun = isEnding(checked) ? { task: checked, start: [] } : startReady(checked, nowMs)
  if (isEnding(begun.task)) {
    const { task, stop } = stopReady(begun.task, nowMs)
    const told = new Set(stop)
    return { task, start: begun.start.filter((name) => !told.has(name)), stop }
  }
  return { stop: [], ...begun }
}

function startReady(first: LocalTask, nowMs: number): Omit<Step, 'stop'> {
  let task = first
  let wakeAtMs: number | undefined
  const start: string[] = []
  if (!task.prepared) return { task, start }
  // Again after each change: a container that will never start may settle the fate of others.
  for (let changed = true; changed && !isEnding(task); ) {
    changed = false
    wakeAtMs = undefined
    for (const spec of task.spec.containers) {
      const container = task.containers.find(({ name }) => name === spec.name)
      if (container?.progress !== 'waiting') continue
      const readiness = readinessOf(spec, task.spec, task.containers, nowMs)
      if (readiness.is === 'waiting') {
        const { deadlineMs } = readiness
        if (deadlineMs !== undefined) wakeAtMs = Math.min(deadlineMs, wakeAtMs ?? deadlineMs)
        continue
      }
      changed = true
      if (readiness.is === 'ready') {
        start.push(spec.name)
        task = withContainer(task, { ...container, progress: 'starting' })
      } else task = ended(task, { ...container, reason: readiness.reason })
    }
  }
  if (task.reached !== 'running' && !isEnding(task) && allBegan(task)) {
    task = { ...task, reached: 'running', startedAtMs: nowMs }
  }
  return wakeAtMs === undefined ? { task, start } : { task, start, wakeAtMs }
}

function allBegan(task: LocalTask): boolean {
  return task.containers.every(
    ({ name, progress, startedAtMs }) =>
      progress !== 'starting' &&
      (startedAtMs !== undefined ||
        !task.spec.containers.find((spec) => spec.name === name)?.essential),
  )
}

function stopReady(first: LocalTask, nowMs: number): Omit<Step, 'start'> {
  const containers = first.containers.map(
    (container): LocalContainer =>
      container.progress === 'waiting' ? { ...container, progress: 'stopped' } : container,
  )
  const stop = containers
    .filter(({ progress }) => progress === 'starting' || progress === 'running')
    .map(({ name }) => name)
    .filter((name) => mayStop(name, first.spec, containers))
  const told = new Set(stop)
  const after = containers.map(
    (container): LocalContainer =>
      told.has(container.name) ? { ...container, progress: 'stopping' } : container,
  )
  const stoppingAtMs = first.stoppingAtMs ?? nowMs
  const task = { ...first, containers: after, stoppingAtMs }
  const over = after.every(({ progress }) => progress === 'stopped')
  return { task: over ? { ...task, stoppedAtMs: nowMs } : task, stop }
}
