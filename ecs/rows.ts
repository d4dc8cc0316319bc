/**
 * What ECS stores: one interface a kind of row, plain JSON, times in milliseconds since the epoch.
 * Counters and statuses that follow from other rows are derived when asked, never stored.
 */
import type * as sdk from '@aws-sdk/client-ecs'
import type { TaskState } from '../cluster/runtime.ts'
import type { Collection, Store } from '../gateway/core/store.ts'

/** An SDK type as it is on the wire: dates are epoch seconds. */
export type Wire<T> = T extends Date
  ? number
  : T extends Uint8Array
    ? string
    : T extends readonly (infer E)[]
      ? Wire<E>[]
      : T extends object
        ? { [K in keyof T]: Wire<T[K]> }
        : T

export type Tag = sdk.Tag
export type CapacityProviderStrategyItem = sdk.CapacityProviderStrategyItem

/** Every row says whose it is. */
export interface Owned {
  readonly arn: string
  readonly account: string
  readonly region: string
}

export interface ClusterRow extends Owned {
  readonly name: string
  readonly status: 'ACTIVE' | 'INACTIVE'
  readonly settings: readonly sdk.ClusterSetting[]
  readonly configuration?: sdk.ClusterConfiguration
  readonly capacityProviders: readonly string[]
  readonly defaultCapacityProviderStrategy: readonly CapacityProviderStrategyItem[]
  readonly serviceConnectDefaults?: sdk.ClusterServiceConnectDefaults
  readonly tags: readonly Tag[]
  readonly createdAtMs: number
}

export interface CapacityProviderRow extends Owned {
  readonly name: string
  readonly autoScalingGroupProvider: sdk.AutoScalingGroupProvider
  readonly updateStatus: sdk.CapacityProviderUpdateStatus
  readonly tags: readonly Tag[]
  readonly createdAtMs: number
}

/** The definition as it was registered, with AWS's defaults filled in. */
export type TaskDefinitionBody = Wire<
  Omit<
    sdk.TaskDefinition,
    | 'taskDefinitionArn'
    | 'revision'
    | 'status'
    | 'registeredAt'
    | 'deregisteredAt'
    | 'registeredBy'
    | 'requiresAttributes'
    | 'compatibilities'
  >
>

export interface TaskDefinitionRow extends Owned {
  readonly family: string
  readonly revision: number
  readonly status: 'ACTIVE' | 'INACTIVE' | 'DELETE_IN_PROGRESS'
  readonly body: TaskDefinitionBody
  readonly requiresAttributes: readonly sdk.Attribute[]
  readonly compatibilities: readonly string[]
  readonly registeredAtMs: number
  readonly deregisteredAtMs?: number
  readonly deleteRequestedAtMs?: number
  readonly registeredBy: string
  readonly tags: readonly Tag[]
}

/** Revisions are never given twice, not even after their definitions were deleted. Key: ARN without revision. */
export interface FamilyRow extends Owned {
  readonly family: string
  readonly lastRevision: number
}

export type TaskStatus =
  | 'PROVISIONING'
  | 'PENDING'
  | 'ACTIVATING'
  | 'RUNNING'
  | 'DEACTIVATING'
  | 'STOPPING'
  | 'DEPROVISIONING'
  | 'STOPPED'

export interface TaskRow extends Owned {
  /** 32 hex digits; also the id of the runtime's task. */
  readonly id: string
  readonly clusterArn: string
  readonly taskDefinitionArn: string
  readonly group: string
  readonly startedBy?: string
  /** Of tasks that a service's scheduler started. */
  readonly serviceArn?: string
  readonly deploymentId?: string
  readonly launchType: 'EC2' | 'FARGATE' | 'EXTERNAL' | 'MANAGED_INSTANCES'
  readonly capacityProviderName?: string
  readonly platformVersion?: string
  readonly platformFamily?: string
  readonly containerInstanceArn?: string
  readonly availabilityZone: string
  readonly cpu?: string
  readonly memory?: string
  readonly desiredStatus: 'RUNNING' | 'STOPPED'
  readonly lastStatus: TaskStatus
  readonly containers: readonly ContainerRow[]
  readonly attachments: readonly sdk.Attachment[]
  readonly networkConfiguration?: sdk.NetworkConfiguration
  readonly overrides: sdk.TaskOverride
  readonly enableExecuteCommand: boolean
  readonly ephemeralStorageGiB?: number
  readonly tags: readonly Tag[]
  readonly healthStatus: sdk.HealthStatus
  readonly createdAtMs: number
  readonly connectivityAtMs?: number
  readonly pullStartedAtMs?: number
  readonly pullStoppedAtMs?: number
  readonly startedAtMs?: number
  readonly stoppingAtMs?: number
  readonly executionStoppedAtMs?: number
  readonly stoppedAtMs?: number
  readonly stopCode?: sdk.TaskStopCode
  readonly stoppedReason?: string
  /** Raised by one with each change of the row, as in ECS's events. */
  readonly version: number
  /** What of the definition no runtime of KECS honours, for people. */
  readonly warnings?: readonly string[]
  /** What the runtime said last; absent until it said anything. */
  readonly observed?: TaskState
}

export interface ContainerRow {
  readonly arn: string
  readonly name: string
  readonly image: string
  readonly lastStatus: 'PENDING' | 'RUNNING' | 'STOPPED'
  readonly imageDigest?: string
  readonly runtimeId?: string
  readonly exitCode?: number
  readonly reason?: string
  readonly networkBindings: readonly sdk.NetworkBinding[]
  readonly networkInterfaces: readonly sdk.NetworkInterface[]
  readonly healthStatus: sdk.HealthStatus
  readonly cpu?: string
  readonly memory?: string
  readonly memoryReservation?: string
}

/** What each task of a deployment is launched with. */
export interface LaunchConfiguration {
  readonly taskDefinitionArn: string
  readonly launchType?: sdk.LaunchType
  readonly capacityProviderStrategy?: readonly CapacityProviderStrategyItem[]
  readonly platformVersion?: string
  readonly platformFamily?: string
  readonly networkConfiguration?: sdk.NetworkConfiguration
  readonly loadBalancers?: readonly sdk.LoadBalancer[]
  readonly serviceRegistries?: readonly sdk.ServiceRegistry[]
  readonly serviceConnectConfiguration?: sdk.ServiceConnectConfiguration
  readonly volumeConfigurations?: readonly sdk.ServiceVolumeConfiguration[]
}

export interface DeploymentRow extends LaunchConfiguration {
  /** `ecs-svc/` and 19 digits; also `startedBy` of its tasks. */
  readonly id: string
  /**
   * One PRIMARY (the newest), ACTIVE ones that are drained for it; a deployment without tasks is
   * dropped. Of task sets the caller says which is PRIMARY; DRAINING ones are deleted.
   */
  readonly status: 'PRIMARY' | 'ACTIVE' | 'DRAINING'
  readonly desiredCount: number
  readonly rolloutState: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED'
  readonly rolloutStateReason: string
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** Tasks that failed since it began or since one of its tasks last became healthy. */
  readonly failedTasks: number
  /** Launches wait until then: back-off after failures that follow on one another. */
  readonly notBeforeMs?: number
  /** Of a roll-back: the deployment that failed. */
  readonly rollsBack?: string
  readonly taskSet?: TaskSetPart
}

/** What a task set is beyond a deployment; its rollout is COMPLETED while its stability is STEADY_STATE. */
export interface TaskSetPart {
  readonly arn: string
  readonly externalId?: string
  /** 0 to 100: of the service's desired count. */
  readonly scalePercent: number
  readonly stabilityStatusAtMs: number
  readonly tags: readonly Tag[]
  /** The client token it was created with. */
  readonly clientToken?: string
  /** Of CreateTaskSet's parameters: the same request again answers the same task set. */
  readonly requestHash: string
}

export interface TaskSetRow extends DeploymentRow {
  readonly taskSet: TaskSetPart
}

/** The task sets of a service, newest first; none unless its controller is EXTERNAL. */
export function taskSetsOf(service: ServiceRow): TaskSetRow[] {
  return service.deployments.filter((each): each is TaskSetRow => each.taskSet !== undefined)
}

export interface ServiceRow extends Owned {
  readonly name: string
  readonly clusterArn: string
  readonly status: 'ACTIVE' | 'DRAINING' | 'INACTIVE'
  readonly schedulingStrategy: 'REPLICA' | 'DAEMON'
  readonly deploymentController: 'ECS' | 'EXTERNAL' | 'CODE_DEPLOY'
  readonly desiredCount: number
  /** As the caller last asked for; deployments hold what is being rolled out. Empty for EXTERNAL. */
  readonly launch: LaunchConfiguration
  /** Newest first; task sets where the controller is EXTERNAL. */
  readonly deployments: readonly DeploymentRow[]
  /** The launch configuration that last reached a steady state: where a roll-back goes. */
  readonly lastCompleted?: LaunchConfiguration
  readonly deploymentConfiguration: sdk.DeploymentConfiguration
  readonly placementConstraints: readonly sdk.PlacementConstraint[]
  readonly placementStrategy: readonly sdk.PlacementStrategy[]
  readonly healthCheckGracePeriodSeconds?: number
  readonly availabilityZoneRebalancing: 'ENABLED' | 'DISABLED'
  readonly enableECSManagedTags: boolean
  readonly propagateTags: 'TASK_DEFINITION' | 'SERVICE' | 'NONE'
  readonly enableExecuteCommand: boolean
  readonly roleArn?: string
  readonly createdBy: string
  readonly tags: readonly Tag[]
  readonly createdAtMs: number
  readonly deletedAtMs?: number
  /** The client token it was created with. */
  readonly clientToken?: string
  /** Of CreateService's parameters: the same request again answers the same service. */
  readonly requestHash: string
  /** Whether the steady state was told since the last change (the event is told once). */
  readonly steady: boolean
}

/** At most MAX_SERVICE_EVENTS a service, newest last. Key: its id. */
export interface ServiceEventRow extends Owned {
  readonly id: string
  readonly serviceArn: string
  readonly createdAtMs: number
  readonly message: string
}

/** DescribeServices answers the last hundred. */
export const MAX_SERVICE_EVENTS = 100

export interface ContainerInstanceRow extends Owned {
  readonly id: string
  readonly clusterArn: string
  readonly status: 'ACTIVE' | 'DRAINING' | 'INACTIVE'
  /** Registered by the scheduler itself when an EC2 task was first asked for in its cluster. */
  readonly implicit: boolean
  /** The runtime's name for its machine; absent: any of them. */
  readonly node?: string
  readonly ec2InstanceId: string
  readonly cpuUnits: number
  readonly memoryMiB: number
  readonly attributes: readonly sdk.Attribute[]
  readonly versionInfo?: sdk.VersionInfo
  readonly tags: readonly Tag[]
  readonly registeredAtMs: number
  readonly version: number
}

/** The answer to a call with a client token, for whoever asks again. Key: scope, operation and token. */
export interface IdempotencyRow extends Owned {
  readonly token: string
  /** SHA-256 of the request's other parameters. */
  readonly requestHash: string
  readonly taskArns: readonly string[]
  readonly createdAtMs: number
}

export interface EcsRows {
  readonly clusters: Collection<ClusterRow>
  readonly capacityProviders: Collection<CapacityProviderRow>
  readonly taskDefinitions: Collection<TaskDefinitionRow>
  readonly families: Collection<FamilyRow>
  readonly tasks: Collection<TaskRow>
  readonly services: Collection<ServiceRow>
  readonly serviceEvents: Collection<ServiceEventRow>
  readonly containerInstances: Collection<ContainerInstanceRow>
  readonly idempotency: Collection<IdempotencyRow>
}

/** Separates the parts of a compound index value; no AWS name holds it. */
const SEP = '|'

export function indexKey(...parts: readonly string[]): string {
  return parts.join(SEP)
}

const scopeOf = (row: Owned) => indexKey(row.account, row.region)

/** The collections, each with the indexes that handlers and reconcilers read by. */
export function openRows(store: Store): EcsRows {
  return {
    clusters: store.collection<ClusterRow>('clusters', {
      indexes: { scope: scopeOf, scopeStatus: (row) => indexKey(scopeOf(row), row.status) },
    }),
    capacityProviders: store.collection<CapacityProviderRow>('capacityProviders', {
      indexes: { scope: scopeOf },
    }),
    taskDefinitions: store.collection<TaskDefinitionRow>('taskDefinitions', {
      indexes: {
        scope: scopeOf,
        family: (row) => indexKey(scopeOf(row), row.family),
        familyStatus: (row) => indexKey(scopeOf(row), row.family, row.status),
        deleting: (row) => (row.status === 'DELETE_IN_PROGRESS' ? 'yes' : undefined),
      },
    }),
    families: store.collection<FamilyRow>('families', { indexes: { scope: scopeOf } }),
    tasks: store.collection<TaskRow>('tasks', { indexes: TASK_INDEXES }),
    services: store.collection<ServiceRow>('services', {
      indexes: {
        cluster: (row) => row.clusterArn,
        clusterLive: (row) => (row.status === 'INACTIVE' ? undefined : row.clusterArn),
        live: (row) => (row.status === 'INACTIVE' ? undefined : 'yes'),
        inactive: (row) => (row.status === 'INACTIVE' ? 'yes' : undefined),
      },
    }),
    serviceEvents: store.collection<ServiceEventRow>('serviceEvents', {
      indexes: { service: (row) => row.serviceArn },
    }),
    containerInstances: store.collection<ContainerInstanceRow>('containerInstances', {
      indexes: { cluster: (row) => row.clusterArn, ec2Instance: (row) => row.ec2InstanceId },
    }),
    idempotency: store.collection<IdempotencyRow>('idempotency', {}),
  }
}

/** `live` tasks are those whose last status is not STOPPED. */
const TASK_INDEXES = {
  cluster: (row: TaskRow) => row.clusterArn,
  /** Cluster and desired status: what ListTasks shows by default. */
  desired: (row: TaskRow) => indexKey(row.clusterArn, row.desiredStatus),
  /** Cluster and last status: what the cluster's counters count. */
  last: (row: TaskRow) => indexKey(row.clusterArn, row.lastStatus),
  service: (row: TaskRow) => row.serviceArn,
  serviceDesired: (row: TaskRow) => row.serviceArn && indexKey(row.serviceArn, row.desiredStatus),
  serviceLive: (row: TaskRow) => (row.lastStatus === 'STOPPED' ? undefined : row.serviceArn),
  definitionLive: (row: TaskRow) =>
    row.lastStatus === 'STOPPED' ? undefined : row.taskDefinitionArn,
  instanceLive: (row: TaskRow) =>
    row.lastStatus === 'STOPPED' ? undefined : row.containerInstanceArn,
  startedByDesired: (row: TaskRow) =>
    row.startedBy && indexKey(row.clusterArn, row.desiredStatus, row.startedBy),
  familyDesired: (row: TaskRow) =>
    indexKey(row.clusterArn, row.desiredStatus, familyOf(row.taskDefinitionArn)),
  live: (row: TaskRow) => (row.lastStatus === 'STOPPED' ? undefined : 'yes'),
  stopped: (row: TaskRow) => (row.lastStatus === 'STOPPED' ? 'yes' : undefined),
}

/** `web` of `arn:aws:ecs:us-east-1:000000000000:task-definition/web:3`. */
export function familyOf(taskDefinitionArn: string): string {
  const name = taskDefinitionArn.slice(taskDefinitionArn.lastIndexOf('/') + 1)
  return name.slice(0, name.lastIndexOf(':'))
}
