import type * as sdk from '@aws-sdk/client-ecs'
import type { DeploymentRow, Wire } from './rows.ts'
import type { Counts } from './task-counts.ts'

/** A deployment as DescribeServices answers it. */
export function deploymentView(
  row: DeploymentRow,
  counts: Counts | undefined,
): Wire<sdk.Deployment> {
  return {
    ...rolloutView(row, counts),
    desiredCount: row.desiredCount,
    failedTasks: row.failedTasks,
    rolloutState: row.rolloutState,
    rolloutStateReason: row.rolloutStateReason,
    serviceConnectConfiguration: row.serviceConnectConfiguration,
    volumeConfigurations: row.volumeConfigurations && [...row.volumeConfigurations],
  }
}

/** What a deployment and a task set tell alike. */
export function rolloutView(row: DeploymentRow, counts: Counts | undefined) {
  return {
    id: row.id,
    status: row.status,
    taskDefinition: row.taskDefinitionArn,
    pendingCount: counts?.pending ?? 0,
    runningCount: counts?.running ?? 0,
    createdAt: row.createdAtMs / 1000,
    updatedAt: row.updatedAtMs / 1000,
    launchType: row.launchType,
    capacityProviderStrategy: row.capacityProviderStrategy && [...row.capacityProviderStrategy],
    platformVersion: row.platformVersion,
    platformFamily: row.platformFamily,
    networkConfiguration: row.networkConfiguration,
  }
}
