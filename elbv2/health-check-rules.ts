/** Health checks of target groups: AWS's defaults and limits by protocol and target type. */
import type {
  Matcher,
  ModifyTargetGroupInput,
  ProtocolEnum,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { validationError } from './faults.ts'
import { groupKind } from './protocols.ts'
import type { HealthCheck, TargetGroupRow } from './rows.ts'

/** What callers may say of a health check, when they make a group or change it. */
export type HealthCheckInput = Omit<ModifyTargetGroupInput, 'TargetGroupArn'>

type Checked = Pick<TargetGroupRow, 'targetType' | 'protocol' | 'protocolVersion'>

const HEALTHY_THRESHOLD = 5
const UNHEALTHY_THRESHOLD = 2
const GENEVE_CHECK_PORT = '80'
const GRPC_PATH = '/AWS.ALB/healthcheck'
const TRAFFIC_PORT = 'traffic-port'
const MAX_PORT = 65535
const HTTP_CODES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  application: [200, 499],
  lambda: [200, 499],
  network: [200, 599],
  gateway: [200, 399],
}
const GRPC_CODES = [0, 99] as const

/**
 * The whole health check of a group: what is asked for, over what it was `before`, over AWS's
 * defaults. ValidationError where AWS refuses it.
 */
export function checkedHealthCheck(
  group: Checked,
  asked: HealthCheckInput,
  before?: HealthCheck,
): HealthCheck {
  const isLambda = group.targetType === 'lambda'
  const protocol = isLambda ? undefined : checkedProtocol(group, asked, before)
  const usesHttp = protocol !== 'TCP'
  const defaults = defaultsOf(group, protocol)
  // What a check by TCP does not have is refused where it is asked for, and dropped where it was.
  if (!usesHttp) refuseHttpParts(asked)
  const check: HealthCheck = {
    enabled: checkedEnabled(group, asked, before),
    ...(protocol && { protocol, port: checkedPort(group, asked, before) }),
    ...(usesHttp && { path: checkedPath(asked.HealthCheckPath ?? before?.path ?? defaults.path) }),
    intervalSeconds:
      asked.HealthCheckIntervalSeconds ?? before?.intervalSeconds ?? defaults.intervalSeconds,
    timeoutSeconds:
      asked.HealthCheckTimeoutSeconds ?? before?.timeoutSeconds ?? defaults.timeoutSeconds,
    healthyThreshold: asked.HealthyThresholdCount ?? before?.healthyThreshold ?? HEALTHY_THRESHOLD,
    unhealthyThreshold:
      asked.UnhealthyThresholdCount ?? before?.unhealthyThreshold ?? UNHEALTHY_THRESHOLD,
    ...(usesHttp && {
      matcher: checkedMatcher(group, asked.Matcher) ?? before?.matcher ?? defaults.matcher,
    }),
  }
  const { intervalSeconds, timeoutSeconds } = check
  // Groups of network balancers may wait as long as an interval lasts: 10 and 10 was once their rule.
  const least = groupKind(group) === 'network' ? timeoutSeconds : timeoutSeconds + 1
  if (intervalSeconds < least) {
    throw validationError('Health check interval must be greater than the timeout.')
  }
  return check
}

function defaultsOf(group: Checked, protocol: ProtocolEnum | undefined) {
  const kind = groupKind(group)
  const isGrpc = group.protocolVersion === 'GRPC'
  const httpCode = kind === 'network' || kind === 'gateway' ? '200-399' : '200'
  const matcher: Matcher = isGrpc ? { GrpcCode: '12' } : { HttpCode: httpCode }
  const path = isGrpc ? GRPC_PATH : '/'
  const of = (intervalSeconds: number, timeoutSeconds: number) => ({
    intervalSeconds,
    timeoutSeconds,
    path,
    matcher,
  })
  if (kind === 'lambda') return of(35, 30)
  if (kind === 'application') return of(30, 5)
  if (kind === 'gateway') return of(10, 5)
  return of(30, protocol === 'HTTP' ? 6 : 10)
}

function checkedProtocol(
  group: Checked,
  { HealthCheckProtocol }: HealthCheckInput,
  before: HealthCheck | undefined,
): ProtocolEnum {
  const onlyHttp = groupKind(group) === 'application' || group.targetType === 'alb'
  const allowed: readonly ProtocolEnum[] = onlyHttp ? ['HTTP', 'HTTPS'] : ['HTTP', 'HTTPS', 'TCP']
  const protocol = HealthCheckProtocol ?? before?.protocol ?? (onlyHttp ? 'HTTP' : 'TCP')
  if (!allowed.includes(protocol)) {
    throw validationError(
      `Health check protocol '${protocol}' must be one of '${allowed.join(', ')}'`,
    )
  }
  return protocol
}

function checkedEnabled(
  { targetType }: Checked,
  { HealthCheckEnabled }: HealthCheckInput,
  before: HealthCheck | undefined,
): boolean {
  if (targetType === 'lambda') return HealthCheckEnabled ?? before?.enabled ?? false
  if (HealthCheckEnabled === false) {
    throw validationError(
      `Health check enabled must be true for target groups with target type '${targetType}'`,
    )
  }
  return true
}

function checkedPort(
  group: Checked,
  { HealthCheckPort }: HealthCheckInput,
  before: HealthCheck | undefined,
): string {
  const fallback = groupKind(group) === 'gateway' ? GENEVE_CHECK_PORT : TRAFFIC_PORT
  const port = HealthCheckPort ?? before?.port ?? fallback
  if (port === TRAFFIC_PORT) return port
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > MAX_PORT) {
    throw validationError(
      `Health check port '${port}' must be '${TRAFFIC_PORT}' or a number from 1 to ${MAX_PORT}`,
    )
  }
  return String(Number(port))
}

function checkedPath(path: string): string {
  if (!/^\/[!-~]*$/.test(path)) {
    throw validationError(
      `Health check path '${path}' must begin with a '/' character, and can only contain printable ASCII characters, without spaces`,
    )
  }
  return path
}

function refuseHttpParts({ HealthCheckPath, Matcher }: HealthCheckInput): void {
  const what = HealthCheckPath !== undefined ? 'path' : Matcher && 'matcher'
  if (what) {
    throw validationError(
      `A health check ${what} cannot be specified for health checks with the protocol 'TCP'`,
    )
  }
}

function checkedMatcher(group: Checked, matcher: Matcher | undefined): Matcher | undefined {
  if (!matcher) return undefined
  const { HttpCode, GrpcCode } = matcher
  const isGrpc = group.protocolVersion === 'GRPC'
  if (isGrpc ? HttpCode !== undefined : GrpcCode !== undefined) {
    throw validationError(
      isGrpc
        ? "Health check matcher must have a GRPC code for target groups with the protocol version 'GRPC'"
        : "Health check matcher can have a GRPC code only for target groups with the protocol version 'GRPC'",
    )
  }
  const codes = isGrpc ? GrpcCode : HttpCode
  if (codes === undefined) throw validationError('Health check matcher must have a code')
  const range = isGrpc ? GRPC_CODES : HTTP_CODES[groupKind(group)]
  checkCodes(codes, range?.[0] ?? 0, range?.[1] ?? 0)
  return isGrpc ? { GrpcCode: codes } : { HttpCode: codes }
}

/** `200`, `200,202` or `200-299`. */
function checkCodes(codes: string, least: number, most: number): void {
  for (const part of codes.split(',')) {
    const [, from, to = from] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part) ?? []
    if (
      from === undefined ||
      Number(from) > Number(to) ||
      Number(from) < least ||
      Number(to) > most
    ) {
      throw validationError(
        `Health check matcher code '${codes}' must be a value, values (for example, "${least},${least + 2}") or a range of values within ${least}-${most}`,
      )
    }
  }
}
