/** What ports tell of their clients' connections, for metrics and connection logs. */
import type { Socket } from 'node:net'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { LiveBalancer, LiveGroup, LiveListener, Peer, PortListeners } from '../model.ts'
import { peerOf } from '../peer.ts'
import type { AccessLogs } from './access-log.ts'
import type { ConnectionRecord } from './connection-log.ts'
import type { Figures } from './figures.ts'

export interface ConnectionWatch {
  /** A client of an application load balancer is connected; call what it gives when it is no more. */
  connected(record: ConnectionRecord): () => void
  /** A client's TLS failed. */
  failed(record: ConnectionRecord): void
  /** A flow of a network load balancer reached its target; call what it gives when it ends. */
  began(balancer: LiveBalancer): () => void
  /** Bytes of a flow, in either direction. */
  passed(balancer: LiveBalancer, bytes: number): void
  /** A target took no flow. */
  unreached(balancer: LiveBalancer, group: LiveGroup): void
  /** A client was turned away because the port has too many: whose it is nobody knows yet. */
  rejected(listeners: PortListeners): void
}

export function createConnectionWatch(
  figures: Figures,
  accessLogs: Pick<AccessLogs, 'onConnection'>,
): ConnectionWatch {
  return {
    connected(record) {
      accessLogs.onConnection(record)
      return figures.onConnection(record.balancer.row.arn)
    },
    failed(record) {
      accessLogs.onConnection(record)
      figures.onTlsError(record.balancer.row.arn)
    },
    began: ({ row }) => figures.onConnection(row.arn),
    passed: ({ row }, bytes) => figures.onBytes(row.arn, bytes),
    unreached: ({ row }, group) => figures.onTargetConnectionError(row.arn, group.arn),
    rejected(listeners) {
      const [oldest] = listeners.current()
      if (oldest) figures.onRejectedConnection(oldest.balancer.row.arn)
    },
  }
}

/**
 * The peer of each connection without TLS: known, and told to `watch`, with its first request, whose
 * Host says which load balancer it is for.
 */
export function createPlainPeers(
  watch: ConnectionWatch,
  clock: Clock,
): (listener: LiveListener, socket: Socket, protocol: Peer['protocol']) => Peer {
  const peers = new WeakMap<Socket, Peer>()
  return ({ row, balancer }, socket, protocol) => {
    const known = peers.get(socket)
    if (known?.protocol === protocol) return known
    const peer = peerOf(socket, protocol)
    peers.set(socket, peer)
    const ended = watch.connected({
      balancer,
      port: row.port ?? 0,
      peer,
      atMs: clock.now(),
      handshakeMs: undefined,
      failure: undefined,
    })
    socket.once('close', ended)
    return peer
  }
}
