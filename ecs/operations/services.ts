import type * as sdk from '@aws-sdk/client-ecs'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { EcsContext } from '../context.ts'
import { completedIfStable } from '../deployments.ts'
import { clientException, invalidParameter, serviceNotActive, serviceNotFound } from '../faults.ts'
import { askNetwork, normalNetwork } from '../network.ts'
import { rescaled } from '../plan-task-sets.ts'
import { addServiceEvents } from '../reconcile-service.ts'
import { requestHash } from '../request-hash.ts'
import { activeCluster, childArn, findCluster, findService, listPage } from '../resolve.ts'
import {
  type ClusterRow,
  type DeploymentRow,
  type LaunchConfiguration,
  type ServiceRow,
  taskSetsOf,
} from '../rows.ts'
import { checkedLaunch, fitted, platformOf } from '../service-launch.ts'
import {
  checkExternalCreate,
  checkExternalUpdate,
  checkedCapacity,
  checkedDeploymentConfiguration,
  checkedDesiredCount,
  checkGracePeriod,
  checkPlacement,
  checkServiceName,
  checkTargetGroups,
  launchTypeOf,
} from '../service-rules.ts'
import { launchShown, serviceView } from '../service-view.ts'
import { checkedTags } from '../tags.ts'
import { countTasks } from '../task-counts.ts'
import { startableTaskDefinition } from './task-definitions.ts'

const PAGE = { fallback: 10, max: 100 }
const MAX_DESCRIBED = 10
const DEPLOYMENT_DIGITS = 19

/** Handlers of services: they write what is wanted; the scheduler makes it so. */
export function serviceHandlers(context: EcsContext): Record<string, Handler> {
  const { rows, clock, ids, store } = context

  function create(input: sdk.CreateServiceCommandInput, call: Call) {
    const facts = askNetwork(context.lookUpNetwork, call, input.networkConfiguration)
    if (!facts) return createNow(input, call)
    return facts.then(() => store.transact(() => createNow(input, call)))
  }

  function createNow(input: sdk.CreateServiceCommandInput, call: Call) {
    const cluster = activeCluster(rows, call, input.cluster)
    const name = input.serviceName ?? ''
    checkServiceName(name)
    const arn = childArn(cluster, 'service', name)
    const hash = requestHash(input)
    const existing = rows.services.get(arn)
    if (existing?.status === 'ACTIVE') {
      if (existing.requestHash === hash) return { service: serviceView(rows, existing) }
      throw invalidParameter('Creation of service was not idempotent.')
    }
    if (existing?.status === 'DRAINING') {
      throw invalidParameter('Unable to Start a service that is still Draining.')
    }
    const row = newService(input, call, cluster, arn, hash)
    // A service made anew under an old name has no part in the old one's history.
    for (const event of [...rows.serviceEvents.by('service', arn)]) {
      rows.serviceEvents.delete(event.id)
    }
    rows.services.delete(arn)
    rows.services.put(arn, row)
    return { service: serviceView(rows, row) }
  }

  function newService(
    input: sdk.CreateServiceCommandInput,
    call: Call,
    cluster: ClusterRow,
    arn: string,
    hash: string,
  ): ServiceRow {
    const schedulingStrategy = input.schedulingStrategy ?? 'REPLICA'
    const deploymentController = input.deploymentController?.type ?? 'ECS'
    if (deploymentController === 'CODE_DEPLOY') {
      throw clientException('KECS does not implement the CODE_DEPLOY deployment controller yet.')
    }
    const external = deploymentController === 'EXTERNAL'
    if (external) checkExternalCreate(input)
    const desiredCount = checkedDesiredCount(
      schedulingStrategy,
      external ? (input.desiredCount ?? 0) : input.desiredCount,
    )
    const launch = external ? undefined : checkedLaunch(context, call, cluster, input, input)
    // Where an external controller deploys, the load balancers come with its task sets.
    if (launch) checkGracePeriod(input.healthCheckGracePeriodSeconds, launch.loadBalancers)
    const nowMs = clock.now()
    return {
      arn,
      account: call.account,
      region: call.region,
      name: input.serviceName ?? '',
      clusterArn: cluster.arn,
      status: 'ACTIVE',
      schedulingStrategy,
      deploymentController,
      desiredCount,
      launch: launch ?? { taskDefinitionArn: '' },
      deployments: launch ? [newDeployment(launch, desiredCount, nowMs)] : [],
      deploymentConfiguration: checkedDeploymentConfiguration(
        schedulingStrategy,
        input.deploymentConfiguration,
      ),
      placementConstraints: input.placementConstraints ?? [],
      placementStrategy: input.placementStrategy ?? [],
      healthCheckGracePeriodSeconds: input.healthCheckGracePeriodSeconds,
      availabilityZoneRebalancing: input.availabilityZoneRebalancing ?? 'DISABLED',
      enableECSManagedTags: input.enableECSManagedTags ?? false,
      propagateTags: input.propagateTags ?? 'NONE',
      enableExecuteCommand: input.enableExecuteCommand ?? false,
      roleArn: input.role,
      createdBy: `arn:aws:iam::${call.account}:root`,
      tags: checkedTags(input.tags),
      createdAtMs: nowMs,
      clientToken: input.clientToken,
      requestHash: hash,
      steady: false,
    }
  }

  function newDeployment(
    launch: LaunchConfiguration,
    desiredCount: number,
    nowMs: number,
  ): DeploymentRow {
    const id = `ecs-svc/${ids.decimal(DEPLOYMENT_DIGITS)}`
    return {
      ...launch,
      id,
      status: 'PRIMARY',
      desiredCount,
      rolloutState: 'IN_PROGRESS',
      rolloutStateReason: `ECS deployment ${id} in progress.`,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      failedTasks: 0,
    }
  }

  function update(input: sdk.UpdateServiceCommandInput, call: Call) {
    const facts = askNetwork(context.lookUpNetwork, call, input.networkConfiguration)
    if (!facts) return updateNow(input, call)
    return facts.then(() => store.transact(() => updateNow(input, call)))
  }

  function updateNow(input: sdk.UpdateServiceCommandInput, call: Call) {
    const cluster = activeCluster(rows, call, input.cluster)
    const row = findService(rows, cluster, input.service ?? '')
    if (!row) throw serviceNotFound()
    if (row.status !== 'ACTIVE') throw serviceNotActive()
    if (row.deploymentController === 'EXTERNAL') checkExternalUpdate(input)
    const desiredCount =
      input.desiredCount === undefined
        ? row.desiredCount
        : checkedDesiredCount(row.schedulingStrategy, input.desiredCount)
    const next: ServiceRow = {
      ...row,
      desiredCount,
      deploymentConfiguration: checkedDeploymentConfiguration(
        row.schedulingStrategy,
        input.deploymentConfiguration,
        row.deploymentConfiguration,
      ),
      placementConstraints: input.placementConstraints ?? row.placementConstraints,
      placementStrategy: input.placementStrategy ?? row.placementStrategy,
      healthCheckGracePeriodSeconds:
        input.healthCheckGracePeriodSeconds ?? row.healthCheckGracePeriodSeconds,
      availabilityZoneRebalancing:
        input.availabilityZoneRebalancing ?? row.availabilityZoneRebalancing,
      enableECSManagedTags: input.enableECSManagedTags ?? row.enableECSManagedTags,
      propagateTags: input.propagateTags ?? row.propagateTags,
      enableExecuteCommand: input.enableExecuteCommand ?? row.enableExecuteCommand,
      steady: false,
    }
    checkPlacement(row.launch, next.placementConstraints, next.placementStrategy)
    const updated = redeployed(next, input, call, cluster)
    if (row.deploymentController !== 'EXTERNAL') {
      checkGracePeriod(input.healthCheckGracePeriodSeconds, updated.launch.loadBalancers)
    }
    rows.services.put(row.arn, updated)
    return { service: serviceView(rows, updated) }
  }

  /** With a new primary deployment where the update changes what tasks are launched with. */
  function redeployed(
    row: ServiceRow,
    input: sdk.UpdateServiceCommandInput,
    call: Call,
    cluster: ClusterRow,
  ): ServiceRow {
    const nowMs = clock.now()
    if (row.deploymentController !== 'ECS') return rescaled(row, nowMs)
    const launch = changedLaunch(row, input, call, cluster)
    const sameLaunch = JSON.stringify(launch) === JSON.stringify(row.launch)
    if (sameLaunch && !input.forceNewDeployment) {
      const [primary, ...others] = row.deployments
      if (!primary || primary.desiredCount === row.desiredCount) return row
      const scaled = { ...primary, desiredCount: row.desiredCount, updatedAtMs: nowMs }
      return { ...row, deployments: [scaled, ...others] }
    }
    const { all } = countTasks(rows.tasks.by('serviceLive', row.arn))
    const { service, events } = completedIfStable(row, all.running, nowMs)
    addServiceEvents(context, service, events)
    const before = service.deployments.map((each) =>
      each.status === 'PRIMARY' ? { ...each, status: 'ACTIVE' as const, updatedAtMs: nowMs } : each,
    )
    const deployment = newDeployment(launch, row.desiredCount, nowMs)
    return { ...service, launch, deployments: [deployment, ...before] }
  }

  function changedLaunch(
    row: ServiceRow,
    input: sdk.UpdateServiceCommandInput,
    call: Call,
    cluster: ClusterRow,
  ): LaunchConfiguration {
    const kept = row.launch
    const definition =
      input.taskDefinition === undefined
        ? rows.taskDefinitions.get(kept.taskDefinitionArn)
        : startableTaskDefinition(rows, call, input.taskDefinition)
    if (!definition) throw clientException('TaskDefinition not found.')
    checkTargetGroups(context, definition, input.loadBalancers)
    const strategy = input.capacityProviderStrategy
    const capacity = strategy
      ? checkedCapacity(cluster, undefined, strategy)
      : { launchType: kept.launchType, capacityProviderStrategy: kept.capacityProviderStrategy }
    return fitted(definition, {
      taskDefinitionArn: definition.arn,
      ...capacity,
      ...platformOf(capacity, definition, input.platformVersion ?? kept.platformVersion),
      networkConfiguration: normalNetwork(input.networkConfiguration) ?? kept.networkConfiguration,
      loadBalancers: input.loadBalancers ?? kept.loadBalancers ?? [],
      serviceRegistries: input.serviceRegistries ?? kept.serviceRegistries ?? [],
      serviceConnectConfiguration:
        input.serviceConnectConfiguration ?? kept.serviceConnectConfiguration,
      volumeConfigurations: input.volumeConfigurations ?? kept.volumeConfigurations,
    })
  }

  function remove(input: sdk.DeleteServiceCommandInput, call: Call) {
    const cluster = activeCluster(rows, call, input.cluster)
    const row = findService(rows, cluster, input.service ?? '')
    if (!row || row.status === 'INACTIVE') throw serviceNotFound()
    if (row.status === 'DRAINING') return { service: serviceView(rows, row) }
    const scaled = row.schedulingStrategy === 'REPLICA' && row.desiredCount > 0
    if (scaled && !input.force) {
      throw invalidParameter('The service cannot be stopped while it is scaled above 0.')
    }
    if (taskSetsOf(row).length > 0 && !input.force) {
      throw invalidParameter('The service cannot be stopped while deployments are active.')
    }
    const next: ServiceRow = {
      ...row,
      status: 'DRAINING',
      desiredCount: 0,
      deployments: row.deployments.map(closed),
      deletedAtMs: clock.now(),
      steady: false,
    }
    rows.services.put(row.arn, next)
    return { service: serviceView(rows, next) }
  }

  function describe(input: sdk.DescribeServicesCommandInput, call: Call) {
    const cluster = findCluster(rows, call, input.cluster)
    const references = input.services ?? []
    if (references.length === 0) throw invalidParameter('Services cannot be empty.')
    if (references.length > MAX_DESCRIBED) {
      throw invalidParameter(`Services cannot have more than ${MAX_DESCRIBED} elements.`)
    }
    const withTags = (input.include ?? []).includes('TAGS')
    const services = []
    const failures: sdk.Failure[] = []
    for (const reference of references) {
      const row = findService(rows, cluster, reference)
      if (row) services.push(serviceView(rows, row, { withTags, withEvents: true }))
      else failures.push({ arn: failedArn(cluster, reference), reason: 'MISSING' })
    }
    return { services, failures }
  }

  function list(input: sdk.ListServicesCommandInput, call: Call) {
    const cluster = findCluster(rows, call, input.cluster)
    const page = listPage(rows.services.by('clusterLive', cluster.arn), input, PAGE, (row) => {
      if (input.launchType && launchTypeOf(launchShown(row)) !== input.launchType) return false
      return !input.schedulingStrategy || row.schedulingStrategy === input.schedulingStrategy
    })
    return { serviceArns: page.rows.map((row) => row.arn), nextToken: page.nextToken }
  }

  return {
    CreateService: create,
    UpdateService: update,
    DeleteService: remove,
    DescribeServices: describe,
    ListServices: list,
  }
}

/** A deployment of a service that is deleted. */
function closed(row: DeploymentRow): DeploymentRow {
  return { ...row, desiredCount: 0, status: row.taskSet ? 'DRAINING' : row.status }
}

function failedArn(cluster: ClusterRow, reference: string): string {
  return reference.startsWith('arn:') ? reference : childArn(cluster, 'service', reference)
}
