/** The faults of ECS that more than one file throws, in AWS's words. */
import { AwsFault } from '../gateway/core/fault.ts'

export function invalidParameter(message: string): AwsFault {
  return new AwsFault('InvalidParameterException', message)
}

export function clientException(message: string): AwsFault {
  return new AwsFault('ClientException', message)
}

export function clusterNotFound(): AwsFault {
  return new AwsFault('ClusterNotFoundException', 'Cluster not found.')
}

export function clusterInactive(): AwsFault {
  return new AwsFault('ClusterNotFoundException', 'The referenced cluster was inactive.')
}

export function serviceNotFound(): AwsFault {
  return new AwsFault('ServiceNotFoundException', 'Service not found.')
}

export function serviceNotActive(): AwsFault {
  return new AwsFault('ServiceNotActiveException', 'Service was not ACTIVE.')
}

export function taskSetNotFound(): AwsFault {
  return new AwsFault('TaskSetNotFoundException', 'The specified task set was not found.')
}

export function taskNotFound(): AwsFault {
  return invalidParameter('The referenced task was not found.')
}

export function taskDefinitionNotFound(): AwsFault {
  return clientException('Unable to describe task definition.')
}

export function containerInstanceNotFound(): AwsFault {
  return invalidParameter('Referenced container instance not found.')
}

export function platformUnknown(): AwsFault {
  return new AwsFault('PlatformUnknownException', 'The specified platform does not exist.')
}

export function invalidToken(): AwsFault {
  return invalidParameter('Invalid token.')
}
