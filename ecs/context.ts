import type { RuntimeNode } from '../cluster/runtime.ts'
import type { Scope } from '../gateway/core/arn.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { Ids } from '../gateway/core/ids.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { Store } from '../gateway/core/store.ts'
import type { EcsRows } from './rows.ts'
import type { TargetRegistrar } from './targets.ts'

/** What EC2 knows of the network an awsvpc task asks for. */
export interface NetworkFacts {
  readonly subnets: readonly SubnetFacts[]
}

export interface SubnetFacts {
  readonly subnetId: string
  readonly vpcId?: string
  readonly availabilityZone?: string
}

/**
 * Asks a backend that has EC2 about subnets and security groups, afresh at each call. Undefined (at
 * once or in the end) when there is no EC2 to ask; an AwsFault when EC2 does not know one of them.
 */
export type NetworkLookup = (
  scope: Scope,
  subnets: readonly string[],
  securityGroups: readonly string[],
) => Promise<NetworkFacts | undefined> | undefined

/** Variables that only make sense together; a container that sets one of them is given none. */
export type EnvironmentGroup = Readonly<Record<string, string>>

/** What the handlers of ECS share. */
export interface EcsContext {
  readonly store: Store
  readonly rows: EcsRows
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly lookUpNetwork: NetworkLookup
  /** Absent where there are no load balancers: their groups are then taken as given. */
  readonly describeTargetGroup?: TargetRegistrar['describe']
  readonly nodes: () => readonly RuntimeNode[]
  /** Attributes that every task bears, e.g. that its runtime only simulates. */
  readonly runtimeAttributes: Readonly<Record<string, string>>
  /** What containers of tasks find in their environment; absent: what their definition says alone. */
  readonly taskEnvironment?: (scope: Scope) => readonly EnvironmentGroup[]
}
