/** Which protocols belong to which load balancers. */
import type { ProtocolEnum } from '@aws-sdk/client-elastic-load-balancing-v2'
import type { AttributeKind } from './attributes.ts'
import type { LoadBalancerType, TargetGroupRow, TargetType } from './rows.ts'

export const LISTENER_PROTOCOLS: Readonly<Record<LoadBalancerType, readonly ProtocolEnum[]>> = {
  application: ['HTTP', 'HTTPS'],
  network: ['TCP', 'TLS', 'UDP', 'TCP_UDP', 'QUIC', 'TCP_QUIC'],
  gateway: [],
}

/** Protocols of the groups that a listener may forward to; gateway listeners have no protocol. */
const GROUP_PROTOCOLS: Readonly<Record<ProtocolEnum | 'none', readonly ProtocolEnum[]>> = {
  HTTP: ['HTTP', 'HTTPS'],
  HTTPS: ['HTTP', 'HTTPS'],
  TCP: ['TCP', 'TCP_UDP'],
  TLS: ['TCP', 'TLS'],
  UDP: ['UDP', 'TCP_UDP'],
  TCP_UDP: ['TCP_UDP'],
  QUIC: ['QUIC', 'TCP_QUIC'],
  TCP_QUIC: ['TCP_QUIC'],
  GENEVE: ['GENEVE'],
  none: ['GENEVE'],
}

const IP_AND_INSTANCE: readonly TargetType[] = ['instance', 'ip']
const TARGET_TYPES: Readonly<Record<ProtocolEnum, readonly TargetType[]>> = {
  HTTP: IP_AND_INSTANCE,
  HTTPS: IP_AND_INSTANCE,
  TCP: [...IP_AND_INSTANCE, 'alb'],
  TLS: IP_AND_INSTANCE,
  UDP: IP_AND_INSTANCE,
  TCP_UDP: IP_AND_INSTANCE,
  QUIC: IP_AND_INSTANCE,
  TCP_QUIC: IP_AND_INSTANCE,
  GENEVE: IP_AND_INSTANCE,
}

type GroupTraffic = Pick<TargetGroupRow, 'targetType' | 'protocol'>

/** Which load balancers a target group is for, by its target type and protocol. */
export function groupKind({ targetType, protocol }: GroupTraffic): AttributeKind {
  if (targetType === 'lambda') return 'lambda'
  if (protocol === 'HTTP' || protocol === 'HTTPS') return 'application'
  return protocol === 'GENEVE' ? 'gateway' : 'network'
}

/** Whether groups of this protocol may have targets of this type; functions have no protocol. */
export function suitsTargets(protocol: ProtocolEnum, targetType: TargetType): boolean {
  return TARGET_TYPES[protocol].includes(targetType)
}

/** Whether a listener of this protocol (none: of a gateway) may forward to the group. */
export function suitsListener(group: GroupTraffic, listener: ProtocolEnum | undefined): boolean {
  if (group.targetType === 'lambda') return listener === 'HTTP' || listener === 'HTTPS'
  // A network load balancer hands on to an application load balancer what it has not decrypted.
  if (group.targetType === 'alb') return listener === 'TCP'
  return (
    group.protocol !== undefined && GROUP_PROTOCOLS[listener ?? 'none'].includes(group.protocol)
  )
}

/** Whether listeners of this protocol end TLS, and so need certificates. */
export function endsTls(protocol: ProtocolEnum | undefined): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS'
}

export function isQuic(protocol: ProtocolEnum | undefined): boolean {
  return protocol === 'QUIC' || protocol === 'TCP_QUIC'
}
