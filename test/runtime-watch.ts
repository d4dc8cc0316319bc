import * as assert from 'uvu/assert'
import type {
  BelievedTask,
  ContainerSpec,
  ContainerState,
  HealthCheckSpec,
  LogLine,
  TaskRuntime,
  TaskSpec,
  TaskState,
} from '../cluster/runtime.ts'

/** What a container does, in the terms of one runtime: members that make it do so. */
export interface Behaviours {
  readonly runsForEver: Partial<ContainerSpec>
  /** Writes `hello` to stdout and `oops` to stderr, and goes on; only where logs exist. */
  readonly writes?: Partial<ContainerSpec>
  exits(code: number): Partial<ContainerSpec>
  /** Does not end at a polite signal, from when it is healthy on if it has a health check. */
  readonly ignoresStop: Partial<ContainerSpec>
  readonly cannotStart: Partial<ContainerSpec>
  readonly turnsHealthy: Partial<ContainerSpec>
  readonly turnsUnhealthy: Partial<ContainerSpec>
}

export interface Traits {
  readonly behaviours: Behaviours
  /** Tasks go on while nobody watches. */
  readonly outlives: boolean
  /** What ignores the polite signal ends with this code. */
  readonly killedExitCode?: number
  /** How many tasks it takes at once; a hundred unless said. */
  readonly many?: number
  /** Warns that `user` is not honoured. */
  readonly warnsOfUser: boolean
}

/** One world with one runtime in it. */
export interface World {
  readonly runtime: TaskRuntime
  /** Lets time go by until `done`, or throws once nothing can make it so any more. */
  until(done: () => boolean): Promise<void>
  /** Something changed; a world in real time looks at `done` again. */
  noticed(): void
  /** The runtime's process is gone without a farewell; the same world under a new one. */
  restarted(): Promise<World>
  dispose(): Promise<void>
}

export const HEALTH_CHECK: HealthCheckSpec = {
  command: ['CMD-SHELL', 'exit 0'],
  intervalMs: 50,
  timeoutMs: 5_000,
  retries: 2,
  startPeriodMs: 0,
}

const PHASES = ['pending', 'pulling', 'running', 'stopping', 'stopped']
const CONTAINER_PHASES = ['pending', 'running', 'stopped']

/** A task of one kind of container each. */
export function taskOf(id: string, ...containers: readonly Partial<ContainerSpec>[]): TaskSpec {
  return {
    id,
    namespace: 'test',
    labels: {},
    network: 'bridge',
    volumes: [],
    containers: containers.map((container, index) => ({
      name: `c${index}`,
      image: 'example.test/image:1',
      environment: {},
      essential: true,
      dependsOn: [],
      stopTimeoutMs: 10_000,
      ports: [],
      mounts: [],
      labels: {},
      ...container,
    })),
  }
}

/** Follows one runtime and checks of every state that it is whole and in order. */
export class Watch {
  readonly world: World
  readonly seen: TaskState[] = []
  readonly #now = new Map<string, TaskState>()
  #inCallback = false

  constructor(world: World) {
    this.world = world
  }

  async start(believed: readonly BelievedTask[] = []): Promise<readonly TaskState[]> {
    const truth = await this.world.runtime.start(believed, (state) => {
      assert.not(this.#inCallback, 'states are not sent re-entrantly')
      this.#inCallback = true
      this.#take(state)
      this.#inCallback = false
      this.world.noticed()
    })
    for (const state of truth) this.#take(state)
    return truth
  }

  state(id: string): TaskState {
    const state = this.#now.get(id)
    assert.ok(state, `a state of ${id} was seen`)
    return state
  }

  knows(id: string): boolean {
    return this.#now.has(id)
  }

  container(id: string, name: string): ContainerState {
    const container = this.state(id).containers.find((each) => each.name === name)
    assert.ok(container, `${id} has a container ${name}`)
    return container
  }

  async reach(id: string, phase: TaskState['phase']): Promise<TaskState> {
    await this.when(id, (state) => state.phase === phase)
    return this.state(id)
  }

  async when(id: string, done: (state: TaskState) => boolean): Promise<void> {
    await this.world.until(() => {
      const state = this.#now.get(id)
      return state !== undefined && done(state)
    })
  }

  #take(state: TaskState): void {
    const before = this.#now.get(state.id)
    if (before) assertFollows(before, state)
    for (const { phase, name } of state.containers) {
      if (state.phase === 'stopped') assert.is(phase, 'stopped', `${name} is stopped with its task`)
    }
    this.#now.set(state.id, state)
    this.seen.push(state)
  }
}

function assertFollows(before: TaskState, after: TaskState): void {
  const at = `${before.phase} then ${after.phase}`
  assert.ok(PHASES.indexOf(after.phase) >= PHASES.indexOf(before.phase), at)
  assert.equal(
    after.containers.map(({ name }) => name),
    before.containers.map(({ name }) => name),
    'a state holds every container',
  )
  for (const [index, container] of after.containers.entries()) {
    const earlier = before.containers[index]
    assert.ok(
      CONTAINER_PHASES.indexOf(container.phase) >=
        CONTAINER_PHASES.indexOf(earlier?.phase ?? 'pending'),
      `${container.name}: ${earlier?.phase} then ${container.phase}`,
    )
  }
  for (const key of ['startedAtMs', 'stoppingAtMs', 'stoppedAtMs', 'cause'] as const) {
    if (before[key] !== undefined) assert.equal(after[key], before[key], `${key} stays`)
  }
}

/** What was written so far, or up to the end of a follower. */
export async function linesOf(
  runtime: TaskRuntime,
  id: string,
  query: Parameters<TaskRuntime['logs']>[1] = {},
): Promise<LogLine[]> {
  const lines: LogLine[] = []
  for await (const line of runtime.logs(id, query)) lines.push(line)
  return lines
}

/** How a world of real time waits: it looks again at each notice, and gives up after so long. */
export function noticing(patienceMs: number, why: () => string): Pick<World, 'until' | 'noticed'> {
  let notice = () => {}
  return {
    async until(done) {
      const deadlineMs = Date.now() + patienceMs
      while (!done()) {
        const leftMs = deadlineMs - Date.now()
        if (leftMs <= 0) throw new Error(why())
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, leftMs)
          notice = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    },
    noticed: () => notice(),
  }
}
