/** Listeners on their own ports: what the table asks for is opened and closed, and kept trying. */
import type { Clock } from '../../gateway/core/clock.ts'
import type { Logger } from '../../gateway/core/log.ts'
import type { LiveListener, OpenListener, RoutingTable } from './model.ts'
import { Port } from './port.ts'

export interface ListenersOptions {
  readonly table: () => RoutingTable
  /** By protocol, as CreateListener names it. */
  readonly openers: Readonly<Record<string, OpenListener>>
  readonly host: string
  /** Ports that are somebody's in this process, with whose they are: `KECS's API`. */
  readonly reserved: ReadonlyMap<number, string>
  readonly clock: Clock
  readonly log: Logger
  /** Where false, load balancers are reached on the API port alone. */
  readonly enabled: boolean
}

export interface Listeners {
  /** Opens and closes what the table has become; to be called after each of its changes. */
  update(): void
  /** Why listeners of a load balancer are not reached on their own ports; undefined where all are. */
  trouble(loadBalancerArn: string): string | undefined
  /** Host on which a load balancer's listener is reached without its name; undefined where it is not. */
  address(loadBalancerArn: string, port: number): string | undefined
  /** Closes every port; what is under way may finish for `graceMs`. */
  close(graceMs: number): Promise<void>
  /** Settles when nothing is being opened or closed; what failed and waits for another try is idle. */
  idle(): Promise<void>
}

/** Protocols whose clients say which load balancer they mean: by Host, or by the name in TLS. */
const SHARED: ReadonlySet<string> = new Set(['HTTP', 'HTTPS', 'TLS'])

export function createListeners(options: ListenersOptions): Listeners {
  const { table, openers, reserved, enabled } = options
  const ports = new Map<number, Port>()
  /** By load balancer: ports that others have first. */
  let crowdedOut = new Map<string, string[]>()
  let closed = false

  function update(): void {
    if (!enabled || closed) return
    const { byPort } = table()
    crowdedOut = new Map()
    for (const [port, listeners] of byPort) want(port, listeners)
    for (const [number, port] of ports) if (!byPort.has(number)) port.want(undefined)
  }

  function want(number: number, listeners: readonly LiveListener[]): void {
    const [oldest] = listeners
    const protocol = oldest?.row.protocol
    if (!oldest || protocol === undefined) return
    const winners = SHARED.has(protocol)
      ? listeners.filter(({ row }) => row.protocol === protocol)
      : [oldest]
    for (const listener of listeners) {
      if (!winners.includes(listener)) crowdOut(listener, number, oldest)
    }
    let port = ports.get(number)
    if (!port) {
      port = new Port(number, options)
      ports.set(number, port)
    }
    const holder = reserved.get(number)
    const open = openers[protocol]
    if (holder !== undefined) port.refuse(winners, `taken by ${holder}`)
    else if (!open) port.refuse(winners, `${protocol} is not served on ports of their own`)
    else port.want({ protocol, open, listeners: winners })
  }

  function crowdOut({ balancer }: LiveListener, number: number, oldest: LiveListener): void {
    const { arn } = balancer.row
    const { row } = oldest
    const whose = `load balancer ${oldest.balancer.row.name} has it for ${row.protocol}`
    const reasons = crowdedOut.get(arn) ?? []
    reasons.push(`listener port ${number}: ${whose}`)
    crowdedOut.set(arn, reasons)
  }

  function trouble(arn: string): string | undefined {
    const reasons = [...(crowdedOut.get(arn) ?? [])]
    for (const { row } of table().byArn.get(arn)?.listeners ?? []) {
      const reason = row.port === undefined ? undefined : ports.get(row.port)?.troubleOf(arn)
      if (reason !== undefined && !reasons.includes(reason)) reasons.push(reason)
    }
    return reasons.length > 0 ? reasons.join('; ') : undefined
  }

  return {
    update,
    trouble,
    address(arn, port) {
      return ports.get(port)?.isOpenFor(arn) ? reachable(options.host) : undefined
    },
    async close(graceMs) {
      closed = true
      await Promise.all([...ports.values()].map((port) => port.close(graceMs)))
    },
    async idle() {
      await Promise.all([...ports.values()].map((port) => port.idle()))
    },
  }
}

/** What listens on every address of this machine is reached on its loopback. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}
