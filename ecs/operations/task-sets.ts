import type * as sdk from '@aws-sdk/client-ecs'
import { parseArn } from '../../gateway/core/arn.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { EcsContext } from '../context.ts'
import { replaceDeployment } from '../deployments.ts'
import { invalidParameter, serviceNotActive, serviceNotFound, taskSetNotFound } from '../faults.ts'
import { askNetwork } from '../network.ts'
import { computedDesiredCount, rescaled } from '../plan-task-sets.ts'
import { requestHash } from '../request-hash.ts'
import { activeCluster, childArn, findCluster, findService } from '../resolve.ts'
import {
  type ClusterRow,
  type DeploymentRow,
  type ServiceRow,
  type TaskSetRow,
  taskSetsOf,
} from '../rows.ts'
import { checkedLaunch } from '../service-launch.ts'
import { checkedTags } from '../tags.ts'
import { taskSetViews } from '../task-set-view.ts'

/** A service's quota of task sets, those that are being deleted included. */
const MAX_TASK_SETS = 5
const TASK_SET_DIGITS = 19
const MAX_TOKEN = 36

/** Which task set a call is about. */
interface Named {
  readonly cluster: string | undefined
  readonly service: string | undefined
  readonly taskSet: string | undefined
}

/** Handlers of task sets, the deployments of services whose deployment controller is EXTERNAL. */
export function taskSetHandlers(context: EcsContext): Record<string, Handler> {
  const { rows, clock, ids, store } = context

  function create(input: sdk.CreateTaskSetCommandInput, call: Call) {
    const facts = askNetwork(context.lookUpNetwork, call, input.networkConfiguration)
    if (!facts) return createNow(input, call)
    return facts.then(() => store.transact(() => createNow(input, call)))
  }

  function createNow(input: sdk.CreateTaskSetCommandInput, call: Call) {
    const cluster = activeCluster(rows, call, input.cluster)
    const service = activeService(cluster, input.service)
    const again = repeated(service, input)
    if (again) return answer(service, again)
    const existing = service.deployments.length
    if (existing >= MAX_TASK_SETS) {
      throw invalidParameter(
        `${existing} deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit.`,
      )
    }
    const set = newTaskSet(input, call, cluster, service)
    return answer(put({ ...service, deployments: [set, ...service.deployments] }), set)
  }

  function newTaskSet(
    input: sdk.CreateTaskSetCommandInput,
    call: Call,
    cluster: ClusterRow,
    service: ServiceRow,
  ): TaskSetRow {
    const launch = checkedLaunch(context, call, cluster, input, service)
    const scalePercent = input.scale ? checkedPercent(input.scale) : 0
    const id = `ecs-svc/${ids.decimal(TASK_SET_DIGITS)}`
    const nowMs = clock.now()
    return {
      ...launch,
      id,
      status: 'ACTIVE',
      desiredCount: computedDesiredCount(service.desiredCount, scalePercent),
      rolloutState: 'IN_PROGRESS',
      rolloutStateReason: `Task set ${id} is stabilizing.`,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      failedTasks: 0,
      taskSet: {
        arn: childArn(cluster, 'task-set', `${service.name}/${id}`),
        externalId: input.externalId,
        scalePercent,
        stabilityStatusAtMs: nowMs,
        tags: checkedTags(input.tags),
        clientToken: input.clientToken,
        requestHash: requestHash(input),
      },
    }
  }

  /** The task set that the same call made before. */
  function repeated(
    service: ServiceRow,
    input: sdk.CreateTaskSetCommandInput,
  ): TaskSetRow | undefined {
    const token = input.clientToken
    if (!token) return undefined
    if (token.length > MAX_TOKEN) {
      throw invalidParameter(`clientToken can have at most ${MAX_TOKEN} characters.`)
    }
    const known = taskSetsOf(service).find(({ taskSet }) => taskSet.clientToken === token)
    if (known && known.taskSet.requestHash !== requestHash(input)) {
      throw invalidParameter('Creation of task set was not idempotent.')
    }
    return known
  }

  function describe(input: sdk.DescribeTaskSetsCommandInput, call: Call) {
    const cluster = findCluster(rows, call, input.cluster)
    const service = externalService(cluster, input.service)
    const withTags = (input.include ?? []).includes('TAGS')
    if (!input.taskSets?.length) {
      return { taskSets: taskSetViews(rows, service, taskSetsOf(service), withTags), failures: [] }
    }
    const sets: TaskSetRow[] = []
    const failures: sdk.Failure[] = []
    for (const reference of input.taskSets) {
      const set = findTaskSet(service, reference)
      if (set) sets.push(set)
      else failures.push({ arn: failedArn(cluster, service, reference), reason: 'MISSING' })
    }
    return { taskSets: taskSetViews(rows, service, sets, withTags), failures }
  }

  function update(input: sdk.UpdateTaskSetCommandInput, call: Call) {
    const { service, set } = existing(input, call)
    const scalePercent = checkedPercent(input.scale)
    refuseDraining(set)
    const taskSet = { ...set.taskSet, scalePercent }
    const next = { ...set, updatedAtMs: clock.now(), taskSet }
    const scaled = put(rescaled(replaceDeployment(service, next), clock.now()))
    return answer(scaled, findTaskSet(scaled, set.id))
  }

  function remove(input: sdk.DeleteTaskSetCommandInput, call: Call) {
    const { service, set } = existing(input, call)
    if (set.status === 'DRAINING') return answer(service, set)
    if (!input.force) {
      if (set.status === 'PRIMARY') throw invalidParameter('Primary TaskSet cannot be deleted')
      if (set.desiredCount > 0) {
        throw invalidParameter('The task set cannot be deleted while it is scaled above 0.')
      }
    }
    const next: TaskSetRow = {
      ...set,
      status: 'DRAINING',
      desiredCount: 0,
      updatedAtMs: clock.now(),
    }
    return answer(put(replaceDeployment(service, next)), next)
  }

  function makePrimary(input: sdk.UpdateServicePrimaryTaskSetCommandInput, call: Call) {
    const { service, set } = existing({ ...input, taskSet: input.primaryTaskSet }, call)
    refuseDraining(set)
    const updatedAtMs = clock.now()
    const withoutPrimary = service.deployments.map(
      (each): DeploymentRow =>
        each.status === 'PRIMARY' ? { ...each, status: 'ACTIVE', updatedAtMs } : each,
    )
    const next: TaskSetRow = { ...set, status: 'PRIMARY', updatedAtMs }
    return answer(put(replaceDeployment({ ...service, deployments: withoutPrimary }, next)), next)
  }

  function existing(named: Named, call: Call): { service: ServiceRow; set: TaskSetRow } {
    const service = activeService(activeCluster(rows, call, named.cluster), named.service)
    const set = findTaskSet(service, named.taskSet ?? '')
    if (!set) throw taskSetNotFound()
    return { service, set }
  }

  function activeService(cluster: ClusterRow, reference: string | undefined): ServiceRow {
    const service = externalService(cluster, reference)
    if (service.status !== 'ACTIVE') throw serviceNotActive()
    return service
  }

  function externalService(cluster: ClusterRow, reference: string | undefined): ServiceRow {
    const service = findService(rows, cluster, reference ?? '')
    if (!service) throw serviceNotFound()
    if (service.status === 'INACTIVE') throw serviceNotActive()
    if (service.deploymentController !== 'EXTERNAL') {
      throw invalidParameter(
        'Amazon ECS only supports task set management on services configured to use external deployment controllers.',
      )
    }
    return service
  }

  function put(service: ServiceRow): ServiceRow {
    const next = { ...service, steady: false }
    rows.services.put(next.arn, next)
    return next
  }

  function answer(service: ServiceRow, set: TaskSetRow | undefined) {
    return { taskSet: taskSetViews(rows, service, set ? [set] : [])[0] }
  }

  return {
    CreateTaskSet: create,
    DescribeTaskSets: describe,
    UpdateTaskSet: update,
    DeleteTaskSet: remove,
    UpdateServicePrimaryTaskSet: makePrimary,
  }
}

/** By ARN or id; undefined where the service has none such. */
function findTaskSet(service: ServiceRow, reference: string): TaskSetRow | undefined {
  return taskSetsOf(service).find(
    ({ id, taskSet }) => id === reference || taskSet.arn === reference,
  )
}

function failedArn(cluster: ClusterRow, service: ServiceRow, reference: string): string {
  return parseArn(reference)
    ? reference
    : childArn(cluster, 'task-set', `${service.name}/${reference}`)
}

function checkedPercent(scale: sdk.Scale | undefined): number {
  const value = scale?.value
  if (value === undefined) throw invalidParameter('The value of scale can not be null.')
  if (!(value >= 0 && value <= 100)) {
    throw invalidParameter(`The value of scale must be between 0 and 100, but was ${value}.`)
  }
  return value
}

function refuseDraining({ status }: TaskSetRow): void {
  if (status === 'DRAINING') throw invalidParameter('The task set is being deleted.')
}
