import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  acceptedTask,
  advance,
  type LocalEvent,
  type LocalTask,
  resumedTask,
  stateOf,
} from '../../../cluster/local/lifecycle.ts'
import { mayStop, orderProblem, readinessOf } from '../../../cluster/local/order.ts'
import type { ContainerSpec, TaskSpec } from '../../../cluster/runtime.ts'
import { taskOf } from '../../runtime-watch.ts'

const test = suite('lifecycle')
const SEED = 20260101
const RUNS = 2_000
const MAX_STEPS = 500
const PHASES = ['pending', 'pulling', 'running', 'stopping', 'stopped']
const CONDITIONS = ['START', 'COMPLETE', 'SUCCESS', 'HEALTHY'] as const

/** Tasks of up to five containers that depend on earlier ones only; the last is essential. */
const anySpec = fc
  .array(
    fc.record({
      essential: fc.boolean(),
      timeoutMs: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
      needs: fc.array(fc.tuple(fc.nat(4), fc.constantFrom(...CONDITIONS)), { maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((drawn) =>
    taskOf(
      't1',
      ...drawn.map(
        ({ essential, timeoutMs, needs }, index): Partial<ContainerSpec> => ({
          essential: essential || index === drawn.length - 1,
          ...(timeoutMs === undefined ? {} : { startTimeoutMs: timeoutMs }),
          dependsOn: needs
            .filter(([on]) => on < index)
            .map(([on, condition]) => ({ container: `c${on}`, condition })),
        }),
      ),
    ),
  )

/** What the world can do now: containers told to start or stop may answer, those that run may end. */
function possible(task: LocalTask): LocalEvent[] {
  const events: LocalEvent[] = [{ kind: 'tick' }]
  if (task.reached === 'pending' && !task.prepared) events.push({ kind: 'pulling' })
  if (!task.prepared) events.push({ kind: 'prepared' }, { kind: 'failed', reason: 'no luck' })
  for (const { name: container, progress } of task.containers) {
    if (progress === 'starting') {
      events.push({ kind: 'started', container, runtimeId: container })
      events.push({ kind: 'startFailed', container, reason: 'no luck' })
    }
    if (progress === 'running' || progress === 'stopping') {
      events.push({ kind: 'exited', container, exitCode: 0 })
      events.push({ kind: 'exited', container, exitCode: 1 })
      events.push({ kind: 'health', container, health: 'healthy' })
    }
  }
  return events
}

function checkStep(before: LocalTask, after: LocalTask): void {
  const [was, is] = [stateOf(before), stateOf(after)]
  assert.ok(PHASES.indexOf(is.phase) >= PHASES.indexOf(was.phase), `${was.phase} then ${is.phase}`)
  const essential = after.spec.containers.filter((container) => container.essential)
  if (is.phase === 'running') {
    for (const { name } of essential) {
      assert.is.not(after.containers.find((each) => each.name === name)?.startedAtMs, undefined)
    }
  }
  for (const { name, progress, startedAtMs } of after.containers) {
    const earlier = before.containers.find((each) => each.name === name)
    const spec = after.spec.containers.find((each) => each.name === name)
    if (progress === 'starting' && earlier?.progress === 'waiting' && spec) {
      assert.is(readinessOf(spec, after.spec, after.containers, 0).is, 'ready')
      assert.not(['stopping', 'stopped'].includes(is.phase), 'nothing starts in a task that ends')
    }
    if (progress === 'stopping' && earlier?.progress !== 'stopping') {
      assert.ok(mayStop(name, after.spec, after.containers))
    }
    if (is.phase === 'stopped') assert.is(progress, 'stopped')
    if (earlier?.startedAtMs !== undefined) assert.is(startedAtMs, earlier.startedAtMs)
  }
}

function play(spec: TaskSpec, choices: readonly number[], stopAt: number): LocalTask {
  let task = acceptedTask(spec)
  let nowMs = 0
  for (let turn = 0; turn < MAX_STEPS && task.stoppedAtMs === undefined; turn++) {
    const events = possible(task)
    const choice = choices[turn % choices.length] ?? 0
    // Once it is asked to stop, containers answer in whatever order.
    const answers = turn > stopAt ? events.filter(({ kind }) => kind === 'exited') : events
    const pool = answers.length > 0 ? answers : events
    const event = turn === stopAt ? { kind: 'stop' as const } : pool[(choice + turn) % pool.length]
    if (!event) continue
    const step = advance(task, event, nowMs)
    checkStep(task, step.task)
    task = step.task
    nowMs += choice % 7
  }
  return task
}

test('advance: whatever happens, states come in order and a task asked to stop does stop', () => {
  const choices = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(anySpec, choices, fc.nat(60), (spec, drawn, stopAt) => {
      const state = stateOf(play(spec, drawn, stopAt))
      assert.is(state.phase, 'stopped')
      assert.ok(state.containers.every(({ phase }) => phase === 'stopped'))
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

test('resumedTask: tells the same state again, at whatever point the task was left', () => {
  const choices = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(anySpec, choices, (spec, drawn) => {
      let task = acceptedTask(spec)
      for (const [turn, choice] of drawn.entries()) {
        const events = possible(task)
        const event = events[choice % events.length]
        if (event) task = advance(task, event, turn).task
        const state = stateOf(task)
        assert.equal(stateOf(resumedTask(spec, state, turn)), state)
      }
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

test('advance: a time-out counts from the start of the dependency and asks to be woken', () => {
  const dependsOn = [{ container: 'c0', condition: 'HEALTHY' as const }]
  const spec = taskOf('t1', { essential: false, startTimeoutMs: 50 }, { dependsOn })
  const prepared = advance(acceptedTask(spec), { kind: 'prepared' }, 10)
  assert.equal(prepared.start, ['c0'])
  assert.is(prepared.wakeAtMs, undefined)
  const started = advance(prepared.task, { kind: 'started', container: 'c0' }, 100)
  assert.is(started.wakeAtMs, 150)
  assert.is(advance(started.task, { kind: 'tick' }, 149).wakeAtMs, 150)
  const late = advance(started.task, { kind: 'tick' }, 150)
  assert.equal(late.stop, ['c0'])
  assert.is(late.task.cause?.code, 'TaskFailedToStart')
})

test('advance: what is asked to stop has no cause, and keeps none that comes after', () => {
  const prepared = advance(acceptedTask(taskOf('t1', {})), { kind: 'prepared' }, 0).task
  const started = advance(prepared, { kind: 'started', container: 'c0' }, 0).task
  const asked = advance(started, { kind: 'stop' }, 1)
  assert.equal(asked.stop, ['c0'])
  assert.equal(advance(asked.task, { kind: 'stop' }, 2).stop, [], 'told once')
  const over = advance(asked.task, { kind: 'exited', container: 'c0', exitCode: 1 }, 3).task
  assert.is(over.cause, undefined)
  assert.is(over.stoppedAtMs, 3)
})

test('advance: an event for a container that is stopped or unknown changes nothing', () => {
  const task = acceptedTask(taskOf('t1', {}))
  const stopped = advance(task, { kind: 'stop' }, 0).task
  for (const container of ['c0', 'nobody']) {
    const event: LocalEvent = { kind: 'started', container }
    assert.is(advance(stopped, event, 1).task, stopped)
  }
  assert.is(advance(task, { kind: 'started', container: 'nobody' }, 1).task, task)
})

test('orderProblem: unknown names, doubled names and circles are found', () => {
  const on = (...names: string[]) => ({
    dependsOn: names.map((container) => ({ container, condition: 'START' as const })),
  })
  assert.is(orderProblem(taskOf('t1', {}, on('c0'), on('c0', 'c1'))), undefined)
  assert.match(orderProblem(taskOf('t1', on('c9'))) ?? '', 'unknown c9')
  assert.match(orderProblem(taskOf('t1', on('c0'))) ?? '', 'c0 depends on itself')
  assert.match(orderProblem(taskOf('t1', {}, on('c2'), on('c1'))) ?? '', 'c1 depends on itself')
  assert.match(orderProblem(taskOf('t1', { name: 'x' }, { name: 'x' })) ?? '', 'same name')
})

test.run()
