import type { Clock, Timer } from '../gateway/core/clock.ts'

interface Pending {
  readonly dueMs: number
  readonly order: number
  readonly work: () => void
}

/** A clock that stands still until a test turns it. */
export class FakeClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #pending = new Set<Pending>()

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  after(delayMs: number, work: () => void): Timer {
    const pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, work }
    this.#pending.add(pending)
    return { cancel: () => this.#pending.delete(pending) }
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#pending.size
  }

  /** Turns the clock, running what falls due in order; what that work schedules counts too. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (let next = this.#next(endMs); next; next = this.#next(endMs)) {
      this.#pending.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.work()
    }
    this.#nowMs = endMs
  }

  /** Turns the clock to its next timer; whether there was one. */
  advanceToNext(): boolean {
    const next = this.#next(Number.POSITIVE_INFINITY)
    if (next) this.advance(next.dueMs - this.#nowMs)
    return next !== undefined
  }

  #next(endMs: number): Pending | undefined {
    let first: Pending | undefined
    for (const pending of this.#pending) {
      if (pending.dueMs > endMs) continue
      if (
        !first ||
        pending.dueMs < first.dueMs ||
        (pending.dueMs === first.dueMs && pending.order < first.order)
      ) {
        first = pending
      }
    }
    return first
  }
}
