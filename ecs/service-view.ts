import type * as sdk from '@aws-sdk/client-ecs'
import { deploymentView } from './deployment-view.ts'
import {
  type EcsRows,
  type LaunchConfiguration,
  MAX_SERVICE_EVENTS,
  type ServiceRow,
  taskSetsOf,
  type Wire,
} from './rows.ts'
import { countTasks } from './task-counts.ts'
import { taskSetView } from './task-set-view.ts'

/** What a service shows as its own: of task sets, what its primary one is launched with. */
export function launchShown(row: ServiceRow): LaunchConfiguration {
  return taskSetsOf(row).find(({ status }) => status === 'PRIMARY') ?? row.launch
}

/** A service as DescribeServices answers it; its counts come from its tasks. */
export function serviceView(
  rows: EcsRows,
  row: ServiceRow,
  include: { readonly withTags: boolean; readonly withEvents: boolean } = {
    withTags: true,
    withEvents: false,
  },
): Wire<sdk.Service> {
  const { all, byDeployment } = countTasks(rows.tasks.by('serviceLive', row.arn))
  const launch = launchShown(row)
  const taskSets = taskSetsOf(row)
  return {
    serviceArn: row.arn,
    serviceName: row.name,
    clusterArn: row.clusterArn,
    loadBalancers: [...(launch.loadBalancers ?? [])],
    serviceRegistries: [...(launch.serviceRegistries ?? [])],
    status: row.status,
    desiredCount: row.desiredCount,
    runningCount: all.running,
    pendingCount: all.pending,
    launchType: launch.launchType,
    capacityProviderStrategy: launch.capacityProviderStrategy && [
      ...launch.capacityProviderStrategy,
    ],
    platformVersion: launch.platformVersion,
    platformFamily: launch.platformFamily,
    taskDefinition: launch.taskDefinitionArn || undefined,
    deploymentConfiguration: row.deploymentConfiguration as Wire<sdk.DeploymentConfiguration>,
    taskSets:
      row.deploymentController === 'ECS'
        ? undefined
        : taskSets.map((each) =>
            taskSetView(row, each, byDeployment.get(each.id), include.withTags),
          ),
    deployments: row.deployments
      .filter(({ taskSet }) => !taskSet)
      .map((each) => deploymentView(each, byDeployment.get(each.id))),
    roleArn: row.roleArn,
    events: include.withEvents ? eventsOf(rows, row) : [],
    createdAt: row.createdAtMs / 1000,
    placementConstraints: [...row.placementConstraints],
    placementStrategy: [...row.placementStrategy],
    networkConfiguration: launch.networkConfiguration,
    healthCheckGracePeriodSeconds: row.healthCheckGracePeriodSeconds,
    schedulingStrategy: row.schedulingStrategy,
    deploymentController: { type: row.deploymentController },
    tags: include.withTags && row.tags.length > 0 ? [...row.tags] : undefined,
    createdBy: row.createdBy,
    enableECSManagedTags: row.enableECSManagedTags,
    propagateTags: row.propagateTags,
    enableExecuteCommand: row.enableExecuteCommand,
    availabilityZoneRebalancing: row.availabilityZoneRebalancing,
  }
}

// Newest first, as AWS answers them.
function eventsOf(rows: EcsRows, row: ServiceRow): Wire<sdk.ServiceEvent>[] {
  const events = [...rows.serviceEvents.by('service', row.arn)].slice(-MAX_SERVICE_EVENTS)
  return events.reverse().map((event) => ({
    id: event.id,
    createdAt: event.createdAtMs / 1000,
    message: event.message,
  }))
}
