import type { Action } from '@aws-sdk/client-elastic-load-balancing-v2'

/** ARNs of the groups that actions forward to, each once. */
export function groupsOf(actions: readonly Action[]): string[] {
  const arns = new Set<string | undefined>()
  for (const { TargetGroupArn, ForwardConfig } of actions) {
    arns.add(TargetGroupArn)
    for (const group of ForwardConfig?.TargetGroups ?? []) arns.add(group.TargetGroupArn)
  }
  return [...arns].filter((arn) => arn !== undefined)
}
