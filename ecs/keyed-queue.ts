import type { Clock, Timer } from '../gateway/core/clock.ts'

const BACK_OFF_FIRST_MS = 500
const BACK_OFF_MOST_MS = 30_000

export interface KeyedQueueOptions {
  readonly clock: Clock
  /** Keys worked on at one time. */
  readonly concurrency: number
  /** Brings the thing of that key to where it should be; throws or rejects to be called again, later. */
  readonly work: (key: string) => Promise<void> | void
  /** Must not throw. */
  readonly onFailure: (key: string, thrown: unknown, failures: number) => void
}

/**
 * Work by key: never twice at once for one key, once more if a key comes again meanwhile, and with
 * growing pauses while it fails.
 */
export class KeyedQueue {
  readonly #options: KeyedQueueOptions
  readonly #waiting = new Set<string>()
  readonly #running = new Set<string>()
  readonly #again = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #timers = new Map<string, { atMs: number; timer: Timer }>()
  #closed = false
  #scheduled = false
  #passes = 0
  #idle: (() => void)[] = []

  constructor(options: KeyedQueueOptions) {
    this.#options = options
  }

  /** Calls of `work` so far. */
  get passes(): number {
    return this.#passes
  }

  /** Keys whose last pass failed. */
  get failing(): number {
    return this.#failures.size
  }

  /** Something new about the key is known: it is worked on now, even if it waits after a failure. */
  add(key: string): void {
    if (this.#closed) return
    if (this.#running.has(key)) this.#again.add(key)
    else {
      this.#waiting.add(key)
      this.#schedule()
    }
  }

  /** Nothing new is known: a key that waits after a failure goes on waiting. */
  addUnlessFailing(key: string): void {
    if (!this.#failures.has(key)) this.add(key)
  }

  /** Adds the key when the clock has come so far; an earlier time that was set before stands. */
  addAt(key: string, atMs: number): void {
    const set = this.#timers.get(key)
    if (this.#closed || (set && set.atMs <= atMs)) return
    set?.timer.cancel()
    const timer = this.#options.clock.after(Math.max(0, atMs - this.#options.clock.now()), () => {
      this.#timers.delete(key)
      this.add(key)
    })
    this.#timers.set(key, { atMs, timer })
  }

  /** Resolves when nothing runs or waits (keys that wait for their time do not count). */
  idle(): Promise<void> {
    if (this.#running.size === 0 && this.#waiting.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Starts nothing more and waits for what runs. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { timer } of this.#timers.values()) timer.cancel()
    this.#timers.clear()
    this.#waiting.clear()
    await this.idle()
  }

  // On a later microtask: what one transaction adds is taken up together and never re-entrantly.
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return
      this.#waiting.delete(key)
      this.#running.add(key)
      void this.#run(key)
    }
    if (this.#running.size > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #run(key: string): Promise<void> {
    this.#passes++
    try {
      await this.#options.work(key)
      this.#failures.delete(key)
    } catch (thrown) {
      const failures = (this.#failures.get(key) ?? 0) + 1
      this.#failures.set(key, failures)
      const pauseMs = Math.min(BACK_OFF_MOST_MS, BACK_OFF_FIRST_MS * 2 ** (failures - 1))
      this.addAt(key, this.#options.clock.now() + pauseMs)
      this.#options.onFailure(key, thrown, failures)
    } finally {
      this.#running.delete(key)
      // What came while it failed may be of its own making: it waits like the failure itself.
      if (this.#again.delete(key)) this.addUnlessFailing(key)
      this.#schedule()
    }
  }
}
