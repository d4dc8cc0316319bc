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
  /**
   * The host where a connection to this port of the load balancer reaches it though it names none;
   * undefined where the port is not open, or others are reached there so.
   */
  reachedAt(loadBalancerArn: string, number: number): string | undefined
  /** Closes every port; what is under way may finish for `graceMs`. */
  close(graceMs: number): Promise<void>
  /** Settles when nothing is being opened or closed; what failed and waits for another try is idle. */
  idle(): Promise<void>
}

/** Protocols whose clients say which load balancer they mean: by Host, or by the name in TLS. */
const SHARED: ReadonlySet<string> = new Set(['HTTP', 'HTTPS', 'TLS'])

/** What a number stands for in each of the two transports, which do not disturb one another. */
type Transport = 'tcp' | 'udp'

const TRANSPORTS: Readonly<Record<string, readonly Transport[]>> = {
  UDP: ['udp'],
  QUIC: ['udp'],
  TCP_UDP: ['tcp', 'udp'],
  TCP_QUIC: ['tcp', 'udp'],
}
/** Addresses that are listened on and cannot be connected to everywhere, with what is meant. */
const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
const STREAM: readonly Transport[] = ['tcp']

export function createListeners(options: ListenersOptions): Listeners {
  const { table, openers, reserved, enabled } = options
  /** By number and the first transport of the protocol that has it. */
  const ports = new Map<string, Port>()
  /** By load balancer: ports that others have first. */
  let crowdedOut = new Map<string, string[]>()
  let closed = false

  function update(): void {
    if (!enabled || closed) return
    crowdedOut = new Map()
    const wanted = new Map<string, readonly LiveListener[]>()
    for (const [number, listeners] of table().byPort) {
      const { winners, losers } = shared(listeners)
      for (const [oldest, ...others] of winners) {
        if (oldest) wanted.set(keyOf(number, transportsOf(oldest)[0]), [oldest, ...others])
      }
      for (const { listener, holder } of losers) crowdOut(listener, number, holder)
    }
    // What is closed makes room for what is opened.
    for (const [key, port] of ports) if (!wanted.has(key)) port.want(undefined)
    for (const [key, listeners] of wanted) want(key, listeners)
  }

  function want(key: string, winners: readonly LiveListener[]): void {
    const { port: number = 0, protocol = '' } = winners[0]?.row ?? {}
    let port = ports.get(key)
    if (!port) {
      port = new Port(number, options)
      ports.set(key, port)
    }
    // Those of this process are all TCP.
    const holder = key === keyOf(number, 'tcp') ? reserved.get(number) : undefined
    const open = openers[protocol]
    if (holder !== undefined) port.refuse(winners, `taken by ${holder}`)
    else if (!open) port.refuse(winners, `${protocol} is not served on ports of their own`)
    else port.want({ protocol, open, listeners: winners })
  }

  function crowdOut({ balancer }: LiveListener, number: number, holder: LiveListener): void {
    const { arn } = balancer.row
    const { row } = holder
    const whose = `load balancer ${holder.balancer.row.name} has it for ${row.protocol}`
    const reasons = crowdedOut.get(arn) ?? []
    reasons.push(`listener port ${number}: ${whose}`)
    crowdedOut.set(arn, reasons)
  }

  function trouble(arn: string): string | undefined {
    const reasons = [...(crowdedOut.get(arn) ?? [])]
    for (const listener of table().byArn.get(arn)?.listeners ?? []) {
      const key = keyOf(listener.row.port ?? 0, transportsOf(listener)[0])
      const reason = ports.get(key)?.troubleOf(arn)
      if (reason !== undefined && !reasons.includes(reason)) reasons.push(reason)
    }
    return reasons.length > 0 ? reasons.join('; ') : undefined
  }

  function reachedAt(arn: string, number: number): string | undefined {
    const port = ports.get(keyOf(number, 'tcp'))
    const [oldest] = port?.current() ?? []
    const isTheirs = port?.isOpen && oldest?.balancer.row.arn === arn
    return isTheirs ? (EVERYWHERE[options.host] ?? options.host) : undefined
  }

  return {
    update,
    trouble,
    reachedAt,
    async close(graceMs) {
      closed = true
      await Promise.all([...ports.values()].map((port) => port.close(graceMs)))
    },
    async idle() {
      await Promise.all([...ports.values()].map((port) => port.idle()))
    },
  }
}

function keyOf(number: number, transport: Transport | undefined): string {
  return `${number} ${transport}`
}

function transportsOf({ row }: LiveListener): readonly Transport[] {
  return TRANSPORTS[row.protocol ?? ''] ?? STREAM
}

/** Who has a number, each protocol's listeners together, and who comes too late for it. */
function shared(listeners: readonly LiveListener[]) {
  const holders = new Map<Transport, LiveListener[]>()
  const losers: { readonly listener: LiveListener; readonly holder: LiveListener }[] = []
  for (const listener of listeners) {
    const transports = transportsOf(listener)
    const [held] = transports.flatMap((transport) => holders.get(transport) ?? [])
    const { protocol = '' } = listener.row
    if (!held) {
      const own = [listener]
      for (const transport of transports) holders.set(transport, own)
    } else if (held.row.protocol === protocol && SHARED.has(protocol)) {
      holders.get('tcp')?.push(listener)
    } else losers.push({ listener, holder: held })
  }
  return { winners: new Set(holders.values()), losers }
}
