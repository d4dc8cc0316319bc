/**
 * A TCP port under TLS: which listener and which certificate a client gets is decided on its first
 * message, then node's TLS takes the connection with that listener's versions, ciphers and trust store.
 */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer as createTlsServer, type Server, type TLSSocket } from 'node:tls'
import type { Clock } from '../../../gateway/core/clock.ts'
import { messageOf } from '../../../gateway/core/fault.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { Elbv2Rows, ListenerRow, TrustStoreRow } from '../../rows.ts'
import type { ConnectionWatch } from '../logs/connection-watch.ts'
import type { LiveListener, Peer, PortListeners } from '../model.ts'
import { listenTcp, type NumberedPort } from '../nlb/tcp-server.ts'
import { peerOf } from '../peer.ts'
import type { Certificates, ServedCertificate } from './certificates.ts'
import { HELLO_MS, readClientHello } from './client-hello.ts'
import {
  clientAuthOptions,
  clientCertificateOf,
  isMutual,
  refusalOf,
  UNMAPPED,
} from './mutual-tls.ts'
import type { SecurityPolicies } from './security-policy.ts'
import { chooseCertificate, chooseListener } from './tls-choice.ts'

export interface SecureConnection {
  /** ARN of the listener whose certificate and policy it has. */
  readonly listenerArn: string
  /** Whether the client named that listener's load balancer when TLS began. */
  readonly named: boolean
  readonly peer: Peer
  readonly handshakeMs: number
}

export interface TlsPortOptions {
  readonly certificates: Certificates
  readonly policies: SecurityPolicies
  readonly rows: Pick<Elbv2Rows, 'trustStores'>
  readonly watch: Pick<ConnectionWatch, 'failed' | 'rejected'>
  readonly clock: Clock
  readonly log: Logger
  readonly maxConnections: number
  readonly allowHalfOpen?: boolean
  /** In the order of preference; none: ALPN is not spoken. */
  alpnOf(listener: LiveListener): readonly string[]
  onSecure(socket: TLSSocket, connection: SecureConnection): void
  /** A client that speaks no TLS; its socket is paused, with what it said. */
  onPlain(socket: Socket): void
}

/** One TLS server for each listener and certificate that clients have met. */
interface Profile {
  readonly row: ListenerRow
  readonly trustStore: TrustStoreRow | undefined
  readonly named: boolean
  readonly alpn: readonly string[]
  readonly server: Server
}

export async function openTlsPort(
  host: string,
  listeners: PortListeners,
  options: TlsPortOptions,
): Promise<NumberedPort> {
  const { certificates, watch, clock, log, maxConnections, allowHalfOpen = false } = options
  const profiles = new WeakMap<ServedCertificate, Profile[]>()
  /** When TLS began, by the client's end of the connection. */
  const handshakes = new Map<string, number>()

  async function accept(socket: Socket): Promise<void> {
    const first = await readClientHello(socket, clock)
    if (first.kind === 'nothing') return void socket.destroy()
    if (first.kind === 'other') return options.onPlain(socket)
    const { serverName } = first.hello
    const chosen = await chooseListener(listeners, serverName, (one) => certificates.of(one))
    const served = chosen ? await certificates.of(chosen.listener) : []
    const certificate = chooseCertificate(served, first.hello, clock.now())
    if (!chosen || !certificate || socket.destroyed) return void socket.destroy()
    const { listener, named } = chosen
    const key = endOf(socket)
    const peer = peerOf(socket, 'https')
    handshakes.set(key, clock.now())
    socket.once('close', () => {
      if (handshakes.delete(key)) failed(listener, peer, UNMAPPED)
    })
    const profile = profileOf(listener, named, certificate)
    if (profile) profile.server.emit('connection', socket)
    else socket.destroy()
  }

  function failed(
    { row, balancer }: Pick<LiveListener, 'row' | 'balancer'>,
    peer: Peer,
    failure: string,
  ): void {
    const about = { balancer, port: row.port ?? 0, peer, atMs: clock.now() }
    watch.failed({ ...about, handshakeMs: undefined, failure })
  }

  function profileOf(
    listener: LiveListener,
    named: boolean,
    certificate: ServedCertificate,
  ): Profile | undefined {
    const { row } = listener
    const alpn = options.alpnOf(listener)
    const trustStoreArn = row.mutualAuthentication?.TrustStoreArn
    const trustStore = trustStoreArn ? options.rows.trustStores.get(trustStoreArn) : undefined
    const known = profiles.get(certificate) ?? []
    const same = known.find(
      (one) =>
        one.row === row &&
        one.named === named &&
        one.trustStore === trustStore &&
        String(one.alpn) === String(alpn),
    )
    if (same) return same
    const server = serverFor(listener, named, certificate, trustStore, alpn)
    if (!server) return undefined
    const profile = { row, trustStore, named, alpn, server }
    const others = known.filter((one) => one.row.arn !== row.arn || one.row === row)
    profiles.set(certificate, [...others, profile])
    return profile
  }

  function serverFor(
    { row, balancer }: LiveListener,
    named: boolean,
    certificate: ServedCertificate,
    trustStore: TrustStoreRow | undefined,
    alpn: readonly string[],
  ): Server | undefined {
    const auth = clientAuthOptions(row, trustStore)
    if (!auth) {
      log.warn('nobody is let in: the trust store has no certificates', { listener: row.arn })
      return undefined
    }
    const server = createTlsServer({
      ...options.policies.options(row.sslPolicy),
      ...auth,
      // AWS resumes no sessions with mutual TLS: a revocation holds from the next connection on.
      ...(isMutual(row) && { secureOptions: constants.SSL_OP_NO_TICKET }),
      key: certificate.key,
      cert: certificate.chain,
      ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
      handshakeTimeout: HELLO_MS,
    })
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      log.debug('a TLS handshake failed', { listener: row.arn, code: error.code })
      socket.destroy()
    })
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy())
      const key = endOf(socket)
      const handshakeMs = clock.now() - (handshakes.get(key) ?? clock.now())
      handshakes.delete(key)
      const peer = securePeer(socket, row, certificate.arn)
      const refusal = refusalOf(row, trustStore, socket, clock.now())
      if (!refusal) {
        return options.onSecure(socket, { listenerArn: row.arn, named, peer, handshakeMs })
      }
      log.debug('a client is not let in', { listener: row.arn, why: refusal.why })
      failed({ row, balancer }, peer, refusal.code)
      socket.destroy()
    })
    return server
  }

  // Clients are given its certificate before they first connect; where it cannot be kept, the port says so.
  await certificates.authority()
  return listenTcp(host, listeners.port, {
    clock,
    maxConnections,
    allowHalfOpen,
    cut: (socket) => socket.destroy(),
    dropped: () => watch.rejected(listeners),
    accept(socket) {
      socket.on('error', () => socket.destroy())
      accept(socket).catch((thrown) => {
        log.error('a TLS connection could not be served', { why: messageOf(thrown) })
        socket.destroy()
      })
    },
  })
}

/** Tells connections of one port apart while they are open. */
function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

function securePeer(socket: TLSSocket, row: ListenerRow, certificateArn: string | undefined): Peer {
  const { servername } = socket as { servername?: string | false }
  const clientCertificate = isMutual(row) ? clientCertificateOf(socket) : undefined
  return peerOf(socket, 'https', {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher().standardName,
    ...(typeof servername === 'string' && { serverName: servername }),
    ...(certificateArn !== undefined && { certificateArn }),
    ...(clientCertificate && { clientCertificate }),
  })
}
