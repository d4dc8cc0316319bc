/** Every task with its pod: what the API server tells goes in, states and calls to it come out. */
import type { Clock, Timer } from '../clock.ts'
import type { TaskSpec, TaskState } from '../runtime.ts'
import { backoffMs } from './backoff.ts'
import { type KubeClient, KubeFault } from './client.ts'
import { type Decisions, decisionsIn, judge } from './decisions.ts'
import { ANNOTATIONS } from './names.ts'
import type { Pod } from './objects.ts'
import { isOver, type Sight } from './seen.ts'
import { podlessState, stateOf } from './state.ts'
import { type Step, stepOf } from './steps.ts'
import { isLater, type PodEvents } from './watch.ts'

export interface KeeperOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly warn: (message: string, fields?: Readonly<Record<string, unknown>>) => void
}

export interface Entry {
  readonly task: TaskSpec
  readonly namespace: string
  readonly pod: string
  sight?: Sight
  decisions: Decisions
  sent: TaskState
  /** Since when, and the best reason so far, by container. */
  readonly troubles: Map<string, { readonly sinceMs: number; readonly reason: string }>
  wake?: Timer
  acting: boolean
  failures: number
  /** What was done last and when: what does not help is not done again at once. */
  last?: { readonly what: string; readonly atMs: number }
  toldOfRoom: boolean
  /** Forgotten once it has stopped. */
  unwanted: boolean
  readonly waiters: Set<() => void>
}

const NOT_FOUND = 404
const LOOK_AGAIN_MS = 1000

export class TaskKeeper implements PodEvents {
  readonly #options: KeeperOptions
  readonly #entries = new Map<string, Entry>()
  /** Those given up while the server owed an answer: their pods may come all the same. */
  readonly #doubted = new Map<string, Entry>()
  readonly #outbox: TaskState[] = []
  #onState: ((state: TaskState) => void) | undefined
  #sending = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Takes on what was found at the start; their states are the truth and are not sent. */
  adopt(pods: readonly Pod[], before: ReadonlyMap<string, TaskState>): readonly TaskState[] {
    const states: TaskState[] = []
    for (const pod of pods) {
      const task = taskIn(pod)
      if (!task) {
        const { namespace, name } = pod.metadata
        this.#options.warn('a pod bears our labels and no task; it is left alone', {
          namespace,
          name,
        })
        continue
      }
      const known = before.get(task.id)
      const entry = this.#entryOf(task, pod, known ?? podlessState(task))
      const sight: Sight = { pod, gone: false }
      entry.decisions = decisionsIn(pod)
      const nowMs = this.#options.clock.now()
      const judged = judge(task, sight, entry.decisions, known, entry.troubles, nowMs)
      entry.sent = stateOf(task, sight, judged, known, nowMs)
      entry.sight = sight
      states.push(entry.sent)
    }
    return states
  }

  /** From now on states are sent, and what is to be done is done. */
  begin(onState: (state: TaskState) => void): void {
    this.#onState = onState
    for (const entry of this.#entries.values())
      this.#options.clock.after(0, () => this.#look(entry))
  }

  close(): void {
    this.#onState = undefined
    for (const entry of this.#entries.values()) {
      entry.wake?.cancel()
      this.#tellWaiters(entry)
    }
    this.#entries.clear()
  }

  entry(id: string): Entry | undefined {
    return this.#entries.get(id)
  }

  /** A task without a pod yet; `failure`: it will never have one. */
  accept(task: TaskSpec, namespace: string, pod: string, failure?: string): Entry {
    const nowMs = this.#options.clock.now()
    const state = podlessState(
      task,
      failure === undefined ? undefined : { reason: failure, atMs: nowMs },
    )
    const entry = this.#entryOf(task, { metadata: { namespace, name: pod } }, podlessState(task))
    this.#doubted.delete(task.id)
    this.#send(entry.sent)
    if (failure !== undefined) this.#tell(entry, state)
    return entry
  }

  forget(id: string): void {
    const entry = this.#entries.get(id)
    entry?.wake?.cancel()
    this.#entries.delete(id)
    if (entry) this.#tellWaiters(entry)
  }

  /** Forgets one whose making was not answered; its caller tries again or disowns it. */
  doubt(entry: Entry): void {
    this.forget(entry.task.id)
    this.#doubted.set(entry.task.id, entry)
  }

  /** Nobody tries again to make this one: whenever its pod comes it is deleted. */
  async disown(id: string): Promise<void> {
    const entry = this.#doubted.get(id)
    if (!entry) return
    entry.unwanted = true
    await this.#discard(entry)
  }

  /** Forgets a stopped task with its pod; one that was asked to stop once it has stopped. */
  async remove(entry: Entry): Promise<void> {
    const stopped = entry.sent.phase === 'stopped'
    if (!stopped && !entry.decisions.stop) return
    entry.unwanted = true
    if (stopped) await this.#discard(entry)
  }

  /** Asked by the caller: no cause. */
  stop(entry: Entry): void {
    if (entry.decisions.stop || entry.sent.phase === 'stopped') return
    entry.decisions = { ...entry.decisions, stop: { atMs: this.#options.clock.now() } }
    this.#look(entry)
  }

  listed(pods: readonly Pod[], version: string): void {
    const there = new Set(pods.map(({ metadata }) => metadata.uid))
    for (const pod of pods) this.changed(pod)
    for (const entry of [...this.#entries.values()]) {
      const { metadata } = entry.sight?.pod ?? {}
      // One made after the list was is not in it.
      if (!metadata || there.has(metadata.uid) || isLater(metadata.resourceVersion, version))
        continue
      this.#vanished(entry)
    }
  }

  changed(pod: Pod): void {
    const id = taskIdOf(pod)
    const entry = this.#entries.get(id)
    const doubted = this.#doubted.get(id)
    if (entry) this.#see(entry, pod)
    else if (doubted?.unwanted) void this.#discard(doubted)
  }

  gone(pod: Pod): void {
    const entry = this.#entries.get(taskIdOf(pod))
    if (!entry) return
    this.#see(entry, pod)
    this.#vanished(entry)
  }

  /** Resolves with the next change of the task, a moment later, or when the signal goes. */
  changeOf(entry: Entry, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        entry.waiters.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.#options.clock.after(LOOK_AGAIN_MS, done)
      entry.waiters.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }

  #entryOf(task: TaskSpec, pod: Pick<Pod, 'metadata'>, sent: TaskState): Entry {
    const entry: Entry = {
      task,
      namespace: pod.metadata.namespace ?? '',
      pod: pod.metadata.name,
      decisions: {},
      sent,
      troubles: new Map(),
      acting: false,
      failures: 0,
      toldOfRoom: false,
      unwanted: false,
      waiters: new Set(),
    }
    this.#entries.set(task.id, entry)
    return entry
  }

  #see(entry: Entry, pod: Pod): void {
    const before = entry.sight?.pod.metadata.resourceVersion
    if (
      entry.sight?.gone ||
      (before !== undefined && !isLater(pod.metadata.resourceVersion, before))
    ) {
      return
    }
    entry.sight = { pod, gone: false }
    this.#look(entry)
  }

  #vanished(entry: Entry): void {
    if (!entry.sight || entry.sight.gone) return
    entry.sight = { ...entry.sight, gone: true }
    this.#look(entry)
  }

  /** Tells what changed and does what is due, from all that is known now. */
  #look(entry: Entry): void {
    const { sight, task } = entry
    if (!sight || !this.#onState || this.#entries.get(task.id) !== entry) return
    const nowMs = this.#options.clock.now()
    const judged = judge(task, sight, entry.decisions, entry.sent, entry.troubles, nowMs)
    entry.decisions = judged.decisions
    for (const { name, trouble } of judged.seen)
      this.#noteTrouble(entry, name, trouble?.reason, nowMs)
    // Again with what was just noted, so that it is known when patience ends.
    const { wakeAtMs } = judge(task, sight, entry.decisions, entry.sent, entry.troubles, nowMs)
    this.#tell(entry, stateOf(task, sight, judged, entry.sent, nowMs))
    const step = stepOf(task, sight, judged, nowMs)
    const what = step.remove ?? (step.patch && JSON.stringify(step.patch))
    const again = what !== undefined && what === entry.last?.what
    const actAtMs = again ? (entry.last?.atMs ?? 0) + LOOK_AGAIN_MS : nowMs
    const retryAtMs = what !== undefined && actAtMs > nowMs ? actAtMs : undefined
    const wakes = [wakeAtMs, step.wakeAtMs, retryAtMs].filter((each) => each !== undefined)
    this.#wakeAt(entry, wakes.length > 0 ? Math.max(nowMs, Math.min(...wakes)) : undefined)
    if (what !== undefined && !entry.acting && actAtMs <= nowMs) {
      entry.last = { what, atMs: nowMs }
      void this.#act(entry, step)
    }
    this.#tellOfRoom(entry, sight)
    if (entry.unwanted && entry.sent.phase === 'stopped' && isOver(sight)) void this.#discard(entry)
  }

  /** A pod that fits on no node waits until one comes, as long as that may take. */
  #tellOfRoom(entry: Entry, { pod }: Sight): void {
    const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
    if (entry.toldOfRoom || scheduled?.reason !== 'Unschedulable') return
    entry.toldOfRoom = true
    const { message = '' } = scheduled
    this.#options.warn('a task waits for a node that takes it', { id: entry.task.id, message })
  }

  #noteTrouble(entry: Entry, name: string, reason: string | undefined, nowMs: number): void {
    const known = entry.troubles.get(name)
    if (reason === undefined) entry.troubles.delete(name)
    // Kubelet says first what is wrong, then only that it waits to try again.
    else if (!known || !reason.includes('Back-off')) {
      entry.troubles.set(name, { sinceMs: known?.sinceMs ?? nowMs, reason })
    }
  }

  #wakeAt(entry: Entry, atMs: number | undefined): void {
    entry.wake?.cancel()
    const isOurs = this.#entries.get(entry.task.id) === entry
    if (atMs === undefined || !isOurs) delete entry.wake
    else {
      const delayMs = atMs - this.#options.clock.now()
      entry.wake = this.#options.clock.after(delayMs, () => this.#look(entry))
    }
  }

  async #act(entry: Entry, { patch, remove }: Step): Promise<void> {
    entry.acting = true
    const path = podPath(entry)
    try {
      const grace = remove === 'force' ? { gracePeriodSeconds: 0 } : {}
      const pod = remove
        ? await this.#options.client.request<Pod>({ method: 'DELETE', path, body: grace })
        : await this.#options.client.request<Pod>({ method: 'PATCH', path, body: patch })
      entry.acting = false
      entry.failures = 0
      if (pod.metadata?.resourceVersion !== undefined) this.#see(entry, pod)
      // Events that came meanwhile may have left something to do.
      this.#look(entry)
    } catch (thrown) {
      entry.acting = false
      if (thrown instanceof KubeFault && thrown.status === NOT_FOUND) return this.#vanished(entry)
      entry.failures++
      delete entry.last
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      this.#options.warn('a task was not changed; it is tried again', { id: entry.task.id, reason })
      this.#wakeAt(entry, this.#options.clock.now() + backoffMs(entry.failures))
    }
  }

  /** Deletes the pod and forgets the task; tried again until the server does it. */
  async #discard(entry: Entry): Promise<void> {
    if (entry.acting) return
    entry.acting = true
    try {
      await deletePod(this.#options.client, entry)
      this.forget(entry.task.id)
    } catch (thrown) {
      entry.failures++
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      this.#options.warn('a stopped pod was not deleted; it is tried again', {
        id: entry.task.id,
        reason,
      })
      this.#wakeAt(entry, this.#options.clock.now() + backoffMs(entry.failures))
    } finally {
      entry.acting = false
    }
  }

  #tell(entry: Entry, state: TaskState): void {
    if (JSON.stringify(state) === JSON.stringify(entry.sent)) return
    entry.sent = state
    this.#send(state)
    this.#tellWaiters(entry)
  }

  #tellWaiters(entry: Entry): void {
    for (const waiter of [...entry.waiters]) waiter()
  }

  /** One at a time: what a listener does meanwhile comes after it. */
  #send(state: TaskState): void {
    this.#outbox.push(state)
    if (this.#sending) return
    this.#sending = true
    try {
      for (let next = this.#outbox.shift(); next; next = this.#outbox.shift()) this.#onState?.(next)
    } finally {
      this.#sending = false
    }
  }
}

export function podPath({ namespace, pod }: Pick<Entry, 'namespace' | 'pod'>): string {
  return `/api/v1/namespaces/${namespace}/pods/${pod}`
}

/** At once and for good; one that is gone already is no fault. */
async function deletePod(
  client: KubeClient,
  entry: Pick<Entry, 'namespace' | 'pod'>,
): Promise<void> {
  try {
    const body = { gracePeriodSeconds: 0 }
    await client.request({ method: 'DELETE', path: podPath(entry), body })
  } catch (thrown) {
    if (!(thrown instanceof KubeFault && thrown.status === NOT_FOUND)) throw thrown
  }
}

/** The task that a pod of ours was made for. */
function taskIn(pod: Pod): TaskSpec | undefined {
  try {
    const task = JSON.parse(pod.metadata.annotations?.[ANNOTATIONS.spec] ?? '')
    return typeof task?.id === 'string' && Array.isArray(task.containers) ? task : undefined
  } catch {
    return undefined
  }
}

function taskIdOf(pod: Pod): string {
  return taskIn(pod)?.id ?? ''
}
