/** Targets as callers name them, checked by the type of their group. */
import { BlockList, isIP } from 'node:net'
import type { TargetDescription } from '@aws-sdk/client-elastic-load-balancing-v2'
import { parseArn } from '../gateway/core/arn.ts'
import { fault, validationError } from './faults.ts'
import { isQuic } from './protocols.ts'
import type { Elbv2Rows, TargetGroupRow } from './rows.ts'
import { GENEVE_PORT } from './target-group-input.ts'

const INSTANCE_ID = /^i-[0-9a-f]{8,17}$/
const ZONE = /^[a-z]{2,4}(-[a-z]+)+-\d+(-[a-z]+-\d+)?[a-z]$/
const QUIC_SERVER_ID = /^0x[0-9a-f]{16}$/
const ALL_ZONES = 'all'

/**
 * Where AWS lets targets be: RFC 1918 and RFC 6598, and the VPC, which nobody knows here. Loopback
 * is added: processes of this machine are targets, too.
 */
const REACHABLE = new BlockList()
REACHABLE.addSubnet('10.0.0.0', 8)
REACHABLE.addSubnet('172.16.0.0', 12)
REACHABLE.addSubnet('192.168.0.0', 16)
REACHABLE.addSubnet('100.64.0.0', 10)
REACHABLE.addSubnet('127.0.0.0', 8)

/** The unspecified address, link-local ones (instance metadata among them) and multicast. */
const UNREACHABLE_IPV6 = new BlockList()
UNREACHABLE_IPV6.addAddress('::', 'ipv6')
UNREACHABLE_IPV6.addSubnet('fe80::', 10, 'ipv6')
UNREACHABLE_IPV6.addSubnet('ff00::', 8, 'ipv6')
UNREACHABLE_IPV6.addSubnet('::ffff:0:0', 96, 'ipv6')

/** The port that is meant: the group's where none is named, and none for functions. */
export function portOf(group: TargetGroupRow, { Port }: TargetDescription): number | undefined {
  return group.targetType === 'lambda' ? undefined : (Port ?? group.port)
}

/** ValidationError or InvalidTarget for what cannot be a target of the group. */
export function checkTarget(
  rows: Elbv2Rows,
  group: TargetGroupRow,
  target: TargetDescription,
): void {
  checkId(rows, group, target)
  checkPort(group, target)
  checkZone(group, target)
  checkQuic(group, target)
}

function checkId(rows: Elbv2Rows, group: TargetGroupRow, target: TargetDescription): void {
  const id = target.Id ?? ''
  switch (group.targetType) {
    case 'instance':
      if (!INSTANCE_ID.test(id)) throw validationError(`Instance ID '${id}' is not valid`)
      return
    case 'ip':
      checkAddress(group, id)
      return
    case 'lambda':
      if (!isFunctionArn(id)) throw validationError(`'${id}' is not a valid Lambda function ARN`)
      return
    case 'alb':
      checkBalancer(rows, group, target)
  }
}

function checkAddress({ ipAddressType }: TargetGroupRow, id: string): void {
  const version = ipAddressType === 'ipv4' ? 4 : 6
  if (isIP(id) !== version || id.includes('%')) {
    throw validationError(`The IP address '${id}' is not a valid IPv${version} address`)
  }
  const reachable = version === 4 ? REACHABLE.check(id) : !UNREACHABLE_IPV6.check(id, 'ipv6')
  if (!reachable) {
    throw validationError(
      `The IP address '${id}' is not valid: it must be in the VPC or a private range; publicly routable IP addresses cannot be specified`,
    )
  }
}

function isFunctionArn(id: string): boolean {
  const arn = parseArn(id)
  return (
    arn?.service === 'lambda' && /^function:[A-Za-z0-9_-]+(:[A-Za-z0-9$_-]+)?$/.test(arn.resource)
  )
}

function checkBalancer(rows: Elbv2Rows, group: TargetGroupRow, target: TargetDescription): void {
  const id = target.Id ?? ''
  const balancer = rows.loadBalancers.get(id)
  const isOurs = balancer?.account === group.account && balancer.region === group.region
  if (!isOurs || balancer.type !== 'application') {
    throw fault(
      'InvalidTargetException',
      `The following targets are not application load balancers: '${id}'`,
    )
  }
  const port = portOf(group, target)
  const listeners = [...rows.listeners.by('loadBalancer', id)]
  if (!listeners.some((listener) => listener.port === port)) {
    throw validationError(
      'If the target type is ALB, the target must have at least one listener that matches the target group port or any specified port overrides',
    )
  }
}

function checkPort({ targetType, protocol }: TargetGroupRow, { Port }: TargetDescription): void {
  if (Port === undefined) return
  if (targetType === 'lambda') {
    throw validationError("Port cannot be specified for targets of target type 'lambda'")
  }
  if (protocol === 'GENEVE' && Port !== GENEVE_PORT) {
    throw validationError(`The port must be ${GENEVE_PORT} for protocol 'GENEVE'`)
  }
}

function checkZone({ targetType }: TargetGroupRow, target: TargetDescription): void {
  const zone = target.AvailabilityZone
  if (zone === undefined) return
  if (targetType === 'instance' || targetType === 'alb') {
    throw validationError(
      `You cannot specify an Availability Zone for targets of target type '${targetType}'`,
    )
  }
  if (zone !== ALL_ZONES && (targetType === 'lambda' || !ZONE.test(zone))) {
    throw validationError(`The Availability Zone '${zone}' is not valid`)
  }
}

function checkQuic({ protocol }: TargetGroupRow, { QuicServerId: id }: TargetDescription): void {
  if (!isQuic(protocol)) {
    if (id === undefined) return
    throw validationError(`A QUIC server ID cannot be specified for protocol '${protocol}'`)
  }
  if (id === undefined || !QUIC_SERVER_ID.test(id)) {
    throw validationError(
      `The QUIC server ID '${id ?? ''}' must be '0x' followed by 16 lower-case hexadecimal characters`,
    )
  }
}
