/** The fate of a service's deployments: failures, back-off, circuit breaker, roll-back. Pure. */
import type { DeploymentRow, LaunchConfiguration, ServiceRow } from './rows.ts'
import * as says from './service-events.ts'

/** So many failures in a row are tried again at once; from then on launches wait. */
export const FREE_FAILURES = 3
export const BACK_OFF_FIRST_MS = 1_000
export const BACK_OFF_MOST_MS = 60_000
/** After the first telling, the event is told again every so many failures. */
const TELL_EVERY = 10
/** Bounds of the circuit breaker's threshold, which is half of the desired count. */
const BREAKER_LEAST = 3
const BREAKER_MOST = 200
const BREAKER_SHARE = 0.5

export interface Changed {
  readonly service: ServiceRow
  readonly events: readonly string[]
}

/** The service after one more task of the deployment failed. */
export function recordFailure(service: ServiceRow, deploymentId: string, nowMs: number): Changed {
  const deployment = service.deployments.find((each) => each.id === deploymentId)
  if (!deployment) return { service, events: [] }
  const failedTasks = deployment.failedTasks + 1
  const over = failedTasks - FREE_FAILURES
  const next: DeploymentRow = {
    ...deployment,
    failedTasks,
    updatedAtMs: nowMs,
    notBeforeMs:
      over < 0 ? undefined : nowMs + Math.min(BACK_OFF_MOST_MS, BACK_OFF_FIRST_MS * 2 ** over),
  }
  const tell = over >= 0 && over % TELL_EVERY === 0
  return {
    service: { ...replaceDeployment(service, next), steady: false },
    events: tell ? [says.cannotStart(service)] : [],
  }
}

/** How many failures in a row trip the service's circuit breaker; undefined when it is off. */
export function breakerThreshold(service: ServiceRow): number | undefined {
  const breaker = service.deploymentConfiguration.deploymentCircuitBreaker
  if (!breaker?.enable) return undefined
  const configured = breaker.thresholdConfiguration
  const value = configured?.value ?? 0
  if (configured?.type === 'COUNT') return Math.max(1, value)
  const share = configured ? value / 100 : BREAKER_SHARE
  const count = Math.ceil(service.desiredCount * share)
  if (configured?.type === 'UNBOUNDED_PERCENT') return Math.max(1, count)
  return Math.min(BREAKER_MOST, Math.max(BREAKER_LEAST, count))
}

/** Trips the circuit breaker where the primary deployment has failed often enough. */
export function tripBreaker(service: ServiceRow, newId: () => string, nowMs: number): Changed {
  const [primary] = service.deployments
  const threshold = breakerThreshold(service)
  if (
    threshold === undefined ||
    primary?.rolloutState !== 'IN_PROGRESS' ||
    primary.failedTasks < threshold
  ) {
    return { service, events: [] }
  }
  const failed: DeploymentRow = {
    ...primary,
    rolloutState: 'FAILED',
    rolloutStateReason: 'ECS deployment circuit breaker: tasks failed to start.',
    updatedAtMs: nowMs,
  }
  const events = [says.deploymentFailed(service, primary)]
  const goal = service.lastCompleted
  const rollback = service.deploymentConfiguration.deploymentCircuitBreaker?.rollback
  // A roll-back that fails is not rolled back: it would go on for ever.
  if (rollback && !goal) {
    const reason = `${failed.rolloutStateReason} No deployment has completed that could be rolled back to.`
    const told = { ...failed, rolloutStateReason: reason }
    return { service: replaceDeployment(service, told), events }
  }
  if (!rollback || !goal || primary.rollsBack !== undefined) {
    return { service: replaceDeployment(service, failed), events }
  }
  const back = rolledBack(service, failed, goal, newId, nowMs)
  return { service: back, events: [...events, says.rollingBack(service, back.deployments[0]!)] }
}

/**
 * With the last completed launch configuration in front again: the deployment that still runs it,
 * tasks and all, or a new one.
 */
function rolledBack(
  service: ServiceRow,
  failed: DeploymentRow,
  goal: LaunchConfiguration,
  newId: () => string,
  nowMs: number,
): ServiceRow {
  const others = service.deployments.slice(1)
  const goalText = JSON.stringify(goal)
  const kept = others.find((each) => JSON.stringify(launchOf(each)) === goalText)
  const id = kept?.id ?? newId()
  const primary: DeploymentRow = {
    ...goal,
    id,
    status: 'PRIMARY',
    desiredCount: service.desiredCount,
    rolloutState: 'IN_PROGRESS',
    rolloutStateReason: `ECS deployment circuit breaker: rolling back to deploymentId ${id}.`,
    createdAtMs: kept?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
    failedTasks: 0,
    rollsBack: failed.id,
  }
  const rest = others.filter((each) => each !== kept)
  return {
    ...service,
    launch: goal,
    deployments: [primary, { ...failed, status: 'ACTIVE' }, ...rest],
    steady: false,
  }
}

/** The part of a deployment that says what its tasks are launched with. */
export function launchOf(deployment: DeploymentRow): LaunchConfiguration {
  return {
    taskDefinitionArn: deployment.taskDefinitionArn,
    launchType: deployment.launchType,
    capacityProviderStrategy: deployment.capacityProviderStrategy,
    platformVersion: deployment.platformVersion,
    platformFamily: deployment.platformFamily,
    networkConfiguration: deployment.networkConfiguration,
    loadBalancers: deployment.loadBalancers,
    serviceRegistries: deployment.serviceRegistries,
    serviceConnectConfiguration: deployment.serviceConnectConfiguration,
    volumeConfigurations: deployment.volumeConfigurations,
  }
}

/** The primary deployment, done: all of its tasks are healthy and no other task is left. */
export function completed(service: ServiceRow, nowMs: number): Changed {
  const [primary] = service.deployments
  if (primary?.rolloutState !== 'IN_PROGRESS') return { service, events: [] }
  const next: DeploymentRow = {
    ...primary,
    rolloutState: 'COMPLETED',
    rolloutStateReason: `ECS deployment ${primary.id} completed.`,
    failedTasks: 0,
    notBeforeMs: undefined,
    updatedAtMs: nowMs,
  }
  return {
    service: { ...replaceDeployment(service, next), lastCompleted: launchOf(primary) },
    events: [says.deploymentCompleted(service, primary)],
  }
}

/**
 * Before another deployment takes its place: where every task runs and none has failed, callers were
 * told that the service is stable, and a roll-back must find this deployment completed.
 */
export function completedIfStable(service: ServiceRow, running: number, nowMs: number): Changed {
  const [primary, ...others] = service.deployments
  const stable =
    others.length === 0 && primary?.failedTasks === 0 && running >= primary.desiredCount
  return stable ? completed(service, nowMs) : { service, events: [] }
}

export function replaceDeployment(service: ServiceRow, next: DeploymentRow): ServiceRow {
  const deployments = service.deployments.map((each) => (each.id === next.id ? next : each))
  return { ...service, deployments }
}
