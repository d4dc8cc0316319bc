/** Chooses the target of a request: first a group by its weight, then a target by the group's algorithm. */
import type { Clock } from '../../../gateway/core/clock.ts'
import type { ForwardPlan, LiveGroup, LiveTarget } from '../model.ts'
import type { LiveTargets } from './live-targets.ts'
import { eligible, type NoTarget, shareOf } from './shares.ts'
import { type CookieReader, type Stickiness, setsCookie } from './stickiness.ts'

/**
 * Targets that least_outstanding_requests compares: up to so many it is exact. Of more it takes as
 * many, evenly spaced and moving on with each request: the cost stays flat, and the busiest of many
 * is hardly busier than by comparing all (the power of many choices).
 */
const MAX_COMPARED = 16
/** Clients that are remembered by their address (`source_ip`); who was away longest is forgotten first. */
const MAX_SOURCES = 65_536

export interface BalanceRequest extends CookieReader {
  readonly sourceIp: string
}

export interface Chosen {
  readonly kind: 'target'
  readonly group: LiveGroup
  readonly target: LiveTarget
  /** `Set-Cookie` values for the answer. */
  readonly setCookies: readonly string[]
  /** Present with application-based stickiness: more of them, by the `Set-Cookie` values of the target's answer. */
  readonly appCookies?: (
    answered: readonly string[],
    userAgent: string | undefined,
  ) => readonly string[]
}

/** Nobody can have the request: 503. */
export interface NoneChosen {
  readonly kind: 'none'
  /** `no-group`: the rule gives weight to none that there is. */
  readonly reason: 'no-group' | NoTarget
  readonly group: LiveGroup | undefined
}

export type Choice = Chosen | NoneChosen

export interface Balancer {
  choose(plan: ForwardPlan, live: LiveTargets, request: BalanceRequest): Choice
}

export interface BalancerOptions {
  readonly clock: Clock
  /** From 0 to 1, without 1. */
  readonly random: () => number
  readonly stickiness: Stickiness
  /** What anomaly mitigation leaves of a target's requests, from above 0 to 1; absent: all of them. */
  readonly weightOf?: (group: LiveGroup, target: LiveTarget) => number
}

export function createBalancer(options: BalancerOptions): Balancer {
  return new GroupBalancer(options)
}

/** The targets of a group that may be chosen; made anew when the group's revision is another. */
interface Pool {
  revision: number
  ring: readonly LiveTarget[]
  members: ReadonlySet<LiveTarget>
  /** Those of the ring that had their full share when the pool was made. */
  warm: readonly LiveTarget[]
  none: NoTarget | undefined
  /** Turns taken so far, of the ring and of the warm ones. */
  turn: number
  warmTurn: number
}

/** Draws before a target that has little weight is taken all the same. */
const MAX_DRAWS = 16

const NO_COOKIES: readonly string[] = []

class GroupBalancer implements Balancer {
  readonly #options: BalancerOptions
  readonly #pools = new WeakMap<LiveGroup, Pool>()
  readonly #credits = new WeakMap<ForwardPlan, number[]>()
  readonly #sources = new Map<string, LiveTarget>()

  constructor(options: BalancerOptions) {
    this.#options = options
  }

  choose(plan: ForwardPlan, live: LiveTargets, request: BalanceRequest): Choice {
    const { stickiness } = this.#options
    const arn = this.#groupOf(plan, request)
    const group = arn === undefined ? undefined : live.group(arn)
    if (!group) return { kind: 'none', reason: 'no-group', group: undefined }
    const pool = this.#poolOf(group)
    if (pool.none) return { kind: 'none', reason: pool.none, group }
    const chosen = this.#sticky(group, pool, live, request) ?? {
      target: this.#next(group, pool),
      setCookies: NO_COOKIES,
    }
    const setCookies =
      plan.stickinessMs === undefined
        ? chosen.setCookies
        : [...stickiness.groupCookies(group.arn), ...chosen.setCookies]
    return { kind: 'target', group, ...chosen, setCookies }
  }

  /** Who is stuck to a group stays there, whatever its weight and health: AWS moves nobody elsewhere. */
  #groupOf(plan: ForwardPlan, request: BalanceRequest): string | undefined {
    const { groups, stickinessMs } = plan
    if (stickinessMs !== undefined) {
      const arn = this.#options.stickiness.groupOf(request, stickinessMs)
      if (arn !== undefined && groups.some((group) => group.arn === arn)) return arn
    }
    const [only] = groups
    if (groups.length === 1 && only) return only.weight > 0 ? only.arn : undefined
    return this.#weighted(plan)
  }

  /** Each request gives every group its weight; the richest pays all of it: even over short runs. */
  #weighted(plan: ForwardPlan): string | undefined {
    const { groups } = plan
    let credits = this.#credits.get(plan)
    if (!credits) {
      credits = groups.map(() => 0)
      this.#credits.set(plan, credits)
    }
    let sum = 0
    let best = -1
    for (const [at, { weight }] of groups.entries()) {
      if (weight === 0) continue
      sum += weight
      const credit = (credits[at] ?? 0) + weight
      credits[at] = credit
      if (best === -1 || credit > (credits[best] ?? 0)) best = at
    }
    if (best === -1) return undefined
    credits[best] = (credits[best] ?? 0) - sum
    return groups[best]?.arn
  }

  /** What the group's stickiness makes of the request; undefined where it has none. */
  #sticky(
    group: LiveGroup,
    pool: Pool,
    live: LiveTargets,
    request: BalanceRequest,
  ): Pick<Chosen, 'target' | 'setCookies' | 'appCookies'> | undefined {
    const { stickiness } = this.#options
    const kind = group.settings.stickiness
    const still = (key: string | undefined) => {
      const target = key === undefined ? undefined : live.target(key)
      return target && pool.members.has(target) ? target : undefined
    }
    if (kind?.type === 'lb_cookie') {
      const stuckTo = still(stickiness.targetOf(request, kind.durationMs))
      const target = stuckTo ?? this.#next(group, pool)
      return { target, setCookies: stickiness.targetCookies(target.key) }
    }
    if (kind?.type === 'app_cookie') {
      const { cookieName, durationMs } = kind
      const bonds = stickiness.appBonds(request)
      // The client must send both cookies; without the application's its session is over.
      const isBound = request.cookie(cookieName) !== undefined
      const key = isBound ? stickiness.appTargetOf(bonds, group.arn, durationMs) : undefined
      const target = still(key) ?? this.#next(group, pool)
      return {
        target,
        setCookies: NO_COOKIES,
        appCookies: (answered, userAgent) => {
          const isStuck = key !== undefined || setsCookie(answered, cookieName)
          const to = isStuck ? target.key : undefined
          return stickiness.appCookies(bonds, group.arn, to, userAgent)
        },
      }
    }
    if (kind?.type === 'source_ip') {
      return { target: this.#bySource(group, pool, request.sourceIp), setCookies: NO_COOKIES }
    }
    return undefined
  }

  #bySource(group: LiveGroup, pool: Pool, sourceIp: string): LiveTarget {
    const source = `${group.arn} ${sourceIp}`
    const known = this.#sources.get(source)
    const target = known && pool.members.has(known) ? known : this.#next(group, pool)
    this.#sources.delete(source)
    this.#sources.set(source, target)
    if (this.#sources.size > MAX_SOURCES) {
      for (const oldest of this.#sources.keys()) {
        this.#sources.delete(oldest)
        break
      }
    }
    return target
  }

  #poolOf(group: LiveGroup): Pool {
    const known = this.#pools.get(group)
    if (known?.revision === group.revision) return known
    const ring = eligible(group)
    const now = this.#options.clock.now()
    const targets = typeof ring === 'string' ? [] : ring
    const pool: Pool = {
      revision: group.revision,
      ring: targets,
      members: new Set(targets),
      warm: targets.filter((target) => shareOf(target, group.settings.slowStartMs, now) === 1),
      none: typeof ring === 'string' ? ring : undefined,
      turn: known?.turn ?? 0,
      warmTurn: known?.warmTurn ?? 0,
    }
    this.#pools.set(group, pool)
    return pool
  }

  /** By the group's algorithm; the pool is not empty. */
  #next(group: LiveGroup, pool: Pool): LiveTarget {
    const { settings } = group
    const { ring } = pool
    switch (settings.algorithm) {
      case 'least_outstanding_requests':
        return leastBusy(ring, pool.turn++)
      case 'weighted_random':
        return this.#byChance(group, ring)
      case 'round_robin':
        return this.#inTurn(pool, settings.slowStartMs)
    }
  }

  /** At most half have less weight than 1: so two draws do on average, however many targets there are. */
  #byChance(group: LiveGroup, ring: readonly LiveTarget[]): LiveTarget {
    const { random, weightOf } = this.#options
    const draw = () => at(ring, Math.floor(random() * ring.length))
    let target = draw()
    if (!weightOf || !group.settings.anomalyMitigation) return target
    for (let draws = 1; draws < MAX_DRAWS; draws++) {
      const weight = weightOf(group, target)
      if (weight === 1 || random() < weight) break
      target = draw()
    }
    return target
  }

  /** A target that starts slowly passes on what is beyond its share. */
  #inTurn(pool: Pool, slowStartMs: number): LiveTarget {
    const { ring, warm } = pool
    const { clock, random } = this.#options
    const target = at(ring, pool.turn++)
    if (warm.length === ring.length || warm.length === 0) return target
    const share = shareOf(target, slowStartMs, clock.now())
    return share === 1 || random() < share ? target : at(warm, pool.warmTurn++)
  }
}

function leastBusy(ring: readonly LiveTarget[], turn: number): LiveTarget {
  const stride = Math.max(1, Math.floor(ring.length / MAX_COMPARED))
  let best = at(ring, turn)
  for (let nth = 1; nth < Math.min(ring.length, MAX_COMPARED); nth++) {
    const other = at(ring, turn + nth * stride)
    if (other.inFlight < best.inFlight) best = other
  }
  return best
}

function at(ring: readonly LiveTarget[], turn: number): LiveTarget {
  return ring[turn % ring.length] as LiveTarget
}
