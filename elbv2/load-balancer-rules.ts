/** What AWS demands of a load balancer's name, scheme, subnets and addresses. */
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { AwsFault } from '../gateway/core/fault.ts'
import { fault, invalidConfiguration, validationError } from './faults.ts'
import type { NetworkFacts } from './network.ts'
import type { LoadBalancerRow, LoadBalancerType } from './rows.ts'

const MAX_NAME_LENGTH = 32

/** How a load balancer is reached: what SetSubnets and SetIpAddressType change of it. */
export interface Addressing {
  readonly type: LoadBalancerType
  readonly scheme: LoadBalancerRow['scheme']
  readonly ipAddressType: LoadBalancerRow['ipAddressType']
  readonly enablePrefixForIpv6SourceNat: LoadBalancerRow['enablePrefixForIpv6SourceNat']
  readonly mappings: readonly Mapping[]
}

export type Mapping = sdk.SubnetMapping & { readonly SubnetId: string }

export function checkName(name: string): void {
  const problem = nameProblem(name)
  if (problem !== undefined) {
    throw validationError(`The load balancer name '${name}' ${problem}`)
  }
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'cannot be empty'
  if (name.length > MAX_NAME_LENGTH) return `cannot be longer than '${MAX_NAME_LENGTH}' characters`
  if (!/^[A-Za-z0-9-]+$/.test(name)) {
    return 'can only contain characters that are alphanumeric characters and hyphens(-)'
  }
  if (name.startsWith('-')) return 'cannot begin with a hyphen(-)'
  if (name.endsWith('-')) return 'cannot end with a hyphen(-)'
  return name.startsWith('internal-') ? "cannot begin with 'internal-'" : undefined
}

/**
 * Subnets and subnet mappings as mappings. AWS demands two zones of an application load balancer;
 * one subnet is enough here, since documented walks write a single one.
 */
export function checkedMappings(input: {
  readonly Subnets?: string[] | undefined
  readonly SubnetMappings?: sdk.SubnetMapping[] | undefined
}): readonly Mapping[] {
  const { Subnets: subnets = [], SubnetMappings: mappings = [] } = input
  if (subnets.length > 0 && mappings.length > 0) {
    throw validationError('You can specify either subnets or subnet mappings, but not both')
  }
  if (subnets.length + mappings.length === 0) {
    throw validationError('You must specify either subnets or subnet mappings')
  }
  if (subnets.length > 0) return subnets.map((SubnetId) => ({ SubnetId }))
  return mappings.map((mapping) => {
    const { SubnetId } = mapping
    if (SubnetId === undefined) throw validationError('Each subnet mapping must have a subnet ID')
    return { ...mapping, SubnetId }
  })
}

export function checkAddressing(wanted: Addressing): void {
  const { type, scheme, ipAddressType } = wanted
  if (type === 'gateway' && scheme !== undefined) {
    throw fault('InvalidSchemeException', 'Scheme is not supported for Gateway Load Balancers')
  }
  if (ipAddressType === 'dualstack-without-public-ipv4') {
    if (type !== 'application') throw unsupportedIpType(type)
    if (scheme !== 'internet-facing') {
      throw invalidConfiguration(
        `The IP address type '${ipAddressType}' is only supported for internet-facing load balancers`,
      )
    }
  }
  checkSourceNat(wanted)
  for (const mapping of wanted.mappings) checkMapping(wanted, mapping)
}

function checkSourceNat({ type, ipAddressType, ...rest }: Addressing): void {
  const { enablePrefixForIpv6SourceNat: prefix } = rest
  if (prefix !== undefined && type !== 'network') {
    throw invalidConfiguration(
      "'EnablePrefixForIpv6SourceNat' can only be specified for LoadBalancer type 'network'.",
    )
  }
  if (prefix === 'on' && ipAddressType !== 'dualstack') {
    throw invalidConfiguration(
      "'EnablePrefixForIpv6SourceNat' can only be specified when using IpAddressType 'dualstack'.",
    )
  }
}

function checkMapping(wanted: Addressing, mapping: Mapping): void {
  const { type, scheme, ipAddressType, enablePrefixForIpv6SourceNat: prefix } = wanted
  if (mapping.AllocationId !== undefined) {
    if (type !== 'network') {
      throw invalidConfiguration(
        `Elastic IPs are not supported for load balancers with type '${type}'`,
      )
    }
    if (scheme !== 'internet-facing') {
      throw invalidConfiguration(
        "You can only specify Elastic IPs for Network Load Balancers with scheme 'internet-facing'.",
      )
    }
  }
  if (mapping.PrivateIPv4Address !== undefined && !(type === 'network' && scheme === 'internal')) {
    throw invalidConfiguration(
      "You can only specify private IPv4 addresses for Network Load Balancers with scheme 'internal'.",
    )
  }
  if (mapping.IPv6Address !== undefined && !(type === 'network' && ipAddressType === 'dualstack')) {
    throw invalidConfiguration(
      "You can only specify IPv6 addresses for Network Load Balancers with IP address type 'dualstack'.",
    )
  }
  if (mapping.SourceNatIpv6Prefix !== undefined && prefix !== 'on') {
    throw invalidConfiguration(
      "You can only specify 'SourceNatIpv6Prefix' when 'EnablePrefixForIpv6SourceNat' is 'on'.",
    )
  }
}

function unsupportedIpType(type: LoadBalancerType): AwsFault {
  return invalidConfiguration(
    `The specified IP address type is not supported on load balancers with type '${type}'.`,
  )
}

/** IPv6 needs subnets that have it; where nobody knows the subnets they are taken to. */
export function checkIpv6(
  ipAddressType: LoadBalancerRow['ipAddressType'],
  { lacksIpv6 }: NetworkFacts,
): void {
  if (ipAddressType !== 'ipv4' && lacksIpv6) {
    throw fault(
      'InvalidSubnetException',
      'You must specify subnets with an associated IPv6 CIDR block.',
    )
  }
}

/** The zones of a load balancer as they are stored and answered. */
export function zonesOf(
  mappings: readonly Mapping[],
  { zones, addresses }: NetworkFacts,
): readonly sdk.AvailabilityZone[] {
  return mappings.map(({ SubnetId, AllocationId, ...mapping }) => {
    const { PrivateIPv4Address, IPv6Address, SourceNatIpv6Prefix } = mapping
    const IpAddress = AllocationId === undefined ? undefined : addresses.get(AllocationId)
    const address: sdk.LoadBalancerAddress = {
      ...(IpAddress && { IpAddress }),
      ...(AllocationId !== undefined && { AllocationId }),
      ...(PrivateIPv4Address !== undefined && { PrivateIPv4Address }),
      ...(IPv6Address !== undefined && { IPv6Address }),
    }
    const ZoneName = zones.get(SubnetId)
    return {
      ...(ZoneName !== undefined && { ZoneName }),
      SubnetId,
      LoadBalancerAddresses: Object.keys(address).length > 0 ? [address] : [],
      ...(SourceNatIpv6Prefix !== undefined && { SourceNatIpv6Prefixes: [SourceNatIpv6Prefix] }),
    }
  })
}

/** Whether a balancer is what CreateLoadBalancer was asked for: then AWS answers it once more. */
export function sameSettings(left: LoadBalancerRow, right: LoadBalancerRow): boolean {
  return settingsOf(left) === settingsOf(right)
}

function settingsOf(row: LoadBalancerRow): string {
  // Zones are left out: they follow from the subnets.
  const subnets = row.availabilityZones.map(({ ZoneName: _, ...zone }) => JSON.stringify(zone))
  const tags = row.tags.map(({ Key, Value }) => JSON.stringify([Key, Value]))
  return JSON.stringify([
    row.type,
    row.scheme,
    row.ipAddressType,
    subnets.sort(),
    [...row.securityGroups].sort(),
    row.customerOwnedIpv4Pool,
    row.enablePrefixForIpv6SourceNat,
    row.ipamPools?.Ipv4IpamPoolId,
    tags.sort(),
  ])
}
