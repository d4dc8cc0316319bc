/** What the control plane costs when nothing happens, and what many short tasks leave behind. */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  agree,
  CONTROL_PLANE,
  controlPlanePid,
  createInstance,
  define,
  type Instance,
  podsOf,
  SHOP,
  tasksOf,
} from './instance.ts'
import { eventually, onCluster, run } from './k3d.ts'

const TASKS = 50
/** RunTask takes no more at once. */
const AT_ONCE = 10
const IDLE_MS = 15_000
/** Of one processor; what was measured is a tenth of it. */
const MOST_IDLE_SHARE = 0.02
const TICKS_PER_SECOND = 100

const SUITE = 'cost on k3d'
const cost = suite<{ instance: Instance }>(SUITE)

cost.before(async (context) => {
  context.instance = await createInstance('cost')
})

cost.after(async ({ instance }) => {
  await instance?.delete()
})

cost('RunTask: fifty short ones all end, and each pod is one that ECS knows', async (all) => {
  const { instance } = all
  const { ecs } = instance
  const taskDefinition = await define(instance, 'short', 'exit 0')
  for (let asked = 0; asked < TASKS; asked += AT_ONCE) {
    const { failures } = await ecs.runTask({ cluster: SHOP, taskDefinition, count: AT_ONCE })
    assert.equal(failures, [])
  }
  await eventually(async () => {
    const tasks = await tasksOf(instance)
    assert.is(tasks.length, TASKS)
    assert.ok(tasks.every(({ lastStatus }) => lastStatus === 'STOPPED'))
    const codes = new Set(tasks.map(({ containers }) => containers?.[0]?.exitCode))
    assert.equal([...codes], [0])
  }, 90_000)
  await agree(instance)
})

/** Seconds of processor time that a process has had. */
async function processorSeconds({ node }: Instance, pid: string): Promise<number> {
  const stat = await run('docker', ['exec', node, 'cat', `/proc/${pid}/stat`])
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

cost('kecs-controlplane: takes next to no processor time when nothing happens', async (all) => {
  const { instance } = all
  const pid = await controlPlanePid(instance)
  const before = await processorSeconds(instance, pid)
  // What is measured is what happens when nothing does.
  await sleep(IDLE_MS)
  const share = (await processorSeconds(instance, pid)) - before
  assert.ok(share < (IDLE_MS / 1000) * MOST_IDLE_SHARE, `${share} s of ${IDLE_MS / 1000} s`)
})

cost('pods: those of tasks that ECS has forgotten are gone once it starts again', async (all) => {
  const { instance } = all
  assert.is((await podsOf(instance)).length, TASKS, 'an hour long they stay, with their logs')
  await instance.kecs('reset', '--yes', '--admin-url', `http://127.0.0.1:${instance.adminPort}`)
  await instance.kubectl('delete', 'pod', ...CONTROL_PLANE, '--now')
  await eventually(async () => assert.equal(await podsOf(instance), []), 90_000)
})

const tests = await onCluster(SUITE, cost)
tests.run()
