/** Certificates of clients: who is let in, and what targets are told of them. */
import { X509Certificate } from 'node:crypto'
import type { TLSSocket, TlsOptions } from 'node:tls'
import type { ListenerRow, TrustStoreRow } from '../../rows.ts'
import type { LiveListener, Peer } from '../model.ts'
import { distinguishedName } from './distinguished-name.ts'
import { pemOf, tbsOf } from './self-signed.ts'

/** Of a client's chain; clients send two or three. */
const MAX_CHAIN = 10
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
/** Positions in what a certificate signs. */
const ISSUER = 3
const SUBJECT = 5

export type ClientCertificate = NonNullable<NonNullable<Peer['tls']>['clientCertificate']>

export function isMutual({ mutualAuthentication }: ListenerRow): boolean {
  return (mutualAuthentication?.Mode ?? 'off') !== 'off'
}

/**
 * What node asks of clients. It always names the authorities that it trusts, whatever
 * AdvertiseTrustStoreCaNames says. Undefined: nobody can be let in.
 */
export function clientAuthOptions(
  row: ListenerRow,
  trustStore: TrustStoreRow | undefined,
): TlsOptions | undefined {
  const { mutualAuthentication } = row
  if (!isMutual(row)) return {}
  if (mutualAuthentication?.Mode === 'passthrough') {
    return { requestCert: true, rejectUnauthorized: false }
  }
  const ca = trustStore ? pemsOf(trustStore.bundle) : []
  // Without any, node would trust the authorities of the web.
  if (ca.length === 0) return undefined
  // Whom node does not trust is refused by `refusalOf`, which can tell why.
  return { ca, requestCert: true, rejectUnauthorized: false }
}

export interface Refusal {
  /** As connection logs name it. */
  readonly code: string
  readonly why: string
}

/** AWS's codes for what OpenSSL finds in a chain that is trusted and in its time. */
const CODES: Readonly<Record<string, string>> = {
  CERT_CHAIN_TOO_LONG: 'ClientCertMaxChainDepthExceeded',
  INVALID_PURPOSE: 'ClientCertPurposeInvalid',
  CERT_REJECTED: 'ClientCertRejected',
}
/** AWS's code for whatever has none of its own. */
export const UNMAPPED = 'UnmappedConnectionError'

/** Why the client of an established connection is not let in; undefined where it is. */
export function refusalOf(
  row: ListenerRow,
  trustStore: TrustStoreRow | undefined,
  socket: TLSSocket,
  nowMs: number,
): Refusal | undefined {
  if (row.mutualAuthentication?.Mode !== 'verify') return undefined
  const chain = chainOf(socket)
  const [leaf] = chain
  if (!leaf || !trustStore) return { code: UNMAPPED, why: 'there is no certificate' }
  const mayBeOld = row.mutualAuthentication.IgnoreClientCertificateExpiry === true
  if (!socket.authorized && !(mayBeOld && isExpiredButTrusted(trustStore, chain, nowMs))) {
    const error = `${socket.authorizationError}`
    return {
      code: codeOf(trustStore, chain, error, nowMs),
      why: `the certificate is not trusted: ${error}`,
    }
  }
  const revoked = revokedOf(trustStore)
  const isRevoked = chain.some(({ serialNumber }) => revoked.has(withoutZeros(serialNumber)))
  return isRevoked ? { code: 'ClientCertCrlHit', why: 'the certificate is revoked' } : undefined
}

/** Looked at by ourselves: of several faults, OpenSSL and Deno's TLS tell different ones. */
function codeOf(
  trustStore: TrustStoreRow,
  chain: readonly X509Certificate[],
  error: string,
  nowMs: number,
): string {
  if (!isTrusted(chain, anchorsOf(trustStore))) return 'ClientCertUntrusted'
  if (chain.some(({ validTo }) => Date.parse(validTo) <= nowMs)) return 'ClientCertExpired'
  if (chain.some(({ validFrom }) => Date.parse(validFrom) > nowMs)) return 'ClientCertNotYetValid'
  return CODES[error] ?? UNMAPPED
}

/**
 * OpenSSL tells the last thing that it found, which for an expired certificate that nobody trusts is
 * that it has expired (and Deno's TLS tells another). So trust is looked at once more.
 */
function isExpiredButTrusted(
  trustStore: TrustStoreRow,
  chain: readonly X509Certificate[],
  nowMs: number,
): boolean {
  const isExpired = chain.some(({ validTo }) => Date.parse(validTo) <= nowMs)
  return isExpired && isTrusted(chain, anchorsOf(trustStore))
}

function isTrusted(
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): boolean {
  for (const [index, certificate] of chain.entries()) {
    if (anchors.some((anchor) => isIssuedBy(certificate, anchor))) return true
    const next = chain[index + 1]
    if (!next || !isIssuedBy(certificate, next)) return false
  }
  return false
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

/** The client's own certificate first, then each one's issuer as far as known. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next && chain.length < MAX_CHAIN) {
    const { fingerprint256 } = next
    if (chain.some((known) => known.fingerprint256 === fingerprint256)) break
    chain.push(next)
    next = next.issuerCertificate
  }
  return chain
}

/** PEM of what the client sent; undefined where it sent none. */
export function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const pems = chainOf(socket).map(({ raw }) => pemOf(raw))
  const [leaf] = pems
  return leaf === undefined ? undefined : { leaf, chain: pems.join('') }
}

const anchors = new WeakMap<TrustStoreRow, readonly X509Certificate[]>()
const revocations = new WeakMap<TrustStoreRow, ReadonlySet<string>>()

function anchorsOf(row: TrustStoreRow): readonly X509Certificate[] {
  let found = anchors.get(row)
  if (!found) {
    found = pemsOf(row.bundle).map((pem) => new X509Certificate(pem))
    anchors.set(row, found)
  }
  return found
}

function revokedOf(row: TrustStoreRow): ReadonlySet<string> {
  let found = revocations.get(row)
  if (!found) {
    found = new Set(row.revocations.flatMap(({ serials }) => serials))
    revocations.set(row, found)
  }
  return found
}

function pemsOf(bundle: string): string[] {
  return bundle.match(PEM) ?? []
}

function withoutZeros(serial: string): string {
  return serial.toUpperCase().replace(/^0+(?=.)/, '')
}

const told = new WeakMap<ClientCertificate, readonly (readonly [name: string, value: string])[]>()

/** What targets are told of a client's certificate, under the names that the listener has for it. */
export function mutualTlsHeaders(
  { row, settings }: LiveListener,
  peer: Peer,
): [name: string, value: string][] {
  const certificate = peer.tls?.clientCertificate
  if (certificate === undefined || !isMutual(row)) return []
  let headers = told.get(certificate)
  if (!headers) {
    const isVerified = row.mutualAuthentication?.Mode === 'verify'
    headers = isVerified ? factsOf(certificate.leaf) : [chainHeader(certificate.chain)]
    told.set(certificate, headers)
  }
  return headers.map(([name, value]) => [
    settings.requestHeaderNames.get(name.toLowerCase()) || name,
    value,
  ])
}

function chainHeader(chain: string): readonly [string, string] {
  return ['X-Amzn-Mtls-Clientcert', urlEncoded(chain)]
}

function factsOf(leaf: string): (readonly [string, string])[] {
  const certificate = new X509Certificate(leaf)
  const tbs = tbsOf(certificate)
  const name = (position: number) => {
    const value = tbs[position]
    return value ? distinguishedName(value) : ''
  }
  const { serialNumber: serial, validFrom, validTo } = certificate
  const validity = `NotBefore=${isoSeconds(validFrom)};NotAfter=${isoSeconds(validTo)}`
  return [
    // Whole bytes, as AWS writes them.
    ['X-Amzn-Mtls-Clientcert-Serial-Number', serial.length % 2 === 0 ? serial : `0${serial}`],
    ['X-Amzn-Mtls-Clientcert-Issuer', name(ISSUER)],
    ['X-Amzn-Mtls-Clientcert-Subject', name(SUBJECT)],
    ['X-Amzn-Mtls-Clientcert-Validity', validity],
    ['X-Amzn-Mtls-Clientcert-Leaf', urlEncoded(leaf)],
  ]
}

function isoSeconds(date: string): string {
  return new Date(date).toISOString().replace(/\.\d+/, '')
}

/** AWS: URL-encoded "with `+=/` as safe characters". */
function urlEncoded(pem: string): string {
  return encodeURIComponent(pem).replace(/%2B|%3D|%2F/g, decodeURIComponent)
}
