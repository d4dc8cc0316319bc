/** What CreateService and UpdateService refuse, and the defaults they fill in. Pure. */
import type * as sdk from '@aws-sdk/client-ecs'
import { AwsFault } from '../gateway/core/fault.ts'
import type { EcsContext } from './context.ts'
import { clientException, invalidParameter } from './faults.ts'
import { checkNetwork } from './network.ts'
import { checkedStrategy } from './operations/clusters.ts'
import type { ClusterRow, TaskDefinitionRow } from './rows.ts'

type Replica = 'REPLICA' | 'DAEMON'

const SERVICE_NAME = /^[a-zA-Z0-9_-]{1,255}$/
const MAX_DESIRED = 5000
const MAX_BALANCERS = 5
const MAX_GRACE_SECONDS = 2_147_483_647

export function checkServiceName(name: string): void {
  if (!SERVICE_NAME.test(name)) {
    throw invalidParameter(`serviceName must match ^[a-zA-Z0-9\\-_]{1,255}$, but was ${name}`)
  }
}

/** The count a service of this strategy starts with. */
export function checkedDesiredCount(strategy: Replica, asked: number | undefined): number {
  if (strategy === 'DAEMON') {
    if (asked === undefined || asked === 0) return 0
    throw invalidParameter(
      'The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again.',
    )
  }
  if (asked === undefined) throw invalidParameter('desiredCount can not be null.')
  if (asked < 0) throw invalidParameter('desiredCount can not be negative.')
  if (asked > MAX_DESIRED) {
    throw invalidParameter(`A service can have at most ${MAX_DESIRED} tasks.`)
  }
  return asked
}

/** The deployment configuration with AWS's defaults for what `asked` and `kept` leave open. */
export function checkedDeploymentConfiguration(
  strategy: Replica,
  asked: sdk.DeploymentConfiguration | undefined,
  kept: sdk.DeploymentConfiguration = {},
): sdk.DeploymentConfiguration {
  const daemon = strategy === 'DAEMON'
  const merged: sdk.DeploymentConfiguration = {
    deploymentCircuitBreaker: { enable: false, rollback: false },
    maximumPercent: daemon ? 100 : 200,
    minimumHealthyPercent: daemon ? 0 : 100,
    strategy: 'ROLLING',
    ...kept,
    ...asked,
  }
  const { maximumPercent = 0, minimumHealthyPercent = 0 } = merged
  if (merged.strategy !== 'ROLLING') {
    throw new AwsFault(
      'UnsupportedFeatureException',
      `KECS does not implement the ${merged.strategy} deployment strategy yet; use ROLLING.`,
      501,
    )
  }
  if (maximumPercent < 0 || minimumHealthyPercent < 0) {
    throw invalidParameter('maximumPercent and minimumHealthyPercent can not be negative.')
  }
  if (daemon && maximumPercent !== 100) {
    throw invalidParameter(
      'The daemon scheduling strategy requires a maximumPercent of 100. Change it and try again.',
    )
  }
  if (minimumHealthyPercent > 100) {
    throw invalidParameter('minimumHealthyPercent can not be greater than 100.')
  }
  if (!daemon && maximumPercent < 100) {
    throw invalidParameter('maximumPercent can not be less than 100.')
  }
  if (maximumPercent === 100 && minimumHealthyPercent === 100) {
    throw invalidParameter(
      'Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.',
    )
  }
  return merged
}

/** How tasks are to be placed: a launch type, a strategy, or the cluster's default. */
export interface Capacity {
  readonly launchType?: sdk.LaunchType
  readonly capacityProviderStrategy?: readonly sdk.CapacityProviderStrategyItem[]
}

export function checkedCapacity(
  cluster: ClusterRow,
  launchType: sdk.LaunchType | undefined,
  strategy: readonly sdk.CapacityProviderStrategyItem[] | undefined,
): Capacity {
  if (launchType && strategy?.length) {
    throw invalidParameter(
      'Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.',
    )
  }
  if (launchType) return { launchType }
  if (strategy?.length) {
    const builtIn = ['FARGATE', 'FARGATE_SPOT'].filter((name) => inStrategy(strategy, name))
    const known = [...cluster.capacityProviders, ...builtIn]
    return { capacityProviderStrategy: checkedStrategy(strategy, known) }
  }
  const fallback = cluster.defaultCapacityProviderStrategy
  if (fallback.length > 0) return { capacityProviderStrategy: fallback }
  return { launchType: 'EC2' }
}

function inStrategy(strategy: readonly sdk.CapacityProviderStrategyItem[], name: string): boolean {
  return strategy.some((item) => item.capacityProvider === name)
}

/** Which launch type the tasks of a capacity have in the end. */
export function launchTypeOf(
  capacity: Capacity,
): 'EC2' | 'FARGATE' | 'EXTERNAL' | 'MANAGED_INSTANCES' {
  if (capacity.launchType) return capacity.launchType
  const names = (capacity.capacityProviderStrategy ?? []).map((item) => item.capacityProvider ?? '')
  return names.some((name) => name.startsWith('FARGATE')) ? 'FARGATE' : 'EC2'
}

/** Placement is for instances: Fargate has none to choose. */
export function checkPlacement(
  capacity: Capacity,
  constraints: readonly sdk.PlacementConstraint[] | undefined,
  strategies: readonly sdk.PlacementStrategy[] | undefined,
): void {
  if (launchTypeOf(capacity) === 'FARGATE') {
    if (constraints?.length) {
      throw clientException('Placement constraints are not supported with FARGATE launch type.')
    }
    if (strategies?.length) {
      throw clientException('Placement strategies are not supported with FARGATE launch type.')
    }
  }
  if ((constraints?.length ?? 0) > 10) {
    throw invalidParameter('Too many placement constraints: at most 10 are allowed.')
  }
  if ((strategies?.length ?? 0) > 5) {
    throw invalidParameter('Too many placement strategies: at most 5 are allowed.')
  }
}

/** The parts of a service that name containers and ports have to fit its task definition. */
export function checkServiceFits(
  definition: TaskDefinitionRow,
  input: {
    readonly networkConfiguration?: sdk.NetworkConfiguration | undefined
    readonly loadBalancers?: readonly sdk.LoadBalancer[] | undefined
    readonly healthCheckGracePeriodSeconds?: number | undefined
  },
): void {
  checkNetwork(definition.body.networkMode, input.networkConfiguration)
  for (const balancer of input.loadBalancers ?? []) {
    if (!balancer.targetGroupArn && !balancer.loadBalancerName) {
      throw invalidParameter('A load balancer must name a targetGroupArn or a loadBalancerName.')
    }
    if (!balancer.containerName || balancer.containerPort === undefined) {
      throw invalidParameter('A load balancer must name a containerName and a containerPort.')
    }
    const container = definition.body.containerDefinitions?.find(
      (each) => each.name === balancer.containerName,
    )
    if (!container) {
      throw invalidParameter(
        `The container ${balancer.containerName} does not exist in the task definition.`,
      )
    }
    const port = balancer.containerPort
    if (!container.portMappings?.some((mapping) => mapping.containerPort === port)) {
      throw invalidParameter(
        `The container ${balancer.containerName} did not have a container port ${port} defined.`,
      )
    }
  }
}

/** The target groups of a service exist, are in use, and take the kind of targets its tasks are. */
export function checkTargetGroups(
  { describeTargetGroup }: Pick<EcsContext, 'describeTargetGroup'>,
  definition: TaskDefinitionRow,
  balancers: readonly sdk.LoadBalancer[] | undefined,
): void {
  if ((balancers?.length ?? 0) > MAX_BALANCERS) {
    throw invalidParameter(`load balancers can have at most ${MAX_BALANCERS} items.`)
  }
  if (!describeTargetGroup) return
  const networkMode = definition.body.networkMode ?? 'bridge'
  const wanted = networkMode === 'awsvpc' ? 'ip' : 'instance'
  for (const { targetGroupArn } of balancers ?? []) {
    if (!targetGroupArn) continue
    const group = describeTargetGroup(targetGroupArn, definition)
    if (!group) {
      throw invalidParameter(
        `The target group with targetGroupArn ${targetGroupArn} was not found.`,
      )
    }
    if (!group.balanced) {
      throw invalidParameter(
        `The target group with targetGroupArn ${targetGroupArn} does not have an associated load balancer.`,
      )
    }
    if (group.targetType !== wanted) {
      throw invalidParameter(
        `The provided target group ${targetGroupArn} has target type ${group.targetType}, which is incompatible with the ${networkMode} network mode specified in the task definition.`,
      )
    }
  }
}

/** A grace period is for the health checks of load balancers; without any there is none to ask for. */
export function checkGracePeriod(
  seconds: number | undefined,
  balancers: readonly sdk.LoadBalancer[] | undefined,
): void {
  if (!seconds) return
  if (seconds < 0 || seconds > MAX_GRACE_SECONDS) {
    throw invalidParameter(
      `Health check grace period must be between 0 and ${MAX_GRACE_SECONDS} seconds.`,
    )
  }
  if (!balancers?.length) {
    throw invalidParameter(
      'Health check grace period is only valid for services configured to use load balancers',
    )
  }
}

/** What of CreateService belongs to task sets where an external controller deploys. */
export function checkExternalCreate(input: sdk.CreateServiceCommandInput): void {
  if (input.taskDefinition) throw invalidParameter('TaskDefinition must be blank.')
  if (input.launchType) throw invalidParameter('LaunchType must be blank.')
  if (input.schedulingStrategy === 'DAEMON') {
    throw invalidParameter(
      'The daemon scheduling strategy is not supported with an EXTERNAL deployment controller.',
    )
  }
}

/** Parameters of UpdateService that make a new deployment, in the words of its faults. */
const DEPLOYING = {
  taskDefinition: 'task definition',
  networkConfiguration: 'network parameters',
  platformVersion: 'platform version',
  capacityProviderStrategy: 'capacity provider strategy',
  loadBalancers: 'load balancers',
  serviceRegistries: 'service registries',
  serviceConnectConfiguration: 'Service Connect configuration',
  volumeConfigurations: 'volume configurations',
} as const

/** UpdateService deploys nothing where an external controller does: only counts and rules change. */
export function checkExternalUpdate(input: sdk.UpdateServiceCommandInput): void {
  const on = 'on services with an EXTERNAL deployment controller. Use CreateTaskSet to deploy.'
  for (const [name, words] of Object.entries(DEPLOYING)) {
    if (input[name as keyof typeof DEPLOYING] === undefined) continue
    throw invalidParameter(`Unable to update ${words} ${on}`)
  }
  if (input.forceNewDeployment) throw invalidParameter(`Cannot force a new deployment ${on}`)
}
