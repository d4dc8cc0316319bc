/**
 * Sends health checks to the targets of groups in use. Each target has a pace of its own: checks at
 * its interval, from a phase that is drawn at random, so that many targets are spread. A target that
 * is `initial` is asked more often in between; of these early checks only a success counts, so that it
 * serves as soon as it listens, and is given up no sooner than AWS gives it up.
 */
import type { Clock, Timer } from '../../../gateway/core/clock.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import { type TargetGroupRow, type TargetRow, targetKey } from '../../rows.ts'
import type { LiveGroup, LiveTarget, TargetHealth } from '../model.ts'
import { groupSettings } from '../settings.ts'
import type { LiveTargets } from '../targets/live-targets.ts'
import { isDraining } from '../targets/shares.ts'
import {
  afterProbe,
  CHECKING,
  type CheckState,
  DRAINING,
  FAILED,
  GOOD,
  NO_ADDRESS,
  NOT_CHECKED,
  NOT_IN_USE,
  type ProbeResult,
  REGISTERING,
  TIMED_OUT,
  UNCHECKED,
  wrongCode,
} from './health-state.ts'
import { type ProbePlan, probePlan } from './probe.ts'

/** Sockets that health checks may hold at the same time; what is due beyond waits in line. */
export const MAX_PROBES_AT_ONCE = 256
const FIRST_EARLY_MS = 250
const MAX_EARLY_MS = 1000
/** Early checks of all targets together: for each target that is `initial` they are this much rarer. */
const EARLY_MS_PER_TARGET = 10

export interface HealthMonitorOptions {
  readonly live: LiveTargets
  readonly clock: Clock
  readonly log: Logger
  /** From 0 to 1, without 1. */
  readonly random: () => number
  /** Whether a listener of a load balancer sends traffic to the group. */
  readonly inUse: (groupArn: string) => boolean
  /** Invokes a function with a health check's event; resolves with the code that it answers. */
  readonly probeLambda: (
    target: LiveTarget,
    group: LiveGroup,
    path: string,
    signal: AbortSignal,
  ) => Promise<number>
}

export interface HealthMonitor {
  start(): void
  close(): void
  /** To be called when a group came into use or is in use no more. */
  lookAgain(groupArn: string): void
  healthOf(row: TargetRow): TargetHealth
}

export function createHealthMonitor(options: HealthMonitorOptions): HealthMonitor {
  return new Monitor(options)
}

/** A target under watch. */
interface Watch {
  readonly target: LiveTarget
  plan: ProbePlan
  state: CheckState
  /** When the next check is due whose failure counts. */
  pacedMs: number
  /** When the next early check is due, while the target is `initial`. */
  earlyMs: number
  earlyDelayMs: number
  timer: Timer | undefined
  turn: Turn | undefined
}

/** One check, from its waiting in line to its result. */
interface Turn {
  readonly watch: Watch
  /** Whether a failure counts. */
  counts: boolean
  readonly abort: AbortController
}

class Monitor implements HealthMonitor {
  readonly #options: HealthMonitorOptions
  readonly #watches = new Map<LiveTarget, Watch>()
  readonly #line: Turn[] = []
  #asking = 0
  #initial = 0
  #isOpen = false
  #stop = () => {}

  constructor(options: HealthMonitorOptions) {
    this.#options = options
  }

  start(): void {
    const { live } = this.#options
    this.#isOpen = true
    this.#stop = live.listen({
      came: (target) => this.#look(target),
      left: (target) => this.#forget(target),
      groupChanged: (group, before) => this.#regard(group, before),
    })
    for (const group of live.groups()) this.lookAgain(group.arn)
  }

  close(): void {
    this.#isOpen = false
    this.#stop()
    for (const target of [...this.#watches.keys()]) this.#forget(target)
  }

  lookAgain(groupArn: string): void {
    for (const target of this.#options.live.group(groupArn)?.targets ?? []) this.#look(target)
  }

  healthOf(row: TargetRow): TargetHealth {
    const { live, inUse } = this.#options
    if (row.drainingSinceMs !== undefined) return DRAINING
    if (!inUse(row.targetGroupArn)) return NOT_IN_USE
    const target = live.target(targetKey(row.targetGroupArn, row.id, row.port))
    return target && !isDraining(target) ? target.health : REGISTERING
  }

  #regard(group: LiveGroup, before: TargetGroupRow): void {
    if (before.healthCheck === group.row.healthCheck && sameHeader(before, group.row)) return
    for (const target of group.targets) this.#forget(target)
    this.lookAgain(group.arn)
  }

  /** Begins or ends the watch over a target, as things are now. */
  #look(target: LiveTarget): void {
    const { live, inUse } = this.#options
    const group = live.group(target.row.targetGroupArn)
    if (!this.#isOpen || !group || isDraining(target)) return
    if (!inUse(group.arn)) {
      this.#forget(target)
      // Whatever was found is old when the group comes into use again.
      live.setHealth(target, REGISTERING)
      return
    }
    if (!group.row.healthCheck.enabled) {
      this.#forget(target)
      live.setHealth(target, NOT_CHECKED)
    } else if (!this.#watches.has(target)) this.#watch(target, group)
  }

  #watch(target: LiveTarget, group: LiveGroup): void {
    const { clock, random, live } = this.#options
    const plan = planOf(group.row)
    const isKnown = target.health.state === 'healthy' || target.health.state === 'unhealthy'
    if (!isKnown) live.setHealth(target, REGISTERING)
    const watch: Watch = {
      target,
      plan,
      state: isKnown ? { health: target.health, against: 0 } : UNCHECKED,
      pacedMs: clock.now() + Math.ceil(random() * plan.intervalMs),
      earlyMs: 0,
      earlyDelayMs: FIRST_EARLY_MS,
      timer: undefined,
      turn: undefined,
    }
    this.#watches.set(target, watch)
    if (!isKnown) this.#initial++
    // The first one, too: at once where there are few targets, spread where there are many.
    watch.earlyMs = clock.now() + Math.floor(random() * this.#initial * EARLY_MS_PER_TARGET)
    this.#schedule(watch)
  }

  #forget(target: LiveTarget): void {
    const watch = this.#watches.get(target)
    if (!watch) return
    this.#watches.delete(target)
    watch.timer?.cancel()
    watch.turn?.abort.abort()
    if (watch.state.health.state === 'initial') this.#initial--
  }

  #schedule(watch: Watch): void {
    const { clock } = this.#options
    const isEarly = watch.state.health.state === 'initial' && !watch.turn
    const dueMs = isEarly ? Math.min(watch.pacedMs, watch.earlyMs) : watch.pacedMs
    watch.timer?.cancel()
    watch.timer = clock.after(Math.max(0, dueMs - clock.now()), () => this.#due(watch))
  }

  #due(watch: Watch): void {
    const now = this.#options.clock.now()
    const counts = now >= watch.pacedMs
    while (watch.pacedMs <= now) watch.pacedMs += watch.plan.intervalMs
    // A check that is under way counts for the one that would begin now.
    if (watch.turn) watch.turn.counts ||= counts
    else {
      watch.turn = { watch, counts, abort: new AbortController() }
      this.#line.push(watch.turn)
      this.#next()
    }
    this.#schedule(watch)
  }

  #next(): void {
    while (this.#asking < MAX_PROBES_AT_ONCE) {
      const turn = this.#line.shift()
      if (!turn) return
      if (!turn.abort.signal.aborted) this.#ask(turn)
    }
  }

  async #ask({ watch, abort }: Turn): Promise<void> {
    const { clock, live } = this.#options
    const { plan, target } = watch
    this.#asking++
    if (watch.state === UNCHECKED) {
      watch.state = { health: CHECKING, against: 0 }
      live.setHealth(target, CHECKING)
    }
    let isLate = false
    const timer = clock.after(plan.timeoutMs, () => {
      isLate = true
      abort.abort()
    })
    let result: ProbeResult
    try {
      result = await this.#probe(watch, abort.signal)
    } catch {
      result = FAILED
    }
    timer.cancel()
    this.#asking--
    if (isLate && result === FAILED) result = TIMED_OUT
    if (this.#watches.get(target) === watch) this.#found(watch, plan.told(result))
    this.#next()
  }

  async #probe({ target, plan }: Watch, signal: AbortSignal): Promise<ProbeResult> {
    const { live, probeLambda } = this.#options
    const group = live.group(target.row.targetGroupArn)
    if (group?.row.targetType === 'lambda') {
      const code = await Promise.race([
        probeLambda(target, group, plan.path, signal),
        aborted(signal),
      ])
      return plan.matches(code) ? GOOD : wrongCode(code)
    }
    live.locate(target)
    if (target.host === undefined) return NO_ADDRESS
    return plan.probe({ host: target.host, port: plan.port ?? target.port }, signal)
  }

  #found(watch: Watch, result: ProbeResult): void {
    const { clock, live, log } = this.#options
    const { target, plan, turn } = watch
    const before = watch.state.health
    watch.turn = undefined
    if (turn?.counts || result.isGood) {
      watch.state = afterProbe(watch.state, result, plan.thresholds)
    }
    const { health } = watch.state
    if (before.state === 'initial') {
      if (health.state !== 'initial') this.#initial--
      const rarerMs = this.#initial * EARLY_MS_PER_TARGET
      watch.earlyMs = clock.now() + Math.max(watch.earlyDelayMs, rarerMs)
      watch.earlyDelayMs = Math.min(watch.earlyDelayMs * 2, MAX_EARLY_MS)
    }
    this.#schedule(watch)
    if (health.state !== before.state) {
      const { reason, description } = health
      log.info(`a target is ${health.state}`, { target: target.key, reason, description })
    }
    live.setHealth(target, health)
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Whether health checks begin with the PROXY protocol in both or in neither. */
function sameHeader(one: TargetGroupRow, other: TargetGroupRow): boolean {
  return groupSettings(one).proxyProtocolV2 === groupSettings(other).proxyProtocolV2
}

const plans = new WeakMap<TargetGroupRow, ProbePlan>()

/** Worked out once a row: a thousand targets share it. */
function planOf(row: TargetGroupRow): ProbePlan {
  let plan = plans.get(row)
  if (!plan) {
    plan = probePlan(row)
    plans.set(row, plan)
  }
  return plan
}
