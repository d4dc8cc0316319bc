/** What takes HTTP requests of load balancers' clients, put together. */

import { randomBytes } from 'node:crypto'
import type { CallBackend } from '../elbv2/context.ts'
import type { Authenticator } from '../elbv2/data-plane/auth/authenticator.ts'
import { createHttpFront } from '../elbv2/data-plane/http/front.ts'
import type { LambdaForwarder } from '../elbv2/data-plane/lambda/lambda.ts'
import type { HttpFront, RequestRecord } from '../elbv2/data-plane/model.ts'
import type { Anomalies } from '../elbv2/data-plane/targets/anomalies.ts'
import { createBalancer } from '../elbv2/data-plane/targets/balance.ts'
import type { LiveTargets } from '../elbv2/data-plane/targets/live-targets.ts'
import { createStickiness } from '../elbv2/data-plane/targets/stickiness.ts'
import type { Edge } from '../gateway/app.ts'
import type { Clock } from '../gateway/core/clock.ts'
import { hostName } from '../gateway/core/host-name.ts'
import type { Ids } from '../gateway/core/ids.ts'
import type { Logger } from '../gateway/core/log.ts'
import { createProxy } from '../gateway/proxy.ts'
import { createProxyHttp2 } from '../gateway/proxy-http2.ts'
import type { Closers } from './closers.ts'

export interface FrontOptions {
  readonly live: LiveTargets
  readonly lambda: LambdaForwarder
  readonly anomalies: Anomalies
  readonly callBackend: CallBackend
  readonly dnsSuffix: string
  /** 32 bytes that seal cookies. */
  readonly key: Buffer
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly closers: Closers
}

export interface Front {
  readonly front: HttpFront
  /** `GET /KID` of `public-keys.auth.REGION.SUFFIX`: what signs x-amzn-oidc-data, as AWS publishes it. */
  readonly publicKeys: Edge
}

export function createFront(
  options: FrontOptions,
  onRequest: (record: RequestRecord) => void,
): Front {
  const { live, lambda, anomalies, key, clock, ids, log, closers } = options
  const authenticator = lazyAuthenticator(options)
  const proxy = createProxy({ clock })
  closers.push(() => proxy.close())
  const proxyHttp2 = createProxyHttp2({ clock })
  closers.push(() => proxyHttp2.close())
  const stickiness = createStickiness({ key, clock })
  const front = createHttpFront({
    balancer: createBalancer({
      clock,
      random: Math.random,
      stickiness,
      weightOf: anomalies.weightOf,
    }),
    live,
    lambda,
    authenticator: {
      authenticate: async (...asked) => (await authenticator()).authenticate(...asked),
      callback: async (...asked) => (await authenticator()).callback(...asked),
    },
    proxy,
    proxyHttp2,
    clock,
    ids,
    log,
    onRequest,
  })
  return { front, publicKeys: keyEdge(authenticator, options.dnsSuffix) }
}

/** Most never ask anybody who they are: what that needs is loaded with the first who does. */
function lazyAuthenticator(options: FrontOptions): () => Promise<Authenticator> {
  const { callBackend, clock, ids, log, key } = options
  let loading: Promise<Authenticator> | undefined
  async function load(): Promise<Authenticator> {
    const { createAuthenticator } = await import('../elbv2/data-plane/auth/authenticator.ts')
    return createAuthenticator({ callBackend, clock, ids, randomBytes, log, key })
  }
  return () => {
    loading ??= load()
    return loading
  }
}

function keyEdge(authenticator: () => Promise<Authenticator>, dnsSuffix: string): Edge {
  return {
    claims({ headers: { host } }) {
      if (typeof host !== 'string' || !host.startsWith('public-keys.auth.')) return false
      return hostName(host).endsWith(`.${dnsSuffix}`)
    },
    async web(req, res) {
      const pem = (await authenticator()).publicKeyPem((req.url ?? '').slice(1))
      res.writeHead(pem === undefined ? 404 : 200, { 'content-type': 'text/plain' }).end(pem)
    },
    upgrade: (_req, socket) => socket.destroy(),
  }
}
