/** The one place where task rows begin: for RunTask, StartTask and services alike. */
import type * as sdk from '@aws-sdk/client-ecs'
import { arnOf } from '../gateway/core/arn.ts'
import type { EcsContext, SubnetFacts } from './context.ts'
import { platformUnknown } from './faults.ts'
import { childArn } from './resolve.ts'
import type { ClusterRow, ContainerRow, Tag, TaskDefinitionRow, TaskRow } from './rows.ts'
import { unhonoured } from './unhonoured.ts'

const FARGATE_PLATFORM = '1.4.0'
const PLATFORM_VERSIONS: readonly string[] = ['LATEST', '1.4.0', '1.3.0', '1.2.0', '1.1.0', '1.0.0']
/** Locally administered unicast, as the addresses of ENIs look. */
const MAC_PREFIX = '02'
const ENI_DIGITS = 17

export interface TaskRequest {
  readonly cluster: ClusterRow
  readonly definition: TaskDefinitionRow
  readonly launchType: TaskRow['launchType']
  readonly capacityProviderName?: string | undefined
  readonly containerInstanceArn?: string | undefined
  readonly platformVersion?: string | undefined
  readonly networkConfiguration?: sdk.NetworkConfiguration | undefined
  /** What EC2 knows of the subnets, where there is an EC2. */
  readonly subnets?: readonly SubnetFacts[] | undefined
  readonly overrides?: sdk.TaskOverride | undefined
  readonly placementConstraints?: readonly sdk.PlacementConstraint[] | undefined
  readonly group?: string | undefined
  readonly startedBy?: string | undefined
  readonly enableExecuteCommand?: boolean | undefined
  readonly enableECSManagedTags?: boolean | undefined
  readonly propagateTags?: sdk.PropagateTags | undefined
  readonly tags: readonly Tag[]
  readonly service?: {
    readonly arn: string
    readonly name: string
    readonly deploymentId: string
    readonly tags: readonly Tag[]
  }
}

/** A task that nobody has started yet. */
export function newTask(context: Pick<EcsContext, 'ids' | 'clock'>, request: TaskRequest): TaskRow {
  const { cluster, definition, service } = request
  const { body } = definition
  const id = context.ids.hex()
  const arn = childArn(cluster, 'task', id)
  const fargate = request.launchType === 'FARGATE'
  const awsvpc = body.networkMode === 'awsvpc'
  const subnet = subnetOf(request)
  const warnings = unhonoured(body, request.overrides, request.placementConstraints)
  const ephemeral = request.overrides?.ephemeralStorage ?? body.ephemeralStorage
  return {
    arn,
    account: cluster.account,
    region: cluster.region,
    id,
    clusterArn: cluster.arn,
    taskDefinitionArn: definition.arn,
    group: request.group ?? (service ? `service:${service.name}` : `family:${definition.family}`),
    startedBy: request.startedBy ?? service?.deploymentId,
    serviceArn: service?.arn,
    deploymentId: service?.deploymentId,
    launchType: request.launchType,
    capacityProviderName: request.capacityProviderName,
    platformVersion: fargate ? platformOf(request.platformVersion) : undefined,
    platformFamily: fargate ? platformFamilyOf(body.runtimePlatform) : undefined,
    containerInstanceArn: request.containerInstanceArn,
    availabilityZone: subnet?.availabilityZone ?? `${cluster.region}a`,
    cpu: request.overrides?.cpu ?? body.cpu ?? sumOfCpu(definition),
    memory: request.overrides?.memory ?? body.memory ?? sumOfMemory(definition),
    desiredStatus: 'RUNNING',
    lastStatus: awsvpc ? 'PROVISIONING' : 'PENDING',
    containers: containersOf(context, cluster, request),
    attachments: awsvpc && subnet ? [networkInterface(context, subnet)] : [],
    networkConfiguration: request.networkConfiguration,
    overrides: normalOverrides(definition, request.overrides),
    enableExecuteCommand: request.enableExecuteCommand ?? false,
    ephemeralStorageGiB: ephemeral?.sizeInGiB,
    tags: tagsOf(request),
    healthStatus: 'UNKNOWN',
    createdAtMs: context.clock.now(),
    version: 1,
    ...(warnings.length > 0 && { warnings }),
  }
}

function subnetOf(request: TaskRequest): SubnetFacts | undefined {
  const subnetId = request.networkConfiguration?.awsvpcConfiguration?.subnets?.[0]
  if (subnetId === undefined) return undefined
  return request.subnets?.find((facts) => facts.subnetId === subnetId) ?? { subnetId }
}

/** PlatformUnknownException for a version that Fargate never had. */
export function checkPlatformVersion(asked: string | undefined): void {
  if (asked !== undefined && !PLATFORM_VERSIONS.includes(asked)) throw platformUnknown()
}

function platformOf(asked: string | undefined): string {
  checkPlatformVersion(asked)
  return asked === undefined || asked === 'LATEST' ? FARGATE_PLATFORM : asked
}

/** As ECS words it: `Linux`, or the family of a definition for another system. */
export function platformFamilyOf(platform: sdk.RuntimePlatform | undefined): string {
  const family = platform?.operatingSystemFamily
  return family === undefined || family === 'LINUX' ? 'Linux' : family
}

function sumOfCpu({ body }: TaskDefinitionRow): string | undefined {
  let sum = 0
  for (const container of body.containerDefinitions ?? []) sum += container.cpu ?? 0
  return String(sum)
}

function sumOfMemory({ body }: TaskDefinitionRow): string | undefined {
  let sum = 0
  for (const container of body.containerDefinitions ?? []) {
    sum += container.memory ?? container.memoryReservation ?? 0
  }
  return String(sum)
}

function containersOf(
  context: Pick<EcsContext, 'ids'>,
  cluster: ClusterRow,
  request: TaskRequest,
): ContainerRow[] {
  const text = (value: number | undefined) => (value === undefined ? undefined : String(value))
  return (request.definition.body.containerDefinitions ?? []).map((container) => {
    const override = request.overrides?.containerOverrides?.find(
      (each) => each.name === container.name,
    )
    return {
      arn: arnOf('ecs', cluster, `container/${context.ids.uuid()}`),
      name: container.name ?? '',
      image: container.image ?? '',
      lastStatus: 'PENDING',
      networkBindings: [],
      networkInterfaces: [],
      healthStatus: 'UNKNOWN',
      cpu: text(override?.cpu ?? container.cpu ?? 0),
      memory: text(override?.memory ?? container.memory),
      memoryReservation: text(override?.memoryReservation ?? container.memoryReservation),
    }
  })
}

// The address itself is told once the runtime has given one.
function networkInterface(context: Pick<EcsContext, 'ids'>, subnet: SubnetFacts): sdk.Attachment {
  const digits = context.ids.hex()
  const mac = [MAC_PREFIX, ...(digits.slice(0, 10).match(/../g) ?? [])].join(':')
  return {
    id: context.ids.uuid(),
    type: 'ElasticNetworkInterface',
    status: 'PRECREATED',
    details: [
      { name: 'subnetId', value: subnet.subnetId },
      { name: 'networkInterfaceId', value: `eni-${digits.slice(-ENI_DIGITS)}` },
      { name: 'macAddress', value: mac },
    ],
  }
}

// DescribeTasks names every container under overrides, overridden or not.
function normalOverrides(
  definition: TaskDefinitionRow,
  overrides: sdk.TaskOverride = {},
): sdk.TaskOverride {
  const names = (definition.body.containerDefinitions ?? []).map((container) => container.name)
  const containerOverrides = names.map(
    (name) => overrides.containerOverrides?.find((each) => each.name === name) ?? { name },
  )
  return {
    ...overrides,
    containerOverrides,
    inferenceAcceleratorOverrides: overrides.inferenceAcceleratorOverrides ?? [],
  }
}

/** The caller's tags, then those propagated, then ECS's own; the first of a key wins. */
function tagsOf(request: TaskRequest): readonly Tag[] {
  const { cluster, definition, service } = request
  const propagated =
    request.propagateTags === 'TASK_DEFINITION'
      ? definition.tags
      : request.propagateTags === 'SERVICE'
        ? (service?.tags ?? [])
        : []
  const managed: Tag[] = []
  if (request.enableECSManagedTags) {
    managed.push({ key: 'aws:ecs:clusterName', value: cluster.name })
    if (service) managed.push({ key: 'aws:ecs:serviceName', value: service.name })
  }
  const tags = new Map<string | undefined, Tag>()
  for (const tag of [...request.tags, ...propagated, ...managed]) {
    if (!tags.has(tag.key)) tags.set(tag.key, tag)
  }
  return [...tags.values()]
}
