import type { Buffer } from 'node:buffer'
import type { AnomalyDetection } from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Scope } from '../gateway/core/arn.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { Ids } from '../gateway/core/ids.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { Store } from '../gateway/core/store.ts'
import type { TargetHealth } from './data-plane/model.ts'
import type { Elbv2Rows, TargetRow } from './rows.ts'

/** One request to another AWS service, which the backend answers. */
export interface BackendRequest {
  readonly scope: Scope
  /** Signing name, e.g. `ec2`. */
  readonly service: string
  readonly method: string
  /** Path and query, encoded. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly timeoutMs?: number
}

export interface BackendAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Undefined (at once) when no backend is configured; rejects with an Error when it cannot be reached. */
export type CallBackend = (request: BackendRequest) => Promise<BackendAnswer> | undefined

/** What handlers are told by the data plane, which alone knows. */
export interface LiveFacts {
  /** What health checks found of a target; a target of a group that no listener uses is `unused`. */
  targetHealth(target: TargetRow): TargetHealth
  /** Whether a target of an application load balancer fails more often than others. */
  anomaly(target: TargetRow): AnomalyDetection
  /** Why a load balancer is not reached on a listener's own port, e.g. that the port is taken. */
  trouble(loadBalancerArn: string): string | undefined
}

/** What the handlers of ELBv2 share. */
export interface Elbv2Context {
  readonly store: Store
  readonly rows: Elbv2Rows
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  /** What DNS names of load balancers end in, e.g. `elb.localhost`. */
  readonly dnsSuffix: string
  /** Where callers reach this API and, by it, the backend: e.g. `http://localhost:4566`. */
  readonly endpoint: string
  readonly callBackend: CallBackend
  readonly live: LiveFacts
}
