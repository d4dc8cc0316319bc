/** One pass over one service: its rows go into the plan, what the plan says goes into the rows. */
import type { EcsContext } from './context.ts'
import { recordFailure } from './deployments.ts'
import { candidatesOf, needsOf, type Placed, placeTasks } from './instance-placement.ts'
import { instancesFor } from './instances.ts'
import { spread } from './placement.ts'
import { planService } from './plan.ts'
import { planTaskSets } from './plan-task-sets.ts'
import type { LaunchAction, ServicePlan, ServiceView } from './plan-types.ts'
import {
  type ClusterRow,
  type DeploymentRow,
  MAX_SERVICE_EVENTS,
  type ServiceEventRow,
  type ServiceRow,
  type TaskDefinitionRow,
  type TaskRow,
} from './rows.ts'
import { nameIn, noPlace, tasksStarted } from './service-events.ts'
import { launchTypeOf } from './service-rules.ts'
import type { TargetRegistrar } from './targets.ts'
import { newTask } from './task-factory.ts'
import { factsOf } from './task-spec.ts'
import { askedToStop } from './task-state.ts'

const DEPLOYMENT_DIGITS = 19

/** Plans and writes in one transaction; when to look again, in milliseconds since the epoch. */
export function reconcileService(
  context: EcsContext,
  targets: TargetRegistrar,
  arn: string,
): number | undefined {
  const { rows, store, log } = context
  const service = rows.services.get(arn)
  const cluster = service && rows.clusters.get(service.clusterArn)
  if (!service || !cluster || service.status === 'INACTIVE') return undefined
  return store.transact(() => {
    const view = viewOf(context, targets, service, cluster)
    const external = service.status === 'ACTIVE' && service.deploymentController === 'EXTERNAL'
    const plan = external ? planTaskSets(view) : planService(view)
    carryOut(context, service, cluster, plan)
    if (plan.launches.length > 0 || plan.stops.length > 0) {
      log.debug('service planned', {
        service: arn,
        launches: plan.launches.length,
        stops: plan.stops.length,
      })
    }
    return plan.lookAgainAtMs
  })
}

/** What the plan of this service is made from, as things stand. */
export function viewOf(
  context: EcsContext,
  targets: TargetRegistrar,
  service: ServiceRow,
  cluster: ClusterRow,
): ServiceView {
  const { rows, clock, ids } = context
  const balancersOf = (task: TaskRow) => {
    const own = service.deployments.find((each) => each.id === task.deploymentId)
    return (own ?? service.launch).loadBalancers ?? []
  }
  return {
    service,
    tasks: [...rows.tasks.by('serviceLive', service.arn)],
    instances: service.schedulingStrategy === 'DAEMON' ? instancesOf(context, cluster) : [],
    hasHealthCheck(task) {
      const definition = rows.taskDefinitions.get(task.taskDefinitionArn)
      if (!definition) return false
      const { essential, checked } = factsOf(definition)
      for (const name of checked) if (essential.has(name)) return true
      return false
    },
    targetState(task) {
      const balancers = balancersOf(task)
      return balancers.length === 0 ? 'none' : targets.state(task, balancers)
    },
    targetTroubles: (task) => targets.troubles(task),
    newDeploymentId: () => `ecs-svc/${ids.decimal(DEPLOYMENT_DIGITS)}`,
    nowMs: clock.now(),
  }
}

function instancesOf(context: EcsContext, cluster: ClusterRow): string[] {
  return instancesFor(context, cluster).map(({ arn }) => arn)
}

function carryOut(
  context: EcsContext,
  before: ServiceRow,
  cluster: ClusterRow,
  plan: ServicePlan,
): void {
  const { rows, clock } = context
  let service = plan.service
  const events = [...plan.events]
  for (const { task, code, reason, failed } of plan.stops) {
    rows.tasks.put(task.arn, askedToStop(task, code, reason, clock.now()))
    if (!failed) continue
    const changed = recordFailure(service, task.deploymentId ?? '', clock.now())
    service = changed.service
    events.push(...changed.events)
  }
  for (const deployment of service.deployments) {
    const launches = plan.launches.filter(({ deploymentId }) => deploymentId === deployment.id)
    const { tasks, unable } = launch(context, service, cluster, deployment, launches)
    const ids = tasks.map(({ id }) => id)
    if (unable !== undefined) events.push(...newsOf(context, service, unable))
    if (ids.length > 0) events.unshift(tasksStarted(nameIn(service, deployment), ids))
  }
  if (service !== before) rows.services.put(service.arn, service)
  addServiceEvents(context, service, events)
}

function launch(
  context: EcsContext,
  service: ServiceRow,
  cluster: ClusterRow,
  deployment: DeploymentRow,
  launches: readonly LaunchAction[],
): { readonly tasks: readonly TaskRow[]; readonly unable?: string } {
  const { rows } = context
  const definition = rows.taskDefinitions.get(deployment.taskDefinitionArn)
  if (launches.length === 0 || !definition) return { tasks: [] }
  const launchType = launchTypeOf(deployment)
  const strategy = deployment.capacityProviderStrategy ?? []
  const providers = spread(strategy, launches.length, takenBy(context, service, deployment))
  const placed =
    launchType === 'EC2' && service.schedulingStrategy !== 'DAEMON'
      ? placedOf(context, service, cluster, definition, launches.length)
      : undefined
  const [failure] = placed?.failures ?? []
  const able = placed ? launches.slice(0, placed.instances.length) : launches
  const tasks = able.map((action, index) => {
    const row = newTask(context, {
      cluster,
      definition,
      launchType,
      capacityProviderName: providers[index],
      containerInstanceArn: action.containerInstanceArn ?? placed?.instances[index]?.arn,
      platformVersion: deployment.platformVersion,
      networkConfiguration: deployment.networkConfiguration,
      placementConstraints: service.placementConstraints,
      enableExecuteCommand: service.enableExecuteCommand,
      enableECSManagedTags: service.enableECSManagedTags,
      propagateTags: service.propagateTags,
      tags: [],
      service: {
        arn: service.arn,
        name: service.name,
        deploymentId: deployment.id,
        tags: service.tags,
      },
    })
    rows.tasks.put(row.arn, row)
    return row
  })
  return { tasks, ...(failure && { unable: noPlace(service, failure.arn, failure.reason) }) }
}

function placedOf(
  context: EcsContext,
  service: ServiceRow,
  cluster: ClusterRow,
  definition: TaskDefinitionRow,
  count: number,
): Placed {
  const { placementConstraints: constraints, placementStrategy: strategy } = service
  const candidates = candidatesOf(context, instancesFor(context, cluster), service.arn)
  return placeTasks(candidates, needsOf(definition.body), count, { constraints, strategy })
}

/** A message, unless it is the last that the service has: each look finds the same trouble. */
function newsOf({ rows }: EcsContext, service: ServiceRow, message: string): string[] {
  const last = [...rows.serviceEvents.by('service', service.arn)].at(-1)
  return last?.message === message ? [] : [message]
}

/** Tasks by capacity provider: of the service, or of the task set, whose strategy is its own. */
function takenBy(
  context: EcsContext,
  service: ServiceRow,
  { id, taskSet, capacityProviderStrategy }: DeploymentRow,
): Map<string, number> {
  const taken = new Map<string, number>()
  if (!capacityProviderStrategy?.length) return taken
  for (const task of context.rows.tasks.by('serviceLive', service.arn)) {
    if (taskSet && task.deploymentId !== id) continue
    const name = task.capacityProviderName
    if (name !== undefined) taken.set(name, (taken.get(name) ?? 0) + 1)
  }
  return taken
}

/** Adds events to a service, oldest first, and lets go of the oldest over the limit. */
export function addServiceEvents(
  context: EcsContext,
  service: ServiceRow,
  messages: readonly string[],
): void {
  if (messages.length === 0) return
  const { rows, ids, clock } = context
  for (const message of messages) {
    const event: ServiceEventRow = {
      arn: service.arn,
      account: service.account,
      region: service.region,
      id: ids.uuid(),
      serviceArn: service.arn,
      createdAtMs: clock.now(),
      message,
    }
    rows.serviceEvents.put(event.id, event)
  }
  const mine = rows.serviceEvents.by('service', service.arn)
  for (const event of mine) {
    if (mine.size <= MAX_SERVICE_EVENTS) break
    rows.serviceEvents.delete(event.id)
  }
}
