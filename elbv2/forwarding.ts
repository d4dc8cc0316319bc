/** Whether a load balancer may forward to the target groups that its actions name. */
import type { Action, ProtocolEnum } from '@aws-sdk/client-elastic-load-balancing-v2'
import { invalidAction } from './action-configs.ts'
import { groupsOfBalancer, usersOf } from './associations.ts'
import { fault, invalidConfiguration } from './faults.ts'
import { groupsOf } from './forwarded-groups.ts'
import { defaultVpcId } from './network.ts'
import { suitsListener } from './protocols.ts'
import { MAX_TARGET_GROUPS_PER_BALANCER } from './quotas.ts'
import { findTargetGroup } from './resolve.ts'
import type { Elbv2Rows, LoadBalancerRow, TargetGroupRow } from './rows.ts'

/**
 * Refuses groups that are not there (TargetGroupNotFound), that the listener cannot speak to
 * (IncompatibleProtocols), of another VPC (InvalidConfigurationRequest), of another load balancer
 * (TargetGroupAssociationLimit), or too many.
 */
export function checkForwarding(
  rows: Elbv2Rows,
  balancer: LoadBalancerRow,
  protocol: ProtocolEnum | undefined,
  actions: readonly Action[],
): void {
  const arns = new Set(groupsOf(actions))
  if (arns.size === 0) return
  const groups = [...arns].map((arn) => findTargetGroup(rows, balancer, arn))
  refuse(
    groups.filter((group) => !suitsListener(group, protocol)),
    (list) =>
      fault(
        'IncompatibleProtocolsException',
        `The listener and the following target groups have incompatible protocols: ${list}`,
      ),
  )
  for (const { protocolVersion } of groups) {
    if (protocol === 'HTTP' && protocolVersion && protocolVersion !== 'HTTP1') {
      throw invalidAction(
        `Listener protocol 'HTTP' is not supported with a target group with the protocol-version '${protocolVersion}'`,
      )
    }
  }
  refuse(
    groups.filter((group) => isElsewhere(group, balancer)),
    (list) =>
      invalidConfiguration(
        `The following target groups are in a different VPC than load balancer '${balancer.arn}': ${list}`,
      ),
  )
  const othersUse = ({ arn }: TargetGroupRow) =>
    [...usersOf(rows, arn)].some((user) => user !== balancer.arn)
  refuse(groups.filter(othersUse), (list) =>
    fault(
      'TargetGroupAssociationLimitException',
      `The following target groups cannot be associated with more than one load balancer: ${list}`,
    ),
  )
  checkUnique(rows, balancer, arns)
}

function refuse(groups: readonly TargetGroupRow[], say: (list: string) => Error): void {
  if (groups.length > 0) throw say(groups.map(({ arn }) => arn).join(', '))
}

// Where nobody knows the subnets, the balancer stands in a VPC that was made up: it is no other one.
function isElsewhere(group: TargetGroupRow, balancer: LoadBalancerRow): boolean {
  if (group.vpcId === undefined || balancer.vpcId === defaultVpcId(balancer)) return false
  return group.vpcId !== balancer.vpcId
}

function checkUnique(rows: Elbv2Rows, balancer: LoadBalancerRow, arns: ReadonlySet<string>): void {
  if (balancer.type !== 'application') return
  const all = new Set([...groupsOfBalancer(rows, balancer.arn), ...arns])
  if (all.size > MAX_TARGET_GROUPS_PER_BALANCER) {
    throw fault(
      'TooManyUniqueTargetGroupsPerLoadBalancerException',
      `You have reached the maximum number of unique target groups that you can associate with a load balancer of type '${balancer.type}': [${MAX_TARGET_GROUPS_PER_BALANCER}]`,
    )
  }
}
