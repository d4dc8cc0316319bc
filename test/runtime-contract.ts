import { type Context, suite, type Test } from 'uvu'
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
import { pendingState } from './fake-runtime.ts'

/** What a container does, in the terms of one runtime: members that make it do so. */
export interface Behaviours {
  readonly runsForEver: Partial<ContainerSpec>
  /** Writes `hello` to stdout and `oops` to stderr, and goes on; only where logs exist. */
  readonly writes?: Partial<ContainerSpec>
  exits(code: number): Partial<ContainerSpec>
  /** Does not end at a polite signal; stopTimeoutMs is set by the suite. */
  readonly ignoresStop: Partial<ContainerSpec>
  readonly cannotStart: Partial<ContainerSpec>
  readonly turnsHealthy: Partial<ContainerSpec>
  readonly turnsUnhealthy: Partial<ContainerSpec>
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

export interface Traits {
  readonly behaviours: Behaviours
  /** Tasks go on while nobody watches. */
  readonly outlives: boolean
  /** What ignores the polite signal ends with this code. */
  readonly killedExitCode?: number
  /** Warns that `user` is not honoured. */
  readonly warnsOfUser: boolean
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
const MANY = 100

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

interface Bench {
  readonly test: Test<Context>
  readonly traits: Traits
  readonly scene: (work: (watch: Watch) => Promise<void>) => () => Promise<void>
}

/** The one conformance suite of TaskRuntime; every runtime passes it. Call `.run()` on the answer. */
export function runtimeContract(
  name: string,
  traits: Traits,
  create: () => Promise<World>,
): Test<Context> {
  const test = suite(name)
  const scene = (work: (watch: Watch) => Promise<void>) => async () => {
    const world = await create()
    try {
      const watch = new Watch(world)
      await watch.start()
      await work(watch)
    } finally {
      await world.dispose()
    }
  }
  const bench: Bench = { test, traits, scene }
  lives(bench)
  endings(bench)
  conditions(bench)
  failedConditions(bench)
  stops(bench)
  restarts(bench)
  logs(bench)
  return test
}

function lives({ test, traits, scene }: Bench): void {
  const { runsForEver } = traits.behaviours
  test(
    'run: a task comes to run, and run again with its id has no effect',
    scene(async (watch) => {
      const spec = taskOf('t1', runsForEver, runsForEver)
      const { runtime } = watch.world
      await Promise.all([runtime.run(spec), runtime.run(spec)])
      const state = await watch.reach('t1', 'running')
      await runtime.run(spec)
      assert.is(state.cause, undefined)
      assert.type(state.startedAtMs, 'number')
      assert.equal(
        state.containers.map(({ name, phase }) => [name, phase]),
        [
          ['c0', 'running'],
          ['c1', 'running'],
        ],
      )
      assert.ok(
        state.containers.every(({ exitCode, runtimeId }) => exitCode === undefined && runtimeId),
      )
      assert.is(watch.seen[0]?.phase, 'pending')
      assert.is(watch.seen.filter(({ phase }) => phase === 'pending').length >= 1, true)
      assert.equal(watch.state('t1'), state, 'the second run changed nothing')
    }),
  )

  test(
    'run: a hundred tasks at once all run and all stop',
    scene(async (watch) => {
      const ids = Array.from({ length: MANY }, (_, index) => `many-${index}`)
      await Promise.all(ids.map((id) => watch.world.runtime.run(taskOf(id, runsForEver))))
      for (const id of ids) await watch.reach(id, 'running')
      await Promise.all(ids.map((id) => watch.world.runtime.stop(id)))
      for (const id of ids) assert.is((await watch.reach(id, 'stopped')).cause, undefined)
    }),
  )

  test(
    'health and nodes: the runtime is up and names itself',
    scene(async (watch) => {
      const { runtime } = watch.world
      assert.is(runtime.health().status, 'up')
      assert.ok(runtime.honesty.length > 0)
      assert.is(runtime.attributes['kecs.runtime'], runtime.name)
      assert.ok(runtime.nodes().every(({ cpuUnits, memoryMiB }) => cpuUnits > 0 && memoryMiB > 0))
    }),
  )

  test(
    'warnings: what is not honoured is said in the state',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', { ...runsForEver, user: 'nobody' }))
      const { warnings = [] } = await watch.reach('t1', 'running')
      assert.is(
        warnings.some((text) => text.includes('user')),
        traits.warnsOfUser,
      )
    }),
  )

  test(
    'health: a container turns healthy or unhealthy, and the task goes on',
    scene(async (watch) => {
      const { turnsHealthy, turnsUnhealthy } = traits.behaviours
      await watch.world.runtime.run(taskOf('t1', turnsHealthy, turnsUnhealthy, runsForEver))
      await watch.when('t1', () => watch.container('t1', 'c0').health === 'healthy')
      await watch.when('t1', () => watch.container('t1', 'c1').health === 'unhealthy')
      assert.is(watch.container('t1', 'c2').health, 'unknown')
      assert.is(watch.state('t1').phase, 'running')
    }),
  )
}

function endings({ test, traits, scene }: Bench): void {
  const { runsForEver, exits, cannotStart } = traits.behaviours
  test(
    'an essential container that ends takes its task with it',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', runsForEver, exits(7)))
      const state = await watch.reach('t1', 'stopped')
      assert.equal(state.cause, {
        code: 'EssentialContainerExited',
        reason: 'Essential container in task exited',
      })
      assert.is(watch.container('t1', 'c1').exitCode, 7)
      assert.ok(watch.seen.some(({ phase }) => phase === 'stopping'))
      assert.type(state.stoppedAtMs, 'number')
    }),
  )

  test(
    'a container that is not essential ends alone',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', runsForEver, { ...exits(3), essential: false }))
      await watch.when('t1', () => watch.container('t1', 'c1').phase === 'stopped')
      assert.is(watch.container('t1', 'c1').exitCode, 3)
      assert.is((await watch.reach('t1', 'running')).cause, undefined)
      assert.is(watch.container('t1', 'c0').phase, 'running')
    }),
  )

  test(
    'an essential container that cannot start fails its task',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', runsForEver, cannotStart))
      const state = await watch.reach('t1', 'stopped')
      assert.equal(state.cause, { code: 'TaskFailedToStart', reason: 'Task failed to start' })
      assert.match(watch.container('t1', 'c1').reason ?? '', /^CannotStartContainerError: /)
      assert.is(watch.container('t1', 'c1').exitCode, undefined)
      assert.not(
        watch.seen.some(({ phase }) => phase === 'running'),
        'it never ran',
      )
    }),
  )

  test(
    'a container that is not essential and cannot start leaves its task alone',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', runsForEver, { ...cannotStart, essential: false }))
      await watch.reach('t1', 'running')
      assert.is(watch.container('t1', 'c1').phase, 'stopped')
      assert.match(watch.container('t1', 'c1').reason ?? '', /^CannotStartContainerError: /)
    }),
  )

  test(
    'containers that depend on one another in a circle fail their task',
    scene(async (watch) => {
      const on = (container: string) => ({
        ...runsForEver,
        dependsOn: [{ container, condition: 'START' as const }],
      })
      await watch.world.runtime.run(taskOf('t1', on('c1'), on('c0')))
      assert.is((await watch.reach('t1', 'stopped')).cause?.code, 'TaskFailedToStart')
    }),
  )
}

function conditions({ test, traits, scene }: Bench): void {
  const { runsForEver, exits, turnsHealthy } = traits.behaviours
  const helper = (container: Partial<ContainerSpec>) => ({ ...container, essential: false })
  const cases = [
    { condition: 'START', first: runsForEver, met: (c: ContainerState) => c.phase !== 'pending' },
    { condition: 'COMPLETE', first: exits(9), met: (c: ContainerState) => c.exitCode === 9 },
    { condition: 'SUCCESS', first: exits(0), met: (c: ContainerState) => c.exitCode === 0 },
    {
      condition: 'HEALTHY',
      first: turnsHealthy,
      met: (c: ContainerState) => c.health === 'healthy',
    },
  ] as const
  for (const { condition, first, met } of cases) {
    test(
      `dependsOn ${condition}: the container starts only once it is met`,
      scene(async (watch) => {
        const dependsOn = [{ container: 'c0', condition }]
        await watch.world.runtime.run(taskOf('t1', helper(first), { ...runsForEver, dependsOn }))
        await watch.reach('t1', 'running')
        for (const state of watch.seen) {
          const [dependency, dependent] = state.containers
          assert.ok(dependency && dependent)
          if (dependent.phase === 'running') assert.ok(met(dependency), JSON.stringify(state))
          if (state.phase === 'running') assert.is(dependent.phase, 'running')
        }
      }),
    )
  }
}

function failedConditions({ test, traits, scene }: Bench): void {
  const { runsForEver, exits, cannotStart } = traits.behaviours
  const cases = [
    { condition: 'START', first: cannotStart, text: /will never start/ },
    { condition: 'SUCCESS', first: exits(2), text: /did not exit successfully/ },
    { condition: 'HEALTHY', first: exits(0), text: /stopped before it was healthy/ },
    { condition: 'COMPLETE', first: { ...runsForEver, startTimeoutMs: 100 }, text: /timed out/ },
    { condition: 'HEALTHY', first: { ...runsForEver, startTimeoutMs: 100 }, text: /timed out/ },
  ] as const
  for (const { condition, first, text } of cases) {
    test(
      `dependsOn ${condition}: ${text.source} fails the task`,
      scene(async (watch) => {
        const helper = { ...first, essential: false }
        const dependsOn = [{ container: 'c0', condition }]
        await watch.world.runtime.run(taskOf('t1', helper, { ...runsForEver, dependsOn }))
        const state = await watch.reach('t1', 'stopped')
        assert.is(state.cause?.code, 'TaskFailedToStart')
        assert.match(watch.container('t1', 'c1').reason ?? '', text)
        assert.is(watch.container('t1', 'c1').runtimeId, undefined)
      }),
    )
  }
}

function stops({ test, traits, scene }: Bench): void {
  const { runsForEver, ignoresStop } = traits.behaviours
  test(
    'stop: a task stops without a cause of its own',
    scene(async (watch) => {
      const { runtime } = watch.world
      await runtime.run(taskOf('t1', runsForEver))
      await watch.reach('t1', 'running')
      await runtime.stop('t1')
      await runtime.stop('t1')
      const state = await watch.reach('t1', 'stopped')
      assert.is(state.cause, undefined)
      assert.type(state.stoppingAtMs, 'number')
      await runtime.stop('t1')
    }),
  )

  test(
    'stop: right after run, the task stops all the same',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', runsForEver))
      await watch.world.runtime.stop('t1')
      assert.is((await watch.reach('t1', 'stopped')).cause, undefined)
    }),
  )

  test(
    'stop: what ignores the polite signal is stopped by force',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', { ...ignoresStop, stopTimeoutMs: 200 }))
      await watch.reach('t1', 'running')
      await watch.world.runtime.stop('t1')
      await watch.reach('t1', 'stopped')
      assert.is(watch.container('t1', 'c0').exitCode, traits.killedExitCode)
    }),
  )

  test(
    'stop: containers stop before those they depend on',
    scene(async (watch) => {
      const dependsOn = [{ container: 'c0', condition: 'START' as const }]
      await watch.world.runtime.run(taskOf('t1', runsForEver, { ...runsForEver, dependsOn }))
      await watch.reach('t1', 'running')
      await watch.world.runtime.stop('t1')
      await watch.reach('t1', 'stopped')
      for (const { containers } of watch.seen) {
        if (containers[0]?.phase === 'stopped') assert.is(containers[1]?.phase, 'stopped')
      }
    }),
  )

  test(
    'stop and remove: unknown ids are no fault',
    scene(async ({ world }) => {
      await world.runtime.stop('nobody')
      await world.runtime.remove('nobody')
    }),
  )

  test(
    'remove: forgets a stopped task, and leaves one that runs',
    scene(async (watch) => {
      const { runtime } = watch.world
      await runtime.run(taskOf('t1', runsForEver))
      await watch.reach('t1', 'running')
      await runtime.remove('t1')
      await runtime.stop('t1')
      await watch.reach('t1', 'stopped')
      await runtime.remove('t1')
      await runtime.remove('t1')
      assert.equal(await linesOf(runtime, 't1'), [])
    }),
  )
}

function restarts({ test, traits, scene }: Bench): void {
  const { runsForEver } = traits.behaviours
  const verb = traits.outlives ? 'go on' : 'are lost'
  test(
    `start: after a restart running tasks ${verb}`,
    scene(async (watch) => {
      const spec = taskOf('t1', runsForEver)
      await watch.world.runtime.run(spec)
      const state = await watch.reach('t1', 'running')
      const next = new Watch(await watch.world.restarted())
      try {
        const truth = await next.start([{ spec, state }])
        assert.equal(
          truth.map(({ id }) => id),
          traits.outlives ? ['t1'] : [],
        )
        if (!traits.outlives) return
        assert.equal(next.state('t1'), state)
        await next.world.runtime.stop('t1')
        assert.is((await next.reach('t1', 'stopped')).startedAtMs, state.startedAtMs)
      } finally {
        await next.world.dispose()
      }
    }),
  )

  test(
    `start: after a restart tasks on their way ${verb}`,
    scene(async (watch) => {
      const spec = taskOf('t1', runsForEver)
      await watch.world.runtime.run(spec)
      const next = new Watch(await watch.world.restarted())
      try {
        const truth = await next.start([{ spec, state: pendingState(spec) }])
        assert.equal(
          truth.map(({ id }) => id),
          traits.outlives ? ['t1'] : [],
        )
        if (traits.outlives) await next.reach('t1', 'running')
      } finally {
        await next.world.dispose()
      }
    }),
  )

  test(
    'start: a task whose run never took effect is not part of the truth, and may be run',
    scene(async (watch) => {
      const spec = taskOf('t1', runsForEver)
      const next = new Watch(await watch.world.restarted())
      try {
        assert.equal(await next.start([{ spec }]), [])
        await next.world.runtime.run(spec)
        await next.reach('t1', 'running')
      } finally {
        await next.world.dispose()
      }
    }),
  )

  test(
    'close: no state follows',
    scene(async (watch) => {
      await watch.world.runtime.run(taskOf('t1', runsForEver))
      await watch.reach('t1', 'running')
      const seen = watch.seen.length
      await watch.world.runtime.close()
      assert.is(watch.seen.length, seen)
    }),
  )
}

function logs({ test, traits, scene }: Bench): void {
  test(
    'logs: nothing for an unknown id',
    scene(async ({ world }) => {
      assert.equal(await linesOf(world.runtime, 'nobody'), [])
    }),
  )

  test(
    'logs: a follower ends with its task, and at once when it is called off',
    scene(async (watch) => {
      const { runtime } = watch.world
      await runtime.run(taskOf('t1', traits.behaviours.runsForEver))
      await watch.reach('t1', 'running')
      const off = new AbortController()
      const called = linesOf(runtime, 't1', { follow: true, signal: off.signal })
      const whole = linesOf(runtime, 't1', { follow: true })
      off.abort()
      await called
      await runtime.stop('t1')
      await watch.reach('t1', 'stopped')
      await whole
    }),
  )

  const { writes } = traits.behaviours
  if (!writes) return
  test(
    'logs: lines come with their stream; tail and container narrow them',
    scene(async (watch) => {
      const { runtime } = watch.world
      await runtime.run(taskOf('t1', writes, traits.behaviours.runsForEver))
      await watch.reach('t1', 'running')
      const got: LogLine[] = []
      for await (const line of runtime.logs('t1', { follow: true, container: 'c0' })) {
        if (got.push(line) === 2) break
      }
      const texts = got.map(({ stream, line, container }) => [stream, line, container])
      assert.equal(texts.sort(), [
        ['stderr', 'oops', 'c0'],
        ['stdout', 'hello', 'c0'],
      ])
      assert.is((await linesOf(runtime, 't1', { tail: 1 })).length, 1)
      assert.equal(await linesOf(runtime, 't1', { container: 'c1' }), [])
      await runtime.stop('t1')
      await watch.reach('t1', 'stopped')
      assert.is((await linesOf(runtime, 't1')).length, 2)
      await runtime.remove('t1')
      assert.equal(await linesOf(runtime, 't1'), [])
    }),
  )
}

async function linesOf(
  runtime: TaskRuntime,
  id: string,
  query: Parameters<TaskRuntime['logs']>[1] = {},
): Promise<LogLine[]> {
  const lines: LogLine[] = []
  for await (const line of runtime.logs(id, query)) lines.push(line)
  return lines
}
