import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import type { Clock, Timer } from '../clock.ts'
import type { ContainerSpec, PortBinding, PortSpec, TaskSpec } from '../runtime.ts'
import type { Driver, Tell } from './engine.ts'
import { HealthWatch } from './health-watch.ts'
import type { LocalTask } from './lifecycle.ts'
import type { PortPool } from './port-pool.ts'
import { type Child, type ChildEvents, spawnChild } from './process-child.ts'
import { environmentOf } from './process-environment.ts'
import type { GroupRecords } from './process-groups.ts'
import type { TaskLog, TaskLogs } from './task-log.ts'

interface Running {
  child?: Child
  health?: HealthWatch
  kill?: Timer
}

interface Held {
  readonly spec: TaskSpec
  readonly log: TaskLog
  readonly ports: Map<string, readonly PortBinding[]>
  readonly volumes: Map<string, string>
  readonly temporary: string[]
  readonly running: Map<string, Running>
  released: boolean
}

export interface ProcessDriverOptions {
  readonly clock: Clock
  readonly bindHost: string
  readonly pool: PortPool
  readonly records: GroupRecords
  readonly logs: TaskLogs
  /** For volumes that go with their task. */
  readonly volumesFolder: string
}

/** Why a task cannot begin, in the words of its `reason`. */
class StartProblem extends Error {
  readonly container: string | undefined
  constructor(reason: string, container?: string) {
    super(reason)
    this.container = container
  }
}

/** Containers as child processes of this one. */
export class ProcessDriver implements Driver {
  readonly #options: ProcessDriverOptions
  readonly #held = new Map<string, Held>()

  constructor(options: ProcessDriverOptions) {
    this.#options = options
  }

  prepare(spec: TaskSpec, tell: Tell): void {
    const held: Held = {
      spec,
      log: this.#options.logs.open(spec.id),
      ports: new Map(),
      volumes: new Map(),
      temporary: [],
      running: new Map(),
      released: false,
    }
    this.#held.set(spec.id, held)
    this.#ready(held).then(
      () => tell({ kind: 'prepared', ports: held.ports }),
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        if (error instanceof StartProblem) {
          const { container } = error
          tell({ kind: 'failed', reason, ...(container === undefined ? {} : { container }) })
        } else tell({ kind: 'failed', reason: `ResourceInitializationError: ${reason}` })
      },
    )
  }

  start(task: LocalTask, name: string, tell: Tell): void {
    const held = this.#held.get(task.spec.id)
    const container = task.spec.containers.find((each) => each.name === name)
    if (!held || !container) return
    const argv = [...(container.entryPoint ?? []), ...(container.command ?? [])]
    const failed = (problem: string) => {
      const reason = `CannotStartContainerError: ${problem}`
      tell({ kind: 'startFailed', container: name, reason })
    }
    if (argv.length === 0) {
      failed(
        `the process runtime runs commands of this machine and no images, and container ${name} ` +
          'has neither a command nor an entryPoint',
      )
      return
    }
    const running: Running = {}
    held.running.set(name, running)
    const child = this.#spawn(held, container, argv, {
      failed,
      started: (pid) => {
        tell({ kind: 'started', container: name, runtimeId: String(pid) })
      },
      line: (stream, line) =>
        held.log.append({ atMs: this.#options.clock.now(), container: name, stream, line }),
      exited: (exitCode) => {
        running.health?.cancel()
        running.kill?.cancel()
        held.running.delete(name)
        tell({ kind: 'exited', container: name, exitCode })
      },
    })
    if (!child) return
    running.child = child
    const { healthCheck } = container
    if (!healthCheck || healthCheck.command[0] === 'NONE') return
    running.health = new HealthWatch(
      this.#options.clock,
      healthCheck,
      (check, events) => this.#spawn(held, container, check, events),
      (health) => tell({ kind: 'health', container: name, health }),
    )
  }

  stop(spec: TaskSpec, name: string, tell: Tell): void {
    const running = this.#held.get(spec.id)?.running.get(name)
    const child = running?.child
    if (!running || !child) {
      tell({ kind: 'exited', container: name })
      return
    }
    const patienceMs = spec.containers.find((each) => each.name === name)?.stopTimeoutMs ?? 0
    running.health?.cancel()
    running.kill = this.#options.clock.after(patienceMs, () => child.signal('SIGKILL'))
    child.signal('SIGTERM')
  }

  release(id: string): void {
    // Someone may follow the log of a task that never came to be prepared.
    void this.#options.logs.open(id).end()
    const held = this.#held.get(id)
    if (!held) return
    this.#held.delete(id)
    held.released = true
    for (const { child, health } of held.running.values()) {
      health?.cancel()
      child?.signal('SIGKILL')
    }
    this.#giveBack(held)
  }

  #spawn(held: Held, container: ContainerSpec, argv: readonly string[], events: ChildEvents) {
    const { bindHost, records, clock } = this.#options
    const ports = held.ports.get(container.name) ?? []
    const environment = environmentOf(container, ports, held.volumes, {
      bindHost,
      environment: process.env,
      marks: records.marks(held.spec.id),
    })
    const { workingDirectory } = container
    const where = workingDirectory === undefined ? {} : { workingDirectory }
    const child = { taskId: held.spec.id, argv, environment, ...where }
    return spawnChild(child, events, records, clock)
  }

  async #ready(held: Held): Promise<void> {
    try {
      for (const { name, hostPath } of held.spec.volumes) {
        const own = join(this.#options.volumesFolder, held.spec.id)
        const folder = hostPath ?? join(own, String(held.volumes.size))
        if (hostPath === undefined) held.temporary.push(own)
        await mkdir(folder, { recursive: true })
        held.volumes.set(name, folder)
      }
      for (const container of held.spec.containers) {
        for (const port of container.ports) await this.#bind(held, container.name, port)
      }
    } finally {
      // Stopped meanwhile: nobody else gives back what came after.
      if (held.released) this.#giveBack(held)
    }
  }

  async #bind(held: Held, name: string, port: PortSpec): Promise<void> {
    const { network } = held.spec
    if (network === 'none') return
    const { containerPort, protocol } = port
    const wanted = network === 'host' ? port.hostPort || containerPort : port.hostPort || undefined
    // On its own address a task's ports collide with nobody's; without one they must be chosen.
    const fixed = network === 'task' ? undefined : wanted
    const hostPort = await this.#options.pool.take(protocol, fixed)
    if (hostPort === undefined) {
      const which = fixed === undefined ? `no free ${protocol} port` : `port ${fixed}/${protocol}`
      const problem = fixed === undefined ? 'is left' : 'is taken or may not be used'
      throw new StartProblem(
        `RESOURCE:PORTS: ${which} of ${this.#options.bindHost} ${problem}`,
        name,
      )
    }
    const binding = { containerPort, hostPort, bindIp: this.#options.bindHost, protocol }
    held.ports.set(name, [...(held.ports.get(name) ?? []), binding])
  }

  #giveBack(held: Held): void {
    for (const { protocol, hostPort } of [...held.ports.values()].flat()) {
      this.#options.pool.give(protocol, hostPort)
    }
    held.ports.clear()
    for (const folder of held.temporary.splice(0)) {
      rm(folder, { recursive: true, force: true }).catch(() => {
        // A process outside the group may still write there; the system's cleaner takes it later.
      })
    }
  }
}
