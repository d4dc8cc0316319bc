import type { Clock, Timer } from '../clock.ts'
import type { HealthCheckSpec } from '../runtime.ts'
import type { Child, ChildEvents } from './process-child.ts'

/**
 * Runs a container's health check as Docker does: first one interval after the start, then one
 * interval after each end; failures within the start period do not count before the first success.
 */
export class HealthWatch {
  readonly #clock: Clock
  readonly #check: HealthCheckSpec
  readonly #spawn: (argv: readonly string[], events: ChildEvents) => Child | undefined
  readonly #onHealth: (health: 'healthy' | 'unhealthy') => void
  readonly #startedAtMs: number
  #failures = 0
  #succeeded = false
  #over = false
  #timer: Timer | undefined
  #child: Child | undefined

  constructor(
    clock: Clock,
    check: HealthCheckSpec,
    spawn: (argv: readonly string[], events: ChildEvents) => Child | undefined,
    onHealth: (health: 'healthy' | 'unhealthy') => void,
  ) {
    this.#clock = clock
    this.#check = check
    this.#spawn = spawn
    this.#onHealth = onHealth
    this.#startedAtMs = clock.now()
    this.#later()
  }

  cancel(): void {
    this.#over = true
    this.#timer?.cancel()
    this.#child?.signal('SIGKILL')
  }

  #later(): void {
    if (!this.#over) this.#timer = this.#clock.after(this.#check.intervalMs, () => this.#probe())
  }

  #probe(): void {
    let timedOut = false
    const done = (passed: boolean) => {
      this.#timer?.cancel()
      this.#child = undefined
      if (!this.#over) this.#judge(passed && !timedOut)
      this.#later()
    }
    this.#child = this.#spawn(argvOf(this.#check.command), {
      failed: () => done(false),
      exited: (exitCode) => done(exitCode === 0),
    })
    const { timeoutMs } = this.#check
    if (!this.#child) return
    this.#timer = this.#clock.after(timeoutMs, () => {
      timedOut = true
      this.#child?.signal('SIGKILL')
    })
  }

  #judge(passed: boolean): void {
    if (passed) {
      this.#failures = 0
      this.#succeeded = true
      this.#onHealth('healthy')
      return
    }
    const { startPeriodMs, retries } = this.#check
    const early = !this.#succeeded && this.#clock.now() < this.#startedAtMs + startPeriodMs
    if (early) return
    this.#failures++
    if (this.#failures >= retries) this.#onHealth('unhealthy')
  }
}

function argvOf(command: readonly string[]): readonly string[] {
  const [kind = '', ...rest] = command
  if (kind === 'CMD') return rest
  return kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...rest] : command
}
