/** What targets are told of a client's TLS and of its certificate. */
import { X509Certificate } from 'node:crypto'
import type { LiveListener, Peer } from './model.ts'

type Pairs = [name: string, value: string][]

/** `X-Amzn-Tls-…` where the balancer is asked for them, `X-Amzn-Mtls-…` where a certificate came. */
export function tlsHeaders(listener: LiveListener, { tls }: Peer): Pairs {
  if (!tls) return []
  const { requestHeaderNames } = listener.settings
  const named = (name: string) => requestHeaderNames.get(name.toLowerCase()) || name
  const pairs: Pairs = []
  if (listener.balancer.settings.tlsHeaders) {
    pairs.push([named('X-Amzn-Tls-Version'), tls.version])
    pairs.push([named('X-Amzn-Tls-Cipher-Suite'), tls.cipher])
  }
  const mode = listener.row.mutualAuthentication?.Mode
  if (tls.clientCertificate === undefined || mode === undefined || mode === 'off') return pairs
  const { leaf, chain } = tls.clientCertificate
  const told = mode === 'verify' ? factsOf(leaf) : passedOn(leaf + chain)
  return [...pairs, ...told.map(([name, value]): [string, string] => [named(name), value])]
}

function passedOn(pem: string): Pairs {
  return [['X-Amzn-Mtls-Clientcert', encoded(pem)]]
}

function factsOf(leaf: string): Pairs {
  const certificate = new X509Certificate(leaf)
  const validity = `NotBefore=${utc(certificate.validFrom)};NotAfter=${utc(certificate.validTo)}`
  return [
    ['X-Amzn-Mtls-Clientcert-Serial-Number', certificate.serialNumber],
    ['X-Amzn-Mtls-Clientcert-Issuer', distinguished(certificate.issuer)],
    ['X-Amzn-Mtls-Clientcert-Subject', distinguished(certificate.subject)],
    ['X-Amzn-Mtls-Clientcert-Validity', validity],
    ['X-Amzn-Mtls-Clientcert-Leaf', encoded(leaf)],
  ]
}

/** RFC 2253: the most specific part first. Node gives a part a line, the other way round. */
function distinguished(name: string): string {
  const parts = name.split('\n').reverse().join(',')
  return parts.replace(/[^\x20-\x7e]/g, (character) => encodeURIComponent(character))
}

function utc(date: string): string {
  return new Date(date).toISOString().replace('.000', '')
}

/** AWS: URL-encoded PEM "with +=/ as safe characters". */
function encoded(pem: string): string {
  return encodeURIComponent(pem).replace(/%2B|%3D|%2F/g, decodeURIComponent)
}
