/** Pods without KECS, and what a watch sees of pods. */
import type { KubeClient } from '../../../cluster/kubernetes/client.ts'
import type { List, Pod, WatchEvent } from '../../../cluster/kubernetes/objects.ts'

export const BARE_NAMESPACE = 'bare-pods'
const WATCH_SECONDS = '600'

/** When a watch first saw each pod, in milliseconds of `performance.now()`. */
export interface Sighting {
  addedMs?: number
  runningMs?: number
  goneMs?: number
}

export interface PodWatcher {
  /** By the name of the pod. */
  readonly seen: ReadonlyMap<string, Sighting>
  /** Resolves once `look` is satisfied, which is asked at each event. */
  when(what: string, look: () => boolean): Promise<void>
  close(): void
}

const WHEN_MS = 120_000

/** Watches the pods of one namespace from now on; a watch that ends is begun again, from a list. */
export async function watchPods(kube: KubeClient, namespace: string): Promise<PodWatcher> {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const off = new AbortController()
  const seen = new Map<string, Sighting>()
  const looks = new Set<() => void>()
  const note = ({ metadata, status }: Pod, isGone = false) => {
    const now = performance.now()
    const sighting = seen.get(metadata.name) ?? { addedMs: now }
    seen.set(metadata.name, sighting)
    if (status?.phase === 'Running') sighting.runningMs ??= now
    if (isGone) sighting.goneMs ??= now
  }
  const list = async () => {
    const { metadata, items } = await kube.request<List<Pod>>({ path })
    for (const pod of items) note(pod)
    const there = new Set(items.map((pod) => pod.metadata.name))
    for (const [name, sighting] of seen) {
      if (!there.has(name)) sighting.goneMs ??= performance.now()
    }
    return metadata.resourceVersion
  }
  const follow = async (first: string | undefined) => {
    for (let version = first; !off.signal.aborted; version = await list()) {
      const query = { watch: 'true', resourceVersion: version, timeoutSeconds: WATCH_SECONDS }
      for await (const line of kube.lines({ path, query, signal: off.signal, idleMs: 0 })) {
        if (line === '') continue
        const { type, object } = JSON.parse(line) as WatchEvent
        if (type === 'ERROR') break
        note(object, type === 'DELETED')
        for (const look of [...looks]) look()
      }
    }
  }
  const ended = follow(await list())
  return {
    seen,
    when(what, look) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => done(new Error(`waited in vain: ${what}`)), WHEN_MS)
        function done(failure?: Error): void {
          clearTimeout(timer)
          looks.delete(check)
          if (failure) reject(failure)
          else resolve()
        }
        function check(): void {
          if (look()) done()
        }
        looks.add(check)
        ended.then(() => done(new Error('the watch ended')), done)
        check()
      })
    },
    close: () => off.abort(),
  }
}

export async function makeBareNamespace(kube: KubeClient): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: BARE_NAMESPACE } }
  await kube.request({ method: 'POST', path: '/api/v1/namespaces', body }).catch(() => {})
}

/** The same pod again, under another name, in the namespace of bare ones, with nothing to tell it by. */
export function bareTwin(pod: Pod, name: string): object {
  const { nodeName: _, ...spec } = pod.spec
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: BARE_NAMESPACE }, spec }
}

export async function createPod(kube: KubeClient, body: object): Promise<void> {
  const path = `/api/v1/namespaces/${BARE_NAMESPACE}/pods`
  await kube.request({ method: 'POST', path, body })
}

export async function deletePod(kube: KubeClient, name: string): Promise<void> {
  const path = `/api/v1/namespaces/${BARE_NAMESPACE}/pods/${name}`
  await kube.request({ method: 'DELETE', path })
}
