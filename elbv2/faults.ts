/** The faults of ELBv2; code and status come from the API model. */
import { AwsFault } from '../gateway/core/fault.ts'
import { contract } from './contract.gen.ts'

/** A fault of the API model, by its shape, e.g. `LoadBalancerNotFoundException`. */
export function fault(shape: string, message: string): AwsFault {
  const error = contract.shapes[shape]?.error
  if (!error) throw new Error(`the API model has no fault ${shape}`)
  return new AwsFault(error.code, message, error.httpStatusCode)
}

/** Input that breaks a rule which the API model does not tell. */
export function validationError(message: string): AwsFault {
  return new AwsFault('ValidationError', message)
}

export function invalidConfiguration(message: string): AwsFault {
  return fault('InvalidConfigurationRequestException', message)
}

export function loadBalancerNotFound(arn: string): AwsFault {
  return fault('LoadBalancerNotFoundException', `Load balancer '${arn}' not found`)
}

export function targetGroupNotFound(arn: string): AwsFault {
  return fault('TargetGroupNotFoundException', `Target group '${arn}' not found`)
}

export function listenerNotFound(arn: string): AwsFault {
  return fault('ListenerNotFoundException', `Listener '${arn}' not found`)
}

export function ruleNotFound(arn: string): AwsFault {
  return fault('RuleNotFoundException', `Rule '${arn}' not found`)
}

export function trustStoreNotFound(arn: string): AwsFault {
  return fault('TrustStoreNotFoundException', `Trust store '${arn}' not found`)
}
