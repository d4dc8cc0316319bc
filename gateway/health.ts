import type { Clock, Timer } from './core/clock.ts'

export type HealthStatus = 'up' | 'degraded' | 'down'

export interface ComponentHealth {
  readonly status: HealthStatus
  /** Why, in one sentence. */
  readonly detail: string
}

/** A part of the gateway that can say how it is; asked often, so it answers from what it knows. */
export interface Component {
  readonly name: string
  check(): ComponentHealth
  /** Whether the gateway is of no use without it. */
  readonly essential: boolean
}

export interface ComponentReport extends ComponentHealth {
  readonly name: string
  readonly essential: boolean
  /** When it was first seen in this status, in milliseconds since the epoch. */
  readonly sinceMs: number
}

export interface HealthReport {
  /** `down` when an essential component is; `degraded` when any other is not up. */
  readonly status: HealthStatus
  readonly components: readonly ComponentReport[]
}

export interface HealthWatch {
  report(): HealthReport
  stop(): void
}

const CHECK_INTERVAL_MS = 5_000

/** Looks at every component now and then, so that `since` is true even if nobody asks. */
export function watchHealth(clock: Clock, components: readonly Component[]): HealthWatch {
  const last = new Map<string, ComponentReport>()
  let timer: Timer

  function look(): readonly ComponentReport[] {
    return components.map(({ name, essential, check }) => {
      const health = check()
      const before = last.get(name)
      const sinceMs = before?.status === health.status ? before.sinceMs : clock.now()
      const report = { name, essential, ...health, sinceMs }
      last.set(name, report)
      return report
    })
  }

  function again(): void {
    look()
    timer = clock.after(CHECK_INTERVAL_MS, again)
  }
  again()

  return {
    report() {
      const reports = look()
      const down = reports.some((each) => each.essential && each.status === 'down')
      const well = reports.every((each) => each.status === 'up')
      return { status: down ? 'down' : well ? 'up' : 'degraded', components: reports }
    },
    stop: () => timer.cancel(),
  }
}
