/** Where load balancers stand: subnets, VPCs, security groups and addresses, as EC2 knows them. */
import { createHash } from 'node:crypto'
import type { Scope } from '../gateway/core/arn.ts'
import type { AwsFault } from '../gateway/core/fault.ts'
import type { Elbv2Context } from './context.ts'
import { type Ec2, openEc2, type SubnetFacts } from './ec2.ts'
import { fault, invalidConfiguration } from './faults.ts'

// AWS's own have 8 or 17 hex digits; documentation and tests write shorter ones.
const ID_TAIL = '[0-9a-z]{1,32}'
const SUBNET_ID = new RegExp(`^subnet-${ID_TAIL}$`)
const SECURITY_GROUP_ID = new RegExp(`^sg-${ID_TAIL}$`)
const VPC_ID = new RegExp(`^vpc-${ID_TAIL}$`)
const ALLOCATION_ID = new RegExp(`^eipalloc-${ID_TAIL}$`)
const ZONE_LETTERS = 'abcdefghijklmnopqrstuvwxyz'

export interface Asked {
  readonly subnetIds: readonly string[]
  readonly allocationIds: readonly string[]
  /** Undefined: the default one of the VPC. */
  readonly securityGroups: readonly string[] | undefined
}

export interface NetworkFacts {
  /** The default VPC where EC2 knows none of the subnets. */
  readonly vpcId: string
  /** Whether an EC2 answered; all is a guess where none did. */
  readonly answered: boolean
  /** By subnet, in the order in which they were asked for. */
  readonly zones: ReadonlyMap<string, string>
  readonly securityGroups: readonly string[]
  /** Public addresses by allocation id; empty where nobody could be asked. */
  readonly addresses: ReadonlyMap<string, string>
  /** Whether EC2 knows a subnet that has no IPv6 addresses. */
  readonly lacksIpv6: boolean
}

/** The VPC that every account has in every region where no EC2 tells of one: always the same. */
export function defaultVpcId(scope: Scope): string {
  return `vpc-${digits('vpc', scope)}`
}

function digits(kind: string, { account, region }: Scope): string {
  return createHash('sha256').update(`${kind}/${account}/${region}`).digest('hex').slice(0, 17)
}

/**
 * Whether EC2 has the VPC: undefined at once where there is nobody to ask. An id that is none is
 * never there; where no EC2 answers, every other is.
 */
export function vpcExists(
  context: Elbv2Context,
  scope: Scope,
  vpcId: string,
): Promise<boolean> | undefined {
  if (!VPC_ID.test(vpcId)) return Promise.resolve(false)
  return openEc2(context, scope)
    .vpcs({ 'vpc-id': [vpcId] })
    ?.then((found) => found?.includes(vpcId) ?? true)
}

/**
 * What the network of a load balancer is, by EC2 where there is one. Subnets that it does not know
 * are of the default VPC. AWS's faults for what is malformed, unknown or does not fit together.
 */
export async function lookUpNetwork(
  context: Elbv2Context,
  scope: Scope,
  asked: Asked,
): Promise<NetworkFacts> {
  checkIds(asked)
  const ec2 = openEc2(context, scope)
  const [subnets, addresses] = await Promise.all([
    ec2.subnets({ 'subnet-id': asked.subnetIds }),
    asked.allocationIds.length > 0
      ? ec2.addresses({ 'allocation-id': asked.allocationIds })
      : undefined,
  ])
  if (addresses) {
    const unknown = asked.allocationIds.filter((id) => !addresses.has(id))
    if (unknown.length > 0) throw unknownAddresses(unknown)
  }
  const vpcId = await vpcOf(ec2, scope, asked.subnetIds, subnets)
  return {
    vpcId,
    answered: subnets !== undefined,
    zones: zonesOf(scope, asked.subnetIds, subnets),
    securityGroups: await securityGroupsOf(ec2, scope, vpcId, asked.securityGroups),
    addresses: addresses ?? new Map(),
    lacksIpv6: asked.subnetIds.some((id) => subnets?.get(id)?.hasIpv6 === false),
  }
}

function checkIds({ subnetIds, allocationIds, securityGroups = [] }: Asked): void {
  const subnet = subnetIds.find((id) => !SUBNET_ID.test(id))
  if (subnet !== undefined) {
    throw fault('InvalidSubnetException', `The subnet ID '${subnet}' is not valid`)
  }
  const address = allocationIds.find((id) => !ALLOCATION_ID.test(id))
  if (address !== undefined) throw unknownAddresses([address])
  const group = securityGroups.find((id) => !SECURITY_GROUP_ID.test(id))
  if (group !== undefined) throw unknownGroups([group])
}

/** The one VPC of all subnets. */
async function vpcOf(
  ec2: Ec2,
  scope: Scope,
  subnetIds: readonly string[],
  subnets: ReadonlyMap<string, SubnetFacts> | undefined,
): Promise<string> {
  const known = subnetIds.map((id) => subnets?.get(id)?.vpcId)
  const vpcs = new Set(known.filter((id) => id !== undefined))
  if (known.includes(undefined)) {
    const defaults = subnets ? await ec2.vpcs({ 'is-default': ['true'] }) : undefined
    vpcs.add(defaults?.[0] ?? defaultVpcId(scope))
  }
  const [vpcId = defaultVpcId(scope), ...others] = vpcs
  if (others.length > 0) {
    throw fault('InvalidSubnetException', 'All subnets must belong to the same VPC')
  }
  return vpcId
}

/** Each subnet nobody knows of is in a zone of its own: the next letter that is free. */
function zonesOf(
  { region }: Scope,
  subnetIds: readonly string[],
  subnets: ReadonlyMap<string, SubnetFacts> | undefined,
): ReadonlyMap<string, string> {
  const taken = new Set(subnetIds.map((id) => subnets?.get(id)?.zone))
  const free = [...ZONE_LETTERS].map((letter) => region + letter).filter((zone) => !taken.has(zone))
  const zones = new Map<string, string>()
  for (const id of subnetIds) {
    const zone = subnets?.get(id)?.zone ?? free.shift()
    if (zone === undefined || zones.has(id) || [...zones.values()].includes(zone)) {
      throw invalidConfiguration(
        'A load balancer cannot be attached to multiple subnets in the same Availability Zone',
      )
    }
    zones.set(id, zone)
  }
  return zones
}

async function securityGroupsOf(
  ec2: Ec2,
  scope: Scope,
  vpcId: string,
  given: readonly string[] | undefined,
): Promise<readonly string[]> {
  if (given === undefined) {
    const found = await ec2.securityGroups({ 'vpc-id': [vpcId], 'group-name': ['default'] })
    // AWS gives a balancer without security groups the default one of its VPC.
    const [id = `sg-${digits('sg', scope)}`] = found?.keys() ?? []
    return [id]
  }
  const ids = [...new Set(given)]
  const vpcs = ids.length > 0 ? await ec2.securityGroups({ 'group-id': ids }) : undefined
  if (!vpcs) return ids
  const unknown = ids.filter((id) => !vpcs.has(id))
  if (unknown.length > 0) throw unknownGroups(unknown)
  if (ids.some((id) => (vpcs.get(id) ?? vpcId) !== vpcId)) {
    throw invalidConfiguration('One or more security groups are invalid')
  }
  return ids
}

/** Security groups alone, for a balancer that stands already; the same faults. */
export async function lookUpSecurityGroups(
  context: Elbv2Context,
  scope: Scope,
  vpcId: string,
  given: readonly string[],
): Promise<readonly string[]> {
  checkIds({ subnetIds: [], allocationIds: [], securityGroups: given })
  return securityGroupsOf(openEc2(context, scope), scope, vpcId, given)
}

function unknownGroups(ids: readonly string[]): AwsFault {
  return fault('InvalidSecurityGroupException', `Security group '${ids.join(', ')}' is not valid`)
}

function unknownAddresses(ids: readonly string[]): AwsFault {
  return fault(
    'AllocationIdNotFoundException',
    `The allocation IDs '${ids.join(', ')}' are not available for use`,
  )
}
