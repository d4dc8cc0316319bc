import { type Context, suite, type Test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ContainerSpec, ContainerState, LogLine } from '../cluster/runtime.ts'
import { pendingState } from './fake-runtime.ts'
import { linesOf, type Traits, taskOf, Watch, type World } from './runtime-watch.ts'

const MANY = 100

interface Bench {
  readonly traits: Traits
  /** A test in a world of its own. */
  readonly check: (name: string, work: (watch: Watch) => Promise<void>) => void
}

/** The one conformance suite of TaskRuntime; every runtime passes it. Call `.run()` on the answer. */
export function runtimeContract(
  name: string,
  traits: Traits,
  create: () => Promise<World>,
): Test<Context> {
  const test = suite(name)
  const check: Bench['check'] = (title, work) => {
    test(title, async () => {
      const world = await create()
      try {
        const watch = new Watch(world)
        await watch.start()
        await work(watch)
      } finally {
        await world.dispose()
      }
    })
  }
  const bench: Bench = { check, traits }
  lives(bench)
  endings(bench)
  conditions(bench)
  failedConditions(bench)
  stops(bench)
  restarts(bench)
  closes(bench)
  logs(bench)
  return test
}

function lives({ check, traits }: Bench): void {
  const { behaviours, many = MANY } = traits
  const { runsForEver } = behaviours
  check('run: a task comes to run, and run again with its id has no effect', async (watch) => {
    const spec = taskOf('t1', runsForEver, runsForEver)
    const { runtime } = watch.world
    await Promise.all([runtime.run(spec), runtime.run(spec)])
    const state = await watch.reach('t1', 'running')
    await runtime.run(spec)
    await runtime.run(taskOf('t2', runsForEver))
    await watch.reach('t2', 'running')
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
    assert.equal(watch.state('t1'), state, 'the second run changed nothing')
  })

  check(`run: ${many} tasks at once all run and all stop`, async (watch) => {
    const ids = Array.from({ length: many }, (_, index) => `many-${index}`)
    await Promise.all(ids.map((id) => watch.world.runtime.run(taskOf(id, runsForEver))))
    for (const id of ids) await watch.reach(id, 'running')
    await Promise.all(ids.map((id) => watch.world.runtime.stop(id)))
    for (const id of ids) assert.is((await watch.reach(id, 'stopped')).cause, undefined)
  })

  check('health and nodes: the runtime is up and names itself', async (watch) => {
    const { runtime } = watch.world
    assert.is(runtime.health().status, 'up')
    assert.ok(runtime.honesty.length > 0)
    assert.is(runtime.attributes['kecs.runtime'], runtime.name)
    assert.ok(runtime.nodes().every(({ cpuUnits, memoryMiB }) => cpuUnits > 0 && memoryMiB > 0))
  })

  check('warnings: what is not honoured is said in the state', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', { ...runsForEver, user: 'nobody' }))
    const { warnings = [] } = await watch.reach('t1', 'running')
    assert.is(
      warnings.some((text) => text.includes('user')),
      traits.warnsOfUser,
    )
  })

  check('health: a container turns healthy or unhealthy, and the task goes on', async (watch) => {
    const { turnsHealthy, turnsUnhealthy } = traits.behaviours
    await watch.world.runtime.run(taskOf('t1', turnsHealthy, turnsUnhealthy, runsForEver))
    await watch.when('t1', () => watch.container('t1', 'c0').health === 'healthy')
    await watch.when('t1', () => watch.container('t1', 'c1').health === 'unhealthy')
    assert.is(watch.container('t1', 'c2').health, 'unknown')
    assert.is(watch.state('t1').phase, 'running')
  })
}

function endings({ check, traits }: Bench): void {
  const { runsForEver, exits, cannotStart } = traits.behaviours
  check('an essential container that ends takes its task with it', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', runsForEver, exits(7)))
    const state = await watch.reach('t1', 'stopped')
    assert.equal(state.cause, {
      code: 'EssentialContainerExited',
      reason: 'Essential container in task exited',
    })
    assert.is(watch.container('t1', 'c1').exitCode, 7)
    assert.ok(watch.seen.some(({ phase }) => phase === 'stopping'))
    assert.type(state.stoppedAtMs, 'number')
  })

  check('a container that is not essential ends alone', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', runsForEver, { ...exits(3), essential: false }))
    await watch.when('t1', () => watch.container('t1', 'c1').phase === 'stopped')
    assert.is(watch.container('t1', 'c1').exitCode, 3)
    assert.is((await watch.reach('t1', 'running')).cause, undefined)
    assert.is(watch.container('t1', 'c0').phase, 'running')
  })

  check('an essential container that cannot start fails its task', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', runsForEver, cannotStart))
    const state = await watch.reach('t1', 'stopped')
    assert.equal(state.cause, { code: 'TaskFailedToStart', reason: 'Task failed to start' })
    assert.match(watch.container('t1', 'c1').reason ?? '', /^CannotStartContainerError: /)
    assert.is(watch.container('t1', 'c1').exitCode, undefined)
    assert.not(
      watch.seen.some(({ phase }) => phase === 'running'),
      'it never ran',
    )
  })

  check(
    'a container that is not essential and cannot start leaves its task alone',
    async (watch) => {
      await watch.world.runtime.run(taskOf('t1', runsForEver, { ...cannotStart, essential: false }))
      await watch.reach('t1', 'running')
      assert.is(watch.container('t1', 'c1').phase, 'stopped')
      assert.match(watch.container('t1', 'c1').reason ?? '', /^CannotStartContainerError: /)
    },
  )

  check('containers that depend on one another in a circle fail their task', async (watch) => {
    const on = (container: string) => ({
      ...runsForEver,
      dependsOn: [{ container, condition: 'START' as const }],
    })
    await watch.world.runtime.run(taskOf('t1', on('c1'), on('c0')))
    assert.is((await watch.reach('t1', 'stopped')).cause?.code, 'TaskFailedToStart')
  })
}

function conditions({ check, traits }: Bench): void {
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
    check(`dependsOn ${condition}: the container starts only once it is met`, async (watch) => {
      const dependsOn = [{ container: 'c0', condition }]
      await watch.world.runtime.run(taskOf('t1', helper(first), { ...runsForEver, dependsOn }))
      await watch.reach('t1', 'running')
      for (const state of watch.seen) {
        const [dependency, dependent] = state.containers
        assert.ok(dependency && dependent)
        if (dependent.phase === 'running') assert.ok(met(dependency), JSON.stringify(state))
        if (state.phase === 'running') assert.is(dependent.phase, 'running')
      }
    })
  }
}

function failedConditions({ check, traits }: Bench): void {
  const { runsForEver, exits, cannotStart } = traits.behaviours
  const cases = [
    { condition: 'START', first: cannotStart, text: /will never start/ },
    { condition: 'SUCCESS', first: exits(2), text: /did not exit successfully/ },
    { condition: 'HEALTHY', first: exits(0), text: /stopped before it was healthy/ },
    { condition: 'COMPLETE', first: { ...runsForEver, startTimeoutMs: 100 }, text: /timed out/ },
    { condition: 'HEALTHY', first: { ...runsForEver, startTimeoutMs: 100 }, text: /timed out/ },
  ] as const
  for (const { condition, first, text } of cases) {
    check(`dependsOn ${condition}: ${text.source} fails the task`, async (watch) => {
      const helper = { ...first, essential: false }
      const dependsOn = [{ container: 'c0', condition }]
      await watch.world.runtime.run(taskOf('t1', helper, { ...runsForEver, dependsOn }))
      const state = await watch.reach('t1', 'stopped')
      assert.is(state.cause?.code, 'TaskFailedToStart')
      assert.match(watch.container('t1', 'c1').reason ?? '', text)
      assert.is(watch.container('t1', 'c1').runtimeId, undefined)
    })
  }
}

function stops({ check, traits }: Bench): void {
  const { runsForEver, ignoresStop } = traits.behaviours
  check('stop: a task stops without a cause of its own', async (watch) => {
    const { runtime } = watch.world
    await runtime.run(taskOf('t1', runsForEver))
    await watch.reach('t1', 'running')
    await runtime.stop('t1')
    await runtime.stop('t1')
    const state = await watch.reach('t1', 'stopped')
    assert.is(state.cause, undefined)
    assert.type(state.stoppingAtMs, 'number')
    await runtime.stop('t1')
  })

  check('stop: right after run, the task stops all the same', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', runsForEver))
    await watch.world.runtime.stop('t1')
    assert.is((await watch.reach('t1', 'stopped')).cause, undefined)
  })

  check('stop: what ignores the polite signal is stopped by force', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', { ...ignoresStop, stopTimeoutMs: 200 }))
    await watch.reach('t1', 'running')
    const ready = ignoresStop.healthCheck ? 'healthy' : 'unknown'
    await watch.when('t1', () => watch.container('t1', 'c0').health === ready)
    await watch.world.runtime.stop('t1')
    await watch.reach('t1', 'stopped')
    assert.is(watch.container('t1', 'c0').exitCode, traits.killedExitCode)
  })

  check('stop: containers stop before those they depend on', async (watch) => {
    const dependsOn = [{ container: 'c0', condition: 'START' as const }]
    await watch.world.runtime.run(taskOf('t1', runsForEver, { ...runsForEver, dependsOn }))
    await watch.reach('t1', 'running')
    await watch.world.runtime.stop('t1')
    await watch.reach('t1', 'stopped')
    for (const { containers } of watch.seen) {
      if (containers[0]?.phase === 'stopped') assert.is(containers[1]?.phase, 'stopped')
    }
  })

  check('stop and remove: unknown ids are no fault', async ({ world }) => {
    await world.runtime.stop('nobody')
    await world.runtime.remove('nobody')
  })

  check('remove: forgets a stopped task, and leaves one that runs', async (watch) => {
    const { runtime } = watch.world
    await runtime.run(taskOf('t1', runsForEver))
    await watch.reach('t1', 'running')
    await runtime.remove('t1')
    await runtime.stop('t1')
    await watch.reach('t1', 'stopped')
    await runtime.remove('t1')
    await runtime.remove('t1')
    assert.equal(await linesOf(runtime, 't1'), [])
  })
}

function restarts({ check, traits }: Bench): void {
  const { runsForEver } = traits.behaviours
  const verb = traits.outlives ? 'go on' : 'are lost'
  check(`start: after a restart running tasks ${verb}`, async (watch) => {
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
  })

  check(`start: after a restart tasks on their way ${verb}`, async (watch) => {
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
  })

  check(
    'start: a task whose run never took effect is not part of the truth, and may be run',
    async (watch) => {
      const spec = taskOf('t1', runsForEver)
      const next = new Watch(await watch.world.restarted())
      try {
        assert.equal(await next.start([{ spec }]), [])
        await next.world.runtime.run(spec)
        await next.reach('t1', 'running')
      } finally {
        await next.world.dispose()
      }
    },
  )
}

function closes({ check, traits }: Bench): void {
  check('close: no state follows', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', traits.behaviours.runsForEver))
    await watch.reach('t1', 'running')
    const seen = watch.seen.length
    await watch.world.runtime.close()
    assert.is(watch.seen.length, seen)
  })
}

function logs({ check, traits }: Bench): void {
  check('logs: nothing for an unknown id', async ({ world }) => {
    assert.equal(await linesOf(world.runtime, 'nobody'), [])
  })

  check('logs: a follower ends with its task, and at once when it is called off', async (watch) => {
    const { runtime } = watch.world
    await runtime.run(taskOf('t1', traits.behaviours.runsForEver))
    const early = linesOf(runtime, 't1', { follow: true })
    await watch.reach('t1', 'running')
    const off = new AbortController()
    const called = linesOf(runtime, 't1', { follow: true, signal: off.signal })
    const whole = linesOf(runtime, 't1', { follow: true })
    off.abort()
    await called
    await runtime.stop('t1')
    await watch.reach('t1', 'stopped')
    await Promise.all([whole, early])
  })

  const { writes } = traits.behaviours
  if (!writes) return
  check('logs: lines come with their stream; tail and container narrow them', async (watch) => {
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
  })
}
