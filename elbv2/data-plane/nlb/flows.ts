/**
 * Flows of network load balancers: which target a new one goes to, which are under way, and which are
 * cut off because of what becomes of their targets.
 */
import type { Logger } from '../../../gateway/core/log.ts'
import type {
  ForwardPlan,
  LiveGroup,
  LiveListener,
  LiveRule,
  LiveTarget,
  RequestFacts,
} from '../model.ts'
import type { LiveTargets } from '../targets/live-targets.ts'
import { eligible, isDraining } from '../targets/shares.ts'
import type { FlowEnds } from './proxy-protocol.ts'

export interface FlowTarget {
  readonly group: LiveGroup
  readonly target: LiveTarget
  readonly host: string
}

export interface Flows {
  /** Undefined where no target can have it. */
  choose(listener: LiveListener, ends: FlowEnds): FlowTarget | undefined
  /** Counts a flow until the answer is called (once or more); `cut` is called when it must end. */
  begin(target: LiveTarget, cut: () => void): () => void
  /** Forgets what it follows; flows under way go on. */
  close(): void
}

/** Clients that are remembered by their address; who was away longest is forgotten first. */
const MAX_SOURCES = 65_536

interface Pool {
  readonly revision: number
  readonly ring: readonly LiveTarget[]
  readonly members: ReadonlySet<LiveTarget>
}

export interface FlowsOptions {
  readonly live: Pick<LiveTargets, 'group' | 'began' | 'finished' | 'drained' | 'listen'>
  readonly log: Logger
}

export function createFlows({ live, log }: FlowsOptions): Flows {
  const underWay = new Map<LiveTarget, Set<() => void>>()
  const pools = new WeakMap<LiveGroup, Pool>()
  const sources = new Map<string, LiveTarget>()
  let isTold = false

  const stop = live.listen({
    left(target) {
      const { drainingSinceMs } = target.row
      live.drained(target.key).then(() => {
        const group = live.group(target.row.targetGroupArn)
        // Registered again meanwhile, it keeps its flows.
        if (target.row.drainingSinceMs !== drainingSinceMs) return
        if (group?.settings.terminateOnDeregistration) cutAll(target)
      })
    },
    healthChanged(target) {
      const group = live.group(target.row.targetGroupArn)
      const isLost = target.health.state === 'unhealthy' && !isDraining(target)
      if (isLost && group?.settings.terminateUnhealthy) cutAll(target)
    },
  })

  function cutAll(target: LiveTarget): void {
    for (const cut of [...(underWay.get(target) ?? [])]) cut()
  }

  function poolOf(group: LiveGroup): Pool {
    let pool = pools.get(group)
    if (pool?.revision !== group.revision) {
      const found = eligible(group)
      const ring = typeof found === 'string' ? [] : found
      pool = { revision: group.revision, ring, members: new Set(ring) }
      pools.set(group, pool)
      tellOnce(group)
    }
    return pool
  }

  /** It takes the kernel's help to send with another's address. */
  function tellOnce({ settings }: LiveGroup): void {
    if (!settings.preserveClientIp || isTold) return
    isTold = true
    log.info('targets of network load balancers see KECS as their client', {
      preserve_client_ip: 'not done',
    })
  }

  /** Who came from an address before goes to the same target as long as it may be chosen. */
  function bySource(group: LiveGroup, { ring, members }: Pool, ends: FlowEnds) {
    const source = `${group.arn} ${ends.sourceIp}`
    const known = sources.get(source)
    const target = known && members.has(known) ? known : at(ring, hash(ends.sourceIp))
    sources.delete(source)
    if (target) sources.set(source, target)
    if (sources.size > MAX_SOURCES) sources.delete(sources.keys().next().value ?? '')
    return target
  }

  return {
    choose(listener, ends) {
      const final = ruleFor(listener, ends)?.final
      if (final?.kind !== 'forward') return undefined
      const flow = hash(
        `${ends.protocol} ${ends.sourceIp} ${ends.sourcePort} ${ends.destinationIp} ${ends.destinationPort}`,
      )
      const arn = weighted(final.plan, flow)
      const group = arn === undefined ? undefined : live.group(arn)
      if (!group) return undefined
      const pool = poolOf(group)
      const isSticky = group.settings.stickiness?.type === 'source_ip'
      const target = isSticky ? bySource(group, pool, ends) : at(pool.ring, flow)
      return target?.host === undefined ? undefined : { group, target, host: target.host }
    },
    begin(target, cut) {
      const cuts = underWay.get(target) ?? new Set()
      underWay.set(target, cuts.add(cut))
      live.began(target)
      return () => {
        if (!cuts.delete(cut)) return
        if (cuts.size === 0 && underWay.get(target) === cuts) underWay.delete(target)
        live.finished(target)
      }
    },
    close: stop,
  }
}

/** The first that matches; most listeners have their default rule alone, which matches all. */
function ruleFor({ rules }: LiveListener, { sourceIp }: FlowEnds): LiveRule | undefined {
  if (rules.length === 1) return rules[0]
  const facts: RequestFacts = { ...NO_REQUEST, sourceIp }
  return rules.find(({ matches }) => matches(facts))
}

/** Rules of network load balancers look at the source alone: a flow has nothing else to tell. */
const NO_REQUEST: Omit<RequestFacts, 'sourceIp'> = {
  method: '',
  host: '',
  path: '',
  query: '',
  parameters: [],
  header: () => [],
  protocol: 'http',
  port: 0,
}

function at(ring: readonly LiveTarget[], number: number): LiveTarget | undefined {
  return ring[number % ring.length]
}

function weighted({ groups }: ForwardPlan, flow: number): string | undefined {
  const [only] = groups
  if (groups.length === 1 && only) return only.arn
  const sum = groups.reduce((total, { weight }) => total + weight, 0)
  // Other bits than those that choose the target.
  let rest = sum === 0 ? -1 : mixed(flow ^ WEIGHT_SALT) % sum
  for (const { arn, weight } of groups) {
    rest -= weight
    if (rest < 0 && weight > 0) return arn
  }
  return undefined
}

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193
const WEIGHT_SALT = 0x5bd1e995

/** FNV-1a, then mixed: ports that follow one another must not follow one another here. */
export function hash(text: string): number {
  let value = FNV_OFFSET
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), FNV_PRIME)
  }
  return mixed(value)
}

/** MurmurHash3's finalizer: every bit of the answer hangs on every bit of the number. */
function mixed(number: number): number {
  let value = number
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
