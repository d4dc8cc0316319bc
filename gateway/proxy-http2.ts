/** A proxy to targets that speak HTTP/2: in clear text without asking (h2c), or over TLS. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from './core/clock.ts'
import type { ProxyCall } from './proxy-call.ts'
import type { OnFault, ProxyTarget } from './proxy-fault.ts'
import { Http2Exchange } from './proxy-http2-exchange.ts'
import { createSessions } from './proxy-http2-sessions.ts'

export interface Http2Proxy {
  /** The client may speak HTTP/1.1 or HTTP/2. */
  web(
    req: IncomingMessage,
    res: ServerResponse,
    target: ProxyTarget,
    onFault: OnFault,
    call: ProxyCall,
  ): void
  /** Cuts every connection to a target. */
  close(): void
}

const CONNECT_MS = 10_000
const IDLE_MS = 60_000

export function createProxyHttp2({ clock }: { readonly clock: Clock }): Http2Proxy {
  const sessions = createSessions(clock)
  return {
    web(req, res, target, onFault, call) {
      const limits = call.limits ?? { connectMs: CONNECT_MS, idleMs: IDLE_MS }
      new Http2Exchange({ req, res, target, onFault, call, limits, clock, sessions }).start()
    },
    close: () => sessions.close(),
  }
}
