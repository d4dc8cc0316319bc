import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Elbv2Context } from './context.ts'
import { hostedZoneId } from './hosted-zones.ts'
import { dnsNameOf } from './names.ts'
import type { LoadBalancerRow } from './rows.ts'

/** A load balancer as AWS shows it; times as the wire has them, in seconds. */
export type LoadBalancerView = Omit<sdk.LoadBalancer, 'CreatedTime'> & {
  readonly CreatedTime: number
}

/**
 * Trouble with a port of its own is told as the state's reason, and the code stays `active`: the
 * balancer is reached on the API port all the same, and waiters are to finish.
 */
export function loadBalancerView(context: Elbv2Context, row: LoadBalancerRow): LoadBalancerView {
  const Reason = context.live.trouble(row.arn)
  const privateLink = row.enforceSecurityGroupInboundRulesOnPrivateLinkTraffic
  const prefix = row.enablePrefixForIpv6SourceNat
  return {
    LoadBalancerArn: row.arn,
    // Gateway load balancers are reached by endpoints, not by a name.
    ...(row.type !== 'gateway' && { DNSName: dnsNameOf(row, context.dnsSuffix) }),
    CanonicalHostedZoneId: hostedZoneId(row.type, row.region),
    CreatedTime: row.createdAtMs / 1000,
    LoadBalancerName: row.name,
    Scheme: row.scheme,
    VpcId: row.vpcId,
    State: { Code: row.state, ...(Reason !== undefined && { Reason }) },
    Type: row.type,
    AvailabilityZones: [...row.availabilityZones],
    ...(row.securityGroups.length > 0 && { SecurityGroups: [...row.securityGroups] }),
    IpAddressType: row.ipAddressType,
    CustomerOwnedIpv4Pool: row.customerOwnedIpv4Pool,
    ...(privateLink && { EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: privateLink }),
    ...(prefix && { EnablePrefixForIpv6SourceNat: prefix }),
    IpamPools: row.ipamPools,
  }
}
