/** Seeded worlds in which things fail and users change their minds: what must hold all the same. */
import process from 'node:process'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RuntimeFault } from '../../cluster/runtime.ts'
import { planService } from '../../ecs/plan.ts'
import { viewOf } from '../../ecs/reconcile-service.ts'
import type { ServiceRow, TaskRow } from '../../ecs/rows.ts'
import type { Change } from '../../gateway/core/store.ts'
import { noTargets, World } from './world.ts'

const RUNS = process.env.KECS_SLOW_TESTS === '1' ? 5_000 : 400
const SEED = 20260101
const SERVICE = 'arn:aws:ecs:us-east-1:000000000000:service/c/s'
const OCCUPYING = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING'])

interface Percent {
  readonly minimumHealthyPercent: number
  readonly maximumPercent: number
  readonly deploymentCircuitBreaker: { readonly enable: boolean; readonly rollback: boolean }
}

type Step =
  | { readonly do: 'scale'; readonly to: number }
  | { readonly do: 'update'; readonly revision: number }
  | { readonly do: 'force' | 'restart' | 'refuse' }
  | { readonly do: 'step' | 'crash' | 'stop' | 'lose'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number }

const pick = fc.nat({ max: 1000 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('scale'), to: fc.nat({ max: 6 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('update'), revision: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('force', 'restart', 'refuse') }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('step'), pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('crash', 'stop', 'lose'), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(100, 900, 2500, 20_000) }),
  },
) as fc.Arbitrary<Step>

const percent: fc.Arbitrary<Percent> = fc
  .record({
    minimumHealthyPercent: fc.constantFrom(0, 50, 66, 100),
    maximumPercent: fc.constantFrom(100, 150, 200),
    deploymentCircuitBreaker: fc.constantFrom(
      { enable: false, rollback: false },
      { enable: true, rollback: true },
      { enable: true, rollback: false },
    ),
  })
  .filter((each) => each.minimumHealthyPercent < each.maximumPercent)

/** Holds every durable transaction against the two percentages; what it finds wrong. */
function watch(world: World): string[] {
  const wrong: string[] = []
  const tasks = new Map<string, TaskRow>()
  const runs = (task: TaskRow) => task.lastStatus === 'RUNNING' && task.desiredStatus === 'RUNNING'
  const count = (keep: (task: TaskRow) => boolean) => [...tasks.values()].filter(keep).length
  world.store.onChange((changes: readonly Change[]) => {
    const service = world.rows.services.get(SERVICE)
    const mine = changes.filter(({ collection }) => collection === 'tasks')
    const healthyBefore = count(runs)
    let launched = false
    let stoppedByScheduler = false
    for (const { key, before, after } of mine) {
      const now = after as TaskRow | undefined
      if (now) tasks.set(key, now)
      else tasks.delete(key)
      if (!before) launched = true
      const was = before as TaskRow | undefined
      if (was?.desiredStatus === 'RUNNING' && now?.stopCode === 'ServiceSchedulerInitiated') {
        stoppedByScheduler = true
      }
    }
    if (service?.status !== 'ACTIVE') return
    const { desiredCount, deploymentConfiguration } = service
    const { maximumPercent = 0, minimumHealthyPercent = 0 } = deploymentConfiguration
    const most = Math.floor((desiredCount * maximumPercent) / 100)
    const least = Math.ceil((desiredCount * minimumHealthyPercent) / 100)
    const occupying = count((task) => OCCUPYING.has(task.lastStatus))
    if (launched && occupying > most) wrong.push(`${occupying} tasks, at most ${most} allowed`)
    const healthy = count(runs)
    if (stoppedByScheduler && healthy < Math.min(least, healthyBefore)) {
      wrong.push(`${healthy} healthy tasks, at least ${least} needed, ${healthyBefore} before`)
    }
  })
  return wrong
}

async function begin(configuration: Percent): Promise<World> {
  const world = new World()
  await world.furnish()
  await world.register('web')
  await world.register('web')
  await world.start()
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    taskDefinition: 'web:1',
    desiredCount: 3,
    deploymentConfiguration: configuration,
  })
  return world
}

async function play(world: World, one: Step): Promise<void> {
  const { runtime } = world
  const among = <T>(all: readonly T[], index: number) => all[index % Math.max(1, all.length)]
  const update = (more: object) =>
    world.call('UpdateService', { cluster: 'c', service: 's', ...more })
  switch (one.do) {
    case 'scale':
      await update({ desiredCount: one.to })
      break
    case 'update':
      await update({ taskDefinition: `web:${one.revision}` })
      break
    case 'force':
      await update({ forceNewDeployment: true })
      break
    case 'restart':
      await restartWatched(world)
      break
    case 'refuse':
      runtime.failNext('run', new RuntimeFault('RESOURCE:MEMORY', 'no room'))
      break
    case 'wait':
      world.clock.advance(one.ms)
      break
    case 'step': {
      const id = among(runtime.ids(), one.pick)
      if (id) runtime.step(id)
      break
    }
    case 'crash': {
      const running = runtime.states().filter(({ phase }) => phase === 'running')
      const state = among(running, one.pick)
      if (state) runtime.crash(state.id)
      break
    }
    case 'stop': {
      const task = among([...world.rows.tasks.by('live', 'yes')], one.pick)
      if (task) await world.call('StopTask', { cluster: 'c', task: task.id })
      break
    }
    case 'lose': {
      const id = among(runtime.ids(), one.pick)
      if (id) runtime.lose(id)
      await restartWatched(world)
      break
    }
  }
  await world.idle()
}

/** A task that the runtime has spoken of is never started again, not even when it is lost. */
async function restartWatched(world: World): Promise<void> {
  const seen = [...world.rows.tasks.by('live', 'yes')].filter(({ observed }) => observed)
  await world.restart()
  const again = new Set(world.runtime.idsOf('run'))
  assert.equal(
    seen.filter(({ id }) => again.has(id)).map(({ id }) => id),
    [],
  )
}

function serviceOf(world: World): ServiceRow {
  const service = world.rows.services.get(SERVICE)
  if (!service) throw new Error('the service is gone')
  return service
}

function planOf(world: World, shuffle = false, change: Partial<ServiceRow> = {}) {
  const service = { ...serviceOf(world), ...change }
  const cluster = world.rows.clusters.get(service.clusterArn)
  if (!cluster) throw new Error('the cluster is gone')
  const unchanged = Object.keys(change).length === 0
  const view = viewOf(world.context, noTargets, unchanged ? serviceOf(world) : service, cluster)
  const tasks = shuffle ? [...view.tasks].reverse() : view.tasks
  return planService({ ...view, tasks, newDeploymentId: () => 'ecs-svc/1' })
}

/** No task is kept twice: what runs is what the rows say runs. */
function checkNobodyLostOrDoubled(world: World): void {
  const live = [...world.rows.tasks.by('live', 'yes')].map(({ id }) => id).sort()
  const real = world.runtime
    .states()
    .filter(({ phase }) => phase !== 'stopped')
    .map(({ id }) => id)
    .sort()
  assert.equal(real, live)
  const started = world.runtime.idsOf('run')
  assert.is(new Set(started).size, started.length, 'a task was started twice')
}

async function converge(world: World): Promise<void> {
  for (let round = 0; round < 400; round++) {
    await world.settle(500)
    const plan = planOf(world)
    const quiet = plan.launches.length + plan.stops.length === 0 && plan.lookAgainAtMs === undefined
    if (quiet && serviceOf(world).steady) return
    if (quiet && serviceOf(world).deployments[0]?.rolloutState === 'FAILED') return
  }
  const { deployments, desiredCount } = serviceOf(world)
  throw new Error(`no steady state: ${desiredCount} ${JSON.stringify(deployments)}`)
}

/** A maximum that leaves no room above the desired count and a minimum that lets nothing go block for ever, as on AWS. */
function canRoll(configuration: Percent, desired: number): boolean {
  const most = Math.floor((desired * configuration.maximumPercent) / 100)
  const least = Math.ceil((desired * configuration.minimumHealthyPercent) / 100)
  return most > desired || least < desired || desired === 0
}

test('scheduler: percentages hold at every step, whatever happens; in the end all is as wanted', async () => {
  await fc.assert(
    fc.asyncProperty(
      percent,
      fc.array(step, { minLength: 1, maxLength: 40 }),
      async (configuration, steps) => {
        const world = await begin(configuration)
        const wrong = watch(world)
        try {
          for (const one of steps) await play(world, one)
          const { desiredCount } = serviceOf(world)
          if (!canRoll(configuration, desiredCount)) return
          await converge(world)
          assert.equal(wrong, [])
          checkNobodyLostOrDoubled(world)
          const service = serviceOf(world)
          if (service.deployments[0]?.rolloutState === 'FAILED') return
          assert.is(service.deployments.length, 1)
          const tasks = [...world.rows.tasks.by('serviceLive', SERVICE)]
          assert.is(tasks.length, desiredCount)
          const definition = service.launch.taskDefinitionArn
          assert.ok(tasks.every((task) => task.taskDefinitionArn === definition))
        } finally {
          await world.close()
        }
      },
    ),
    { seed: SEED, numRuns: RUNS },
  )
})

test('scheduler: nothing is left to do once it is settled', async () => {
  const world = await begin({
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    deploymentCircuitBreaker: { enable: true, rollback: true },
  })
  await converge(world)
  const before = serviceOf(world)
  const plan = planOf(world)
  assert.is(plan.service, before, 'the service would be written again')
  assert.equal([plan.launches, plan.stops, plan.events], [[], [], []])
  const passes = world.reconciler?.passes() ?? 0
  await world.settle(20_000)
  assert.is(world.reconciler?.passes(), passes, 'passes go on although nothing changes')
  await world.close()
})

test('planService: the order of rows is irrelevant', async () => {
  await fc.assert(
    fc.asyncProperty(percent, fc.array(step, { maxLength: 25 }), async (configuration, steps) => {
      const world = await begin(configuration)
      try {
        for (const one of steps) await play(world, one)
        for (let desiredCount = 0; desiredCount < 6; desiredCount++) {
          const change = { desiredCount }
          assert.equal(planOf(world, true, change), planOf(world, false, change))
        }
      } finally {
        await world.close()
      }
    }),
    { seed: SEED, numRuns: Math.ceil(RUNS / 4) },
  )
})

test('scheduler: a restart after every single step loses and doubles no task', async () => {
  const world = await begin({
    minimumHealthyPercent: 50,
    maximumPercent: 200,
    deploymentCircuitBreaker: { enable: false, rollback: false },
  })
  const started = new Set<string>()
  for (let round = 0; round < 60; round++) {
    await world.restart()
    for (const id of world.runtime.idsOf('run')) {
      assert.not.ok(started.has(id), 'a task was started twice')
      started.add(id)
    }
    const id = world.runtime.ids()[round % Math.max(1, world.runtime.ids().length)]
    if (id) world.runtime.step(id)
    await world.idle()
    if (round === 30) {
      await world.call('UpdateService', { cluster: 'c', service: 's', taskDefinition: 'web:2' })
    }
    world.clock.advance(300)
  }
  await converge(world)
  const live = [...world.rows.tasks.by('live', 'yes')]
  assert.is(live.length, 3)
  assert.ok(live.every((task) => task.taskDefinitionArn.endsWith('web:2')))
  await world.close()
})

test.run()
