/** What health checks make of a target; pure. Reasons and texts are AWS's. */
import type { TargetHealth } from '../model.ts'

export interface BadResult {
  readonly isGood: false
  readonly reason: 'Target.ResponseCodeMismatch' | 'Target.Timeout' | 'Target.FailedHealthChecks'
  readonly description: string
}

export type ProbeResult = { readonly isGood: true } | BadResult

export const GOOD: ProbeResult = { isGood: true }
export const FAILED: BadResult = bad('Target.FailedHealthChecks', 'Health checks failed')
export const TIMED_OUT: ProbeResult = bad('Target.Timeout', 'Request timed out')
export const NO_ADDRESS: ProbeResult = bad(
  'Target.FailedHealthChecks',
  'Health checks failed: no address of this target is known',
)

/** The answer's code, HTTP's or gRPC's, is none that the matcher takes. */
export function wrongCode(code: number): ProbeResult {
  return bad('Target.ResponseCodeMismatch', `Health checks failed with these codes: [${code}]`)
}

function bad(reason: BadResult['reason'], description: string): BadResult {
  return { isGood: false, reason, description }
}

export const REGISTERING: TargetHealth = {
  state: 'initial',
  reason: 'Elb.RegistrationInProgress',
  description: 'Target registration is in progress',
}
export const CHECKING: TargetHealth = {
  state: 'initial',
  reason: 'Elb.InitialHealthChecking',
  description: 'Initial health checks in progress',
}
export const HEALTHY: TargetHealth = { state: 'healthy' }
export const DRAINING: TargetHealth = {
  state: 'draining',
  reason: 'Target.DeregistrationInProgress',
  description: 'Target deregistration is in progress',
}
export const NOT_IN_USE: TargetHealth = {
  state: 'unused',
  reason: 'Target.NotInUse',
  description: 'Target group is not configured to receive traffic from the load balancer',
}
export const NOT_CHECKED: TargetHealth = {
  state: 'unavailable',
  reason: 'Target.HealthCheckDisabled',
  description: 'Health checks are disabled',
}

export interface Thresholds {
  readonly healthyThreshold: number
  readonly unhealthyThreshold: number
}

/** A target between two health checks. */
export interface CheckState {
  readonly health: TargetHealth
  /** Results in a row that speak against `health`. */
  readonly against: number
}

export const UNCHECKED: CheckState = { health: REGISTERING, against: 0 }

/** One success makes a new target healthy; from then on it takes as many results in a row as its group says. */
export function afterProbe(
  { health, against }: CheckState,
  result: ProbeResult,
  thresholds: Thresholds,
): CheckState {
  if (result.isGood) {
    if (health.state === 'healthy') return { health, against: 0 }
    const isEnough = health.state === 'initial' || against + 1 >= thresholds.healthyThreshold
    return isEnough ? { health: HEALTHY, against: 0 } : { health, against: against + 1 }
  }
  const { reason, description } = result
  const unhealthy: TargetHealth = { state: 'unhealthy', reason, description }
  if (health.state === 'unhealthy') return { health: unhealthy, against: 0 }
  return against + 1 >= thresholds.unhealthyThreshold
    ? { health: unhealthy, against: 0 }
    : { health, against: against + 1 }
}
