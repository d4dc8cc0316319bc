import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, invalidConfiguration } from '../faults.ts'
import { ACCOUNT_LIMITS } from '../limits.ts'
import {
  type Addressing,
  checkAddressing,
  checkedMappings,
  checkIpv6,
  checkName,
  sameSettings,
  zonesOf,
} from '../load-balancer-rules.ts'
import { loadBalancerView } from '../load-balancer-view.ts'
import { newDnsLabel, newLoadBalancerArn } from '../names.ts'
import { lookUpNetwork, type NetworkFacts } from '../network.ts'
import { byName, checkArn, listPage, selector } from '../resolve.ts'
import { indexKey, type LoadBalancerRow, type LoadBalancerType } from '../rows.ts'
import { checkedTags } from '../tags.ts'
import { loadBalancerNetworkHandlers } from './load-balancer-network.ts'

const MAX_BALANCERS: Readonly<Record<LoadBalancerType, number>> = {
  application: ACCOUNT_LIMITS['application-load-balancers'],
  network: ACCOUNT_LIMITS['network-load-balancers'],
  gateway: ACCOUNT_LIMITS['gateway-load-balancers'],
}

/** What CreateLoadBalancer asks for, checked as far as that goes without the network. */
interface Wanted extends Addressing {
  readonly name: string
  readonly securityGroups: readonly string[] | undefined
  readonly tags: readonly sdk.Tag[]
  readonly input: sdk.CreateLoadBalancerCommandInput
}

/** CreateLoadBalancer, DescribeLoadBalancers, DeleteLoadBalancer, and what sets their network. */
export function loadBalancerHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, store, clock, ids } = context
  const view = (row: LoadBalancerRow) => loadBalancerView(context, row)

  async function create(input: sdk.CreateLoadBalancerCommandInput, call: Call) {
    const wanted = checkedInput(input)
    const network = await lookUpNetwork(context, call, {
      subnetIds: wanted.mappings.map(({ SubnetId }) => SubnetId),
      allocationIds: wanted.mappings.flatMap(({ AllocationId: id }) => (id ? [id] : [])),
      securityGroups: wanted.securityGroups,
    })
    checkIpv6(wanted.ipAddressType, network)
    return store.transact(() => ({ LoadBalancers: [view(putNew(call, wanted, network))] }))
  }

  function putNew(call: Call, wanted: Wanted, network: NetworkFacts): LoadBalancerRow {
    const row = newRow(call, wanted, network)
    const existing = byName(rows.loadBalancers, call, wanted.name)
    if (existing) {
      if (sameSettings(existing, row)) return existing
      throw fault(
        'DuplicateLoadBalancerNameException',
        `A load balancer with the same name '${wanted.name}' exists, but with different settings`,
      )
    }
    let count = 0
    for (const { type } of ownBalancers(call)) if (type === wanted.type) count++
    if (count >= MAX_BALANCERS[wanted.type]) {
      throw fault(
        'TooManyLoadBalancersException',
        `The maximum number of ${wanted.type} load balancers has been reached: ${count}`,
      )
    }
    rows.loadBalancers.put(row.arn, row)
    return row
  }

  function newRow(call: Call, wanted: Wanted, network: NetworkFacts): LoadBalancerRow {
    const { type, scheme, name, input } = wanted
    const { CustomerOwnedIpv4Pool: customerOwnedIpv4Pool, IpamPools: ipamPools } = input
    const ofNetwork = type === 'network'
    return {
      arn: newLoadBalancerArn(ids, call, type, name),
      account: call.account,
      region: call.region,
      name,
      type,
      ...(scheme && { scheme }),
      dnsLabel: newDnsLabel(ids, call, name, scheme),
      vpcId: network.vpcId,
      state: 'provisioning',
      availabilityZones: zonesOf(wanted.mappings, network),
      securityGroups: network.securityGroups,
      ipAddressType: wanted.ipAddressType,
      ...(customerOwnedIpv4Pool !== undefined && { customerOwnedIpv4Pool }),
      ...(ofNetwork &&
        network.securityGroups.length > 0 && {
          enforceSecurityGroupInboundRulesOnPrivateLinkTraffic: 'on',
        }),
      ...(ofNetwork && {
        enablePrefixForIpv6SourceNat: wanted.enablePrefixForIpv6SourceNat ?? 'off',
      }),
      ...(ipamPools?.Ipv4IpamPoolId !== undefined && { ipamPools }),
      // An internal balancer is by itself closed to internet gateways.
      attributes: scheme === 'internal' ? { 'ipv6.deny_all_igw_traffic': 'true' } : {},
      tags: wanted.tags,
      createdAtMs: clock.now(),
    }
  }

  function describe(input: sdk.DescribeLoadBalancersCommandInput, call: Call) {
    const keep = selector('loadBalancer', rows.loadBalancers, call, {
      arns: input.LoadBalancerArns,
      names: input.Names,
    })
    const page = listPage(ownBalancers(call), input, keep)
    return { LoadBalancers: page.rows.map(view), NextMarker: page.nextToken }
  }

  function ownBalancers({ account, region }: Call) {
    return rows.loadBalancers.by('scope', indexKey(account, region))
  }

  function remove(input: sdk.DeleteLoadBalancerCommandInput, call: Call) {
    const arn = input.LoadBalancerArn ?? ''
    checkArn('loadBalancer', call, arn)
    const row = rows.loadBalancers.get(arn)
    // AWS: a load balancer that is not there counts as deleted.
    if (!row) return {}
    if (row.attributes['deletion_protection.enabled'] === 'true') {
      throw fault(
        'OperationNotPermittedException',
        `Load balancer '${arn}' cannot be deleted because deletion protection is enabled`,
      )
    }
    for (const listener of [...rows.listeners.by('loadBalancer', arn)]) {
      for (const rule of [...rows.rules.by('listener', listener.arn)]) rows.rules.delete(rule.arn)
      rows.listeners.delete(listener.arn)
    }
    rows.loadBalancers.delete(arn)
    return {}
  }

  return {
    ...loadBalancerNetworkHandlers(context),
    CreateLoadBalancer: create,
    DescribeLoadBalancers: describe,
    DeleteLoadBalancer: remove,
  }
}

function checkedInput(input: sdk.CreateLoadBalancerCommandInput): Wanted {
  const { Name: name = '', Type: type = 'application' } = input
  checkName(name)
  const wanted: Wanted = {
    name,
    type,
    scheme: input.Scheme ?? (type === 'gateway' ? undefined : 'internet-facing'),
    ipAddressType: input.IpAddressType ?? 'ipv4',
    enablePrefixForIpv6SourceNat: input.EnablePrefixForIpv6SourceNat,
    mappings: checkedMappings(input),
    securityGroups: checkedGroups(type, input.SecurityGroups),
    tags: checkedTags(input.Tags),
    input,
  }
  checkAddressing(wanted)
  for (const [member, value] of [
    ['IpamPools', input.IpamPools],
    ['CustomerOwnedIpv4Pool', input.CustomerOwnedIpv4Pool],
  ] as const) {
    if (value !== undefined && type !== 'application') {
      throw invalidConfiguration(
        `'${member}' can only be specified for LoadBalancer type 'application'.`,
      )
    }
  }
  return wanted
}

/** Undefined where the balancer gets the default group of its VPC: application ones always have one. */
function checkedGroups(
  type: LoadBalancerType,
  given: readonly string[] = [],
): readonly string[] | undefined {
  if (type === 'gateway' && given.length > 0) {
    throw invalidConfiguration('Security Groups are not supported for Gateway Load Balancers.')
  }
  return type === 'application' && given.length === 0 ? undefined : given
}
