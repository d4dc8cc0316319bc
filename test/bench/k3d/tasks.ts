/** RunTask to RUNNING, beside the same pod made by hand and seen running by a watch. */
import type { List, Pod } from '../../../cluster/kubernetes/objects.ts'
import { type Figure, quantile } from '../figure.ts'
import {
  BARE_NAMESPACE,
  bareTwin,
  createPod,
  deletePod,
  makeBareNamespace,
  watchPods,
} from './pods.ts'
import { cpuUsOf, TASK_COMMAND, TASK_IMAGE, until, type World } from './world.ts'

const ROUNDS = 25
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

/** A task is followed by DescribeTasks each 10 ms; a pod by a watch. Each is gone before the next. */
export async function* starts(world: World): AsyncIterable<Figure> {
  const { kube } = world
  await registerSleeper(world)
  await makeBareNamespace(kube)
  const { pod } = await firstTask(world)
  const namespace = pod.metadata.namespace ?? ''
  const [ours, bare] = [await watchPods(kube, namespace), await watchPods(kube, BARE_NAMESPACE)]
  const times: TaskTimes[] = []
  const bareMs: number[] = []
  let cpuUs = 0
  const startPod = async (name: string) => {
    const begunMs = performance.now()
    await createPod(kube, bareTwin(pod, name))
    await bare.when('a bare pod runs', () => bare.seen.get(name)?.runningMs !== undefined)
    const ranMs = (bare.seen.get(name)?.runningMs ?? 0) - begunMs
    await deletePod(kube, name)
    await bare.when('a bare pod is gone', () => bare.seen.get(name)?.goneMs !== undefined)
    return ranMs
  }
  await startPod('warm-up')
  for (let round = 0; round < ROUNDS; round++) {
    bareMs.push(await startPod(`pod-${round}`))
    const before = await cpuUsOf(world)
    const { began, calledMs, toldMs, id } = await runTask(world)
    cpuUs += (await cpuUsOf(world)) - before
    await ours.when('the pod of a task is seen', () => ours.seen.get(id)?.runningMs !== undefined)
    const { addedMs = 0, runningMs = 0 } = ours.seen.get(id) ?? {}
    times.push({
      runningMs: toldMs - began,
      callMs: calledMs - began,
      podMadeMs: addedMs - began,
      podRunsMs: runningMs - addedMs,
      toldMs: toldMs - runningMs,
    })
    await stopTask(world, id)
  }
  ours.close()
  bare.close()
  yield* figures(times, bareMs)
  yield {
    name: 'CPU of the control plane for a task, with what polls it',
    value: cpuUs / ROUNDS,
    unit: 'us',
  }
}

function* figures(times: readonly TaskTimes[], bareMs: readonly number[]): Iterable<Figure> {
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

async function runTask({ aws }: World) {
  const began = performance.now()
  const { tasks, failures } = await aws.call('RunTask', { taskDefinition: FAMILY })
  const calledMs = performance.now()
  const arn: string = tasks[0]?.taskArn
  if (!arn) throw new Error(`RunTask: ${JSON.stringify(failures)}`)
  await until('a task to be RUNNING', LOOK_MS, async () => {
    const [task] = (await aws.call('DescribeTasks', { tasks: [arn] })).tasks
    if (task.lastStatus === 'STOPPED') throw new Error(`a task stopped: ${task.stoppedReason}`)
    return task.lastStatus === 'RUNNING'
  })
  return { began, calledMs, toldMs: performance.now(), id: arn.split('/').at(-1) ?? '' }
}

async function stopTask({ aws }: World, id: string): Promise<void> {
  await aws.call('StopTask', { task: id })
  await until('a task to be STOPPED', LOOK_MS * 5, async () => {
    const [task] = (await aws.call('DescribeTasks', { tasks: [id] })).tasks
    return task.lastStatus === 'STOPPED'
  })
}
