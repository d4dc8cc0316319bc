/** A service from nothing to many tasks and back, beside as many pods made at once; memory meanwhile. */
import type { List, Pod } from '../../../cluster/kubernetes/objects.ts'
import type { Figure } from '../figure.ts'
import {
  BARE_NAMESPACE,
  bareTwin,
  createPod,
  deletePod,
  makeBareNamespace,
  watchPods,
} from './pods.ts'
import { FAMILY, registerSleeper } from './tasks.ts'
import { cpuUsOf, memoryOf, until, type World } from './world.ts'

const LOOK_MS = 100
const SERVICE = 'many'

export async function* scale(world: World, count: number): AsyncIterable<Figure> {
  const { kube } = world
  await registerSleeper(world)
  await makeBareNamespace(kube)
  await makeService(world)
  yield* memory(world, 'before')
  const cpuUs = await cpuUsOf(world)
  const up = await scaledUp(world, count)
  const upUs = (await cpuUsOf(world)) - cpuUs
  yield { name: `service to ${count} RUNNING`, value: up, unit: 'ms' }
  yield {
    name: `CPU of the control plane for each of ${count} starts`,
    value: upUs / count,
    unit: 'us',
  }
  yield* memory(world, `with ${count} tasks`)
  const pod = await podOfTask(world)
  const down = await scaledDown(world)
  const downUs = (await cpuUsOf(world)) - cpuUs - upUs
  yield { name: `service of ${count} to 0`, value: down, unit: 'ms' }
  yield {
    name: `CPU of the control plane for each of ${count} stops`,
    value: downUs / count,
    unit: 'us',
  }
  yield* memory(world, 'after')
  const bare = await barePods(world, pod, count)
  yield { name: `${count} bare pods to Running`, value: bare.up, unit: 'ms' }
  yield { name: `${count} bare pods to gone`, value: bare.down, unit: 'ms' }
  yield { name: `service to ${count} / bare pods`, value: up / bare.up, unit: 'ratio' }
  yield { name: `service of ${count} to 0 / bare pods`, value: down / bare.down, unit: 'ratio' }
}

async function* memory(world: World, when: string): AsyncIterable<Figure> {
  const { rssMb, workingSetMb } = await memoryOf(world)
  yield { name: `memory of the control plane, resident, ${when}`, value: rssMb, unit: 'MB' }
  yield {
    name: `memory of the control plane, working set, ${when}`,
    value: workingSetMb,
    unit: 'MB',
  }
}

async function makeService({ aws }: World): Promise<void> {
  const { services } = await aws.call('DescribeServices', { services: [SERVICE] })
  if (services[0]?.status === 'ACTIVE') return
  await aws.call('CreateService', { serviceName: SERVICE, taskDefinition: FAMILY, desiredCount: 0 })
}

/** From the call of UpdateService until as many run as it says and no other is on its way. */
async function scaledUp({ aws }: World, count: number): Promise<number> {
  const begunMs = performance.now()
  await aws.call('UpdateService', { service: SERVICE, desiredCount: count })
  await until(`${count} tasks`, LOOK_MS, async () => {
    const [service] = (await aws.call('DescribeServices', { services: [SERVICE] })).services
    return service.runningCount === count && service.pendingCount === 0
  })
  return performance.now() - begunMs
}

/** From the call of UpdateService until each of its tasks, which no count tells of any more, has stopped. */
async function scaledDown({ aws }: World): Promise<number> {
  const { taskArns } = await aws.call('ListTasks', { serviceName: SERVICE })
  const begunMs = performance.now()
  await aws.call('UpdateService', { service: SERVICE, desiredCount: 0 })
  // One at a time: the CPU that is measured is that of stopping them, not of telling of them all.
  for (const arn of taskArns) {
    await until('tasks to stop', LOOK_MS, async () => {
      const [task] = (await aws.call('DescribeTasks', { tasks: [arn] })).tasks
      return task.lastStatus === 'STOPPED'
    })
  }
  return performance.now() - begunMs
}

async function podOfTask({ kube }: World): Promise<Pod> {
  const query = { labelSelector: 'app.kubernetes.io/managed-by=kecs,kecs.dev/task' }
  const { items } = await kube.request<List<Pod>>({ path: '/api/v1/pods', query })
  const pod = items.find(({ status }) => status?.phase === 'Running')
  if (!pod) throw new Error('no pod of a task runs')
  return pod
}

async function barePods({ kube }: World, pod: Pod, count: number) {
  const watch = await watchPods(kube, BARE_NAMESPACE)
  const names = Array.from({ length: count }, (_, index) => `many-${index}`)
  const all = (what: 'runningMs' | 'goneMs') => () =>
    names.every((name) => watch.seen.get(name)?.[what] !== undefined)
  const begunMs = performance.now()
  await Promise.all(names.map((name) => createPod(kube, bareTwin(pod, name))))
  await watch.when('bare pods run', all('runningMs'))
  const up = performance.now() - begunMs
  const endMs = performance.now()
  await Promise.all(names.map((name) => deletePod(kube, name)))
  await watch.when('bare pods are gone', all('goneMs'))
  watch.close()
  return { up, down: performance.now() - endMs }
}
