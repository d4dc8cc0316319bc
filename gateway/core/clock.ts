/** A timer that can be called off; calling it off twice does nothing. */
export interface Timer {
  cancel(): void
}

/** Time as everything in KECS sees it: tests turn it by hand (`test/fake-clock.ts`). */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Runs `work` once, not before `delayMs` from now. Pending timers do not keep the process alive. */
  after(delayMs: number, work: () => void): Timer
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, work) {
    const handle = setTimeout(work, delayMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
