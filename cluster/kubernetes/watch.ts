import type { Clock } from '../clock.ts'
import { backoffMs } from './backoff.ts'
import { type KubeClient, KubeFault } from './client.ts'
import type { List, Pod, WatchEvent } from './objects.ts'

/** What a watch finds; whoever missed events gets the whole list again. */
export interface PodEvents {
  /** Every pod there is, as of that version. */
  listed(pods: readonly Pod[], version: string): void
  changed(pod: Pod): void
  gone(pod: Pod): void
}

export interface PodWatchOptions {
  readonly client: KubeClient
  readonly selector: string
  readonly clock: Clock
  readonly warn: (message: string) => void
  readonly events: PodEvents
}

const PAGE = '500'
const WATCH_SECONDS = 60
/** The server ends each watch before: silence beyond this is a dead connection. */
const IDLE_MS = 75_000
/** A watch that ends sooner was refused, whatever it says. */
const SHORT_MS = 1000
const GONE = 410

/**
 * Lists, then watches from there. Whatever goes wrong (an expired version, a server that restarts or
 * falls silent) ends in another list, after a pause that grows.
 */
export class PodWatch {
  readonly #options: PodWatchOptions
  readonly #off = new AbortController()
  #version: string | undefined
  #trouble: { readonly sinceMs: number; readonly detail: string } | undefined
  #loop: Promise<void> | undefined

  constructor(options: PodWatchOptions) {
    this.#options = options
  }

  /** The first list; the watch goes on from it once `follow` is called. */
  async start(): Promise<readonly Pod[]> {
    const { pods, version } = await this.#list()
    this.#version = version
    return pods
  }

  follow(): void {
    this.#loop ??= this.#run()
  }

  /** What is wrong with it, and since when; undefined while it works. */
  trouble(): { readonly sinceMs: number; readonly detail: string } | undefined {
    return this.#trouble
  }

  async close(): Promise<void> {
    this.#off.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { clock, events, warn } = this.#options
    let failures = 0
    while (!this.#off.signal.aborted) {
      try {
        if (this.#version === undefined) {
          const { pods, version } = await this.#list()
          if (this.#off.signal.aborted) return
          this.#version = version
          events.listed(pods, version)
          if (this.#trouble) warn('the API server is watched again')
          this.#trouble = undefined
        }
        const begunMs = clock.now()
        await this.#follow()
        failures = 0
        if (clock.now() - begunMs < SHORT_MS) await this.#pause(SHORT_MS)
      } catch (thrown) {
        if (this.#off.signal.aborted) return
        this.#version = undefined
        if (thrown instanceof KubeFault && thrown.status === GONE && failures === 0) {
          failures = 1
          continue
        }
        failures++
        const detail = thrown instanceof Error ? thrown.message : String(thrown)
        if (!this.#trouble) warn(`pods are not watched: ${detail}`)
        this.#trouble ??= { sinceMs: clock.now(), detail }
        await this.#pause(backoffMs(failures))
      }
    }
  }

  async #list(): Promise<{ readonly pods: Pod[]; readonly version: string }> {
    const { client, selector } = this.#options
    const pods: Pod[] = []
    let next: string | undefined
    let version = ''
    do {
      const query = { labelSelector: selector, limit: PAGE, continue: next }
      const page: List<Pod> = await client.request({ path: '/api/v1/pods', query })
      pods.push(...page.items)
      version = page.metadata.resourceVersion ?? ''
      next = page.metadata.continue || undefined
    } while (next !== undefined)
    return { pods, version }
  }

  /** Returns when the server ends the watch in good order. */
  async #follow(): Promise<void> {
    const { client, selector, events } = this.#options
    const query = {
      labelSelector: selector,
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version,
      timeoutSeconds: String(WATCH_SECONDS),
    }
    const { signal } = this.#off
    for await (const line of client.lines({
      path: '/api/v1/pods',
      query,
      signal,
      idleMs: IDLE_MS,
    })) {
      if (signal.aborted) return
      if (line === '') continue
      const { type, object } = JSON.parse(line) as WatchEvent
      if (type === 'ERROR') {
        throw new KubeFault(object.code ?? 0, '', object.message ?? 'the watch failed')
      }
      this.#version = object.metadata.resourceVersion ?? this.#version
      if (type === 'BOOKMARK') continue
      if (type === 'DELETED') events.gone(object)
      else events.changed(object)
    }
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#off
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const timer = this.#options.clock.after(delayMs, done)
      function done(): void {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }
}

/** Whether the first version is the later one; versions of one server grow. */
export function isLater(version: string | undefined, other: string | undefined): boolean {
  const [left, right] = [Number(version), Number(other)]
  return Number.isNaN(left) || Number.isNaN(right) || left > right
}
