/** Which load balancers use which target groups: worked out from listeners and rules, never stored. */
import { groupsOf } from './forwarded-groups.ts'
import type { Elbv2Rows } from './rows.ts'

/** The load balancers that use a group; costs no more than the listeners and rules that do. */
export function usersOf(rows: Elbv2Rows, groupArn: string): ReadonlySet<string> {
  const users = new Set<string>()
  for (const row of rows.listeners.by('group', groupArn)) users.add(row.loadBalancerArn)
  for (const row of rows.rules.by('group', groupArn)) {
    const listener = rows.listeners.get(row.listenerArn)
    if (listener) users.add(listener.loadBalancerArn)
  }
  return users
}

export function isUsed(rows: Elbv2Rows, groupArn: string): boolean {
  return rows.listeners.by('group', groupArn).size + rows.rules.by('group', groupArn).size > 0
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
