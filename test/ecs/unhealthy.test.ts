/** Services whose targets fall ill and get well at random: what must hold all the same. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TargetState } from '../../ecs/targets.ts'
import { FakeTargets } from './fake-targets.ts'
import { create, update } from './service-world.ts'
import { type Answer, World } from './world.ts'

const RUNS = 100
const SEED = 20260808
const BALANCERS = [{ targetGroupArn: FakeTargets.group, containerName: 'app', containerPort: 80 }]

type Step =
  | { readonly do: 'find'; readonly pick: number; readonly state: TargetState }
  | { readonly do: 'fresh'; readonly state: TargetState }
  | { readonly do: 'scale'; readonly to: number }
  | { readonly do: 'roll' }
  | { readonly do: 'wait'; readonly ms: number }

const state = fc.constantFrom<TargetState>('initial', 'healthy', 'unhealthy', 'unhealthy')
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('find' as const), pick: fc.nat(100), state }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fresh' as const), state }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('scale' as const), to: fc.integer({ min: 2, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('roll' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(500, 5_000) }),
  },
)
// Of one task neither half can be stopped nor half more be started: such a roll waits for ever.
const percents = fc.constantFrom(
  { minimumHealthyPercent: 100, maximumPercent: 200 },
  { minimumHealthyPercent: 50, maximumPercent: 150 },
  { minimumHealthyPercent: 0, maximumPercent: 100 },
  { minimumHealthyPercent: 50, maximumPercent: 100 },
)

async function play(world: World, targets: FakeTargets, one: Step): Promise<void> {
  switch (one.do) {
    case 'find': {
      const known = [...targets.states.keys()]
      const arn = known[one.pick % Math.max(1, known.length)]
      if (arn !== undefined) targets.found(arn, one.state)
      break
    }
    case 'fresh':
      targets.fresh = one.state
      break
    case 'scale':
      await update(world, { desiredCount: one.to })
      break
    case 'roll':
      await update(world, { forceNewDeployment: true })
      break
    case 'wait':
      await world.settle(one.ms)
  }
  await world.settle()
}

test('services: no more tasks than the maximum run, and in the end the healthy ones that are wanted', async () => {
  await fc.assert(
    fc.asyncProperty(
      percents,
      fc.array(step, { minLength: 5, maxLength: 40 }),
      async (deploymentConfiguration, steps) => {
        const world = new World()
        const targets = new FakeTargets()
        world.targets = targets
        await world.call('CreateCluster', { clusterName: 'c' })
        await world.register('web', { portMappings: [{ containerPort: 80 }] })
        await world.start()
        await create(world, { loadBalancers: BALANCERS, desiredCount: 2, deploymentConfiguration })
        for (const one of steps) {
          const before: Answer = await world.service()
          await play(world, targets, one)
          const after: Answer = await world.service()
          const wanted = Math.max(before.desiredCount, after.desiredCount)
          const most = Math.floor((wanted * deploymentConfiguration.maximumPercent) / 100)
          const now = after.runningCount + after.pendingCount
          const earlier = before.runningCount + before.pendingCount
          assert.ok(
            now <= Math.max(most, earlier),
            `${now} of ${most} after ${JSON.stringify(one)}`,
          )
        }
        // Whatever is ill stays ill, and whatever is new is well.
        targets.fresh = 'healthy'
        for (const [arn, is] of targets.states) if (is === 'initial') targets.found(arn, 'healthy')
        await world.settle(300_000)
        const { desiredCount, runningCount, deployments }: Answer = await world.service()
        assert.equal([...targets.states.values()], Array(desiredCount).fill('healthy'))
        assert.equal([runningCount, deployments.length], [desiredCount, 1])
        assert.is(deployments[0].rolloutState, 'COMPLETED')
        await world.close()
      },
    ),
    { seed: SEED, numRuns: RUNS },
  )
})

test.run()
