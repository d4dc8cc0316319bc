/** Names and traffic of new target groups, checked. */
import type { CreateTargetGroupInput } from '@aws-sdk/client-elastic-load-balancing-v2'
import { validationError } from './faults.ts'
import { suitsTargets } from './protocols.ts'
import type { TargetGroupRow, TargetType } from './rows.ts'

const MAX_NAME = 32
/** Of targets that speak GENEVE: they have no other. */
export const GENEVE_PORT = 6081
const VERSIONS = ['HTTP1', 'HTTP2', 'GRPC'] as const

/** What of a group says to whom it sends which traffic: fixed for its life. */
export type GroupTraffic = Pick<
  TargetGroupRow,
  | 'targetType'
  | 'protocol'
  | 'protocolVersion'
  | 'port'
  | 'vpcId'
  | 'ipAddressType'
  | 'targetControlPort'
>

/** A name of a target group, by AWS's rules. */
export function checkedName(name = ''): string {
  if (name.length > MAX_NAME) {
    throw validationError(
      `Target group name '${name}' cannot be longer than '${MAX_NAME}' characters`,
    )
  }
  if (!/^[A-Za-z0-9-]+$/.test(name)) {
    throw validationError(
      `Target group name '${name}' can only contain characters that are alphanumeric characters or hyphens(-)`,
    )
  }
  if (name.startsWith('-') || name.endsWith('-')) {
    throw validationError(`Target group name '${name}' cannot begin or end with '-'`)
  }
  return name
}

/** What traffic a new group is for; ValidationError where its parts do not go together. */
export function checkedTraffic(input: CreateTargetGroupInput): GroupTraffic {
  const targetType: TargetType = input.TargetType ?? 'instance'
  const ipAddressType = input.IpAddressType ?? 'ipv4'
  if (targetType === 'lambda') {
    refuseForLambda('Protocol', input.Protocol)
    refuseForLambda('Protocol version', input.ProtocolVersion)
    refuseForLambda('Port', input.Port)
    refuseForLambda('VPC ID', input.VpcId)
    refuseForLambda('Target control port', input.TargetControlPort)
    refuseForLambda('Health check protocol', input.HealthCheckProtocol)
    refuseForLambda('Health check port', input.HealthCheckPort)
    return { targetType, ipAddressType }
  }
  const { Protocol: protocol, Port: port, VpcId: vpcId, TargetControlPort: control } = input
  if (!protocol) throw validationError('A protocol must be specified')
  if (port === undefined) throw validationError('A port must be specified')
  if (!vpcId) throw validationError('A VPC ID must be specified')
  if (!suitsTargets(protocol, targetType)) {
    throw validationError(
      `Protocol '${protocol}' is not supported for target groups with target type '${targetType}'`,
    )
  }
  if (protocol === 'GENEVE' && port !== GENEVE_PORT) {
    throw validationError(`The port must be ${GENEVE_PORT} for protocol 'GENEVE'`)
  }
  if (targetType === 'alb' && ipAddressType !== 'ipv4') {
    throw validationError("IP address type must be 'ipv4' for target groups with target type 'alb'")
  }
  const isHttp = protocol === 'HTTP' || protocol === 'HTTPS'
  if (control !== undefined && !isHttp) {
    throw validationError(`A target control port cannot be specified for protocol '${protocol}'`)
  }
  const protocolVersion = checkedVersion(protocol, isHttp, input.ProtocolVersion)
  return {
    targetType,
    protocol,
    port,
    vpcId,
    ipAddressType,
    ...(protocolVersion && { protocolVersion }),
    ...(control !== undefined && { targetControlPort: control }),
  }
}

function refuseForLambda(what: string, value: unknown): void {
  if (value === undefined) return
  throw validationError(`${what} cannot be specified for target groups with target type 'lambda'`)
}

function checkedVersion(protocol: string, isHttp: boolean, asked: string | undefined) {
  if (!isHttp) {
    if (asked === undefined) return undefined
    throw validationError(`A protocol version cannot be specified for protocol '${protocol}'`)
  }
  const version = VERSIONS.find((each) => each === (asked ?? 'HTTP1'))
  if (!version) {
    throw validationError(`Protocol version '${asked}' must be one of '${VERSIONS.join(', ')}'`)
  }
  return version
}
