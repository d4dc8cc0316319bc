/** Target groups and targets as traffic sees them: follows the rows, and knows what is under way. */
import type { Clock, Timer } from '../../../gateway/core/clock.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { Change, Store } from '../../../gateway/core/store.ts'
import type { Elbv2Rows, TargetGroupRow, TargetRow } from '../../rows.ts'
import { REGISTERING } from '../health/health-state.ts'
import type { LiveGroup, LiveTarget, TargetHealth } from '../model.ts'
import { groupSettings } from '../settings.ts'
import { canStartSlowly, isDraining } from './shares.ts'

/** Until the removal of a row that the store refused is tried again. */
const RETRY_MS = 1000

/** Hears what becomes of targets and groups, after it is so. */
export interface LiveListener {
  /** Registered, or registered again while it was draining. */
  came?(target: LiveTarget): void
  /** Deregistered: draining, or gone at once. */
  left?(target: LiveTarget): void
  /** The group's row was replaced; `before` is what it was. */
  groupChanged?(group: LiveGroup, before: TargetGroupRow): void
  healthChanged?(target: LiveTarget, before: TargetHealth): void
}

export interface LiveTargets {
  group(arn: string): LiveGroup | undefined
  groups(): Iterable<LiveGroup>
  /** By `targetKey`; draining ones included. */
  target(key: string): LiveTarget | undefined
  /** Takes up the rows as they are and follows their changes. */
  start(): void
  close(): void
  /** A request or connection to the target begins. */
  began(target: LiveTarget): void
  /** It ended, however; to be called once for each `began`. */
  finished(target: LiveTarget): void
  /**
   * Resolves when a deregistered target has nothing under way, when its deregistration delay is over,
   * or when it is gone; for a target that is not deregistered, once that has happened to it.
   */
  drained(key: string): Promise<void>
  /** For the health monitor alone. */
  setHealth(target: LiveTarget, health: TargetHealth): void
  /** Asks anew where the target is reached: instances and load balancers come and go by themselves. */
  locate(target: LiveTarget): void
  onHealth(listener: (targetKey: string) => void): () => void
  listen(listener: LiveListener): () => void
}

export interface LiveTargetsOptions {
  readonly rows: Elbv2Rows
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** Host of a target that is no Lambda function; undefined where nothing is known of it. */
  readonly addressOf: (row: TargetRow, group: TargetGroupRow) => string | undefined
}

export function createLiveTargets(options: LiveTargetsOptions): LiveTargets {
  return new Live(options)
}

class Live implements LiveTargets {
  readonly #options: LiveTargetsOptions
  readonly #groups = new Map<string, LiveGroup>()
  readonly #targets = new Map<string, LiveTarget>()
  /** When the deregistration delay of each draining target is over. */
  readonly #delays = new Map<string, Timer>()
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #listeners = new Set<LiveListener>()
  #stop = () => {}

  constructor(options: LiveTargetsOptions) {
    this.#options = options
  }

  group(arn: string): LiveGroup | undefined {
    return this.#groups.get(arn)
  }

  groups(): Iterable<LiveGroup> {
    return this.#groups.values()
  }

  target(key: string): LiveTarget | undefined {
    return this.#targets.get(key)
  }

  start(): void {
    const { rows, store } = this.#options
    for (const row of rows.targetGroups.all()) this.#putGroup(row)
    this.#changeTargets(
      [...rows.targets.all()].map((after) => ({ key: after.arn, after, before: undefined })),
    )
    this.#stop = store.onChange((changes) => this.#follow(changes))
  }

  close(): void {
    this.#stop()
    for (const timer of this.#delays.values()) timer.cancel()
    this.#delays.clear()
    for (const key of [...this.#waiting.keys()]) this.#wake(key)
  }

  began(target: LiveTarget): void {
    target.inFlight++
  }

  finished(target: LiveTarget): void {
    target.inFlight--
    if (target.inFlight === 0 && isDraining(target)) this.#wake(target.key)
  }

  drained(key: string): Promise<void> {
    const target = this.#targets.get(key)
    const isDone = target
      ? isDraining(target) && target.inFlight === 0
      : // A target whose registration is not durable yet is only in the rows.
        this.#options.rows.targets.get(key) === undefined
    if (isDone) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set()
      this.#waiting.set(key, waiting.add(resolve))
    })
  }

  setHealth(target: LiveTarget, health: TargetHealth): void {
    const before = target.health
    if (isSame(before, health)) return
    const group = this.#groups.get(target.row.targetGroupArn)
    if (health.state !== 'healthy') target.healthySinceMs = undefined
    else if (before.state !== 'healthy') {
      const now = this.#options.clock.now()
      target.slowStart = group !== undefined && canStartSlowly(group, now)
      target.healthySinceMs = now
    }
    target.health = health
    if (group) group.revision++
    for (const listener of this.#listeners) listener.healthChanged?.(target, before)
  }

  locate(target: LiveTarget): void {
    const group = this.#groups.get(target.row.targetGroupArn)
    const host = group && this.#options.addressOf(target.row, group.row)
    if (!group || host === target.host) return
    target.host = host
    group.revision++
  }

  onHealth(listener: (targetKey: string) => void): () => void {
    return this.listen({ healthChanged: ({ key }) => listener(key) })
  }

  listen(listener: LiveListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #follow(changes: readonly Change[]): void {
    const { rows } = this.#options
    const targets: TargetChange[] = []
    const gone: string[] = []
    for (const { collection, key, before, after } of changes) {
      if (collection === rows.targetGroups.name) {
        if (after) this.#putGroup(after as TargetGroupRow)
        else gone.push(key)
      } else if (collection === rows.targets.name) {
        targets.push({ key, before: before as TargetRow, after: after as TargetRow | undefined })
      }
    }
    this.#changeTargets(targets)
    for (const arn of gone) this.#removeGroup(arn)
  }

  #putGroup(row: TargetGroupRow): void {
    const group = this.#groups.get(row.arn)
    const settings = groupSettings(row)
    if (!group) {
      this.#groups.set(row.arn, { arn: row.arn, row, settings, targets: [], revision: 0 })
      return
    }
    const before = group.row
    const delayMs = group.settings.deregistrationDelayMs
    Object.assign(group, { row, settings, revision: group.revision + 1 })
    if (delayMs !== settings.deregistrationDelayMs) {
      for (const target of group.targets) if (isDraining(target)) this.#drain(target)
    }
    for (const listener of this.#listeners) listener.groupChanged?.(group, before)
  }

  #removeGroup(arn: string): void {
    const group = this.#groups.get(arn)
    this.#groups.delete(arn)
    for (const target of group?.targets ?? []) this.#forget(target)
    const { rows, store } = this.#options
    const left = [...rows.targets.by('group', arn)]
    if (left.length > 0) store.transact(() => left.map((row) => rows.targets.delete(row.arn)))
  }

  /** Copies each group's list once, however many of its targets are others. */
  #changeTargets(changes: readonly TargetChange[]): void {
    const came = new Map<string, LiveTarget[]>()
    const gone = new Map<string, Set<LiveTarget>>()
    for (const { key, after, before } of changes) {
      const arn = (after ?? before)?.targetGroupArn ?? ''
      const group = this.#groups.get(arn)
      const target = this.#targets.get(key)
      if (!group) continue
      group.revision++
      if (after && target) this.#replace(target, after)
      else if (after) {
        const list = came.get(arn) ?? []
        list.push(this.#add(after, group))
        came.set(arn, list)
      } else if (target) gone.set(arn, (gone.get(arn) ?? new Set()).add(target))
    }
    for (const arn of new Set([...came.keys(), ...gone.keys()])) {
      const group = this.#groups.get(arn)
      if (!group) continue
      const left = gone.get(arn)
      const kept = left ? group.targets.filter((target) => !left.has(target)) : group.targets
      group.targets = kept.concat(came.get(arn) ?? [])
    }
    for (const target of [...came.values()].flat()) {
      if (isDraining(target)) this.#drain(target)
      else this.#tell('came', target)
    }
    for (const left of gone.values()) for (const target of left) this.#forget(target)
  }

  #add(row: TargetRow, group: LiveGroup): LiveTarget {
    const target: LiveTarget = {
      key: row.arn,
      row,
      host: this.#options.addressOf(row, group.row),
      port: row.port ?? group.row.port ?? 0,
      health: REGISTERING,
      healthySinceMs: undefined,
      slowStart: false,
      inFlight: 0,
    }
    this.#targets.set(target.key, target)
    return target
  }

  #replace(target: LiveTarget, row: TargetRow): void {
    const wasDraining = isDraining(target)
    target.row = row
    this.locate(target)
    if (isDraining(target)) {
      this.#drain(target)
      if (!wasDraining) this.#tell('left', target)
    } else if (wasDraining) {
      this.#delays.get(target.key)?.cancel()
      this.#delays.delete(target.key)
      // Registered again, it has to pass a health check again.
      this.setHealth(target, REGISTERING)
      this.#tell('came', target)
    }
  }

  #drain(target: LiveTarget): void {
    const { clock } = this.#options
    const { key, row } = target
    const group = this.#groups.get(row.targetGroupArn)
    if (!group || row.drainingSinceMs === undefined) return
    if (target.inFlight === 0) this.#wake(key)
    const endMs = row.drainingSinceMs + group.settings.deregistrationDelayMs
    this.#end(key, Math.max(0, endMs - clock.now()))
  }

  /** Removes a draining target's row when its delay is over. */
  #end(key: string, delayMs: number): void {
    const { clock, rows, store, log } = this.#options
    this.#delays.get(key)?.cancel()
    const timer = clock.after(delayMs, async () => {
      this.#delays.delete(key)
      this.#wake(key)
      // Registered again at this very moment, and not told of it yet: it stays.
      if (rows.targets.get(key)?.drainingSinceMs === undefined) return
      try {
        rows.targets.delete(key)
        await store.durable()
      } catch (thrown) {
        log.error('a deregistered target could not be removed', { target: key, error: `${thrown}` })
        this.#end(key, RETRY_MS)
      }
    })
    this.#delays.set(key, timer)
  }

  #forget(target: LiveTarget): void {
    const { key } = target
    const wasDraining = isDraining(target)
    this.#delays.get(key)?.cancel()
    this.#delays.delete(key)
    this.#targets.delete(key)
    this.#wake(key)
    if (!wasDraining) this.#tell('left', target)
  }

  #wake(key: string): void {
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    for (const resolve of waiting ?? []) resolve()
  }

  #tell(what: 'came' | 'left', target: LiveTarget): void {
    for (const listener of this.#listeners) listener[what]?.(target)
  }
}

interface TargetChange {
  readonly key: string
  readonly before: TargetRow | undefined
  readonly after: TargetRow | undefined
}

function isSame(a: TargetHealth, b: TargetHealth): boolean {
  return a.state === b.state && a.reason === b.reason && a.description === b.description
}
