import { runProgram, type Surroundings } from './program.ts'
import { programLines } from './program-lines.ts'

/** How a pod does, in as far as it says why it is not ready. */
export interface PodState {
  readonly name: string
  /** The value of its label `app`. */
  readonly app: string
  readonly isReady: boolean
  /** E.g. `ImagePullBackOff: Back-off pulling image "x"`; empty where nothing is known. */
  readonly reason: string
  /** Waiting will not help: it has to be changed first. */
  readonly isHopeless: boolean
  readonly containers: readonly PodContainer[]
}

/** Of a pod, without those that only prepare it. */
export interface PodContainer {
  readonly name: string
  readonly image: string
  readonly restarts: number
  /** Whether it, or the one before, has run. */
  readonly hasLog: boolean
}

export interface ContainerLogQuery {
  readonly namespace: string
  readonly pod: string
  readonly container: string
  /** Only the last so many lines of what is there. */
  readonly tail?: number
  readonly follow: boolean
}

/** The kubectl program, against one kubeconfig. */
export interface Kubectl {
  version(): Promise<string>
  /** `kubectl apply -k`, answering one line for each object. */
  apply(folder: string, timeoutMs: number): Promise<readonly string[]>
  /** The same for one manifest, which comes by stdin: it may hold secrets. */
  applyManifest(manifest: object): Promise<readonly string[]>
  /** A line for each that was there; `what` is e.g. `deployment/localstack`. */
  delete(namespace: string, what: readonly string[]): Promise<readonly string[]>
  /** Replaces the pods of e.g. `deployment/localstack`. */
  restart(namespace: string, what: string): Promise<void>
  pods(namespace: string): Promise<readonly PodState[]>
  /** Names of Deployments whose newest revision is not all there yet. */
  unfinished(namespace: string): Promise<readonly string[]>
  /** The last events, the newest last. */
  events(namespace: string, count: number): Promise<readonly string[]>
  /** What the kubelet last said of a probe of the pod that failed; undefined: nothing. */
  probeFailure(namespace: string, pod: string): Promise<string | undefined>
  logs(namespace: string, app: string, lines: number): Promise<string>
  /** Lines of one container as kubectl tells them, each behind its time. */
  containerLog(query: ContainerLogQuery): AsyncGenerator<string>
  /** Resolves when the API server answers and a node is ready. */
  waitForNodes(timeoutMs: number): Promise<void>
}

const QUICK_MS = 30_000

export function createKubectl(kubeconfig: string, surroundings: Surroundings): Kubectl {
  const kubectl = (args: readonly string[], timeoutMs = QUICK_MS, input?: string) =>
    runProgram('kubectl', ['--kubeconfig', kubeconfig, ...args], {
      ...surroundings,
      timeoutMs,
      ...(input === undefined ? {} : { input }),
    })
  return {
    async version() {
      const said = await runProgram('kubectl', ['version', '--client'], {
        ...surroundings,
        timeoutMs: QUICK_MS,
      })
      return (
        /GitVersion:"v([^"]+)"|Client Version: v(\d\S*)/.exec(said)?.slice(1).find(Boolean) ?? ''
      )
    },
    async apply(folder, timeoutMs) {
      return linesOf(await kubectl(['apply', '-k', folder], timeoutMs))
    },
    async applyManifest(manifest) {
      return linesOf(await kubectl(['apply', '-f', '-'], QUICK_MS, JSON.stringify(manifest)))
    },
    async delete(namespace, what) {
      const how = ['--ignore-not-found', '--wait=false']
      return linesOf(await kubectl(['delete', '-n', namespace, ...how, ...what]))
    },
    async restart(namespace, what) {
      await kubectl(['rollout', 'restart', '-n', namespace, what])
    },
    ...readersBy(kubectl),
    containerLog({ namespace, pod, container, tail, follow }) {
      const more = [...(tail === undefined ? [] : [`--tail=${tail}`]), ...(follow ? ['-f'] : [])]
      const args = ['logs', '-n', namespace, pod, '-c', container, '--timestamps', ...more]
      return programLines('kubectl', ['--kubeconfig', kubeconfig, ...args], surroundings)
    },
    async waitForNodes(timeoutMs) {
      const timeout = `--timeout=${Math.max(1, Math.round(timeoutMs / 1000))}s`
      const args = ['wait', '--for=condition=Ready', 'node', '--all', timeout]
      await kubectl(args, timeoutMs + QUICK_MS)
    },
  }
}

type Call = (args: readonly string[]) => Promise<string>

/** What only looks. */
function readersBy(
  kubectl: Call,
): Pick<Kubectl, 'pods' | 'unfinished' | 'events' | 'probeFailure' | 'logs'> {
  return {
    async pods(namespace) {
      return parsePods(await kubectl(['get', 'pods', '-n', namespace, '-o', 'json']))
    },
    async unfinished(namespace) {
      return parseUnfinished(await kubectl(['get', 'deployments', '-n', namespace, '-o', 'json']))
    },
    async events(namespace, count) {
      const order = '--sort-by=.lastTimestamp'
      const said = await kubectl(['get', 'events', '-n', namespace, '--no-headers', order])
      return said.trim().split('\n').slice(-count)
    },
    async probeFailure(namespace, pod) {
      const which = `--field-selector=involvedObject.name=${pod},reason=Unhealthy`
      const args = ['get', 'events', '-n', namespace, which, '--sort-by=.lastTimestamp']
      return parseProbeFailure(await kubectl([...args, '-o', 'json']))
    },
    logs(namespace, app, lines) {
      const all = ['--all-containers', '--prefix', `--tail=${lines}`]
      return kubectl(['logs', '-n', namespace, '-l', `app=${app}`, ...all])
    },
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '')
}

interface RawPod {
  readonly metadata?: {
    readonly name?: string
    readonly labels?: Record<string, string>
    readonly deletionTimestamp?: string
  }
  readonly status?: {
    readonly conditions?: readonly RawCondition[]
    readonly initContainerStatuses?: readonly RawContainer[]
    readonly containerStatuses?: readonly RawContainer[]
  }
}

interface RawCondition {
  readonly type?: string
  readonly status?: string
  readonly message?: string
}

interface RawContainer {
  readonly name?: string
  readonly image?: string
  readonly ready?: boolean
  readonly restartCount?: number
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly running?: object
    readonly terminated?: RawEnd
  }
  readonly lastState?: { readonly terminated?: RawEnd }
}

interface RawEnd {
  readonly exitCode?: number
  readonly reason?: string
}

/** Images are brought in before pods start: one that has to be pulled is one that is not there. */
const HOPELESS: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
])
/** A first crash may be one of order, e.g. a service account that comes a moment later. */
const HOPELESS_RESTARTS = 2

/** Out of `kubectl get pods -o json`, without those that are on their way out. */
export function parsePods(json: string): PodState[] {
  const { items = [] } = JSON.parse(json) as { readonly items?: readonly RawPod[] }
  const staying = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
  return staying.map(({ metadata, status }) => {
    const containers = [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ]
    const is = (type: string) => status?.conditions?.find((each) => each.type === type)
    return {
      name: metadata?.name ?? '',
      app: metadata?.labels?.app ?? '',
      isReady: is('Ready')?.status === 'True',
      reason: containers.map(reasonOf).find((reason) => reason !== '') ?? unscheduled(is),
      isHopeless: containers.some(isHopeless),
      containers: (status?.containerStatuses ?? []).map(
        ({ name = '', image = '', restartCount = 0, state }) => ({
          name,
          image,
          restarts: restartCount,
          hasLog: restartCount > 0 || (state !== undefined && state.waiting === undefined),
        }),
      ),
    }
  })
}

function unscheduled(is: (type: string) => RawCondition | undefined): string {
  return is('PodScheduled')?.status === 'False' ? (is('PodScheduled')?.message ?? '') : ''
}

/** What `reason` says of a container whose probes tell more, by Kubectl.probeFailure. */
export const NOT_READY = 'runs, and is not ready yet'

function reasonOf({ state, ready, lastState, restartCount }: RawContainer): string {
  const { waiting, terminated, running } = state ?? {}
  const last = lastState?.terminated
  if (waiting?.reason === 'CrashLoopBackOff' && last) {
    const why = last.reason === 'Error' || !last.reason ? '' : `, ${last.reason}`
    return `CrashLoopBackOff: it ends with exit code ${last.exitCode}${why} (restarts: ${restartCount})`
  }
  if (waiting) return [waiting.reason, waiting.message].filter(Boolean).join(': ')
  if (terminated && terminated.exitCode !== 0) return `exit code ${terminated.exitCode}`
  return running && ready === false ? NOT_READY : ''
}

function isHopeless({ state, restartCount = 0 }: RawContainer): boolean {
  const reason = state?.waiting?.reason ?? ''
  return (
    HOPELESS.has(reason) || (reason === 'CrashLoopBackOff' && restartCount >= HOPELESS_RESTARTS)
  )
}

/** `readiness probe failing: connection refused`, out of `kubectl get events -o json`. */
export function parseProbeFailure(json: string): string | undefined {
  const { items = [] } = JSON.parse(json) as { readonly items?: readonly { message?: string }[] }
  const [, probe = '', said = ''] =
    /^(\w+) probe failed: (.*)$/s.exec(items.at(-1)?.message?.trim() ?? '') ?? []
  if (probe === '') return undefined
  // `Get "URL": dial tcp ADDRESS: connect: connection refused`: the end tells it.
  const why = said.replace(/^Get "[^"]*": (.*: connect: )?/, '')
  return `${probe.toLowerCase()} probe failing: ${why}`
}

interface RawDeployment {
  readonly metadata?: { readonly name?: string; readonly generation?: number }
  readonly spec?: { readonly replicas?: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly availableReplicas?: number
  }
}

/** Out of `kubectl get deployments -o json`; pods of an older revision do not count. */
export function parseUnfinished(json: string): string[] {
  const { items = [] } = JSON.parse(json) as { readonly items?: readonly RawDeployment[] }
  return items
    .filter(({ metadata, spec, status }) => {
      const wanted = spec?.replicas ?? 1
      const isSeen = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 1)
      const counts = [status?.replicas, status?.updatedReplicas, status?.availableReplicas]
      return !isSeen || counts.some((count) => (count ?? 0) !== wanted)
    })
    .map(({ metadata }) => metadata?.name ?? '')
}
