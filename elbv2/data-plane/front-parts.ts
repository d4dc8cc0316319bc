/** What the HTTP front of load balancers is put together from. */
import type { Buffer } from 'node:buffer'
import type { Clock } from '../../gateway/core/clock.ts'
import type { Ids } from '../../gateway/core/ids.ts'
import type { Logger } from '../../gateway/core/log.ts'
import type { Proxy } from '../../gateway/proxy.ts'
import type {
  Authenticate,
  ForwardPlan,
  LiveGroup,
  LiveListener,
  LiveTarget,
  OwnAnswer,
  Peer,
  RequestFacts,
  RequestRecord,
} from './model.ts'
import type { ClientHead } from './request-checks.ts'

export type Choice =
  | {
      readonly kind: 'target'
      readonly group: LiveGroup
      readonly target: LiveTarget
      /** Values of Set-Cookie that the answer is to have. */
      readonly setCookies: readonly string[]
    }
  | { readonly kind: 'none' }

/** Who asks, as far as stickiness goes by it. */
export interface Asker {
  /** The first value of the request's cookie of that name. */
  cookie(name: string): string | undefined
  readonly sourceIp: string
}

/** A request for a Lambda function, read whole. */
export interface LambdaRequest {
  readonly listener: LiveListener
  readonly group: LiveGroup
  readonly target: LiveTarget
  readonly facts: RequestFacts
  /** As a target would be sent them, names and values in turns. */
  readonly headers: readonly string[]
  readonly url: string
  readonly body: Buffer
}

export interface FrontParts {
  readonly factsOf: (head: ClientHead, peer: Peer, listener: LiveListener) => RequestFacts
  readonly ownPage: (status: number) => OwnAnswer
  readonly choose: (plan: ForwardPlan, asker: Asker) => Choice
  /** Values of Set-Cookie to add to an answer that has these, for stickiness to applications' cookies. */
  readonly cookiesFor: (
    group: LiveGroup,
    target: LiveTarget,
    setCookies: readonly string[],
  ) => readonly string[]
  /** Of requests and connections under way. */
  readonly live: { began(target: LiveTarget): void; finished(target: LiveTarget): void }
  readonly authenticate: Authenticate
  readonly lambda: (request: LambdaRequest) => Promise<OwnAnswer>
  /** To targets that speak HTTP/1.1. */
  readonly proxy: Proxy
  /** To targets that speak HTTP/2, gRPC included. */
  readonly proxyHttp2: Pick<Proxy, 'web'>
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  /** Called once for each request, when all of it is over. */
  readonly onRequest: (record: RequestRecord) => void
}
