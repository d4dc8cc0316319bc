/** Load balancers on the API port, told apart by Host: so they work where one port is open. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Edge } from '../../../gateway/app.ts'
import type { Clock } from '../../../gateway/core/clock.ts'
import { sendWhole } from '../../../gateway/proxy-answer.ts'
import type { FaultAnswer } from '../../../gateway/proxy-fault.ts'
import { writeAnswer } from '../../../gateway/proxy-upgrade.ts'
import { type ConnectionWatch, createPlainPeers } from '../logs/connection-watch.ts'
import type { HttpFront, LiveBalancer, LiveListener, RoutingTable } from '../model.ts'
import { isMutual } from '../tls/mutual-tls.ts'

export interface EdgeOptions {
  readonly table: () => RoutingTable
  readonly front: HttpFront
  readonly watch: ConnectionWatch
  readonly clock: Clock
}

const HTTP_PORT = 80

/** Claims requests for DNS names of load balancers that exist, and no others. */
export function createEdge({ table, front, watch, clock }: EdgeOptions): Edge {
  const plainPeer = createPlainPeers(watch, clock)
  // The TLS of an HTTPS listener counts as ended before us, as if another balancer stood in front.
  const peerTo = (listener: LiveListener, { socket }: IncomingMessage) =>
    plainPeer(listener, socket, listener.row.protocol === 'HTTPS' ? 'https' : 'http')
  const named = (host: string | string[] | undefined): LiveBalancer | undefined => {
    const { byDnsName } = table()
    if (byDnsName.size === 0 || typeof host !== 'string') return undefined
    return byDnsName.get(nameOf(host))
  }
  const listenerOf = ({ headers }: IncomingMessage) => {
    const balancer = named(headers.host)
    return balancer && listenerFor(balancer, portOf(headers.host ?? ''))
  }
  // Nobody can show a certificate here, so who asks for one is not reached.
  const openListenerOf = (req: IncomingMessage) => {
    const listener = listenerOf(req)
    return listener && !isMutual(listener.row) ? listener : undefined
  }
  const absenceFor = (req: IncomingMessage) =>
    absence(named(req.headers.host), listenerOf(req)?.row.port)

  return {
    claims: ({ headers }) => named(headers.host) !== undefined,

    web(req: IncomingMessage, res: ServerResponse) {
      const listener = openListenerOf(req)
      if (listener) front.web(listener, peerTo(listener, req), req, res)
      else sendWhole(req, res, absenceFor(req), clock)
    },

    upgrade(req, socket, head) {
      const listener = openListenerOf(req)
      if (listener) {
        front.upgrade(listener, peerTo(listener, req), req, socket, head)
        return
      }
      socket.on('error', () => socket.destroy())
      writeAnswer(socket, absenceFor(req))
      socket.end()
      socket.once('finish', () => socket.destroy())
    },
  }
}

/** The listener on the port that Host names, else on 80, else on the lowest port; HTTP before HTTPS. */
export function listenerFor(
  { listeners }: LiveBalancer,
  port: number | undefined,
): LiveListener | undefined {
  const inOrder = listeners
    .filter(({ row }) => row.protocol === 'HTTP' || row.protocol === 'HTTPS')
    .sort(({ row: a }, { row: b }) => {
      if (a.protocol !== b.protocol) return a.protocol === 'HTTP' ? -1 : 1
      return (a.port ?? 0) - (b.port ?? 0)
    })
  const on = (wanted: number | undefined) => inOrder.find(({ row }) => row.port === wanted)
  return on(port) ?? on(HTTP_PORT) ?? inOrder[0]
}

/** Nobody listens, and a refused connection cannot be shown where many share a port: so it is said. */
function absence(balancer: LiveBalancer | undefined, mutualPort: number | undefined): FaultAnswer {
  if (!balancer) return page(503, 'This load balancer is gone.')
  const { row, listeners } = balancer
  if (mutualPort !== undefined) {
    return page(
      421,
      `Load balancer ${row.name} asks for certificates of clients on ${mutualPort}: connect there by TLS.`,
    )
  }
  if (row.type === 'application') {
    return page(503, `Load balancer ${row.name} has no listener: create one with CreateListener.`)
  }
  const ports = listeners.map((each) => `${each.row.port} (${each.row.protocol})`).join(', ')
  const way = ports ? `Connect to its own port: ${ports}.` : 'It has no listener.'
  return page(421, `Load balancer ${row.name} is a ${row.type} one and speaks no HTTP. ${way}`)
}

function page(status: number, text: string): FaultAnswer {
  return { status, headers: { 'content-type': 'text/plain' }, body: `${text}\n`, close: true }
}

/** Host without its port and its root dot, in lower case. */
function nameOf(host: string): string {
  const colon = host.lastIndexOf(':')
  const name = (colon === -1 ? host : host.slice(0, colon)).toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}

function portOf(host: string): number | undefined {
  const [, port] = /:(\d+)$/.exec(host) ?? []
  return port === undefined ? undefined : Number(port)
}
