/** A timer that can be called off; calling it off twice does nothing. */
export interface Timer {
  cancel(): void
}

/** Time as runtimes see it; whoever builds one hands it in. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Runs `work` once, not before `delayMs` from now. */
  after(delayMs: number, work: () => void): Timer
}
