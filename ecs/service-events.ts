/** What a service's events say, in AWS's words. */
import type { DeploymentRow, ServiceRow, TaskRow } from './rows.ts'
import type { RegistrationError, TargetTrouble } from './targets.ts'

type Named = Pick<ServiceRow, 'name'>
type Deployment = Pick<DeploymentRow, 'id'>

/** How events name a deployment's service: together with the task set where it is one. */
export function nameIn(service: Named, deployment: Pick<DeploymentRow, 'id' | 'taskSet'>): Named {
  return deployment.taskSet ? { name: `${service.name}, taskSet ${deployment.id}` } : service
}

export function tasksStarted(service: Named, taskIds: readonly string[]): string {
  return `(service ${service.name}) has started ${taskIds.length} tasks: ${namesOf(taskIds)}.`
}

export function tasksStopped(service: Named, tasks: readonly Pick<TaskRow, 'id'>[]): string {
  const names = namesOf(tasks.map((task) => task.id))
  return `(service ${service.name}) has stopped ${tasks.length} running tasks: ${names}.`
}

export function steadyState(service: Named): string {
  return `(service ${service.name}) has reached a steady state.`
}

export function deploymentCompleted(service: Named, { id }: Deployment): string {
  return `(service ${service.name}) (deployment ${id}) deployment completed.`
}

export function deploymentFailed(service: Named, { id }: Deployment): string {
  return `(service ${service.name}) (deployment ${id}) deployment failed: tasks failed to start.`
}

export function rollingBack(service: Named, { id }: Deployment): string {
  return `(service ${service.name}) rolling back to deployment ${id}.`
}

export function cannotStart(service: Named): string {
  return `(service ${service.name}) is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`
}

export function cannotPlace(service: Named, reason: string): string {
  return `(service ${service.name}) was unable to place a task. Reason: ${reason}.`
}

/** While a task waits; EC2's words are of instances. */
export function waitsForPlace(
  service: Named,
  { launchType }: Pick<TaskRow, 'launchType'>,
  reason: string,
): string {
  const why = reason.replace(/\.$/, '')
  return launchType === 'FARGATE' ? cannotPlace(service, why) : noInstance(service, why)
}

const SHORTAGES: Readonly<Record<string, string>> = {
  'RESOURCE:CPU': 'has insufficient CPU units available',
  'RESOURCE:MEMORY': 'has insufficient memory available',
  'RESOURCE:PORTS': 'is already using a port required by your task',
}

/** No instance takes a task, so none is made; `reason` is what RunTask's failures would say. */
export function noPlace(service: Named, instanceArn: string, reason: string): string {
  const id = instanceArn.slice(instanceArn.lastIndexOf('/') + 1)
  const shortage = SHORTAGES[reason]
  if (id === '') return noInstance(service, 'No Container Instances were found in your cluster')
  if (shortage === undefined) return noInstance(service, reason.replace(/\.$/, ''))
  return noInstance(service, `The closest matching (container-instance ${id}) ${shortage}`)
}

function noInstance(service: Named, reason: string): string {
  return `(service ${service.name}) was unable to place a task because no container instance met all of its requirements. Reason: ${reason}. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`
}

export function targetsRegistered(service: Named, count: number, group: string): string {
  return `(service ${service.name}) registered ${count} targets in (target-group ${group})`
}

export function targetsDeregistered(service: Named, count: number, group: string): string {
  return `(service ${service.name}) deregistered ${count} targets in (target-group ${group})`
}

/** AWS names the deployment here as it names task sets. */
export function drainingBegun(
  service: Named,
  { deploymentId }: Pick<TaskRow, 'deploymentId'>,
): string {
  const set = deploymentId === undefined ? '' : `, taskSet ${deploymentId}`
  return `(service ${service.name}${set}) has begun draining connections on 1 tasks.`
}

export function taskUnhealthy(service: Named, task: Pick<TaskRow, 'id'>): string {
  return `(service ${service.name}) (task ${task.id}) failed container health checks.`
}

export function targetUnhealthy(
  service: Named,
  task: Pick<TaskRow, 'id'>,
  trouble: TargetTrouble,
): string {
  const { targetGroupArn, instanceId, port, reason } = trouble
  const where = instanceId === undefined ? `task ${task.id}` : `instance ${instanceId}`
  return `(service ${service.name}) (${where}) (port ${port}) is unhealthy in (target-group ${targetGroupArn}) due to (reason ${reason})`
}

export function cannotRegister(service: Named, error: RegistrationError): string {
  const { targetGroupArn, message } = error
  return `(service ${service.name}) failed to register targets in (target-group ${targetGroupArn}) with (error ${message})`
}

function namesOf(taskIds: readonly string[]): string {
  return taskIds.map((id) => `(task ${id})`).join(' ')
}
