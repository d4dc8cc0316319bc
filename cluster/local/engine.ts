import type { Clock, Timer } from '../clock.ts'
import type { TaskSpec, TaskState } from '../runtime.ts'
import { advance, type LocalEvent, type LocalTask, stateOf } from './lifecycle.ts'

export type Tell = (event: LocalEvent) => void

/** What one kind of runtime does for the engine; it answers by events, at once or later. */
export interface Driver {
  /** Readies what the first container needs: answers `prepared` or `failed`, maybe `pulling` before. */
  prepare(spec: TaskSpec, tell: Tell): void
  /** Answers `started` and later `exited`, or `startFailed`. */
  start(task: LocalTask, container: string, tell: Tell): void
  /** The container may still be starting; answers `exited` or `startFailed`. */
  stop(spec: TaskSpec, container: string, tell: Tell): void
  /** The task is stopped, however far it came: gives back whatever it held. */
  release(id: string): void
}

interface Entry {
  task: LocalTask
  sent: TaskState
  wake?: Timer
}

/** Runs the pure machine for many tasks: one queue of events, so that no state is sent re-entrantly. */
export class TaskEngine {
  readonly #clock: Clock
  readonly #driver: Driver
  readonly #entries = new Map<string, Entry>()
  readonly #inbox: { readonly id: string; readonly event: LocalEvent }[] = []
  #onState: ((state: TaskState) => void) | undefined
  #busy = false
  #idle: (() => void) | undefined

  constructor(clock: Clock, driver: Driver) {
    this.#clock = clock
    this.#driver = driver
  }

  watch(onState: ((state: TaskState) => void) | undefined): void {
    this.#onState = onState
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  task(id: string): LocalTask | undefined {
    return this.#entries.get(id)?.task
  }

  states(): TaskState[] {
    return [...this.#entries.values()].map(({ sent }) => sent)
  }

  /** Takes a task on; its first state is sent a moment later, never from within this call. */
  accept(task: LocalTask): void {
    const { id } = task.spec
    this.#entries.set(id, { task, sent: stateOf(task) })
    this.#clock.after(0, () => {
      const entry = this.#entries.get(id)
      if (!entry) return
      this.#onState?.(entry.sent)
      this.tell(id, { kind: 'tick' })
      if (entry.task.stoppingAtMs === undefined) {
        this.#driver.prepare(task.spec, (event) => this.tell(id, event))
      }
    })
  }

  /** Takes on a task that has come some way already; its driver has been told what runs. */
  resume(task: LocalTask): void {
    const { id } = task.spec
    this.#entries.set(id, { task, sent: stateOf(task) })
    this.#clock.after(0, () => this.tell(id, { kind: 'tick' }))
  }

  /** Asks a task to stop; not from within this call either. */
  stop(id: string): void {
    this.#clock.after(0, () => this.tell(id, { kind: 'stop' }))
  }

  /** Forgets a task that is stopped, or was never known; false where it is not stopped. */
  remove(id: string): boolean {
    const entry = this.#entries.get(id)
    if (entry && entry.task.stoppedAtMs === undefined) return false
    this.#entries.delete(id)
    return true
  }

  tell(id: string, event: LocalEvent): void {
    this.#inbox.push({ id, event })
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#inbox.shift(); next; next = this.#inbox.shift()) {
        this.#handle(next.id, next.event)
      }
    } finally {
      this.#busy = false
    }
  }

  /** Drops every task without a word; timers of theirs fire into nothing. */
  abandon(): void {
    for (const [id, { wake }] of this.#entries) {
      wake?.cancel()
      this.#driver.release(id)
    }
    this.#entries.clear()
  }

  /** Stops every task and waits until the last has stopped. */
  async stopAll(): Promise<void> {
    for (const id of this.#entries.keys()) this.tell(id, { kind: 'stop' })
    while (this.#going()) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
  }

  #going(): boolean {
    for (const { task } of this.#entries.values()) if (task.stoppedAtMs === undefined) return true
    return false
  }

  #handle(id: string, event: LocalEvent): void {
    const entry = this.#entries.get(id)
    if (!entry) return
    const before = entry.task
    const tell: Tell = (answer) => this.tell(id, answer)
    const step = advance(before, event, this.#clock.now())
    entry.task = step.task
    entry.wake?.cancel()
    if (step.wakeAtMs !== undefined) {
      const delayMs = step.wakeAtMs - this.#clock.now()
      entry.wake = this.#clock.after(delayMs, () => tell({ kind: 'tick' }))
    }
    if (step.task === before) return
    const state = stateOf(step.task)
    const news = JSON.stringify(state) !== JSON.stringify(entry.sent)
    entry.sent = state
    for (const name of step.start) this.#driver.start(step.task, name, tell)
    for (const name of step.stop) this.#driver.stop(step.task.spec, name, tell)
    const over = state.phase === 'stopped' && before.stoppedAtMs === undefined
    if (over) this.#driver.release(id)
    if (news) this.#onState?.(state)
    if (over) this.#idle?.()
  }
}
