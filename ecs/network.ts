/** The network a caller asks for, against the definition's network mode and what EC2 knows. */
import type * as sdk from '@aws-sdk/client-ecs'
import type { Scope } from '../gateway/core/arn.ts'
import type { NetworkFacts, NetworkLookup } from './context.ts'
import { invalidParameter } from './faults.ts'

const MAX_SUBNETS = 16
const MAX_SECURITY_GROUPS = 5

/** InvalidParameterException unless the configuration fits the definition's network mode. */
export function checkNetwork(
  networkMode: string | undefined,
  configuration: sdk.NetworkConfiguration | undefined,
): void {
  const awsvpc = configuration?.awsvpcConfiguration
  if (networkMode === 'awsvpc' && !awsvpc) {
    throw invalidParameter(
      "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    )
  }
  if (networkMode !== 'awsvpc' && configuration) {
    throw invalidParameter(
      'Network Configuration is not valid for the given networkMode of this task definition.',
    )
  }
  if (!awsvpc) return
  if (!awsvpc.subnets?.length) throw invalidParameter('subnets can not be empty.')
  if (awsvpc.subnets.length > MAX_SUBNETS) {
    throw invalidParameter(`subnets can have at most ${MAX_SUBNETS} items.`)
  }
  if ((awsvpc.securityGroups?.length ?? 0) > MAX_SECURITY_GROUPS) {
    throw invalidParameter(`securityGroups can have at most ${MAX_SECURITY_GROUPS} items.`)
  }
}

/** The configuration as AWS answers it: public addresses are off unless asked for. */
export function normalNetwork(
  configuration: sdk.NetworkConfiguration | undefined,
): sdk.NetworkConfiguration | undefined {
  const awsvpc = configuration?.awsvpcConfiguration
  if (!awsvpc) return configuration
  return {
    awsvpcConfiguration: {
      subnets: awsvpc.subnets,
      securityGroups: awsvpc.securityGroups ?? [],
      assignPublicIp: awsvpc.assignPublicIp ?? 'DISABLED',
    },
  }
}

/** Asks EC2, where there is one, about the subnets and security groups; undefined where there is none. */
export function askNetwork(
  lookUp: NetworkLookup,
  scope: Scope,
  configuration: sdk.NetworkConfiguration | undefined,
): Promise<NetworkFacts | undefined> | undefined {
  const awsvpc = configuration?.awsvpcConfiguration
  if (!awsvpc?.subnets?.length) return undefined
  return lookUp(scope, awsvpc.subnets, awsvpc.securityGroups ?? [])
}
