import { dnsLabel } from '../../../cluster/kubernetes/names.ts'
import type { ContainerStatus, Pod } from '../../../cluster/kubernetes/objects.ts'
import { podOf } from '../../../cluster/kubernetes/pod.ts'
import type { TaskSpec } from '../../../cluster/runtime.ts'

export const NOW = Date.UTC(2026, 0, 1)

type State = NonNullable<ContainerStatus['state']>
type Status = Pick<ContainerStatus, 'ready' | 'lastState' | 'image'> & { readonly state: State }

/** A time so many seconds from now, as the API server writes it. */
export function at(seconds: number): string {
  return new Date(NOW + seconds * 1000).toISOString().replace('.000', '')
}

export const running = (seconds = 0): Status => ({ state: { running: { startedAt: at(seconds) } } })

export const waiting = (reason: string, message = ''): Status => ({
  state: { waiting: { reason, message } },
})

export const ended = (exitCode: number, reason = 'Error', message = ''): Status => ({
  state: {
    terminated: {
      exitCode,
      reason,
      message,
      containerID: 'containerd://abc',
      startedAt: at(0),
      finishedAt: at(5),
    },
  },
})

/** The pod of a task as a kubelet would tell of it. */
export function podWith(
  task: TaskSpec,
  statuses: readonly (Status | undefined)[],
  status: Partial<NonNullable<Pod['status']>> = {},
  metadata: Partial<Pod['metadata']> = {},
): Pod {
  const made = podOf(task, { instance: 'me' })
  const named = task.containers.flatMap(({ name }, index): ContainerStatus[] => {
    const own = statuses[index]
    if (!own) return []
    const id = own.state.waiting ? {} : { containerID: 'containerd://abc' }
    return [{ name: dnsLabel(name), ...id, ...own }]
  })
  return {
    metadata: {
      ...(made.metadata as Pod['metadata']),
      uid: 'u1',
      resourceVersion: '1',
      ...metadata,
    },
    spec: { ...(made.spec as Pod['spec']), nodeName: 'node-1' },
    status: { phase: 'Running', podIP: '10.42.0.9', containerStatuses: named, ...status },
  }
}
