/** What the HTTP front of load balancers is put together from. */
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { Proxy as HttpProxy } from '../../../gateway/proxy.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { LambdaForwarder } from '../lambda/lambda.ts'
import type { RequestRecord } from '../model.ts'
import type { Balancer } from '../targets/balance.ts'
import type { LiveTargets } from '../targets/live-targets.ts'

export interface FrontParts {
  readonly balancer: Balancer
  readonly live: LiveTargets
  readonly authenticator: Pick<Authenticator, 'authenticate' | 'callback'>
  readonly lambda: Pick<LambdaForwarder, 'forward'>
  /** To targets that speak HTTP/1.1. */
  readonly proxy: HttpProxy
  /** To targets that speak HTTP/2, gRPC included. */
  readonly proxyHttp2: Pick<HttpProxy, 'web'>
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  /** Called once for each request, when all of it is over. */
  readonly onRequest: (record: RequestRecord) => void
}

/** Of the request as a target gets it: what clients and transforms made of it, and our own headers. */
export interface SentHead {
  readonly url: string
  /** End-to-end ones, names and values in turns. */
  readonly headers: readonly string[]
}
