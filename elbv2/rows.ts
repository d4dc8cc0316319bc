/**
 * What ELBv2 stores: one interface a kind of row, plain JSON, times in milliseconds since the epoch.
 * Which target is healthy is not stored: nothing is healthy that was not probed by this process.
 */
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Scope } from '../gateway/core/arn.ts'
import type { Collection, Store } from '../gateway/core/store.ts'
import { groupsOf } from './forwarded-groups.ts'

/** Every row says whose it is. */
export interface Owned extends Scope {
  readonly arn: string
}

/** Attributes that callers have set, by their keys; what is not here has its default. */
export type Attributes = Readonly<Record<string, string>>

export type LoadBalancerType = 'application' | 'network' | 'gateway'

export interface LoadBalancerRow extends Owned {
  readonly name: string
  readonly type: LoadBalancerType
  readonly scheme?: 'internet-facing' | 'internal'
  /** `my-alb-1234567890.us-east-1`: the DNS name without the suffix, which is a setting. */
  readonly dnsLabel: string
  readonly vpcId: string
  /** `provisioning` until the data plane has taken it up. */
  readonly state: 'provisioning' | 'active'
  readonly availabilityZones: readonly sdk.AvailabilityZone[]
  readonly securityGroups: readonly string[]
  readonly ipAddressType: 'ipv4' | 'dualstack' | 'dualstack-without-public-ipv4'
  readonly customerOwnedIpv4Pool?: string
  readonly enforceSecurityGroupInboundRulesOnPrivateLinkTraffic?: 'on' | 'off'
  readonly enablePrefixForIpv6SourceNat?: 'on' | 'off'
  readonly ipamPools?: sdk.IpamPools
  readonly attributes: Attributes
  readonly capacity?: {
    readonly capacityUnits: number
    readonly decreaseRequestsRemaining: number
    readonly lastModifiedAtMs: number
  }
  readonly tags: readonly sdk.Tag[]
  readonly createdAtMs: number
}

export interface ListenerRow extends Owned {
  readonly loadBalancerArn: string
  /** Absent for gateway load balancers. */
  readonly port?: number
  readonly protocol?: sdk.ProtocolEnum
  /** The default certificate first. */
  readonly certificateArns: readonly string[]
  readonly sslPolicy?: string
  readonly alpnPolicy?: readonly string[]
  readonly mutualAuthentication?: sdk.MutualAuthenticationAttributes
  /** As they are answered: with Order, and ForwardConfig filled in. */
  readonly defaultActions: readonly sdk.Action[]
  /** The default rule is no row of its own: this is all that it has besides the listener's actions. */
  readonly defaultRule: { readonly arn: string; readonly tags: readonly sdk.Tag[] }
  readonly attributes: Attributes
  readonly tags: readonly sdk.Tag[]
  readonly createdAtMs: number
}

/** A rule that is not the default one. */
export interface RuleRow extends Owned {
  readonly listenerArn: string
  readonly priority: number
  readonly conditions: readonly sdk.RuleCondition[]
  readonly actions: readonly sdk.Action[]
  readonly transforms: readonly sdk.RuleTransform[]
  readonly tags: readonly sdk.Tag[]
  readonly createdAtMs: number
}

export type TargetType = 'instance' | 'ip' | 'lambda' | 'alb'

export interface HealthCheck {
  readonly enabled: boolean
  readonly protocol?: sdk.ProtocolEnum
  /** `traffic-port` or a number. */
  readonly port?: string
  readonly path?: string
  readonly intervalSeconds: number
  readonly timeoutSeconds: number
  readonly healthyThreshold: number
  readonly unhealthyThreshold: number
  readonly matcher?: sdk.Matcher
}

export interface TargetGroupRow extends Owned {
  readonly name: string
  readonly targetType: TargetType
  /** Absent for Lambda functions, and so are port, VPC and version. */
  readonly protocol?: sdk.ProtocolEnum
  readonly protocolVersion?: 'HTTP1' | 'HTTP2' | 'GRPC'
  readonly port?: number
  readonly vpcId?: string
  readonly ipAddressType: 'ipv4' | 'ipv6'
  readonly healthCheck: HealthCheck
  readonly targetControlPort?: number
  readonly attributes: Attributes
  readonly tags: readonly sdk.Tag[]
  readonly createdAtMs: number
}

/** A target of one group. Key and `arn`: `targetKey`. */
export interface TargetRow extends Owned {
  readonly targetGroupArn: string
  /** An address, an instance, a function's ARN or a load balancer's ARN. */
  readonly id: string
  /** Absent for Lambda functions. */
  readonly port?: number
  readonly availabilityZone?: string
  readonly quicServerId?: string
  readonly registeredAtMs: number
  /** Whoever registered it and will find it again by this, e.g. a task's ARN. */
  readonly owner?: string
  /** Deregistered then; the row goes when the deregistration delay is over. */
  readonly drainingSinceMs?: number
}

/** An object in S3. */
export interface ObjectPlace {
  readonly bucket: string
  readonly key: string
  readonly version?: string
}

export interface TrustStoreRow extends Owned {
  readonly name: string
  readonly status: 'ACTIVE' | 'CREATING'
  /** Where the bundle was read. */
  readonly source: ObjectPlace
  /** The certificates, PEM. */
  readonly bundle: string
  readonly numberOfCaCertificates: number
  readonly revocations: readonly Revocation[]
  readonly nextRevocationId: number
  readonly tags: readonly sdk.Tag[]
  readonly createdAtMs: number
}

/** One certificate revocation list of a trust store. */
export interface Revocation {
  readonly revocationId: number
  readonly type: 'CRL'
  /** Where the list was read. */
  readonly source: ObjectPlace
  readonly numberOfRevokedEntries: number
  /** As it was read, base64. */
  readonly content: string
  /** Serial numbers of revoked certificates, upper-case hex without leading zeros. */
  readonly serials: readonly string[]
}

export interface Elbv2Rows {
  readonly loadBalancers: Collection<LoadBalancerRow>
  readonly listeners: Collection<ListenerRow>
  readonly rules: Collection<RuleRow>
  readonly targetGroups: Collection<TargetGroupRow>
  readonly targets: Collection<TargetRow>
  readonly trustStores: Collection<TrustStoreRow>
}

/** Separates the parts of a compound index value; no AWS name holds it. */
const SEP = '|'

export function indexKey(...parts: readonly string[]): string {
  return parts.join(SEP)
}

/** The key of a target: one id may be registered with several ports. */
export function targetKey(targetGroupArn: string, id: string, port: number | undefined): string {
  return indexKey(targetGroupArn, id, port === undefined ? '' : String(port))
}

const scopeOf = (row: Owned) => indexKey(row.account, row.region)
const named = { scope: scopeOf, name: (row: Owned & { name: string }) => nameKey(row, row.name) }

/** Value of the index `name`: names are unique in their scope. */
export function nameKey(scope: Scope, name: string): string {
  return indexKey(scope.account, scope.region, name)
}

/** The collections, each with the indexes that handlers and the data plane read by. */
export function openElbv2Rows(store: Store): Elbv2Rows {
  return {
    loadBalancers: store.collection<LoadBalancerRow>('elbv2.loadBalancers', { indexes: named }),
    listeners: store.collection<ListenerRow>('elbv2.listeners', {
      indexes: {
        scope: scopeOf,
        loadBalancer: (row) => row.loadBalancerArn,
        group: (row) => groupsOf(row.defaultActions),
      },
    }),
    rules: store.collection<RuleRow>('elbv2.rules', {
      indexes: {
        scope: scopeOf,
        listener: (row) => row.listenerArn,
        group: (row) => groupsOf(row.actions),
      },
    }),
    targetGroups: store.collection<TargetGroupRow>('elbv2.targetGroups', { indexes: named }),
    targets: store.collection<TargetRow>('elbv2.targets', {
      indexes: { group: (row) => row.targetGroupArn, owner: (row) => row.owner },
    }),
    trustStores: store.collection<TrustStoreRow>('elbv2.trustStores', { indexes: named }),
  }
}
