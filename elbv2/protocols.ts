/** Which protocols belong to which load balancers. */
import type { AttributeKind } from './attributes.ts'
import type { TargetGroupRow } from './rows.ts'

/** Which load balancers a target group is for, by its target type and protocol. */
export function groupKind({
  targetType,
  protocol,
}: Pick<TargetGroupRow, 'targetType' | 'protocol'>): AttributeKind {
  if (targetType === 'lambda') return 'lambda'
  if (protocol === 'HTTP' || protocol === 'HTTPS') return 'application'
  return protocol === 'GENEVE' ? 'gateway' : 'network'
}
