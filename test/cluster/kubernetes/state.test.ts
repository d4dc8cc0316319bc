import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Decisions,
  judge,
  TROUBLE_PATIENCE_MS,
  type Troubles,
} from '../../../cluster/kubernetes/decisions.ts'
import type { Pod } from '../../../cluster/kubernetes/objects.ts'
import { GATE_IMAGE } from '../../../cluster/kubernetes/pod.ts'
import { stateOf } from '../../../cluster/kubernetes/state.ts'
import { stepOf } from '../../../cluster/kubernetes/steps.ts'
import type { TaskSpec, TaskState } from '../../../cluster/runtime.ts'
import { taskOf } from '../../runtime-watch.ts'
import { ended, NOW, podWith, running, waiting } from './pods.ts'

interface More {
  readonly gone?: boolean
  readonly decisions?: Decisions
  readonly before?: TaskState
  readonly troubles?: Troubles
  readonly nowMs?: number
}

/** What is told, decided and done about a pod. */
function look(task: TaskSpec, pod: Pod, more: More = {}) {
  const { gone = false, decisions = {}, before, troubles = new Map(), nowMs = NOW } = more
  const sight = { pod, gone }
  const judged = judge(task, sight, decisions, before, troubles, nowMs)
  const state = stateOf(task, sight, judged, before, nowMs)
  return { state, judged, step: stepOf(task, sight, judged, nowMs) }
}

const one = taskOf('t1', {})
const withHelper = taskOf('t1', {}, { essential: false })
const states = suite('states of pods')

states('phase: pending until scheduled, pulling until started, then running', () => {
  const pod = podWith(one, [])
  const { nodeName: _, ...unscheduled } = pod.spec
  assert.is(look(one, { ...pod, spec: unscheduled }).state.phase, 'pending')
  assert.is(look(one, pod).state.phase, 'pulling')
  const { state } = look(one, podWith(one, [running()]))
  assert.equal(
    [state.phase, state.address, state.node, state.startedAtMs],
    ['running', '10.42.0.9', 'node-1', NOW],
  )
  assert.is(state.containers[0]?.runtimeId, 'abc')
})

states('phase: a pod that says Running without a running container is not running', () => {
  const pod = podWith(withHelper, [waiting('ContainerCreating'), running()])
  assert.is(look(withHelper, pod).state.phase, 'pulling')
})

states('essential: its end stops the others by the deadline, and keeps its exit code', () => {
  const { state, step } = look(withHelper, podWith(withHelper, [ended(3), running()]))
  assert.equal(
    [state.phase, state.cause?.code, state.containers[0]?.exitCode],
    ['stopping', 'EssentialContainerExited', 3],
  )
  assert.match(JSON.stringify(step.patch), '"activeDeadlineSeconds":1')
})

states('essential: the end of a container that is not leaves the task running', () => {
  const { state, step } = look(withHelper, podWith(withHelper, [running(), ended(3)]))
  assert.equal([state.phase, state.containers[1]?.exitCode], ['running', 3])
  assert.equal(step, {})
})

states('OOMKilled: told as ECS tells it', () => {
  const pod = podWith(one, [ended(137, 'OOMKilled')], { phase: 'Failed' })
  const { state } = look(one, pod)
  const [container] = state.containers
  assert.is(state.phase, 'stopped')
  assert.is(container?.reason, 'OutOfMemoryError: Container killed due to memory usage')
  assert.is(container?.exitCode, 137)
})

states('Unknown: a container whose end nobody saw was lost, and no code is made up for it', () => {
  // As containerd tells of what was gone when it started again, and kubelet of what it cannot find.
  for (const reason of ['Unknown', 'ContainerStatusUnknown']) {
    const pod = podWith(one, [ended(255, reason)], { phase: 'Failed' })
    const { state } = look(one, pod)
    assert.is(state.containers[0]?.exitCode, undefined)
    assert.equal(state.cause, {
      code: 'Lost',
      reason: 'Node node-1 was restarted or lost container c0; how it ended is not known.',
    })
  }
  const both = taskOf('t1', {}, {})
  const { state } = look(both, podWith(both, [ended(255, 'Unknown'), ended(3)]))
  assert.is(state.cause?.code, 'EssentialContainerExited')
})

states('StartError: the task fails to start, and nothing ever exited', () => {
  const { state } = look(one, podWith(one, [ended(128, 'StartError', 'exec: no such file')]))
  assert.is(state.cause?.code, 'TaskFailedToStart')
  assert.is(state.containers[0]?.reason, 'CannotStartContainerError: exec: no such file')
  assert.is(state.containers[0]?.exitCode, undefined)
  assert.is(state.startedAtMs, undefined)
})

states(
  "ErrImagePull: tried again for a while, then the task fails with the registry's words",
  () => {
    const pod = podWith(one, [waiting('ImagePullBackOff', 'Back-off pulling image')])
    const troubles = new Map([
      ['c0', { sinceMs: NOW, reason: 'CannotPullContainerError: not found' }],
    ])
    const early = look(one, pod, { troubles })
    assert.equal([early.state.phase, early.judged.wakeAtMs], ['pulling', NOW + TROUBLE_PATIENCE_MS])
    const { state, step } = look(one, pod, { troubles, nowMs: NOW + TROUBLE_PATIENCE_MS })
    assert.equal(state.cause, {
      code: 'TaskFailedToStart',
      reason: 'CannotPullContainerError: not found',
    })
    assert.is(state.containers[0]?.reason, 'CannotPullContainerError: not found')
    assert.match(JSON.stringify(step.patch), GATE_IMAGE)
  },
)

states(
  'CreateContainerConfigError: a reason of its own; an image name that is none: at once',
  () => {
    const pod = podWith(one, [waiting('CreateContainerConfigError', 'no such user')])
    const troubles = new Map([
      ['c0', { sinceMs: NOW - 60_000, reason: 'CannotCreateContainerError: x' }],
    ])
    assert.is(
      look(one, pod, { troubles }).state.containers[0]?.reason,
      'CannotCreateContainerError: x',
    )
    const named = look(one, podWith(one, [waiting('InvalidImageName', 'bad')]))
    assert.is(named.state.cause?.reason, 'CannotPullContainerError: bad')
  },
)

states('kubectl delete: the task is lost, not failed', () => {
  const meta = {
    deletionTimestamp: new Date(NOW + 9_000).toISOString(),
    deletionGracePeriodSeconds: 10,
  }
  const going = look(one, podWith(one, [ended(143)], {}, meta))
  assert.equal(going.state.cause?.code, 'Lost')
  assert.match(going.state.cause?.reason ?? '', /^Pod kecs-test-\S+\/t1 was deleted\.$/)
  const { state } = look(one, podWith(one, [running()]), { gone: true })
  assert.equal([state.phase, state.containers[0]?.phase], ['stopped', 'stopped'])
  assert.is(state.containers[0]?.exitCode, undefined)
})

states('kubectl delete: of a task that was asked to stop is no cause', () => {
  const decisions = { stop: { atMs: NOW } }
  assert.is(look(one, podWith(one, [running()]), { gone: true, decisions }).state.cause, undefined)
})

states('Evicted and node lost: the task is lost, with what the cluster said', () => {
  for (const reason of ['Evicted', 'NodeLost']) {
    const pod = podWith(one, [], { phase: 'Failed', reason, message: 'low on disk' })
    const { state } = look(one, pod)
    assert.equal(
      [state.phase, state.cause],
      ['stopped', { code: 'Lost', reason: `${reason}: low on disk` }],
    )
  }
})

states('a pod that its node refused: the task failed to start', () => {
  const pod = podWith(one, [], { phase: 'Failed', reason: 'OutOfcpu', message: 'no room' })
  assert.equal(look(one, pod).state.cause, {
    code: 'TaskFailedToStart',
    reason: 'OutOfcpu: no room',
  })
})

states('stopped: not before the last container is, whatever the phase says', () => {
  const decisions = { stop: { atMs: NOW } }
  const status = { phase: 'Failed', reason: 'DeadlineExceeded' }
  assert.is(look(one, podWith(one, [running()], status), { decisions }).state.phase, 'stopping')
  const over = look(one, podWith(one, [ended(137)], status), { decisions })
  assert.equal([over.state.phase, over.state.cause], ['stopped', undefined])
  assert.is(over.state.stoppedAtMs, NOW + 5_000)
})

states("stopped: a code without a container is kubelet's invention", () => {
  const terminated = { exitCode: 137, reason: 'ContainerStatusUnknown' }
  const decisions = { stop: { atMs: NOW } }
  const pod = podWith(one, [{ state: { terminated } }], { phase: 'Failed' })
  assert.is(look(one, pod, { decisions }).state.containers[0]?.exitCode, undefined)
})

states('health: unknown while tries are left, unhealthy once all must have failed', () => {
  const healthCheck = {
    command: ['CMD', 'x'],
    intervalMs: 5_000,
    timeoutMs: 2_000,
    retries: 3,
    startPeriodMs: 10_000,
  }
  const task = taskOf('t1', { healthCheck })
  const health = (ready: boolean, nowMs: number, before?: TaskState) => {
    const pod = podWith(task, [{ ...running(), ready }])
    return look(task, pod, { nowMs, ...(before ? { before } : {}) })
  }
  const first = health(false, NOW)
  assert.equal(
    [first.state.containers[0]?.health, first.judged.wakeAtMs],
    ['unknown', NOW + 27_000],
  )
  assert.is(health(false, NOW + 27_000).state.containers[0]?.health, 'unhealthy')
  const healthy = health(true, NOW).state
  assert.is(healthy.containers[0]?.health, 'healthy')
  assert.is(health(false, NOW, healthy).state.containers[0]?.health, 'unhealthy')
})

states.run()

const orders = suite('order of containers in pods')
const imagesIn = ({ patch }: { patch?: object }) =>
  (patch as { spec?: { containers?: { name: string; image: string }[] } })?.spec?.containers ?? []

orders('dependsOn: the gate opens once the condition is met, and not before', () => {
  const dependsOn = [{ container: 'c0', condition: 'SUCCESS' as const }]
  const task = taskOf('t1', { essential: false }, { dependsOn })
  const gate = { ...waiting('InvalidImageName', `couldn't parse ${GATE_IMAGE}`), image: GATE_IMAGE }
  assert.equal(look(task, podWith(task, [running(), gate])).step, {})
  const { step, state } = look(task, podWith(task, [ended(0, 'Completed'), gate]))
  assert.equal(imagesIn(step), [{ name: 'c1', image: 'example.test/image:1' }])
  assert.is(state.phase, 'pulling')
})

orders('dependsOn: what kubelet still says of the gate is no failure of the image', () => {
  const dependsOn = [{ container: 'c0', condition: 'START' as const }]
  const task = taskOf('t1', {}, { dependsOn })
  const gate = { ...waiting('InvalidImageName', 'x'), image: GATE_IMAGE }
  const pod = podWith(task, [running(), gate])
  const containers = pod.spec.containers.map((each) => ({ ...each, image: 'example.test/image:1' }))
  const { state } = look(task, { ...pod, spec: { ...pod.spec, containers } })
  assert.equal([state.phase, state.cause], ['pulling', undefined])
})

orders('dependsOn: a condition that cannot be met any more fails the task with its reason', () => {
  const dependsOn = [{ container: 'c0', condition: 'SUCCESS' as const }]
  const task = taskOf('t1', { essential: false }, { dependsOn })
  const { state } = look(task, podWith(task, [ended(2), waiting('InvalidImageName', GATE_IMAGE)]))
  assert.is(state.cause?.code, 'TaskFailedToStart')
  assert.match(state.containers[1]?.reason ?? '', 'did not exit successfully')
})

orders('stop: dependents get the gate first, then the deadline comes', () => {
  const dependsOn = [{ container: 'c0', condition: 'START' as const }]
  const task = taskOf('t1', {}, { dependsOn })
  const decisions = { stop: { atMs: NOW } }
  const opened = (pod: Pod): Pod => ({
    ...pod,
    spec: { ...pod.spec, containers: pod.spec.containers.map((each) => ({ ...each, image: 'x' })) },
  })
  const first = look(task, opened(podWith(task, [running(), running()])), { decisions })
  assert.equal(imagesIn(first.step), [{ name: 'c1', image: GATE_IMAGE }])
  const last = look(task, opened(podWith(task, [running(), ended(143)])), { decisions })
  assert.equal(imagesIn(last.step), [])
  assert.match(JSON.stringify(last.step.patch), 'activeDeadlineSeconds')
})

orders('stop: a pod that no node has is deleted, and one whose node is silent by force', () => {
  const decisions = { stop: { atMs: NOW } }
  const pod = podWith(one, [running()])
  const { nodeName: _, ...unscheduled } = pod.spec
  assert.is(look(one, { ...pod, spec: unscheduled }, { decisions }).step.remove, 'now')
  assert.is(look(one, pod, { decisions }).step.wakeAtMs, NOW + 70_000)
  assert.is(look(one, pod, { decisions, nowMs: NOW + 70_000 }).step.remove, 'force')
})

orders.run()
