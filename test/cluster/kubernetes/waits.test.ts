import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { judge } from '../../../cluster/kubernetes/decisions.ts'
import type { Pod } from '../../../cluster/kubernetes/objects.ts'
import { stateOf } from '../../../cluster/kubernetes/state.ts'
import { stepOf } from '../../../cluster/kubernetes/steps.ts'
import { PLACEMENT_PATIENCE_MS } from '../../../cluster/kubernetes/waits.ts'
import type { TaskState } from '../../../cluster/runtime.ts'
import { taskOf } from '../../runtime-watch.ts'
import { at, ended, NOW, podWith, running, waiting } from './pods.ts'

const one = taskOf('t1', {})
const waits = suite('what pods wait for')

type Conditions = NonNullable<Pod['status']>['conditions']

/** A pod that the scheduler found no node for, with its words. */
function unplaced(message: string): Pod {
  const conditions: Conditions = [
    { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, ...since(0) },
  ]
  const pod = podWith(one, [], { phase: 'Pending', conditions })
  const { nodeName: _, ...spec } = pod.spec
  return { ...pod, spec }
}

const since = (seconds: number) => ({ lastTransitionTime: at(seconds) })

function look(pod: Pod, nowMs = NOW, before?: TaskState, task = one) {
  const sight = { pod, gone: false }
  const judged = judge(task, sight, {}, before, new Map(), nowMs)
  const state = stateOf(task, sight, judged, before, nowMs)
  return { judged, state, step: stepOf(task, sight, judged, nowMs) }
}

for (const [words, told] of [
  ['3 Insufficient memory.', 'RESOURCE:MEMORY: 0/3 nodes are available: 3 Insufficient memory.'],
  ['1 Insufficient cpu.', 'RESOURCE:CPU: 0/3 nodes are available: 1 Insufficient cpu.'],
  [
    "3 node(s) didn't have free ports for the requested pod ports.",
    "RESOURCE:PORTS: 0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports.",
  ],
  [
    "3 node(s) didn't match Pod's node affinity/selector.",
    "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
  ],
] as const) {
  waits(`Unschedulable: told while it waits: ${words}`, () => {
    const preempts = 'preemption: 0/3 nodes are available: 3 No preemption victims found.'
    const { state, judged } = look(unplaced(`0/3 nodes are available: ${words} ${preempts}`))
    assert.equal([state.phase, state.unplaced], ['pending', told])
    assert.is(judged.wakeAtMs, NOW + PLACEMENT_PATIENCE_MS)
  })
}

waits('Unschedulable: a task that waited long enough fails, and its pod goes at once', () => {
  const pod = unplaced('0/1 nodes are available: 1 Insufficient cpu.')
  const { state, step } = look(pod, NOW + PLACEMENT_PATIENCE_MS)
  assert.equal(state.cause, {
    code: 'TaskFailedToStart',
    reason:
      'Timeout waiting for a node: RESOURCE:CPU: 0/1 nodes are available: 1 Insufficient cpu.',
  })
  assert.is(step.remove, 'now')
  assert.is(state.unplaced, undefined)
})

waits('Unschedulable: no longer told once a node has the pod', () => {
  const before = look(unplaced('0/1 nodes are available: 1 Insufficient cpu.')).state
  const { state } = look(podWith(one, [waiting('ContainerCreating')]), NOW, before)
  assert.equal([state.phase, state.unplaced], ['pulling', undefined])
})

waits('DisruptionTarget: why Kubernetes took the pod away is told', () => {
  const conditions: Conditions = [
    {
      ...{ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' },
      message: 'Taint manager: deleting due to NoExecute taint',
    },
  ]
  const metadata = { deletionTimestamp: at(30), deletionGracePeriodSeconds: 30 }
  const { state } = look(podWith(one, [running()], { conditions }, metadata))
  assert.equal(state.cause, {
    code: 'Lost',
    reason: 'DeletionByTaintManager: Taint manager: deleting due to NoExecute taint',
  })
})

const placed = (seconds: number): Conditions => [
  { type: 'PodScheduled', status: 'True', ...since(seconds) },
]

waits('pull: from when a node has the pod until its containers have started', () => {
  const two = taskOf('t1', {}, {})
  const early = podWith(two, [running(3), waiting('ContainerCreating')], { conditions: placed(1) })
  const { state: first } = look(early, NOW, undefined, two)
  assert.equal([first.pullStartedAtMs, first.pullStoppedAtMs], [NOW + 1000, undefined])
  const late = podWith(two, [running(3), running(7)], { conditions: placed(1) })
  const { state: second } = look(late, NOW, first, two)
  assert.equal([second.pullStartedAtMs, second.pullStoppedAtMs], [NOW + 1000, NOW + 7000])
})

waits('pull: a container that waits for another is not waited for, nor counted later', () => {
  const dependsOn = [{ container: 'c0', condition: 'COMPLETE' as const }]
  const two = taskOf('t1', { essential: false }, { dependsOn })
  const gated = podWith(two, [running(2)], { conditions: placed(1) })
  const { state: first } = look(gated, NOW, undefined, two)
  assert.is(first.pullStoppedAtMs, NOW + 2000)
  const both = podWith(two, [ended(0), running(30)], { conditions: placed(1) })
  assert.is(look(both, NOW, first, two).state.pullStoppedAtMs, NOW + 2000)
})

waits('pull: of an image that is not there it began and never ended', () => {
  const pod = podWith(one, [waiting('InvalidImageName', 'bad')], { conditions: placed(1) })
  const { state } = look(pod)
  assert.equal([state.pullStartedAtMs, state.pullStoppedAtMs], [NOW + 1000, undefined])
})

waits.run()
