/** The one node of a cluster restarted, killed and stopped for a while, and all that was in it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from '@aws-sdk/client-ecs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  agree,
  createInstance,
  define,
  type Instance,
  idOf,
  podsOf,
  RUNS,
  SHOP,
  steady,
  tasksOf,
} from './instance.ts'
import { eventually, onCluster, run } from './k3d.ts'

/** Longer than the control plane waits for one answer of the API server. */
const API_AWAY_MS = 22_000
const PAUSE_MS = 20_000

const SUITE = 'node faults on k3d'
const nodes = suite<{ instance: Instance }>(SUITE)

nodes.before(async (context) => {
  const instance = await createInstance('node')
  context.instance = instance
  const taskDefinition = await define(instance, 'web', RUNS)
  const service = { cluster: SHOP, serviceName: 'web', desiredCount: 3, taskDefinition }
  await instance.ecs.createService(service)
  await steady(instance, 'web', 3)
})

nodes.after(async ({ instance }) => {
  await instance?.delete()
})

/** Those that a fault ended are told so, and others run in their place. */
async function replaced(
  instance: Instance,
  before: readonly Task[],
  why: RegExp,
  codes: readonly (number | undefined)[],
): Promise<void> {
  const { ecs, adminPort } = instance
  const isThere = (): Promise<unknown> => ecs.listClusters({})
  await eventually(isThere, 90_000)
  await eventually(async () => {
    const now = await tasksOf(instance)
    for (const { taskArn } of before) {
      const { lastStatus, stopCode, stoppedReason, containers } =
        now.find((each) => each.taskArn === taskArn) ?? {}
      assert.equal([lastStatus, stopCode], ['STOPPED', 'TerminationNotice'], stoppedReason)
      assert.match(stoppedReason ?? '', why)
      const code = containers?.[0]?.exitCode
      assert.ok(codes.includes(code), `the exit code ${code}`)
    }
  })
  const { deployments } = await steady(instance, 'web', 3)
  assert.is(deployments?.[0]?.failedTasks, 0)
  const health = await fetch(`http://127.0.0.1:${adminPort}/health`, {
    signal: AbortSignal.timeout(5_000),
  })
  assert.is(health.status, 200)
  await agree(instance)
}

async function running(instance: Instance): Promise<Task[]> {
  return (await tasksOf(instance)).filter(({ lastStatus }) => lastStatus === 'RUNNING')
}

nodes(
  'docker kill: nobody saw how tasks ended, which is said, and no code is made up',
  async (all) => {
    const { instance } = all
    const { ecs, node } = instance
    const taskDefinition = await define(instance, 'alone', RUNS)
    await ecs.runTask({ cluster: SHOP, taskDefinition })
    await eventually(async () => assert.is((await running(instance)).length, 4))
    const before = await running(instance)
    await run('docker', ['kill', node])
    await run('docker', ['start', node])
    await replaced(
      instance,
      before,
      /^Node k3d-.* was restarted or lost container a; how it ended/,
      [undefined],
    )
  },
)

nodes(
  'docker restart: k3d drains the node, so all its pods go; tasks are told lost and replaced',
  async ({ instance }) => {
    const before = await running(instance)
    const pods = await podsOf(instance)
    await run('docker', ['restart', instance.node])
    // The drain takes what takes no notice of it, too, though nobody is there to see it; what ends
    // at SIGTERM does so with 0, and that may be seen before the control plane goes.
    await replaced(
      instance,
      before,
      /was deleted\.$|^Task was lost while KECS was not running\.$/,
      [0, undefined],
    )
    const uids = new Set((await podsOf(instance)).map(({ uid }) => uid))
    assert.not.ok(pods.some(({ uid }) => uids.has(uid)))
    const logs = await run('docker', ['logs', instance.node])
    assert.match(logs, 'Draining node')
  },
)

nodes('docker pause: what ran runs on, and nothing is told otherwise', async ({ instance }) => {
  const before = (await running(instance)).map(idOf).sort()
  await run('docker', ['pause', instance.node])
  // The time is the fault.
  await sleep(PAUSE_MS)
  await run('docker', ['unpause', instance.node])
  await steady(instance, 'web', 3)
  await agree(instance)
  assert.equal((await running(instance)).map(idOf).sort(), before)
})

/** The signal for k3s alone: pods go on, the control plane among them, without an API server. */
function signalK3s(node: string, signal: string): Promise<string> {
  return run('docker', ['exec', node, 'sh', '-c', `kill -${signal} $(pgrep -o ^k3s)`])
}

nodes(
  'API server: what is asked while it does not answer is done once it does, and only once',
  async ({ instance }) => {
    const { ecs, node } = instance
    const before = (await running(instance)).map(idOf)
    const taskDefinition = await define(instance, 'late', RUNS)
    await signalK3s(node, 'STOP')
    try {
      await ecs.runTask({ cluster: SHOP, taskDefinition })
      const { tasks = [] } = await ecs.runTask({ cluster: SHOP, taskDefinition })
      await ecs.stopTask({ cluster: SHOP, task: tasks[0]?.taskArn })
      await sleep(API_AWAY_MS)
      const now = await tasksOf(instance)
      const late = now.filter((each) => each.taskDefinitionArn === taskDefinition)
      assert.not.ok(late.some(({ lastStatus }) => lastStatus === 'RUNNING'))
      for (const id of before) {
        assert.is(now.find((each) => idOf(each) === id)?.lastStatus, 'RUNNING')
      }
    } finally {
      await signalK3s(node, 'CONT')
    }
    await eventually(async () => {
      const now = await tasksOf(instance)
      const late = now.filter((each) => each.taskDefinitionArn === taskDefinition)
      const statuses = late.map(({ lastStatus }) => lastStatus).sort()
      assert.equal(statuses, ['RUNNING', 'STOPPED'], late.map((each) => each.stoppedReason).join())
    })
    await agree(instance)
    const after = (await running(instance)).map(idOf)
    assert.equal(
      before.filter((id) => !after.includes(id)),
      [],
    )
  },
)

const tests = await onCluster(SUITE, nodes)
tests.run()
