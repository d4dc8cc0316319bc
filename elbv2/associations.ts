/** Which load balancers use which target groups: worked out from listeners and rules, never stored. */
import type { Action } from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Scope } from '../gateway/core/arn.ts'
import { type Elbv2Rows, indexKey } from './rows.ts'

/** ARNs of the groups that actions forward to; some may come twice. */
export function groupsOf(actions: readonly Action[]): string[] {
  return actions.flatMap(({ TargetGroupArn, ForwardConfig }) => {
    const arns = (ForwardConfig?.TargetGroups ?? []).map((group) => group.TargetGroupArn)
    return [TargetGroupArn, ...arns].filter((arn) => arn !== undefined)
  })
}

/** From groups to the load balancers that use them, of one account and region, in one pass. */
export function groupUsers(
  rows: Elbv2Rows,
  scope: Scope,
): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>()
  const add = (actions: readonly Action[], loadBalancerArn: string) => {
    for (const arn of groupsOf(actions)) {
      const known = users.get(arn)
      if (known) known.add(loadBalancerArn)
      else users.set(arn, new Set([loadBalancerArn]))
    }
  }
  const mine = indexKey(scope.account, scope.region)
  for (const row of rows.listeners.by('scope', mine)) add(row.defaultActions, row.loadBalancerArn)
  for (const row of rows.rules.by('scope', mine)) {
    const listener = rows.listeners.get(row.listenerArn)
    if (listener) add(row.actions, listener.loadBalancerArn)
  }
  return users
}

/** The groups that a load balancer's listeners and rules forward to. */
export function groupsOfBalancer(rows: Elbv2Rows, loadBalancerArn: string): ReadonlySet<string> {
  const groups = new Set<string>()
  for (const listener of rows.listeners.by('loadBalancer', loadBalancerArn)) {
    for (const arn of groupsOf(listener.defaultActions)) groups.add(arn)
    for (const rule of rows.rules.by('listener', listener.arn)) {
      for (const arn of groupsOf(rule.actions)) groups.add(arn)
    }
  }
  return groups
}
