import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, invalidConfiguration, validationError } from '../faults.ts'
import {
  type Addressing,
  checkAddressing,
  checkedMappings,
  checkIpv6,
  zonesOf,
} from '../load-balancer-rules.ts'
import { lookUpNetwork, lookUpSecurityGroups, type NetworkFacts } from '../network.ts'
import { findLoadBalancer } from '../resolve.ts'
import type { LoadBalancerRow } from '../rows.ts'

/** SetSubnets, SetSecurityGroups, SetIpAddressType and ModifyIpPools. */
export function loadBalancerNetworkHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, store } = context

  /** Puts the balancer as it is by now, with `change` over it: the network was asked meanwhile. */
  function change(
    call: Call,
    arn: string | undefined,
    changed: Partial<LoadBalancerRow>,
  ): LoadBalancerRow {
    return store.transact(() => {
      const row = { ...findLoadBalancer(rows, call, arn), ...changed }
      rows.loadBalancers.put(row.arn, row)
      return row
    })
  }

  async function setSubnets(input: sdk.SetSubnetsCommandInput, call: Call) {
    const row = findLoadBalancer(rows, call, input.LoadBalancerArn)
    const wanted: Addressing = {
      type: row.type,
      scheme: row.scheme,
      ipAddressType: input.IpAddressType ?? row.ipAddressType,
      enablePrefixForIpv6SourceNat:
        input.EnablePrefixForIpv6SourceNat ?? row.enablePrefixForIpv6SourceNat,
      mappings: checkedMappings(input),
    }
    checkAddressing(wanted)
    checkKept(row, wanted)
    const network = await lookUpNetwork(context, call, {
      subnetIds: wanted.mappings.map(({ SubnetId }) => SubnetId),
      allocationIds: wanted.mappings.flatMap(({ AllocationId: id }) => (id ? [id] : [])),
      securityGroups: [],
    })
    checkVpc(row, network)
    checkIpv6(wanted.ipAddressType, network)
    const prefix = wanted.enablePrefixForIpv6SourceNat
    const set = change(call, row.arn, {
      availabilityZones: zonesOf(wanted.mappings, network),
      ipAddressType: wanted.ipAddressType,
      ...(prefix && { enablePrefixForIpv6SourceNat: prefix }),
    })
    return {
      AvailabilityZones: [...set.availabilityZones],
      IpAddressType: set.ipAddressType,
      EnablePrefixForIpv6SourceNat: set.enablePrefixForIpv6SourceNat,
    }
  }

  async function setSecurityGroups(input: sdk.SetSecurityGroupsCommandInput, call: Call) {
    const row = findLoadBalancer(rows, call, input.LoadBalancerArn)
    const given = input.SecurityGroups ?? []
    checkGroupsMayChange(row, given)
    const privateLink = input.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic
    if (privateLink !== undefined && row.type !== 'network') {
      throw invalidConfiguration(
        "'EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic' can only be specified for LoadBalancer type 'network'.",
      )
    }
    const securityGroups = await lookUpSecurityGroups(context, call, row.vpcId, given)
    const set = change(call, row.arn, {
      securityGroups,
      ...(privateLink && { enforceSecurityGroupInboundRulesOnPrivateLinkTraffic: privateLink }),
    })
    return {
      SecurityGroupIds: [...set.securityGroups],
      EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic:
        set.enforceSecurityGroupInboundRulesOnPrivateLinkTraffic,
    }
  }

  async function setIpAddressType(input: sdk.SetIpAddressTypeCommandInput, call: Call) {
    const row = findLoadBalancer(rows, call, input.LoadBalancerArn)
    const ipAddressType = input.IpAddressType ?? row.ipAddressType
    const prefix = row.enablePrefixForIpv6SourceNat
    checkAddressing({
      type: row.type,
      scheme: row.scheme,
      ipAddressType,
      enablePrefixForIpv6SourceNat: prefix,
      mappings: [],
    })
    if (ipAddressType !== 'ipv4') {
      const subnetIds = row.availabilityZones.map(({ SubnetId = '' }) => SubnetId)
      const asked = { subnetIds, allocationIds: [], securityGroups: [] }
      checkIpv6(ipAddressType, await lookUpNetwork(context, call, asked))
    }
    change(call, row.arn, { ipAddressType })
    return { IpAddressType: ipAddressType }
  }

  function modifyIpPools(input: sdk.ModifyIpPoolsCommandInput, call: Call) {
    const row = findLoadBalancer(rows, call, input.LoadBalancerArn)
    if (row.type !== 'application') {
      throw validationError("IPAM pools are only supported for LoadBalancer type 'application'.")
    }
    const pool = input.IpamPools?.Ipv4IpamPoolId
    const removes = input.RemoveIpamPools?.includes('ipv4') ?? false
    if (pool !== undefined && removes) {
      throw validationError('An IPAM pool cannot be set and removed in the same request')
    }
    const { ipamPools: before, ...rest } = row
    const ipamPools = pool !== undefined ? { Ipv4IpamPoolId: pool } : removes ? undefined : before
    rows.loadBalancers.put(row.arn, { ...rest, ...(ipamPools && { ipamPools }) })
    return { IpamPools: ipamPools }
  }

  return {
    SetSubnets: setSubnets,
    SetSecurityGroups: setSecurityGroups,
    SetIpAddressType: setIpAddressType,
    ModifyIpPools: modifyIpPools,
  }
}

// The endpoints of a gateway load balancer are tied to its zones: AWS lets none be taken away.
function checkKept({ type, availabilityZones }: LoadBalancerRow, { mappings }: Addressing): void {
  if (type !== 'gateway') return
  const wanted = new Set(mappings.map(({ SubnetId }) => SubnetId))
  if (availabilityZones.some(({ SubnetId = '' }) => !wanted.has(SubnetId))) {
    throw invalidConfiguration(
      'You must include all subnets that were enabled previously for Gateway Load Balancers',
    )
  }
}

function checkVpc(row: LoadBalancerRow, { vpcId, answered }: NetworkFacts): void {
  if (answered && vpcId !== row.vpcId) {
    throw fault(
      'InvalidSubnetException',
      `All subnets must belong to the VPC of the load balancer, '${row.vpcId}'`,
    )
  }
}

function checkGroupsMayChange({ type, ...row }: LoadBalancerRow, given: readonly string[]): void {
  if (type === 'gateway') {
    throw invalidConfiguration('Security Groups are not supported for Gateway Load Balancers.')
  }
  if (type === 'network' && row.securityGroups.length === 0) {
    throw invalidConfiguration(
      'Security groups cannot be set on a Network Load Balancer that was created without them',
    )
  }
  if (given.length === 0) throw validationError('At least one security group must be specified')
}
