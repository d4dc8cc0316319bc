/** Ports of network load balancers' TCP listeners. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { ConnectionWatch } from '../logs/connection-watch.ts'
import type { LiveListener } from '../model.ts'
import { plainAddress } from '../peer.ts'
import type { Flows, FlowTarget } from './flows.ts'
import { type FlowEnds, proxyHeader } from './proxy-protocol.ts'
import { reset, splice } from './splice.ts'
import { listenTcp, type OpenNumbered } from './tcp-server.ts'

export interface NlbOptions {
  readonly flows: Flows
  readonly watch: ConnectionWatch
  readonly clock: Clock
  readonly log: Logger
}

/** Connections of one port at a time, each with one to its target. */
export const MAX_CONNECTIONS = 8_192
/** How long a target may take to accept a connection. */
export const CONNECT_MS = 10_000

export function createTcpPort(options: NlbOptions): OpenNumbered {
  return (host, listeners) =>
    listenTcp(host, listeners.port, {
      clock: options.clock,
      maxConnections: MAX_CONNECTIONS,
      allowHalfOpen: true,
      // Kept back until the target has accepted.
      pauseOnConnect: true,
      cut: reset,
      dropped: () => options.watch.rejected(listeners),
      accept(socket) {
        const [listener] = listeners.current()
        if (listener) joinTarget(socket, listener, options)
        else reset(socket)
      },
    })
}

/** Takes a client's connection, not read yet, to a target; resets it where none takes it. */
export function joinTarget(
  client: Socket,
  listener: LiveListener,
  { flows, watch, clock, log }: NlbOptions,
  alpn?: string,
): void {
  const ends = endsOf(client)
  const chosen = flows.choose(listener, ends)
  client.on('error', () => reset(client))
  if (!chosen) {
    reset(client)
    return
  }
  const target = connectTo(chosen, alpn)
  let cut = () => {
    reset(client)
    target.destroy()
  }
  const end = flows.begin(chosen.target, () => cut())
  const leave = () => {
    timer.cancel()
    cut()
    end()
  }
  const fail = (error?: NodeJS.ErrnoException) => {
    log.debug('a target took no connection', { target: chosen.target.key, code: error?.code })
    client.off('close', leave)
    watch.unreached(listener.balancer, chosen.group)
    leave()
  }
  const timer = clock.after(CONNECT_MS, () => fail())
  client.once('close', leave)
  target.once('error', fail)
  target.once(chosen.group.row.protocol === 'TLS' ? 'secureConnect' : 'connect', () => {
    timer.cancel()
    client.off('close', leave)
    target.off('error', fail)
    const { balancer, settings } = listener
    const { proxyProtocolV2 } = chosen.group.settings
    const over = watch.began(balancer)
    cut = splice(client, target, {
      clock,
      idleMs: settings.tcpIdleTimeoutMs,
      header: proxyProtocolV2 ? proxyHeader(ends) : undefined,
      passed: (bytes) => watch.passed(balancer, bytes),
      ended() {
        over()
        end()
      },
    })
  })
}

/** As AWS does, the certificate of a target is not looked at. */
function connectTo({ group, target, host }: FlowTarget, alpn: string | undefined): Socket {
  const options = { host, port: target.port, allowHalfOpen: true, noDelay: true }
  if (group.row.protocol !== 'TLS') return connect(options)
  return connectTls({
    ...options,
    rejectUnauthorized: false,
    ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
  })
}

function endsOf(socket: Socket): FlowEnds {
  return {
    protocol: 'tcp',
    sourceIp: plainAddress(socket.remoteAddress ?? '0.0.0.0'),
    sourcePort: socket.remotePort ?? 0,
    destinationIp: plainAddress(socket.localAddress ?? '0.0.0.0'),
    destinationPort: socket.localPort ?? 0,
  }
}
