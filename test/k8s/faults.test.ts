/** Tasks and deployments on a real cluster, while pods are taken away from under them. */
import { waitUntilTasksRunning, waitUntilTasksStopped } from '@aws-sdk/client-ecs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  agree,
  CONTROL_PLANE,
  controlPlanePid,
  createInstance,
  define,
  type Instance,
  idOf,
  podsOf,
  RUNS,
  SHOP,
  serviceOf,
  steady,
  tasksOf,
} from './instance.ts'
import { eventually, onCluster, run } from './k3d.ts'

const SUITE = 'faults on k3d'
const faults = suite<{ instance: Instance }>(SUITE)

faults.before(async (context) => {
  context.instance = await createInstance('faults')
})

faults.after(async ({ instance }) => {
  await instance?.delete()
})

faults('RunTask: comes to run, then stops with its exit code, and its log is told', async (all) => {
  const { instance } = all
  const { ecs, kecs, adminPort } = instance
  const taskDefinition = await define(instance, 'once', 'echo to out; sleep 3; exit 7')
  const { tasks = [] } = await ecs.runTask({ cluster: SHOP, taskDefinition })
  const arn = tasks[0]?.taskArn ?? ''
  const waiting = { client: ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }
  await waitUntilTasksRunning(waiting, { cluster: SHOP, tasks: [arn] })
  await waitUntilTasksStopped(waiting, { cluster: SHOP, tasks: [arn] })
  const stopped = (await ecs.describeTasks({ cluster: SHOP, tasks: [arn] })).tasks?.[0]
  assert.equal(
    [stopped?.stopCode, stopped?.stoppedReason, stopped?.containers?.[0]?.exitCode],
    ['EssentialContainerExited', 'Essential container in task exited', 7],
  )
  const admin = ['--admin-url', `http://127.0.0.1:${adminPort}`]
  assert.is((await kecs('logs', 'task', arn, ...admin)).stdout, 'a | to out\n')
})

/** How few ran at any look, until the deployment is over; each look is one answer of ECS. */
async function fewestWhileRolling(instance: Instance, service: string): Promise<number> {
  let fewest = Number.POSITIVE_INFINITY
  await eventually(async () => {
    const { deployments = [] } = await serviceOf(instance, service)
    const running = deployments.reduce((sum, each) => sum + (each.runningCount ?? 0), 0)
    fewest = Math.min(fewest, running)
    assert.equal([deployments.length, deployments[0]?.rolloutState], [1, 'COMPLETED'])
  }, 90_000)
  return fewest
}

faults(
  'UpdateService: three roll to a new revision, never fewer run than must',
  async ({ instance }) => {
    const { ecs } = instance
    const first = await define(instance, 'web', RUNS)
    await ecs.createService({
      cluster: SHOP,
      serviceName: 'web',
      taskDefinition: first,
      desiredCount: 3,
      deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 134 },
    })
    await steady(instance, 'web', 3)
    const second = await define(instance, 'web', RUNS)
    await ecs.updateService({ cluster: SHOP, service: 'web', taskDefinition: second })
    assert.is(await fewestWhileRolling(instance, 'web'), 3)
    const tasks = await tasksOf(instance, 'web')
    const ofRevision = (arn: string, status: string) =>
      tasks.filter((each) => each.taskDefinitionArn === arn && each.lastStatus === status).length
    await steady(instance, 'web', 3)
    assert.equal(
      [ofRevision(first, 'STOPPED'), ofRevision(second, 'RUNNING'), tasks.length],
      [3, 3, 6],
    )
    await agree(instance)
  },
)

faults(
  'kubectl delete pod: the task stops with an honest reason, and another takes its place',
  async ({ instance }) => {
    const { kubectl } = instance
    const [one, two] = (await podsOf(instance)).filter(({ phase }) => phase === 'Running')
    assert.ok(one && two)
    const remove = ['delete', 'pod', '-n', one.namespace, '--wait=false']
    await kubectl(...remove, one.id)
    await kubectl(...remove, two.id, '--force', '--grace-period=0')
    await eventually(async () => {
      const tasks = await tasksOf(instance, 'web')
      for (const [{ id, namespace }, exitCodes] of [
        [one, [0]],
        // Nobody waited for the end of this one: its code is known if kubelet was faster.
        [two, [0, undefined]],
      ] as const) {
        const task = tasks.find((each) => idOf(each) === id)
        assert.equal(
          [task?.lastStatus, task?.stopCode, task?.stoppedReason],
          ['STOPPED', 'TerminationNotice', `Pod ${namespace}/${id} was deleted.`],
        )
        assert.ok((exitCodes as readonly unknown[]).includes(task?.containers?.[0]?.exitCode))
      }
    })
    const { deployments } = await steady(instance, 'web', 3)
    assert.is(deployments?.[0]?.failedTasks, 0)
    await agree(instance)
  },
)

/** Ends the control plane as the power would: no signal that it could heed. */
async function killProcess(instance: Instance): Promise<void> {
  const pid = await controlPlanePid(instance)
  await run('docker', ['exec', instance.node, 'kill', '-9', pid])
}

const KILLS: Readonly<Record<string, (instance: Instance) => Promise<unknown>>> = {
  'its pod is deleted by force': ({ kubectl }) =>
    kubectl('delete', 'pod', ...CONTROL_PLANE, '--force', '--grace-period=0'),
  'its process is killed': killProcess,
}

for (const [what, kill] of Object.entries(KILLS)) {
  faults(
    `kecs-controlplane: ${what} in mid-deployment, which then finishes, no task lost or doubled`,
    async ({ instance }) => {
      const { ecs } = instance
      const before = await tasksOf(instance, 'web')
      const taskDefinition = await define(instance, 'web', RUNS)
      await ecs.updateService({ cluster: SHOP, service: 'web', taskDefinition })
      await eventually(async () => {
        const { deployments = [] } = await serviceOf(instance, 'web')
        assert.ok((deployments[0]?.runningCount ?? 0) > 0)
      })
      await kill(instance)
      const { deployments = [] } = await steady(instance, 'web', 3)
      assert.equal(
        [deployments[0]?.taskDefinition, deployments[0]?.failedTasks],
        [taskDefinition, 0],
      )
      const tasks = await tasksOf(instance, 'web')
      assert.is(tasks.length, before.length + 3, 'each was started once')
      for (const task of tasks.filter(({ lastStatus }) => lastStatus === 'STOPPED')) {
        const known = before.some((each) => idOf(each) === idOf(task))
        assert.ok(known, `${idOf(task)}: ${task.stoppedReason}`)
      }
      await agree(instance)
    },
  )
}

const tests = await onCluster(SUITE, faults)
tests.run()
