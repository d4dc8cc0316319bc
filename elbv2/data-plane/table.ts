import type { Logger } from '../../gateway/core/log.ts'
import { createMemoryStore } from '../../gateway/core/memory-store.ts'
import type { Change, Collection } from '../../gateway/core/store.ts'
import { dnsNameOf } from '../names.ts'
import {
  type Elbv2Rows,
  type ListenerRow,
  type LoadBalancerRow,
  openElbv2Rows,
  type RuleRow,
} from '../rows.ts'
import type { LiveBalancer, LiveListener, LiveRule, RoutingTable } from './model.ts'
import { defaultRule, liveRule } from './rules/live-rule.ts'
import { balancerSettings, listenerSettings } from './settings.ts'

export interface RoutingTableOptions {
  readonly rows: Pick<Elbv2Rows, 'loadBalancers' | 'listeners' | 'rules'>
  readonly dnsSuffix: string
  readonly log: Logger
}

export interface Tables {
  /** Immutable: what a request began with holds for it until it ends. */
  current(): RoutingTable
  /** Whether there is another table now. Takes what the store's `onChange` tells, all kinds of rows. */
  update(changes: readonly Change[]): boolean
}

/**
 * Keeps the table that traffic is routed by. It is made of the rows as changes tell them: what the
 * store has beyond is not durable yet, and may be taken back without a word. A change builds the load balancers anew that it
 * touches; the others, and rules whose rows are the same, are taken over as they are.
 */
export function createRoutingTable({ rows: stored, dnsSuffix, log }: RoutingTableOptions): Tables {
  const rows = openElbv2Rows(createMemoryStore())
  const copies = [
    copyOf(stored.loadBalancers, rows.loadBalancers),
    copyOf(stored.listeners, rows.listeners),
    copyOf(stored.rules, rows.rules),
  ]
  let table: RoutingTable = { byDnsName: new Map(), byArn: new Map(), byPort: new Map() }
  rebuild([...rows.loadBalancers.all()].map(({ arn }) => arn))

  return {
    current: () => table,
    update(changes) {
      for (const change of changes) for (const follow of copies) follow(change)
      const touched = new Set(changes.map(balancerOf).filter((arn) => arn !== undefined))
      if (touched.size === 0) return false
      rebuild(touched)
      return true
    },
  }

  /** The load balancer that a change is one of. */
  function balancerOf({ collection, key, before, after }: Change): string | undefined {
    if (collection === rows.loadBalancers.name) return key
    if (collection === rows.listeners.name)
      return ((after ?? before) as ListenerRow).loadBalancerArn
    if (collection !== rows.rules.name) return undefined
    // Where the listener is gone, too, its own change says whose it was.
    return rows.listeners.get(((after ?? before) as RuleRow).listenerArn)?.loadBalancerArn
  }

  function rebuild(arns: Iterable<string>): void {
    const byDnsName = new Map(table.byDnsName)
    const byArn = new Map(table.byArn)
    const gone = new Set<LiveListener>()
    const come: LiveListener[] = []
    for (const arn of arns) {
      const old = byArn.get(arn)
      if (old) {
        byArn.delete(arn)
        byDnsName.delete(old.dnsName)
        for (const listener of old.listeners) gone.add(listener)
      }
      const row = rows.loadBalancers.get(arn)
      if (row === undefined) continue
      const balancer = liveBalancer(row)
      byArn.set(arn, balancer)
      byDnsName.set(balancer.dnsName, balancer)
      come.push(...balancer.listeners)
    }
    table = { byDnsName, byArn, byPort: portsWith(table.byPort, gone, come) }
  }

  function liveBalancer(row: LoadBalancerRow): LiveBalancer {
    const listeners: LiveListener[] = []
    const balancer: LiveBalancer = {
      row,
      dnsName: dnsNameOf(row, dnsSuffix).toLowerCase(),
      settings: balancerSettings(row),
      listeners,
    }
    for (const listener of rows.listeners.by('loadBalancer', row.arn)) {
      listeners.push({
        row: listener,
        balancer,
        settings: listenerSettings(listener, row.type),
        rules: rulesOf(listener),
      })
    }
    return balancer
  }

  function rulesOf(listener: ListenerRow): readonly LiveRule[] {
    const last = defaultRule(listener, rejected)
    const rules = [...rows.rules.by('listener', listener.arn)]
      .sort((one, other) => one.priority - other.priority)
      .map((row) => liveRule(row, rejected))
      .filter((rule) => rule !== undefined)
    return [...rules, last]
  }

  function rejected(rule: string, error: unknown): void {
    log.error('a listener rule cannot be used', { rule, reason: String(error) })
  }
}

/** Copies all rows, and from then on what it is told. */
function copyOf<R extends { readonly arn: string }>(
  from: Collection<R>,
  to: Collection<R>,
): (change: Change) => void {
  for (const row of from.all()) to.put(row.arn, row)
  return ({ collection, key, after }) => {
    if (collection !== from.name) return
    if (after) to.put(key, after as R)
    else to.delete(key)
  }
}

/** Only the lists of ports that listeners come to or go from are made anew. */
function portsWith(
  ports: RoutingTable['byPort'],
  gone: ReadonlySet<LiveListener>,
  come: readonly LiveListener[],
): RoutingTable['byPort'] {
  const changed = new Map<number, LiveListener[]>()
  const listOf = (port: number) => {
    let list = changed.get(port)
    if (list === undefined) {
      list = (ports.get(port) ?? []).filter((listener) => !gone.has(listener))
      changed.set(port, list)
    }
    return list
  }
  for (const { row } of gone) if (row.port !== undefined) listOf(row.port)
  for (const listener of come) {
    if (listener.row.port !== undefined) listOf(listener.row.port).push(listener)
  }
  if (changed.size === 0) return ports
  const all = new Map(ports)
  for (const [port, list] of changed) {
    if (list.length === 0) all.delete(port)
    else all.set(port, list.sort(olderFirst))
  }
  return all
}

function olderFirst({ row: one }: LiveListener, { row: other }: LiveListener): number {
  return one.createdAtMs - other.createdAtMs || (one.arn < other.arn ? -1 : 1)
}
