import type * as sdk from '@aws-sdk/client-ecs'
import type { ContainerRow, TaskRow, Wire } from './rows.ts'

const DEFAULT_EPHEMERAL_GIB = 20

/** A task as DescribeTasks answers it. `attributes` are those that every task of the runtime bears. */
export function taskView(
  row: TaskRow,
  attributes: readonly sdk.Attribute[],
  withTags: boolean,
): Wire<sdk.Task> {
  const fargate = row.launchType === 'FARGATE'
  return {
    attachments: [...row.attachments],
    attributes: [...attributes, ...warningsOf(row)],
    availabilityZone: row.availabilityZone,
    capacityProviderName: row.capacityProviderName,
    clusterArn: row.clusterArn,
    connectivity: row.connectivityAtMs === undefined ? undefined : 'CONNECTED',
    connectivityAt: seconds(row.connectivityAtMs),
    containerInstanceArn: row.containerInstanceArn,
    containers: row.containers.map((container) => containerView(row, container)),
    cpu: row.cpu,
    createdAt: seconds(row.createdAtMs),
    desiredStatus: row.desiredStatus,
    enableExecuteCommand: row.enableExecuteCommand,
    executionStoppedAt: seconds(row.executionStoppedAtMs),
    group: row.group,
    healthStatus: row.healthStatus,
    lastStatus: row.lastStatus,
    launchType: row.launchType,
    memory: row.memory,
    overrides: row.overrides as Wire<sdk.TaskOverride>,
    platformVersion: row.platformVersion,
    platformFamily: row.platformFamily,
    pullStartedAt: seconds(row.pullStartedAtMs),
    pullStoppedAt: seconds(row.pullStoppedAtMs),
    startedAt: seconds(row.startedAtMs),
    startedBy: row.startedBy,
    stopCode: row.stopCode,
    stoppedAt: seconds(row.stoppedAtMs),
    stoppedReason: row.stoppedReason,
    stoppingAt: seconds(row.stoppingAtMs),
    tags: withTags ? [...row.tags] : [],
    taskArn: row.arn,
    taskDefinitionArn: row.taskDefinitionArn,
    version: row.version,
    ephemeralStorage: fargate
      ? { sizeInGiB: row.ephemeralStorageGiB ?? DEFAULT_EPHEMERAL_GIB }
      : undefined,
    fargateEphemeralStorage: fargate
      ? { sizeInGiB: row.ephemeralStorageGiB ?? DEFAULT_EPHEMERAL_GIB }
      : undefined,
  }
}

/** Nobody reads logs who reads DescribeTasks: what is not honoured is said here. */
function warningsOf(row: TaskRow): sdk.Attribute[] {
  const warnings = [...(row.warnings ?? []), ...(row.observed?.warnings ?? [])]
  return warnings.map((value) => ({ name: 'kecs.warning', value }))
}

function containerView(task: TaskRow, row: ContainerRow): Wire<sdk.Container> {
  return {
    containerArn: row.arn,
    taskArn: task.arn,
    name: row.name,
    image: row.image,
    imageDigest: row.imageDigest,
    runtimeId: row.runtimeId,
    lastStatus: row.lastStatus,
    exitCode: row.exitCode,
    // Gone once a machine takes the task: it is no fact about the container.
    reason: row.reason ?? task.observed?.unplaced,
    networkBindings: [...row.networkBindings],
    networkInterfaces: [...row.networkInterfaces],
    healthStatus: row.healthStatus,
    cpu: row.cpu,
    memory: row.memory,
    memoryReservation: row.memoryReservation,
  }
}

function seconds(atMs: number | undefined): number | undefined {
  return atMs === undefined ? undefined : atMs / 1000
}
