/** A service whose user changes their mind again and again, under load: no request is lost. */
import process from 'node:process'
import * as ecs from '@aws-sdk/client-ecs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../elbv2/data-plane/live-world.ts'
import { hammer } from './balancers-client.ts'
import { BalancedWorld, CLUSTER } from './balancers-world.ts'

const CHANGES = process.env.KECS_SLOW_TESTS ? 60 : 10
const SEED = 20260707

const changes = suite<{ world: BalancedWorld }>('changes under load')
changes.before(async (context) => {
  context.world = new BalancedWorld()
  await context.world.start()
})
changes.after(({ world }) => world.close())

changes(
  'scaled, rolled, forced and stopped in any order: no request is lost, and in the end all agree',
  async ({ world }) => {
    const balancer = await world.balancer('changes')
    const group = await world.group('changes', balancer)
    await world.attributes(group, { 'deregistration_delay.timeout_seconds': '2' })
    const { port } = await world.listener(balancer, group)
    for (const REVISION of ['1', '2']) await world.registerApp('app', { environment: { REVISION } })
    await world.createService('web', { groupArn: group })
    await world.untilStates(group, '3 healthy')

    const random = seededRandom(SEED)
    const below = (count: number) => Math.floor(random() * count)
    const done: string[] = []
    const kinds: Record<string, () => Promise<unknown>> = {
      scale: () => world.update('web', { desiredCount: 2 + below(3) }),
      roll: () => world.update('web', { taskDefinition: `app:${1 + below(2)}` }),
      force: () => world.update('web', { forceNewDeployment: true }),
      stop: async () => {
        const all = await world.tasks('web')
        const task = all[below(all.length)]
        // Two are to be left for its requests.
        if (all.length < 3 || task === undefined) return
        await world.ecs.send(new ecs.StopTaskCommand({ cluster: CLUSTER, task }))
        await world.settled('web')
      },
      rest: () => world.settled('web'),
    }
    const { failures } = await hammer({ port, host: balancer.dns }, async () => {
      for (let count = 0; count < CHANGES; count++) {
        const name = Object.keys(kinds)[below(5)] ?? ''
        done.push(name)
        await kinds[name]?.()
        // Changes come into the midst of what those before them began.
        await new Promise((resolve) => setTimeout(resolve, below(700)))
      }
      await world.settled('web')
    })
    assert.equal(failures, [], done.join())
    const { desiredCount } = await world.service('web')
    await world.untilStates(group, `${desiredCount} healthy`)
    const registered = (await world.health(group)).map(({ Target }) => Target?.Port ?? 0)
    const tasks = await world.tasks('web')
    const live = await Promise.all(tasks.map((task) => world.portOf(task)))
    assert.equal(registered.sort(), live.sort())
  },
)

changes.run()
