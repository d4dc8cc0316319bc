import type { Clock, Timer } from './core/clock.ts'
import { type ConnectionKeeper, TargetConnection } from './proxy-connection.ts'
import type { ProxyTarget } from './proxy-fault.ts'

/** Node's own servers hang up after 5 s: an idle connection goes before it can be found dead. */
const IDLE_MS = 4_000
/** A target that says for how long it waits begins to count before we do. */
const MARGIN_MS = 1_000
const SWEEP_MS = 1_000
/** To one target. */
const MAX_IDLE = 64
/** To all targets together: a thousand of them keep some, and no process runs out of descriptors. */
const MAX_ALL_IDLE = 4_096

/** The connections to all targets, those that wait for their next request among them. */
export class TargetPool implements ConnectionKeeper {
  readonly #clock: Clock
  readonly #maxIdle: number
  readonly #all = new Set<TargetConnection>()
  /** The one that has waited longest comes first. */
  readonly #idle = new Set<TargetConnection>()
  /** The one that was asked last is asked again first: others come to their end. */
  readonly #byTarget = new Map<string, TargetConnection[]>()
  #sweep: Timer | undefined
  #isClosed = false

  constructor(clock: Clock, maxIdle = MAX_ALL_IDLE) {
    this.#clock = clock
    this.#maxIdle = maxIdle
  }

  /** A connection that waits, or else a fresh one. */
  take(target: ProxyTarget): TargetConnection {
    const waiting = this.#byTarget.get(keyOf(target))
    const connection = waiting?.at(-1)
    if (!connection) return this.fresh(target)
    this.#remove(connection)
    if (!connection.socket.destroyed && this.#clock.now() < connection.idleUntilMs)
      return connection
    connection.destroy()
    return this.take(target)
  }

  fresh(target: ProxyTarget): TargetConnection {
    const connection = new TargetConnection(target, keyOf(target), this)
    this.#all.add(connection)
    if (this.#isClosed) connection.socket.destroy()
    return connection
  }

  keep(connection: TargetConnection, keepAliveMs = Number.POSITIVE_INFINITY): void {
    const { key } = connection
    let waiting = this.#byTarget.get(key)
    if (!waiting) {
      waiting = []
      this.#byTarget.set(key, waiting)
    }
    const idleMs = Math.min(keepAliveMs - MARGIN_MS, IDLE_MS)
    if (waiting.length >= MAX_IDLE || idleMs <= 0) {
      connection.destroy()
      return
    }
    connection.idleUntilMs = this.#clock.now() + idleMs
    waiting.push(connection)
    this.#idle.add(connection)
    const [oldest] = this.#idle.size > this.#maxIdle ? this.#idle : []
    oldest?.destroy()
    this.#sweep ??= this.#clock.after(SWEEP_MS, () => this.#sweepIdle())
  }

  forget(connection: TargetConnection): void {
    this.#all.delete(connection)
    this.#remove(connection)
  }

  makeRoom(): void {
    for (const connection of this.#idle) connection.destroy()
  }

  /** Cuts all of them. */
  close(): void {
    this.#isClosed = true
    this.#sweep?.cancel()
    for (const connection of this.#all) connection.socket.destroy()
  }

  #remove(connection: TargetConnection): void {
    if (!this.#idle.delete(connection)) return
    const waiting = this.#byTarget.get(connection.key) ?? []
    if (waiting.at(-1) === connection) waiting.pop()
    else waiting.splice(waiting.indexOf(connection), 1)
  }

  #sweepIdle(): void {
    const now = this.#clock.now()
    for (const connection of this.#idle) if (now >= connection.idleUntilMs) connection.destroy()
    for (const [key, { length }] of this.#byTarget) if (length === 0) this.#byTarget.delete(key)
    this.#sweep =
      this.#idle.size === 0 ? undefined : this.#clock.after(SWEEP_MS, () => this.#sweepIdle())
  }
}

function keyOf({ host, port, tls }: ProxyTarget): string {
  return `${tls ? 'https' : 'http'}://${host}:${port}`
}
