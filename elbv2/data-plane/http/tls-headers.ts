/** What targets are told of a client's TLS and of its certificate. */
import type { LiveListener, Peer } from '../model.ts'
import { mutualTlsHeaders } from '../tls/mutual-tls.ts'

/** `X-Amzn-Tls-…` where the balancer is asked for them, `X-Amzn-Mtls-…` where a certificate came. */
export function tlsHeaders(listener: LiveListener, peer: Peer): [name: string, value: string][] {
  if (!peer.tls) return []
  const told = mutualTlsHeaders(listener, peer)
  if (!listener.balancer.settings.tlsHeaders) return told
  const { requestHeaderNames } = listener.settings
  const named = (name: string) => requestHeaderNames.get(name.toLowerCase()) || name
  return [
    [named('X-Amzn-Tls-Version'), peer.tls.version],
    [named('X-Amzn-Tls-Cipher-Suite'), peer.tls.cipher],
    ...told,
  ]
}
