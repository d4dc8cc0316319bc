/**
 * Tasks by the clock and nothing more: no image is pulled and no process runs. A container goes on
 * for ever unless docker labels make it do otherwise (`script.ts` has the list). What nobody
 * scripted is never claimed: no exit code, no image digest, no address, no port, no log.
 */
import type { Clock, Timer } from '../clock.ts'
import type { ContainerSpec, RuntimeNode, TaskRuntime, TaskSpec } from '../runtime.ts'
import { type Driver, TaskEngine, type Tell } from './engine.ts'
import { acceptedTask, type LocalTask, resumedTask } from './lifecycle.ts'
import { type Script, scriptOf } from './script.ts'

export interface SimulatedOptions {
  readonly clock: Clock
  /** What `nodes()` answers; by default one machine that any task fits on. */
  readonly nodes?: readonly RuntimeNode[]
}

const ACCEPT_MS = 20
const PULL_MS = 150
const START_MS = 50
const STOP_MS = 50
const NODE: RuntimeNode = {
  name: 'simulated',
  cpuUnits: 1_048_576,
  memoryMiB: 4_194_304,
  ready: true,
  bounded: false,
}

/** A runtime that only tells stories; tasks go on over a restart, by the clock, from their last state. */
export function createSimulatedRuntime(options: SimulatedOptions): TaskRuntime {
  const { clock, nodes = [NODE] } = options
  const driver = new SimulatedDriver(clock)
  const engine = new TaskEngine(clock, driver)
  const node = nodes[0]?.name
  return {
    name: 'simulated',
    honesty: 'Simulated: tasks change state by the clock; no image is pulled and no command runs.',
    attributes: { 'kecs.runtime': 'simulated' },
    async start(believed, onState) {
      engine.watch(onState)
      for (const { spec, state } of believed) {
        // Without a state `run` never took effect: nothing of the task exists here.
        if (!state || engine.has(spec.id)) continue
        // Another runtime ran it, and whatever that was is gone: it must not live on as a pretence.
        if (state.node !== undefined && state.node !== node) continue
        const task = resumedTask(spec, state, clock.now())
        engine.resume(task)
        driver.resume(task, (event) => engine.tell(spec.id, event))
      }
      return engine.states()
    },
    async run(spec) {
      if (!engine.has(spec.id))
        engine.accept(acceptedTask(spec, node === undefined ? {} : { node }))
    },
    async stop(id) {
      engine.stop(id)
    },
    async remove(id) {
      engine.remove(id)
    },
    async *logs() {},
    nodes: () => nodes,
    health: () => ({ status: 'up', detail: 'simulated: nothing runs, so nothing can fail' }),
    async close() {
      engine.watch(undefined)
      engine.abandon()
    },
  }
}

class SimulatedDriver implements Driver {
  readonly #clock: Clock
  readonly #timers = new Map<string, Set<Timer>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  prepare(spec: TaskSpec, tell: Tell): void {
    for (const container of spec.containers) {
      const script = scriptOf(container.labels)
      if (typeof script !== 'string') continue
      const reason = `ResourceInitializationError: container ${container.name}: ${script}`
      tell({ kind: 'failed', container: container.name, reason })
      return
    }
    this.#after(spec.id, ACCEPT_MS, () => this.#pull(spec, tell))
  }

  start(task: LocalTask, name: string, tell: Tell): void {
    const { container, script } = partOf(task.spec, name)
    const { start } = script
    const delayMs = start && !start.fails ? start.afterMs : START_MS
    this.#after(task.spec.id, delayMs, () => {
      if (start?.fails) {
        const reason = `CannotStartContainerError: ${start.message}`
        tell({ kind: 'startFailed', container: name, reason })
        return
      }
      tell({ kind: 'started', container: name, runtimeId: `${task.spec.id}-${name}` })
      this.#live(task.spec.id, container, script, this.#clock.now(), tell)
    })
  }

  stop(spec: TaskSpec, name: string, tell: Tell): void {
    const { container, script } = partOf(spec, name)
    const delayMs = Math.min(script.stopAfterMs ?? STOP_MS, container.stopTimeoutMs)
    const code = script.stopExitCode
    this.#after(spec.id, delayMs, () =>
      tell({ kind: 'exited', container: name, ...(code === undefined ? {} : { exitCode: code }) }),
    )
  }

  /** Goes on with a task from its stored state: what fell due meanwhile happens at once. */
  resume(task: LocalTask, tell: Tell): void {
    if (task.stoppedAtMs !== undefined) return
    const { spec } = task
    if (!task.prepared && !task.stopAsked && task.cause === undefined) this.prepare(spec, tell)
    for (const { name, progress, startedAtMs } of task.containers) {
      if (progress !== 'running' || startedAtMs === undefined) continue
      const { container, script } = partOf(spec, name)
      this.#live(spec.id, container, script, startedAtMs, tell)
    }
  }

  release(id: string): void {
    for (const timer of this.#timers.get(id) ?? []) timer.cancel()
    this.#timers.delete(id)
  }

  #pull(spec: TaskSpec, tell: Tell): void {
    tell({ kind: 'pulling' })
    const pulls = spec.containers.map(({ name, image, essential }) => {
      const { pull } = partOf(spec, name).script
      return { name, image, essential, pull, afterMs: pull && !pull.fails ? pull.afterMs : PULL_MS }
    })
    this.#after(spec.id, Math.max(...pulls.map(({ afterMs }) => afterMs)), () => {
      for (const { name, image, essential, pull } of pulls) {
        if (!pull?.fails) continue
        const reason = `CannotPullContainerError: pull of image ${image} failed: ${pull.message}`
        tell({ kind: essential ? 'failed' : 'startFailed', container: name, reason })
      }
      tell({ kind: 'prepared' })
    })
  }

  #live(id: string, container: ContainerSpec, script: Script, sinceMs: number, tell: Tell): void {
    const { name, healthCheck } = container
    const at = (afterMs: number, work: () => void) =>
      this.#after(id, Math.max(0, sinceMs + afterMs - this.#clock.now()), work)
    if (script.health) {
      const { is, afterMs } = script.health
      at(afterMs, () => tell({ kind: 'health', container: name, health: is }))
    } else if (healthCheck) {
      at(healthCheck.startPeriodMs + healthCheck.intervalMs, () =>
        tell({ kind: 'health', container: name, health: 'healthy' }),
      )
    }
    if (script.exitAfterMs === undefined) return
    at(script.exitAfterMs, () =>
      tell({
        kind: 'exited',
        container: name,
        ...(script.exitCode === undefined ? {} : { exitCode: script.exitCode }),
        ...(script.exitReason === undefined ? {} : { reason: script.exitReason }),
      }),
    )
  }

  #after(id: string, delayMs: number, work: () => void): void {
    const timers = this.#timers.get(id) ?? new Set()
    this.#timers.set(id, timers)
    const timer = this.#clock.after(delayMs, () => {
      timers.delete(timer)
      work()
    })
    timers.add(timer)
  }
}

/** A container of a task with its script; labels that are none were refused before anything starts. */
function partOf(spec: TaskSpec, name: string): { container: ContainerSpec; script: Script } {
  const container = spec.containers.find((each) => each.name === name)
  if (!container) throw new Error(`task ${spec.id} has no container ${name}`)
  const script = scriptOf(container.labels)
  return { container, script: typeof script === 'string' ? {} : script }
}
