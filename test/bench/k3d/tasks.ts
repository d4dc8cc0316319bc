/** RunTask to RUNNING, beside the same pod made by hand and seen running by a watch. */
import type { List, Pod } from '../../../cluster/kubernetes/objects.ts'
import { type Figure, quantile } from '../figure.ts'
import {
  BARE_NAMESPACE,
  bareTwin,
  createPod,
  deletePod,
  makeBareNamespace,
  type PodWatcher,
  watchPods,
} from './pods.ts'
import { TASK_COMMAND, TASK_IMAGE, until, type World } from './world.ts'

const ROUNDS = 25
const NEW_CLUSTERS = 9
const LOOK_MS = 10
const TASK_LABEL = 'kecs.dev/task'

export const FAMILY = 'sleeper'

interface TaskTimes {
  /** From the call to DescribeTasks telling RUNNING. */
  readonly runningMs: number
  readonly callMs: number
  readonly podMadeMs: number
  readonly podRunsMs: number
  readonly toldMs: number
  /** From the call of StopTask to DescribeTasks telling STOPPED. */
  readonly stoppedMs: number
}

export async function registerSleeper({ aws }: World): Promise<void> {
  await aws.call('CreateCluster', {})
  const container = { name: 'app', image: TASK_IMAGE, command: TASK_COMMAND }
  const limits = { cpu: 8, memory: 16, stopTimeout: 5 }
  await aws.call('RegisterTaskDefinition', {
    family: FAMILY,
    containerDefinitions: [{ ...container, ...limits }],
  })
}

/**
 * A task is followed by DescribeTasks each 10 ms; a pod by a watch. Each is gone before the next, and
 * each comes after each as often: the end of one still costs the node something.
 */
export async function* starts(world: World): AsyncIterable<Figure> {
  const { kube } = world
  await registerSleeper(world)
  await makeBareNamespace(kube)
  const { pod } = await firstTask(world)
  const namespace = pod.metadata.namespace ?? ''
  const [ours, bare] = [await watchPods(kube, namespace), await watchPods(kube, BARE_NAMESPACE)]
  const tasks: TaskTimes[] = []
  const pods: PodTimes[] = []
  const onePod = async () => pods.push(await timePod(world, pod, `pod-${pods.length}`, bare))
  const oneTask = async () => tasks.push(await timeTask(world, ours))
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of round % 2 === 0 ? [onePod, oneTask] : [oneTask, onePod]) await one()
  }
  ours.close()
  bare.close()
  yield* figures(tasks, pods)
  const first: number[] = []
  for (let round = 0; round < NEW_CLUSTERS; round++)
    first.push(await inNewCluster(world, `new-${round}`))
  const p50 = quantile(first, 0.5)
  yield { name: 'RunTask to RUNNING, the first of a new ECS cluster, p50', value: p50, unit: 'ms' }
}

interface PodTimes {
  readonly runningMs: number
  readonly goneMs: number
}

async function timePod(
  { kube }: World,
  pod: Pod,
  name: string,
  watch: PodWatcher,
): Promise<PodTimes> {
  const begunMs = performance.now()
  await createPod(kube, bareTwin(pod, name))
  await watch.when('a bare pod runs', () => watch.seen.get(name)?.runningMs !== undefined)
  const endMs = performance.now()
  await deletePod(kube, name)
  await watch.when('a bare pod is gone', () => watch.seen.get(name)?.goneMs !== undefined)
  const { runningMs = 0, goneMs = 0 } = watch.seen.get(name) ?? {}
  return { runningMs: runningMs - begunMs, goneMs: goneMs - endMs }
}

async function timeTask(world: World, watch: PodWatcher): Promise<TaskTimes> {
  const { began, calledMs, toldMs, id } = await runTask(world)
  await watch.when('the pod of a task runs', () => watch.seen.get(id)?.runningMs !== undefined)
  const { addedMs = 0, runningMs = 0 } = watch.seen.get(id) ?? {}
  const endMs = performance.now()
  await stopTask(world, id)
  return {
    runningMs: toldMs - began,
    callMs: calledMs - began,
    podMadeMs: addedMs - began,
    podRunsMs: runningMs - addedMs,
    toldMs: toldMs - runningMs,
    stoppedMs: performance.now() - endMs,
  }
}

function* figures(times: readonly TaskTimes[], pods: readonly PodTimes[]): Iterable<Figure> {
  const bareMs = pods.map(({ runningMs }) => runningMs)
  const own = times.map(({ runningMs }) => runningMs)
  for (const share of [0.5, 0.99]) {
    const p = `p${share * 100}`
    const [task, pod] = [quantile(own, share), quantile(bareMs, share)]
    yield { name: `RunTask to RUNNING, ${p}`, value: task, unit: 'ms' }
    yield { name: `bare pod to Running, ${p}`, value: pod, unit: 'ms' }
    yield { name: `RunTask / bare pod, ${p}`, value: task / pod, unit: 'ratio' }
  }
  const median = (of: keyof TaskTimes) =>
    quantile(
      times.map((each) => each[of]),
      0.5,
    )
  yield { name: 'of it: the call of RunTask, p50', value: median('callMs'), unit: 'ms' }
  yield {
    name: 'of it: RunTask to a pod that is there, p50',
    value: median('podMadeMs'),
    unit: 'ms',
  }
  yield { name: 'of it: the pod to Running, p50', value: median('podRunsMs'), unit: 'ms' }
  yield {
    name: 'of it: Running to DescribeTasks telling it, p50',
    value: median('toldMs'),
    unit: 'ms',
  }
  const gone = quantile(
    pods.map(({ goneMs }) => goneMs),
    0.5,
  )
  yield { name: 'StopTask to STOPPED, p50', value: median('stoppedMs'), unit: 'ms' }
  yield { name: 'bare pod deleted to gone, p50', value: gone, unit: 'ms' }
  yield {
    name: 'StopTask / bare pod deleted, p50',
    value: median('stoppedMs') / gone,
    unit: 'ratio',
  }
}

async function firstTask(world: World): Promise<{ readonly pod: Pod }> {
  const { id } = await runTask(world)
  const query = { labelSelector: `${TASK_LABEL}=${id}` }
  const { items } = await world.kube.request<List<Pod>>({ path: '/api/v1/pods', query })
  const [pod] = items
  if (!pod) throw new Error(`task ${id} has no pod`)
  await stopTask(world, id)
  return { pod }
}

/** Its namespace has to be made, and its service account to come, before the pod can. */
async function inNewCluster(world: World, cluster: string): Promise<number> {
  await world.aws.call('CreateCluster', { clusterName: cluster })
  const { began, toldMs, id } = await runTask(world, cluster)
  await stopTask(world, id, cluster)
  return toldMs - began
}

async function runTask({ aws }: World, cluster = 'default') {
  const began = performance.now()
  const { tasks, failures } = await aws.call('RunTask', { cluster, taskDefinition: FAMILY })
  const calledMs = performance.now()
  const arn: string = tasks[0]?.taskArn
  if (!arn) throw new Error(`RunTask: ${JSON.stringify(failures)}`)
  await until('a task to be RUNNING', LOOK_MS, async () => {
    const [task] = (await aws.call('DescribeTasks', { cluster, tasks: [arn] })).tasks
    if (task.lastStatus === 'STOPPED') throw new Error(`a task stopped: ${task.stoppedReason}`)
    return task.lastStatus === 'RUNNING'
  })
  return { began, calledMs, toldMs: performance.now(), id: arn.split('/').at(-1) ?? '' }
}

async function stopTask({ aws }: World, id: string, cluster = 'default'): Promise<void> {
  await aws.call('StopTask', { cluster, task: id })
  await until('a task to be STOPPED', LOOK_MS, async () => {
    const [task] = (await aws.call('DescribeTasks', { cluster, tasks: [id] })).tasks
    return task.lastStatus === 'STOPPED'
  })
}
