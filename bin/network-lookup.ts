/** What EC2 in the backend knows of subnets and security groups: ECS's port to it, filled in here. */

import type { NetworkFacts, NetworkLookup, SubnetFacts } from '../ecs/context.ts'
import type { CallBackend } from '../elbv2/context.ts'
import { first } from '../elbv2/ec2.ts'
import type { Scope } from '../gateway/core/arn.ts'
import { AwsFault, messageOf } from '../gateway/core/fault.ts'
import type { Logger } from '../gateway/core/log.ts'
import { createBackendCaller } from './backend-caller.ts'

const EC2_VERSION = '2016-11-15'

interface Kind {
  readonly action: string
  /** Of the query's list of ids. */
  readonly parameter: string
  /** Codes by which EC2 says that it does not know an id, or that it is none. */
  readonly unknown: readonly string[]
  readonly noun: string
}

const SUBNETS: Kind = {
  action: 'DescribeSubnets',
  parameter: 'SubnetId',
  unknown: ['InvalidSubnetID.NotFound', 'InvalidSubnetID.Malformed', 'InvalidSubnetId.Malformed'],
  noun: 'subnet',
}
const SECURITY_GROUPS: Kind = {
  action: 'DescribeSecurityGroups',
  parameter: 'GroupId',
  unknown: ['InvalidGroup.NotFound', 'InvalidGroupId.Malformed', 'InvalidSecurityGroupID.NotFound'],
  noun: 'security group',
}

/** Asks the backend's EC2 at each call; whatever answers without EC2 leaves ids as they are given. */
export function createNetworkLookup(backendUrl: string | undefined, log: Logger): NetworkLookup {
  if (backendUrl === undefined) return () => undefined
  const call = createBackendCaller(backendUrl)
  return async (scope, subnets, securityGroups) => {
    const [subnetXml] = await Promise.all([
      ask(call, scope, SUBNETS, subnets, log),
      securityGroups.length > 0
        ? ask(call, scope, SECURITY_GROUPS, securityGroups, log)
        : undefined,
    ])
    return subnetXml === undefined ? undefined : factsOf(subnetXml)
  }
}

/** EC2's answer, or undefined where no EC2 answers; an AwsFault where EC2 refuses an id. */
async function ask(
  call: CallBackend,
  scope: Scope,
  kind: Kind,
  ids: readonly string[],
  log: Logger,
): Promise<string | undefined> {
  const form = new URLSearchParams({ Action: kind.action, Version: EC2_VERSION })
  // An EC2 may count what it finds: an id given twice would then be one too few.
  let count = 0
  for (const id of new Set(ids)) form.set(`${kind.parameter}.${++count}`, id)
  try {
    const answer = await call({
      scope,
      service: 'ec2',
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body: form.toString(),
    })
    if (!answer) return undefined
    const text = answer.body.toString()
    if (answer.status < 300) return text.includes(`<${kind.action}Response`) ? text : undefined
    const code = first(text, 'Code') ?? ''
    if (kind.unknown.includes(code)) throw refusal(kind, ids, code, first(text, 'Message') ?? '')
    return undefined
  } catch (thrown) {
    if (thrown instanceof AwsFault) throw thrown
    log.warn(`the backend was not asked about ${kind.noun}s; they are taken as given`, {
      reason: messageOf(thrown),
    })
    return undefined
  }
}

function refusal(kind: Kind, ids: readonly string[], code: string, message: string): AwsFault {
  return new AwsFault(
    'InvalidParameterException',
    `Error retrieving ${kind.noun} information for [${ids.join(', ')}]: ${message} (ErrorCode: ${code})`,
  )
}

function factsOf(xml: string): NetworkFacts {
  const subnets: SubnetFacts[] = []
  // One <item> a subnet; those of its tags and associations hold no <subnetId>.
  for (const part of xml.split('<subnetId>').slice(1)) {
    subnets.push({
      subnetId: part.slice(0, part.indexOf('<')),
      vpcId: first(part, 'vpcId'),
      availabilityZone: first(part, 'availabilityZone'),
    })
  }
  return { subnets }
}
