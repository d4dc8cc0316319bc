import type {
  BelievedTask,
  ContainerState,
  LogLine,
  LogQuery,
  RuntimeHealth,
  RuntimeNode,
  StopCause,
  TaskRuntime,
  TaskSpec,
  TaskState,
} from '../cluster/runtime.ts'

type Call =
  | { readonly name: 'run'; readonly id: string }
  | { readonly name: 'stop'; readonly id: string }
  | { readonly name: 'remove'; readonly id: string }

interface Held {
  readonly spec: TaskSpec
  state: TaskState
  stopAsked: boolean
}

const ADDRESS = '10.0.0.1'

/**
 * A runtime that does nothing by itself: `run` and `stop` are noted down, and every state is sent by
 * the test, one at a time (`step`, `change`, `emit`) or until nothing moves (`settle`).
 */
export class FakeRuntime implements TaskRuntime {
  readonly name = 'fake'
  readonly honesty = 'Does what the test says.'
  readonly attributes = { 'kecs.runtime': 'fake' }
  /** Every `run`, `stop` and `remove` that was called, refused ones too, in order. */
  readonly calls: Call[] = []
  /** What `start` was given. */
  believed: readonly BelievedTask[] = []
  nodeList: readonly RuntimeNode[] = [
    { name: 'fake-1', cpuUnits: 4096, memoryMiB: 16384, ready: true, bounded: false },
  ]
  healthNow: RuntimeHealth = { status: 'up', detail: 'as told' }
  closed = false
  readonly #now: () => number
  readonly #held = new Map<string, Held>()
  readonly #logs = new Map<string, LogLine[]>()
  readonly #faults = new Map<Call['name'], Error[]>()
  readonly #outbox: TaskState[] = []
  #sending = false
  #onState: ((state: TaskState) => void) | undefined

  constructor(now: () => number = () => 0) {
    this.#now = now
  }

  async start(
    believed: readonly BelievedTask[],
    onState: (state: TaskState) => void,
  ): Promise<readonly TaskState[]> {
    this.believed = believed
    this.#onState = onState
    return this.states()
  }

  async run(spec: TaskSpec): Promise<void> {
    this.#note('run', spec.id)
    if (this.#held.has(spec.id)) return
    this.#held.set(spec.id, { spec, state: pendingState(spec), stopAsked: false })
  }

  async stop(id: string): Promise<void> {
    this.#note('stop', id)
    const held = this.#held.get(id)
    if (held) held.stopAsked = true
  }

  async remove(id: string): Promise<void> {
    this.#note('remove', id)
    if (this.#held.get(id)?.state.phase !== 'stopped') return
    this.#held.delete(id)
    this.#logs.delete(id)
  }

  async *logs(id: string, query: LogQuery): AsyncIterable<LogLine> {
    const lines = (this.#logs.get(id) ?? []).filter(
      (line) => query.container === undefined || line.container === query.container,
    )
    yield* query.tail === undefined ? lines : lines.slice(Math.max(0, lines.length - query.tail))
  }

  nodes(): readonly RuntimeNode[] {
    return this.nodeList
  }

  health(): RuntimeHealth {
    return this.healthNow
  }

  async close(): Promise<void> {
    this.closed = true
    this.#onState = undefined
  }

  /** The next calls of that name throw these, one each, and have no effect. */
  failNext(name: Call['name'], ...faults: readonly Error[]): void {
    this.#faults.set(name, [...(this.#faults.get(name) ?? []), ...faults])
  }

  /** Ids that `run`, `stop` or `remove` was called with, in order, repeated calls included. */
  idsOf(name: Call['name']): string[] {
    return this.calls.filter((call) => call.name === name).map((call) => call.id)
  }

  ids(): string[] {
    return [...this.#held.keys()]
  }

  states(): TaskState[] {
    return [...this.#held.values()].map(({ state }) => state)
  }

  spec(id: string): TaskSpec {
    return this.#of(id).spec
  }

  state(id: string): TaskState {
    return this.#of(id).state
  }

  stopAsked(id: string): boolean {
    return this.#of(id).stopAsked
  }

  /** Sends any state at all, sensible or not, and believes it where the task is known. */
  emit(state: TaskState): void {
    const held = this.#held.get(state.id)
    if (held) held.state = state
    this.#outbox.push(state)
    if (this.#sending) return
    this.#sending = true
    try {
      for (let next = this.#outbox.shift(); next; next = this.#outbox.shift()) this.#onState?.(next)
    } finally {
      this.#sending = false
    }
  }

  /** Sends the task's present state with these members changed. */
  change(id: string, members: Partial<TaskState>): void {
    this.emit({ ...this.#of(id).state, ...members })
  }

  /** Sends the task's present state with one container changed. */
  changeContainer(id: string, name: string, members: Partial<ContainerState>): void {
    const containers = this.#of(id).state.containers.map((container) =>
      container.name === name ? { ...container, ...members } : container,
    )
    this.change(id, { containers })
  }

  /** Moves a task one phase on its natural way; false where it stays as it is. */
  step(id: string): boolean {
    const { spec, state, stopAsked } = this.#of(id)
    const nowMs = this.#now()
    if (state.phase === 'stopped') return false
    if (state.phase === 'stopping') this.end(id, {})
    else if (stopAsked) this.change(id, { phase: 'stopping', stoppingAtMs: nowMs })
    else if (state.phase === 'pending') {
      this.change(id, { phase: 'pulling', pullStartedAtMs: nowMs })
    } else if (state.phase === 'pulling') {
      this.change(id, {
        phase: 'running',
        pullStoppedAtMs: nowMs,
        startedAtMs: nowMs,
        ...(spec.network === 'task' ? { address: ADDRESS } : {}),
        containers: spec.containers.map((container) => ({
          name: container.name,
          phase: 'running',
          runtimeId: `${id}/${container.name}`,
          health: 'unknown',
          ports: [],
        })),
      })
    } else return false
    return true
  }

  /** Steps every task until none moves; what callers do meanwhile counts too. */
  settle(): void {
    for (let moved = true; moved; ) {
      moved = false
      for (const id of this.ids()) while (this.#held.has(id) && this.step(id)) moved = true
    }
  }

  /** Steps one task until it runs. */
  toRunning(id: string): void {
    while (this.state(id).phase !== 'running' && this.step(id));
  }

  /** Sends the task as stopped, by its own (`cause`) or because it was asked to. */
  end(id: string, how: { readonly cause?: StopCause; readonly exitCode?: number }): void {
    const { state } = this.#of(id)
    const nowMs = this.#now()
    this.change(id, {
      phase: 'stopped',
      stoppingAtMs: state.stoppingAtMs ?? nowMs,
      stoppedAtMs: nowMs,
      ...(how.cause ? { cause: how.cause } : {}),
      containers: state.containers.map((container) => ({
        ...container,
        phase: 'stopped',
        ...(how.exitCode === undefined || container.phase !== 'running'
          ? {}
          : { exitCode: how.exitCode }),
      })),
    })
  }

  /** The essential container ends with this code. */
  crash(id: string, exitCode = 1): void {
    const reason = 'Essential container in task exited'
    this.end(id, { cause: { code: 'EssentialContainerExited', reason }, exitCode })
  }

  /** The task vanishes without a word, as if its machine had burnt. */
  lose(id: string): void {
    this.#held.delete(id)
  }

  /** A task that nobody asked this runtime for exists here all the same. */
  adopt(spec: TaskSpec, state: TaskState = pendingState(spec)): void {
    this.#held.set(spec.id, { spec, state, stopAsked: false })
  }

  write(id: string, container: string, line: string): void {
    const lines = this.#logs.get(id) ?? []
    lines.push({ atMs: this.#now(), container, stream: 'stdout', line })
    this.#logs.set(id, lines)
  }

  /** The same world seen by a new process: not started yet, no calls, the same tasks. */
  restarted(): FakeRuntime {
    this.#onState = undefined
    const next = new FakeRuntime(this.#now)
    for (const [id, held] of this.#held) next.#held.set(id, { ...held })
    for (const [id, lines] of this.#logs) next.#logs.set(id, [...lines])
    return next
  }

  #note(name: Call['name'], id: string): void {
    this.calls.push({ name, id })
    const fault = this.#faults.get(name)?.shift()
    if (fault) throw fault
  }

  #of(id: string): Held {
    const held = this.#held.get(id)
    if (!held) throw new Error(`no task ${id} in the fake runtime`)
    return held
  }
}

/** A task as accepted and nothing more. */
export function pendingState(spec: TaskSpec): TaskState {
  return {
    id: spec.id,
    phase: 'pending',
    containers: spec.containers.map(({ name }) => ({
      name,
      phase: 'pending',
      health: 'unknown',
      ports: [],
    })),
  }
}
