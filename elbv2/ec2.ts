/** The few questions to the backend's EC2 that load balancers need, asked afresh each time. */
import type { Scope } from '../gateway/core/arn.ts'
import { messageOf } from '../gateway/core/fault.ts'
import type { Elbv2Context } from './context.ts'

const EC2_VERSION = '2016-11-15'
const LOOKUP_TIMEOUT_MS = 5_000

export interface SubnetFacts {
  readonly vpcId: string | undefined
  readonly zone: string | undefined
  readonly hasIpv6: boolean
}

type Filters = Readonly<Record<string, readonly string[]>>

/** Undefined at once where there is nobody to ask, and as the answer where no EC2 answers. */
export type Answer<T> = Promise<T | undefined> | undefined

/** EC2 as one API call asks it. What it does not know is missing in its answers. */
export interface Ec2 {
  subnets(filters: Filters): Answer<ReadonlyMap<string, SubnetFacts>>
  vpcs(filters: Filters): Answer<readonly string[]>
  /** Their VPCs, by the groups' ids. */
  securityGroups(filters: Filters): Answer<ReadonlyMap<string, string | undefined>>
  /** Public addresses by allocation id. */
  addresses(filters: Filters): Answer<ReadonlyMap<string, string>>
}

/** Warns no more than once, however many questions stay without an answer. */
export function openEc2(context: Elbv2Context, { account, region }: Scope): Ec2 {
  let warned = false

  function ask<T>(action: string, filters: Filters, read: (xml: string) => T): Answer<T> {
    const answered = context.callBackend({
      scope: { account, region },
      service: 'ec2',
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body: formOf(action, filters),
      timeoutMs: LOOKUP_TIMEOUT_MS,
    })
    return answered?.then(
      ({ status, body }) => {
        const xml = body.toString()
        const ours = status === 200 && xml.includes(`<${action}Response`)
        return ours ? read(xml) : warn(`${action} was answered ${status}`)
      },
      (thrown) => warn(messageOf(thrown)),
    )
  }

  function warn(reason: string): undefined {
    if (warned) return
    warned = true
    context.log.warn('no EC2 could be asked: subnets, VPCs and groups are taken as given', {
      reason,
    })
  }

  return {
    subnets: (filters) => ask('DescribeSubnets', filters, subnetsOf),
    vpcs: (filters) => ask('DescribeVpcs', filters, vpcsOf),
    securityGroups: (filters) => ask('DescribeSecurityGroups', filters, securityGroupsOf),
    addresses: (filters) => ask('DescribeAddresses', filters, addressesOf),
  }
}

// By filter and not by id: an id that EC2 does not know is then missing, and no fault.
function formOf(action: string, filters: Filters): string {
  const form = new URLSearchParams({ Action: action, Version: EC2_VERSION })
  for (const [index, [name, values]] of Object.entries(filters).entries()) {
    form.set(`Filter.${index + 1}.Name`, name)
    for (const [place, value] of [...new Set(values)].entries()) {
      form.set(`Filter.${index + 1}.Value.${place + 1}`, value)
    }
  }
  return form.toString()
}

function subnetsOf(xml: string): Map<string, SubnetFacts> {
  return byId(xml, 'subnetSet', 'subnetId', (item) => ({
    vpcId: first(item, 'vpcId'),
    zone: first(item, 'availabilityZone'),
    hasIpv6: /<ipv6CidrBlock>[^<]/.test(item),
  }))
}

function vpcsOf(xml: string): string[] {
  return [...byId(xml, 'vpcSet', 'vpcId', () => undefined).keys()]
}

function securityGroupsOf(xml: string): Map<string, string | undefined> {
  return byId(xml, 'securityGroupInfo', 'groupId', (item) => first(item, 'vpcId'))
}

function addressesOf(xml: string): Map<string, string> {
  return byId(xml, 'addressesSet', 'allocationId', (item) => first(item, 'publicIp') ?? '')
}

function byId<T>(
  xml: string,
  list: string,
  idElement: string,
  read: (item: string) => T,
): Map<string, T> {
  const found = new Map<string, T>()
  for (const item of itemsOf(xml, list)) {
    const id = first(item, idElement)
    if (id !== undefined) found.set(id, read(item))
  }
  return found
}

/** The outermost `<item>`s of a list, each with all that it holds. */
function itemsOf(xml: string, list: string): string[] {
  const items: string[] = []
  const start = xml.indexOf(`<${list}>`)
  const end = xml.lastIndexOf(`</${list}>`)
  if (start === -1 || end < start) return items
  let depth = 0
  let from = 0
  for (const { 0: tag, index } of xml.slice(start, end).matchAll(/<\/?item>/g)) {
    if (tag === '<item>') {
      if (depth++ === 0) from = start + index
    } else if (--depth === 0) items.push(xml.slice(from, start + index))
  }
  return items
}

/** Text of the first such element: EC2 puts what an item is before what it holds. */
export function first(xml: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1]
}
