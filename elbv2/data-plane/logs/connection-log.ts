/** One client's connection as a line of an Application Load Balancer's connection log. */

import { X509Certificate } from 'node:crypto'
import { shortNameOf } from '../../names.ts'
import type { LiveBalancer, Peer } from '../model.ts'
import { plainAddress } from '../peer.ts'
import { NODE_ADDRESS, NONE, openSslName, quoted, secondsOf, timeOf } from './access-log-line.ts'

/** What became of a client's connection, told once it is established or has failed. */
export interface ConnectionRecord {
  readonly balancer: LiveBalancer
  /** Of the listener. */
  readonly port: number
  readonly peer: Peer
  readonly atMs: number
  /** Undefined without TLS, and where the handshake failed. */
  readonly handshakeMs: number | undefined
  /** AWS's code where TLS failed, e.g. `ClientCertUntrusted`. */
  readonly failure: string | undefined
}

/** AWS's 15 fields in its order, without the line feed. */
export function connectionLogLine(record: ConnectionRecord, connectionTraceId: string): string {
  const { peer, handshakeMs } = record
  const [subject, validity, serial] = certificateOf(peer)
  return [
    timeOf(record.atMs),
    plainAddress(peer.sourceIp),
    peer.sourcePort,
    record.port,
    peer.tls?.version ?? NONE,
    peer.tls === undefined ? NONE : openSslName(peer.tls.cipher),
    handshakeMs === undefined ? NONE : secondsOf(handshakeMs),
    quoted(subject),
    validity,
    serial,
    verifyStatus(record),
    connectionTraceId,
    // The key exchange: node tells servers nothing of it.
    NONE,
    shortNameOf(record.balancer.row.arn),
    NODE_ADDRESS,
  ].join(' ')
}

function verifyStatus({ peer, failure }: ConnectionRecord): string {
  if (failure !== undefined) return `Failed:${failure}`
  return peer.protocol === 'https' ? 'Success' : NONE
}

/** Subject, validity and serial number of the client's certificate. */
function certificateOf({ tls }: Peer): readonly [string, string, string] {
  if (tls?.clientCertificate === undefined) return [NONE, NONE, NONE]
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(tls.clientCertificate.leaf)
  } catch {
    // AWS writes the same where the certificate cannot be read.
    return [NONE, NONE, NONE]
  }
  const { subject, validFrom, validTo, serialNumber } = certificate
  // OpenSSL begins with the country, AWS with the name.
  const names = subject.split('\n').reverse().join(',')
  return [names, `NotBefore=${dateOf(validFrom)};NotAfter=${dateOf(validTo)}`, serialNumber]
}

function dateOf(text: string): string {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? NONE : `${date.toISOString().slice(0, -'.000Z'.length)}Z`
}
