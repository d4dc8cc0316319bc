/** What CreateService, UpdateService and CreateTaskSet make of how a caller wants tasks launched. */
import type * as sdk from '@aws-sdk/client-ecs'
import type { Scope } from '../gateway/core/arn.ts'
import type { EcsContext } from './context.ts'
import { normalNetwork } from './network.ts'
import { startableTaskDefinition } from './operations/task-definitions.ts'
import type { ClusterRow, LaunchConfiguration, TaskDefinitionRow } from './rows.ts'
import {
  checkedCapacity,
  checkPlacement,
  checkServiceFits,
  checkTargetGroups,
  launchTypeOf,
} from './service-rules.ts'
import { assertLaunchable } from './task-definition-rules/launchable.ts'
import { checkPlatformVersion, platformFamilyOf } from './task-factory.ts'

type LaunchInput = Pick<
  sdk.CreateServiceCommandInput,
  | 'taskDefinition'
  | 'launchType'
  | 'capacityProviderStrategy'
  | 'platformVersion'
  | 'networkConfiguration'
  | 'loadBalancers'
  | 'serviceRegistries'
  | 'serviceConnectConfiguration'
  | 'volumeConfigurations'
>

interface Placement {
  readonly placementConstraints?: readonly sdk.PlacementConstraint[] | undefined
  readonly placementStrategy?: readonly sdk.PlacementStrategy[] | undefined
}

/** With AWS's defaults; InvalidParameterException and ClientException as AWS throws them. */
export function checkedLaunch(
  context: EcsContext,
  scope: Scope,
  cluster: ClusterRow,
  input: LaunchInput,
  placement: Placement,
): LaunchConfiguration {
  const definition = startableTaskDefinition(context.rows, scope, input.taskDefinition)
  checkTargetGroups(context, definition, input.loadBalancers)
  const capacity = checkedCapacity(cluster, input.launchType, input.capacityProviderStrategy)
  checkPlacement(capacity, placement.placementConstraints, placement.placementStrategy)
  return fitted(definition, {
    taskDefinitionArn: definition.arn,
    ...capacity,
    ...platformOf(capacity, definition, input.platformVersion),
    networkConfiguration: normalNetwork(input.networkConfiguration),
    loadBalancers: input.loadBalancers ?? [],
    serviceRegistries: input.serviceRegistries ?? [],
    serviceConnectConfiguration: input.serviceConnectConfiguration,
    volumeConfigurations: input.volumeConfigurations,
  })
}

/** The launch configuration as it is, where the definition allows it. */
export function fitted(
  definition: TaskDefinitionRow,
  launch: LaunchConfiguration,
): LaunchConfiguration {
  assertLaunchable(definition, launchTypeOf(launch))
  checkServiceFits(definition, launch)
  return launch
}

/** Fargate tasks have a platform; others do not. */
export function platformOf(
  capacity: Pick<LaunchConfiguration, 'launchType' | 'capacityProviderStrategy'>,
  definition: TaskDefinitionRow,
  asked: string | undefined,
): Pick<LaunchConfiguration, 'platformVersion' | 'platformFamily'> {
  if (launchTypeOf(capacity) !== 'FARGATE') return {}
  checkPlatformVersion(asked)
  const platformFamily = platformFamilyOf(definition.body.runtimePlatform)
  return { platformVersion: asked ?? 'LATEST', platformFamily }
}
