/** Attributes of target groups whose defaults hang on protocol and target type. */
import { allAttributes, TARGET_GROUP_ATTRIBUTES } from './attributes.ts'
import { groupKind } from './protocols.ts'
import type { Attributes, TargetGroupRow } from './rows.ts'

type GroupTraffic = Pick<TargetGroupRow, 'targetType' | 'protocol' | 'attributes'>

/** Protocols with UDP in them; QUIC is. */
const DATAGRAMS: ReadonlySet<string> = new Set(['UDP', 'TCP_UDP', 'QUIC', 'TCP_QUIC'])

export function carriesDatagrams({ protocol }: Pick<TargetGroupRow, 'protocol'>): boolean {
  return DATAGRAMS.has(protocol ?? '')
}

/** All attributes of a group, in the order in which they are described. */
export function groupAttributes(row: GroupTraffic): Record<string, string> {
  const { attributes } = row
  const set: Attributes = { ...defaultsOf(row), ...attributes }
  return allAttributes(TARGET_GROUP_ATTRIBUTES, groupKind(row), set)
}

/** Where AWS's defaults are not those of the table. */
function defaultsOf(row: GroupTraffic): Attributes {
  const { protocol, targetType } = row
  if (protocol === 'UDP' || protocol === 'TCP_UDP') {
    return { 'deregistration_delay.connection_termination.enabled': 'true' }
  }
  const isHidden = targetType === 'ip' && !carriesDatagrams(row)
  return isHidden ? { 'preserve_client_ip.enabled': 'false' } : {}
}
