/** What the parts of an instance write: its control plane, LocalStack, Traefik. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kubectl, PodState } from '../../cluster/k3d/kubectl.ts'
import { Funnel, inOrder } from '../funnel.ts'
import { UserError } from '../output.ts'
import { NAMESPACE } from './wait-ready.ts'

export interface ComponentLine {
  readonly component: string
  readonly pod: string
  readonly atMs: number
  readonly line: string
}

export interface ComponentQuery {
  /** Undefined: all of them. */
  readonly component: string | undefined
  readonly tail?: number
  readonly follow: boolean
  readonly signal: AbortSignal
}

const LOOK_EVERY_MS = 2_000
const PREFIX = 'kecs-'

/** Oldest first, or as they come where they are followed, then also of pods that start meanwhile. */
export async function* componentLogs(
  kubectl: Kubectl,
  instance: string,
  query: ComponentQuery,
): AsyncGenerator<ComponentLine> {
  const pods = await kubectl.pods(NAMESPACE)
  refuseUnknown(pods, instance, query.component)
  if (query.follow) yield* follow(kubectl, pods, query)
  else yield* inOrder([...sourcesOf(kubectl, pods, query).values()], ({ atMs }) => atMs)
}

/** `controlplane` of the label `kecs-controlplane`. */
function componentOf({ app }: PodState): string {
  return app.startsWith(PREFIX) ? app.slice(PREFIX.length) : app
}

function refuseUnknown(
  pods: readonly PodState[],
  instance: string,
  wanted: string | undefined,
): void {
  const known = [...new Set(pods.map(componentOf))].filter(Boolean).sort()
  const isKnown = wanted === undefined ? known.length > 0 : known.includes(wanted)
  if (isKnown) return
  throw new UserError(
    wanted === undefined
      ? `the instance ${instance} has no components.`
      : `the instance ${instance} has no component ${JSON.stringify(wanted)}.`,
    known.length > 0 ? `It has ${known.join(', ')}.` : 'No pod of kecs is in its cluster.',
    known.length > 0
      ? `kecs logs component ${known[0]} --name ${instance}`
      : `kecs start-v2 --name ${instance}`,
  )
}

/** One for each container that has written something, by what tells it from the one before. */
function sourcesOf(
  kubectl: Kubectl,
  pods: readonly PodState[],
  { component: wanted, tail, follow }: Pick<ComponentQuery, 'component' | 'tail' | 'follow'>,
): Map<string, AsyncGenerator<ComponentLine>> {
  const chosen = pods.filter((pod) => wanted === undefined || componentOf(pod) === wanted)
  const sources = chosen.flatMap((pod) =>
    pod.containers
      .filter(({ hasLog }) => hasLog)
      .map(({ name, restarts }) => {
        const query = { namespace: NAMESPACE, pod: pod.name, container: name, follow }
        const lines = kubectl.containerLog({ ...query, ...(tail === undefined ? {} : { tail }) })
        return [`${pod.name}/${name}/${restarts}`, parsed(lines, pod)] as const
      }),
  )
  return new Map(sources)
}

async function* parsed(lines: AsyncIterable<string>, pod: PodState): AsyncGenerator<ComponentLine> {
  let atMs = 0
  for await (const text of lines) {
    const space = text.indexOf(' ')
    const stamp = Date.parse(space === -1 ? text : text.slice(0, space))
    if (!Number.isNaN(stamp)) atMs = stamp
    const line = Number.isNaN(stamp) ? text : space === -1 ? '' : text.slice(space + 1)
    yield { component: componentOf(pod), pod: pod.name, atMs, line }
  }
}

/** Goes on with a container that took the place of another one, for as long as it is wanted. */
async function* follow(
  kubectl: Kubectl,
  first: readonly PodState[],
  { component, tail, signal }: ComponentQuery,
): AsyncGenerator<ComponentLine> {
  const funnel = new Funnel<ComponentLine>()
  const off = new AbortController()
  signal.addEventListener('abort', () => off.abort())
  const taken = new Set<string>()
  const take = (pods: readonly PodState[], lines: { readonly tail?: number }) => {
    for (const [key, source] of sourcesOf(kubectl, pods, { component, follow: true, ...lines })) {
      if (taken.has(key)) continue
      taken.add(key)
      void funnel.add(source)
    }
  }
  async function look(): Promise<never> {
    for (;;) {
      await sleep(LOOK_EVERY_MS, undefined, { signal: off.signal })
      take(await kubectl.pods(NAMESPACE), {})
    }
  }
  take(first, tail === undefined ? {} : { tail })
  look().catch((thrown) => funnel.fail(thrown))
  try {
    yield* funnel.read()
  } finally {
    off.abort()
  }
}
