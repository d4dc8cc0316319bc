/** The columns of the tables that ECS shows to SQL. */
import type { SqlField } from '../gateway/core/sql-table.ts'
import {
  type ClusterRow,
  type ContainerInstanceRow,
  type ContainerRow,
  type DeploymentRow,
  familyOf,
  type LaunchConfiguration,
  type ServiceEventRow,
  type ServiceRow,
  type Tag,
  type TaskDefinitionRow,
  type TaskRow,
} from './rows.ts'

export interface Counted {
  readonly running: number
  readonly pending: number
}

export interface ClusterItem extends ClusterRow {
  readonly tasks: Counted
  readonly services: number
  readonly instances: number
}

export interface ServiceItem extends ServiceRow {
  readonly tasks: Counted
}

export interface DeploymentItem extends DeploymentRow {
  readonly service: ServiceRow
  readonly tasks: Counted
}

export interface ContainerItem {
  readonly task: TaskRow
  readonly container: ContainerRow
}

export interface InstanceItem extends ContainerInstanceRow {
  readonly tasks: Counted
}

const shortName = (arn: string | undefined) => arn?.slice(arn.lastIndexOf('/') + 1)
const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text))
const filled = <T>(items: readonly T[] | undefined) => (items?.length ? items : undefined)

interface Belonging {
  readonly account: string
  readonly region: string
  readonly tags: readonly Tag[]
}

const OWNER: readonly SqlField<Omit<Belonging, 'tags'>>[] = [
  ['account', 'VARCHAR', 'Its account', (row) => row.account],
  ['region', 'VARCHAR', 'Its region', (row) => row.region],
]

const TAGS_AND_OWNER: readonly SqlField<Belonging>[] = [
  [
    'tags',
    'VARCHAR',
    'Its tags: a JSON object',
    ({ tags }) =>
      filled(tags) && Object.fromEntries(tags.map(({ key, value }) => [key ?? '', value ?? ''])),
  ],
  ...OWNER,
]

const COUNTS: readonly SqlField<{ readonly tasks: Counted }>[] = [
  ['running_count', 'BIGINT', 'Its tasks that run', (row) => row.tasks.running],
  ['pending_count', 'BIGINT', 'Its tasks on their way to running', (row) => row.tasks.pending],
]

const LAUNCH: readonly SqlField<LaunchConfiguration>[] = [
  [
    'task_definition',
    'VARCHAR',
    'Family and revision, e.g. `web:3`',
    (row) => shortName(row.taskDefinitionArn),
  ],
  ['task_definition_arn', 'VARCHAR', 'ARN of that revision', (row) => row.taskDefinitionArn],
  ['launch_type', 'VARCHAR', 'EC2, FARGATE …; NULL with a strategy', (row) => row.launchType],
  [
    'capacity_provider_strategy',
    'VARCHAR',
    'JSON list; NULL with a launch type',
    (row) => filled(row.capacityProviderStrategy),
  ],
  ['platform_version', 'VARCHAR', 'Of Fargate', (row) => row.platformVersion],
]

export const CLUSTER: readonly SqlField<ClusterItem>[] = [
  ['name', 'VARCHAR', 'Its name', (row) => row.name],
  ['arn', 'VARCHAR', 'Its ARN', (row) => row.arn],
  ['status', 'VARCHAR', 'ACTIVE or INACTIVE', (row) => row.status],
  ...COUNTS,
  ['active_services_count', 'BIGINT', 'Its services that are ACTIVE', (row) => row.services],
  ['container_instances_count', 'BIGINT', 'Its machines', (row) => row.instances],
  ['capacity_providers', 'VARCHAR', 'Names: a JSON list', (row) => filled(row.capacityProviders)],
  ['created_at', 'TIMESTAMP', 'When it was created', (row) => row.createdAtMs],
  ...TAGS_AND_OWNER,
]

export const TASK_DEFINITION: readonly SqlField<TaskDefinitionRow>[] = [
  ['task_definition', 'VARCHAR', 'Family and revision', (row) => `${row.family}:${row.revision}`],
  ['family', 'VARCHAR', 'Its family', (row) => row.family],
  ['revision', 'BIGINT', 'Its revision', (row) => row.revision],
  ['arn', 'VARCHAR', 'Its ARN', (row) => row.arn],
  ['status', 'VARCHAR', 'ACTIVE, INACTIVE or DELETE_IN_PROGRESS', (row) => row.status],
  ['network_mode', 'VARCHAR', 'bridge, awsvpc, host or none', (row) => row.body.networkMode],
  ['cpu', 'BIGINT', 'CPU units of the task', (row) => numberOf(row.body.cpu)],
  ['memory_mib', 'BIGINT', 'Memory of the task', (row) => numberOf(row.body.memory)],
  [
    'containers_count',
    'BIGINT',
    'How many containers it defines',
    (row) => row.body.containerDefinitions?.length ?? 0,
  ],
  [
    'images',
    'VARCHAR',
    'Their images: a JSON list',
    (row) => row.body.containerDefinitions?.map(({ image }) => image),
  ],
  [
    'container_definitions',
    'VARCHAR',
    'As they were registered: a JSON list',
    (row) => row.body.containerDefinitions,
  ],
  ['compatibilities', 'VARCHAR', 'Launch types: a JSON list', (row) => row.compatibilities],
  ['task_role_arn', 'VARCHAR', 'The role of its containers', (row) => row.body.taskRoleArn],
  [
    'execution_role_arn',
    'VARCHAR',
    'The role that starts them',
    (row) => row.body.executionRoleArn,
  ],
  ['registered_by', 'VARCHAR', 'Who registered it', (row) => row.registeredBy],
  ['registered_at', 'TIMESTAMP', 'When', (row) => row.registeredAtMs],
  ['deregistered_at', 'TIMESTAMP', 'When it became INACTIVE', (row) => row.deregisteredAtMs],
  ...TAGS_AND_OWNER,
]

export const SERVICE: readonly SqlField<ServiceItem>[] = [
  ['name', 'VARCHAR', 'Its name', (row) => row.name],
  ['cluster', 'VARCHAR', 'Name of its cluster', (row) => shortName(row.clusterArn)],
  ['status', 'VARCHAR', 'ACTIVE, DRAINING or INACTIVE', (row) => row.status],
  ['desired_count', 'BIGINT', 'How many tasks it shall have', (row) => row.desiredCount],
  ...COUNTS,
  ['steady', 'BOOLEAN', 'Whether it reached a steady state', (row) => row.steady],
  [
    'rollout_state',
    'VARCHAR',
    'Of its newest deployment',
    (row) => row.deployments[0]?.rolloutState,
  ],
  ...LAUNCH.map(ofService),
  ['scheduling_strategy', 'VARCHAR', 'REPLICA or DAEMON', (row) => row.schedulingStrategy],
  [
    'deployment_controller',
    'VARCHAR',
    'ECS, EXTERNAL or CODE_DEPLOY',
    (row) => row.deploymentController,
  ],
  ['load_balancers', 'VARCHAR', 'JSON list', (row) => filled(row.launch.loadBalancers)],
  ['arn', 'VARCHAR', 'Its ARN', (row) => row.arn],
  ['cluster_arn', 'VARCHAR', 'ARN of its cluster', (row) => row.clusterArn],
  ['created_at', 'TIMESTAMP', 'When it was created', (row) => row.createdAtMs],
  ['deleted_at', 'TIMESTAMP', 'When it was deleted', (row) => row.deletedAtMs],
  ...TAGS_AND_OWNER,
]

function ofService([name, type, description, read]: SqlField<LaunchConfiguration>) {
  const field: SqlField<ServiceItem> = [name, type, description, (row) => read(row.launch)]
  return field
}

export const DEPLOYMENT: readonly SqlField<DeploymentItem>[] = [
  ['id', 'VARCHAR', 'Also `started_by` of its tasks', (row) => row.id],
  ['service', 'VARCHAR', 'Name of its service', (row) => row.service.name],
  ['cluster', 'VARCHAR', 'Name of its cluster', (row) => shortName(row.service.clusterArn)],
  ['status', 'VARCHAR', 'PRIMARY or ACTIVE', (row) => row.status],
  ['rollout_state', 'VARCHAR', 'IN_PROGRESS, COMPLETED or FAILED', (row) => row.rolloutState],
  ['rollout_state_reason', 'VARCHAR', 'Why', (row) => row.rolloutStateReason],
  ['desired_count', 'BIGINT', 'How many tasks it shall have', (row) => row.desiredCount],
  ...COUNTS,
  [
    'failed_count',
    'BIGINT',
    'Tasks that failed since one last became healthy',
    (row) => row.failedTasks,
  ],
  ...LAUNCH,
  ['rolls_back', 'VARCHAR', 'The failed deployment it rolls back', (row) => row.rollsBack],
  ['service_arn', 'VARCHAR', 'ARN of its service', (row) => row.service.arn],
  ['created_at', 'TIMESTAMP', 'When it began', (row) => row.createdAtMs],
  ['updated_at', 'TIMESTAMP', 'When it last changed', (row) => row.updatedAtMs],
  ['account', 'VARCHAR', 'Its account', (row) => row.service.account],
  ['region', 'VARCHAR', 'Its region', (row) => row.service.region],
]

export const TASK: readonly SqlField<TaskRow>[] = [
  ['id', 'VARCHAR', '32 hex digits', (row) => row.id],
  ['arn', 'VARCHAR', 'Its ARN', (row) => row.arn],
  ['cluster', 'VARCHAR', 'Name of its cluster', (row) => shortName(row.clusterArn)],
  ['service', 'VARCHAR', 'Name of its service, if it has one', (row) => shortName(row.serviceArn)],
  ['family', 'VARCHAR', 'Family of its definition', (row) => familyOf(row.taskDefinitionArn)],
  [
    'task_definition',
    'VARCHAR',
    'Family and revision, e.g. `web:3`',
    (row) => shortName(row.taskDefinitionArn),
  ],
  ['last_status', 'VARCHAR', 'PROVISIONING … RUNNING … STOPPED', (row) => row.lastStatus],
  ['desired_status', 'VARCHAR', 'RUNNING or STOPPED', (row) => row.desiredStatus],
  ['health_status', 'VARCHAR', 'HEALTHY, UNHEALTHY or UNKNOWN', (row) => row.healthStatus],
  ['launch_type', 'VARCHAR', 'EC2, FARGATE …', (row) => row.launchType],
  [
    'capacity_provider',
    'VARCHAR',
    'Name of its capacity provider',
    (row) => row.capacityProviderName,
  ],
  ['availability_zone', 'VARCHAR', 'Where it runs', (row) => row.availabilityZone],
  ['task_group', 'VARCHAR', '`service:NAME`, `family:NAME` or as asked', (row) => row.group],
  ['started_by', 'VARCHAR', 'Deployment or as asked', (row) => row.startedBy],
  ['cpu', 'BIGINT', 'CPU units', (row) => numberOf(row.cpu)],
  ['memory_mib', 'BIGINT', 'Memory', (row) => numberOf(row.memory)],
  ['containers_count', 'BIGINT', 'How many containers it has', (row) => row.containers.length],
  ['stop_code', 'VARCHAR', 'Of a stopped task', (row) => row.stopCode],
  ['stopped_reason', 'VARCHAR', 'Of a stopped task', (row) => row.stoppedReason],
  ['created_at', 'TIMESTAMP', 'When it was asked for', (row) => row.createdAtMs],
  ['pull_started_at', 'TIMESTAMP', 'When its images were asked for', (row) => row.pullStartedAtMs],
  ['pull_stopped_at', 'TIMESTAMP', 'When they were there', (row) => row.pullStoppedAtMs],
  ['started_at', 'TIMESTAMP', 'When it ran', (row) => row.startedAtMs],
  ['stopping_at', 'TIMESTAMP', 'When it began to stop', (row) => row.stoppingAtMs],
  ['stopped_at', 'TIMESTAMP', 'When it had stopped', (row) => row.stoppedAtMs],
  ['task_definition_arn', 'VARCHAR', 'ARN of that revision', (row) => row.taskDefinitionArn],
  ['cluster_arn', 'VARCHAR', 'ARN of its cluster', (row) => row.clusterArn],
  ['service_arn', 'VARCHAR', 'ARN of its service', (row) => row.serviceArn],
  ['deployment_id', 'VARCHAR', '`id` in deployments', (row) => row.deploymentId],
  [
    'container_instance_arn',
    'VARCHAR',
    '`arn` in container_instances',
    (row) => row.containerInstanceArn,
  ],
  ['version', 'BIGINT', 'Raised by one with each change', (row) => row.version],
  ...TAGS_AND_OWNER,
]

export const CONTAINER: readonly SqlField<ContainerItem>[] = [
  ['name', 'VARCHAR', 'Its name', ({ container }) => container.name],
  ['task_id', 'VARCHAR', '`id` in tasks', ({ task }) => task.id],
  ['cluster', 'VARCHAR', 'Name of its cluster', ({ task }) => shortName(task.clusterArn)],
  ['service', 'VARCHAR', 'Name of its service', ({ task }) => shortName(task.serviceArn)],
  ['image', 'VARCHAR', 'Its image', ({ container }) => container.image],
  [
    'last_status',
    'VARCHAR',
    'PENDING, RUNNING or STOPPED',
    ({ container }) => container.lastStatus,
  ],
  ['health_status', 'VARCHAR', 'As in tasks', ({ container }) => container.healthStatus],
  ['exit_code', 'BIGINT', 'Once it has exited', ({ container }) => container.exitCode],
  ['reason', 'VARCHAR', 'Why it stopped or never ran', ({ container }) => container.reason],
  ['cpu', 'BIGINT', 'CPU units', ({ container }) => numberOf(container.cpu)],
  ['memory_mib', 'BIGINT', 'Memory limit', ({ container }) => numberOf(container.memory)],
  [
    'host_ports',
    'VARCHAR',
    'Ports of the host: a JSON list',
    ({ container }) => filled(container.networkBindings.map(({ hostPort }) => hostPort)),
  ],
  ['runtime_id', 'VARCHAR', 'What the runtime calls it', ({ container }) => container.runtimeId],
  ['image_digest', 'VARCHAR', 'Of the image', ({ container }) => container.imageDigest],
  ['arn', 'VARCHAR', 'Its ARN', ({ container }) => container.arn],
  ['task_arn', 'VARCHAR', 'ARN of its task', ({ task }) => task.arn],
  ['account', 'VARCHAR', 'Its account', ({ task }) => task.account],
  ['region', 'VARCHAR', 'Its region', ({ task }) => task.region],
]

export const SERVICE_EVENT: readonly SqlField<ServiceEventRow>[] = [
  ['created_at', 'TIMESTAMP', 'When it was told', (row) => row.createdAtMs],
  ['service', 'VARCHAR', 'Name of its service', (row) => shortName(row.serviceArn)],
  ['message', 'VARCHAR', 'What it said', (row) => row.message],
  ['id', 'VARCHAR', 'Its id', (row) => row.id],
  ['service_arn', 'VARCHAR', 'ARN of its service', (row) => row.serviceArn],
  ...OWNER,
]

export const CONTAINER_INSTANCE: readonly SqlField<InstanceItem>[] = [
  ['id', 'VARCHAR', 'Its id', (row) => row.id],
  ['arn', 'VARCHAR', 'Its ARN', (row) => row.arn],
  ['cluster', 'VARCHAR', 'Name of its cluster', (row) => shortName(row.clusterArn)],
  ['status', 'VARCHAR', 'ACTIVE, DRAINING or INACTIVE', (row) => row.status],
  ...COUNTS,
  ['ec2_instance_id', 'VARCHAR', 'Its instance', (row) => row.ec2InstanceId],
  ['cpu', 'BIGINT', 'CPU units in all', (row) => row.cpuUnits],
  ['memory_mib', 'BIGINT', 'Memory in all', (row) => row.memoryMiB],
  [
    'implicit',
    'BOOLEAN',
    'Whether KECS registered it because an EC2 task was asked for',
    (row) => row.implicit,
  ],
  ['cluster_arn', 'VARCHAR', 'ARN of its cluster', (row) => row.clusterArn],
  ['registered_at', 'TIMESTAMP', 'When it was registered', (row) => row.registeredAtMs],
  ...TAGS_AND_OWNER,
]
