/** Rows whose own operations are tested elsewhere, as small as they can be. */
import type { ListenerRow, RuleRow, TargetGroupRow } from '../../elbv2/rows.ts'

export const SCOPE = { account: '000000000000', region: 'us-east-1' }

export function listenerRow(arn: string, loadBalancerArn: string): ListenerRow {
  return {
    ...SCOPE,
    arn,
    loadBalancerArn,
    port: 80,
    certificateArns: [],
    defaultActions: [],
    defaultRule: { arn: `${arn.replace(':listener/', ':listener-rule/')}/0`, tags: [] },
    attributes: {},
    tags: [],
    createdAtMs: 0,
  }
}

export function ruleRow(arn: string, listenerArn: string): RuleRow {
  return {
    ...SCOPE,
    arn,
    listenerArn,
    priority: 1,
    conditions: [],
    actions: [],
    transforms: [],
    tags: [],
    createdAtMs: 0,
  }
}

export function targetGroupRow(arn: string): TargetGroupRow {
  return {
    ...SCOPE,
    arn,
    name: 'g',
    targetType: 'ip',
    ipAddressType: 'ipv4',
    healthCheck: {
      enabled: true,
      intervalSeconds: 30,
      timeoutSeconds: 5,
      healthyThreshold: 5,
      unhealthyThreshold: 2,
    },
    attributes: {},
    tags: [],
    createdAtMs: 0,
  }
}
