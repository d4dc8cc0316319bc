/** Ports of network load balancers' TLS listeners: TLS ends here, and begins again where targets speak it. */
import type { Elbv2Rows } from '../../rows.ts'
import type { LiveListener } from '../model.ts'
import type { Certificates } from '../tls/certificates.ts'
import type { SecurityPolicies } from '../tls/security-policy.ts'
import { openTlsPort } from '../tls/tls-port.ts'
import { joinTarget, MAX_CONNECTIONS, type NlbOptions } from './nlb-tcp.ts'
import type { OpenNumbered } from './tcp-server.ts'

export interface NlbTlsOptions extends NlbOptions {
  readonly certificates: Certificates
  readonly policies: SecurityPolicies
  readonly rows: Pick<Elbv2Rows, 'trustStores'>
}

/** In the order of preference. */
const ALPN: Readonly<Record<string, readonly string[]>> = {
  HTTP1Only: ['http/1.1', 'http/1.0'],
  HTTP2Only: ['h2'],
  HTTP2Preferred: ['h2', 'http/1.1', 'http/1.0'],
  HTTP2Optional: ['http/1.1', 'http/1.0', 'h2'],
}

export function createTlsPort(options: NlbTlsOptions): OpenNumbered {
  return (host, listeners) =>
    openTlsPort(host, listeners, {
      ...options,
      maxConnections: MAX_CONNECTIONS,
      allowHalfOpen: true,
      alpnOf,
      onPlain: (socket) => socket.destroy(),
      onSecure(socket, { listenerArn }) {
        const listener = listeners.current().find(({ row }) => row.arn === listenerArn)
        const { alpnProtocol } = socket
        const alpn = typeof alpnProtocol === 'string' ? alpnProtocol : undefined
        if (listener) joinTarget(socket, listener, options, alpn)
        else socket.destroy()
      },
    })
}

function alpnOf({ row }: LiveListener): readonly string[] {
  return ALPN[row.alpnPolicy?.[0] ?? ''] ?? []
}
