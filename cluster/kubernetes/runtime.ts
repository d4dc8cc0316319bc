/** Tasks as pods of a Kubernetes cluster; they outlive this process. */
import type { Clock, Timer } from '../clock.ts'
import { orderProblem } from '../local/order.ts'
import {
  type LogLine,
  type LogQuery,
  RuntimeFault,
  type RuntimeHealth,
  type RuntimeNode,
  type TaskRuntime,
  type TaskSpec,
  type TaskState,
} from '../runtime.ts'
import { backoffMs } from './backoff.ts'
import { makeClaims } from './claims.ts'
import { createKubeClient, type KubeClient, KubeFault } from './client.ts'
import { type Entry, podPath, TaskKeeper } from './keeper.ts'
import { readLogs } from './logs.ts'
import { ANNOTATIONS, LABELS, labelValue, MANAGED_BY } from './names.ts'
import { readNodes } from './nodes.ts'
import type { Pod } from './objects.ts'
import { podOf } from './pod.ts'
import { PodWatch } from './watch.ts'

export interface KubernetesOptions {
  readonly clock: Clock
  /** Told of what people should know and no caller is told. */
  readonly warn?: (message: string, fields?: Readonly<Record<string, unknown>>) => void
  /** Without either: `KUBECONFIG`, `~/.kube/config`, or the service account of this pod. */
  readonly context?: string
  readonly kubeconfig?: string
  /** Whose tasks these are: several of them share a cluster without seeing one another's pods. */
  readonly instance?: string
}

const DEFAULT_INSTANCE = 'kecs'
const NODES_EVERY_MS = 15_000
/** A watch that has been away for as long is down, not just degraded. */
const DOWN_AFTER_MS = 30_000
/**
 * Of a new namespace: until its service account is there, no pod is taken. It comes within some 50 ms,
 * or half a minute later where the cluster itself has only just begun.
 */
const CREATE_TRIES = 12
const CREATE_AGAIN_MS = 25
const CONFLICT = 409
const FORBIDDEN = 403
const NOT_FOUND = 404
/** Kubernetes takes 256 KiB of annotations; the task is among them. */
const MAX_TASK_BYTES = 200 * 1024

/** Reaches the cluster before it answers. Faults: RuntimeFault where it cannot. */
export async function createKubernetesRuntime(options: KubernetesOptions): Promise<TaskRuntime> {
  try {
    const client = await createKubeClient(options)
    const { gitVersion } = await client.request<{ gitVersion: string }>({ path: '/version' })
    return new KubernetesRuntime(options, client, gitVersion)
  } catch (thrown) {
    throw new RuntimeFault('KubernetesUnreachable', messageOf(thrown), { cause: thrown })
  }
}

class KubernetesRuntime implements TaskRuntime {
  readonly name = 'kubernetes'
  readonly honesty: string
  readonly attributes = { 'kecs.runtime': 'kubernetes' }
  readonly #client: KubeClient
  readonly #clock: Clock
  readonly #instance: string
  readonly #warn: NonNullable<KubernetesOptions['warn']>
  readonly #keeper: TaskKeeper
  readonly #watch: PodWatch
  readonly #namespaces = new Map<string, Promise<void>>()
  readonly #creating = new Map<string, Promise<void>>()
  #nodes: readonly RuntimeNode[] = []
  #nodesTimer: Timer | undefined
  #closed = false
  readonly #off = new AbortController()

  constructor(options: KubernetesOptions, client: KubeClient, version: string) {
    const { clock, warn = () => {}, instance = DEFAULT_INSTANCE } = options
    this.honesty = `Kubernetes: tasks are pods of ${client.server} (${version}).`
    this.#client = client
    this.#clock = clock
    this.#instance = instance
    this.#warn = warn
    this.#keeper = new TaskKeeper({ client, clock, warn })
    const selector = `${MANAGED_BY}=kecs,${LABELS.instance}=${labelValue(instance)}`
    this.#watch = new PodWatch({ client, selector, clock, warn, events: this.#keeper })
  }

  async start(
    believed: Parameters<TaskRuntime['start']>[0],
    onState: (state: TaskState) => void,
  ): Promise<readonly TaskState[]> {
    const before = new Map(believed.flatMap(({ spec, state }) => (state ? [[spec.id, state]] : [])))
    await this.#readNodes()
    const truth = this.#keeper.adopt(await this.#watch.start(), before)
    this.#keeper.begin(onState)
    this.#watch.follow()
    return truth
  }

  async run(spec: TaskSpec): Promise<void> {
    const { id } = spec
    const creating = this.#creating.get(id)
    if (creating) return creating
    if (this.#keeper.entry(id)) return
    const work = this.#create(spec).finally(() => this.#creating.delete(id))
    this.#creating.set(id, work)
    return work
  }

  async stop(id: string): Promise<void> {
    await this.#creating.get(id)?.catch(() => {})
    const entry = this.#keeper.entry(id)
    if (entry) this.#keeper.stop(entry)
  }

  async remove(id: string): Promise<void> {
    const entry = this.#keeper.entry(id)
    if (entry) await this.#keeper.remove(entry)
    else await this.#keeper.disown(id)
  }

  async *logs(id: string, query: LogQuery): AsyncIterable<LogLine> {
    const entry = this.#keeper.entry(id)
    if (!entry) return
    const of = (name: string) => entry.sent.containers.find((each) => each.name === name)
    const { task, namespace, pod } = entry
    const forgotten = () => this.#closed || this.#keeper.entry(id) !== entry
    yield* readLogs(
      this.#client,
      {
        task,
        namespace,
        pod,
        begun: (name) => of(name)?.runtimeId !== undefined,
        ended: (name) => forgotten() || of(name)?.phase === 'stopped',
        changed: (signal) => this.#keeper.changeOf(entry, signal),
      },
      {
        ...query,
        signal: AbortSignal.any([this.#off.signal, ...(query.signal ? [query.signal] : [])]),
      },
    )
  }

  nodes(): readonly RuntimeNode[] {
    return this.#nodes
  }

  health(): RuntimeHealth {
    const trouble = this.#watch.trouble()
    if (!trouble) return { status: 'up', detail: `watching the pods of ${this.#client.server}` }
    const awayMs = this.#clock.now() - trouble.sinceMs
    const detail = `the API server ${this.#client.server} is not reached: ${trouble.detail}`
    return { status: awayMs < DOWN_AFTER_MS ? 'degraded' : 'down', detail }
  }

  async close(): Promise<void> {
    this.#closed = true
    // Followers of logs would ask again for what the client cuts off.
    this.#off.abort()
    this.#nodesTimer?.cancel()
    this.#keeper.close()
    const watched = this.#watch.close()
    // A server that does not answer is not waited for.
    this.#client.close()
    await watched
  }

  async #create(spec: TaskSpec): Promise<void> {
    const pod = podOf(spec, { instance: this.#instance })
    const { namespace = '', name = '' } = pod.metadata ?? {}
    const size = Buffer.byteLength(pod.metadata?.annotations?.[ANNOTATIONS.spec] ?? '')
    if (size > MAX_TASK_BYTES) {
      throw new RuntimeFault('TaskTooLarge', `the task has ${size} bytes, of ${MAX_TASK_BYTES}`)
    }
    // Nothing is told from within the call.
    await Promise.resolve()
    const problem = orderProblem(spec)
    const entry = this.#keeper.accept(spec, namespace, name, problem)
    if (problem !== undefined) return
    try {
      this.#keeper.changed(await this.#post(entry, pod))
    } catch (thrown) {
      // Where the server said no, it would again; else the caller tries again.
      if (!(thrown instanceof KubeFault) || thrown.status >= 500) {
        this.#keeper.doubt(entry)
        throw thrown
      }
      this.#keeper.forget(spec.id)
      throw new RuntimeFault(thrown.reason || 'KubernetesFault', thrown.message, { cause: thrown })
    }
  }

  /** The pod of a task, in its namespace and with the claims that it mounts. */
  async #post(entry: Entry, pod: object): Promise<Pod> {
    const { namespace, task } = entry
    const path = `/api/v1/namespaces/${namespace}/pods`
    const instance = this.#instance
    for (let tries = 1; ; tries++) {
      try {
        await this.#namespace(namespace, task.namespace)
        await makeClaims(this.#client, { namespace, instance }, task)
        return await this.#client.request<Pod>({ method: 'POST', path, body: pod })
      } catch (thrown) {
        if (!(thrown instanceof KubeFault)) throw thrown
        if (thrown.status === CONFLICT) return this.#client.request<Pod>({ path: podPath(entry) })
        if (thrown.status === NOT_FOUND && tries === 1) {
          // Somebody deleted the namespace.
          this.#namespaces.delete(namespace)
          continue
        }
        const early = thrown.status === FORBIDDEN && thrown.message.includes('service account')
        if (!early || tries === CREATE_TRIES || this.#closed) throw thrown
        await new Promise<void>((resolve) => {
          this.#clock.after(backoffMs(tries, CREATE_AGAIN_MS), resolve)
        })
      }
    }
  }

  /** Makes the namespace once; a failure is not remembered. */
  #namespace(name: string, text: string): Promise<void> {
    const known = this.#namespaces.get(name)
    if (known) return known
    const made = this.#makeNamespace(name, text)
    this.#namespaces.set(name, made)
    made.catch(() => this.#namespaces.delete(name))
    return made
  }

  async #makeNamespace(name: string, text: string): Promise<void> {
    const labels = {
      [MANAGED_BY]: 'kecs',
      [LABELS.instance]: labelValue(this.#instance),
      [LABELS.namespace]: labelValue(text),
    }
    const annotations = { [ANNOTATIONS.namespace]: text }
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels, annotations } }
    try {
      await this.#client.request({ method: 'POST', path: '/api/v1/namespaces', body })
    } catch (thrown) {
      if (!(thrown instanceof KubeFault && thrown.status === CONFLICT)) throw thrown
    }
  }

  async #readNodes(): Promise<void> {
    try {
      this.#nodes = await readNodes(this.#client)
    } catch (thrown) {
      this.#warn(`the nodes of the cluster were not read: ${messageOf(thrown)}`)
    }
    if (this.#closed) return
    this.#nodesTimer = this.#clock.after(NODES_EVERY_MS, () => void this.#readNodes())
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
