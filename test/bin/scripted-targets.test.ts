import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createScriptedTargets,
  noScripts,
  type ScriptedTargets,
} from '../../bin/scripted-targets.ts'
import type { TargetRow } from '../../elbv2/rows.ts'
import { World } from '../ecs/world.ts'

const LABEL = 'kecs.simulate.target-health'
const INITIAL = {
  state: 'initial',
  reason: 'Elb.InitialHealthChecking',
  description: 'Initial health checks in progress',
}
const UNHEALTHY = {
  state: 'unhealthy',
  reason: 'Target.FailedHealthChecks',
  description: 'Health checks failed',
}

interface Context {
  world: World
  scripts: ScriptedTargets
}

const scripted = suite<Context>('scripted targets')
scripted.before.each(async (context) => {
  context.world = new World()
  await context.world.furnish()
  await context.world.start()
  context.scripts = createScriptedTargets(context.world.rows, context.world.clock)
})
scripted.after.each(({ world }) => world.close())

/** A target of a task whose container has the label; the task has run for no time yet. */
async function targetWith(
  { world }: Context,
  ...labels: (string | undefined)[]
): Promise<TargetRow> {
  const containerDefinitions = labels.map((label, index) => ({
    name: `app-${index}`,
    image: 'nginx',
    memory: 64,
    ...(label !== undefined && { dockerLabels: { [LABEL]: label } }),
  }))
  await world.call('RegisterTaskDefinition', { family: 'scripted', containerDefinitions })
  const { tasks } = await world.call('RunTask', { cluster: 'c', taskDefinition: 'scripted' })
  await world.settle()
  const { taskArn: owner } = tasks[0]
  assert.is(world.rows.tasks.get(owner)?.startedAtMs, world.clock.now())
  const scope = { account: '000000000000', region: 'us-east-1' }
  return { ...scope, arn: 'key', targetGroupArn: 'g', id: 'x', registeredAtMs: 0, owner }
}

for (const [label, before, after] of [
  ['healthy', { state: 'healthy' }, { state: 'healthy' }],
  ['unhealthy', UNHEALTHY, UNHEALTHY],
  ['healthy-after:10s', INITIAL, { state: 'healthy' }],
  ['unhealthy-after:10s', INITIAL, UNHEALTHY],
] as const) {
  scripted(`${label}: what it says, from the task’s start`, async (context) => {
    const { world, scripts } = context
    const target = await targetWith(context, label)
    const startMs = world.clock.now()
    assert.equal(scripts.healthOf(target), before)
    assert.is(
      scripts.changesAtMs(target.owner ?? ''),
      startMs + (label.includes('10s') ? 10_000 : 0),
    )
    world.clock.advance(9_999)
    assert.equal(scripts.healthOf(target), before)
    world.clock.advance(1)
    assert.equal(scripts.healthOf(target), after)
  })
}

scripted('the first container that has the label says it', async (context) => {
  const target = await targetWith(context, undefined, 'healthy', 'unhealthy')
  assert.equal(context.scripts.healthOf(target), { state: 'healthy' })
})

scripted('without the label, and for what is no task’s, nothing is said', async (context) => {
  const { scripts } = context
  const target = await targetWith(context, undefined)
  const { owner: _, ...nobodys } = target
  for (const each of [target, nobodys as TargetRow, { ...target, owner: 'arn:gone' }]) {
    assert.is(scripts.healthOf(each), undefined)
    assert.is(scripts.changesAtMs(each.owner ?? ''), undefined)
  }
  assert.is(noScripts.healthOf(target), undefined)
  assert.is(noScripts.changesAtMs(target.owner ?? ''), undefined)
})

scripted.run()
