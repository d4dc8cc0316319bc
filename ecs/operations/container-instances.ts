import type * as sdk from '@aws-sdk/client-ecs'
import { AwsFault } from '../../gateway/core/fault.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { EcsContext } from '../context.ts'
import { containerInstanceNotFound, invalidParameter } from '../faults.ts'
import { isConnected, registerInstance } from '../instances.ts'
import {
  activeCluster,
  childArn,
  findCluster,
  findContainerInstance,
  listPage,
} from '../resolve.ts'
import type { ContainerInstanceRow, TaskRow, Wire } from '../rows.ts'
import { checkedTags } from '../tags.ts'

const PAGE = { fallback: 100, max: 100 }
const MAX_DESCRIBED = 100
const MAX_UPDATED = 10

/**
 * Handlers of container instances. Each stands for a machine of the runtime; a cluster that is asked
 * for EC2 tasks and has none gets one for each (`implicit`), so that such tasks run out of the box.
 */
export function containerInstanceHandlers(context: EcsContext): Record<string, Handler> {
  const { rows } = context

  function register(input: sdk.RegisterContainerInstanceCommandInput, call: Call) {
    const cluster = activeCluster(rows, call, input.cluster)
    const row = registerInstance(context, cluster, {
      implicit: false,
      attributes: input.attributes ?? [],
      tags: checkedTags(input.tags),
      versionInfo: input.versionInfo,
    })
    return { containerInstance: view(row, true) }
  }

  function deregister(input: sdk.DeregisterContainerInstanceCommandInput, call: Call) {
    const row = existing(call, input.cluster, input.containerInstance)
    if (running(row) > 0 && !input.force) {
      throw invalidParameter('Found running tasks on the instance.')
    }
    const next: ContainerInstanceRow = { ...row, status: 'INACTIVE', version: row.version + 1 }
    rows.containerInstances.delete(row.arn)
    return { containerInstance: view(next, false) }
  }

  function describe(input: sdk.DescribeContainerInstancesCommandInput, call: Call) {
    const cluster = findCluster(rows, call, input.cluster)
    const references = input.containerInstances ?? []
    if (references.length === 0) throw invalidParameter('Container instances cannot be empty.')
    if (references.length > MAX_DESCRIBED) {
      throw invalidParameter(`containerInstances can have at most ${MAX_DESCRIBED} elements.`)
    }
    const withTags = (input.include ?? []).includes('TAGS')
    const containerInstances = []
    const failures: sdk.Failure[] = []
    for (const reference of references) {
      const row = findContainerInstance(rows, cluster, reference)
      if (row) containerInstances.push(view(row, withTags))
      else {
        const arn = reference.startsWith('arn:')
          ? reference
          : childArn(cluster, 'container-instance', reference)
        failures.push({ arn, reason: 'MISSING' })
      }
    }
    return { containerInstances, failures }
  }

  function list(input: sdk.ListContainerInstancesCommandInput, call: Call) {
    if (input.filter) {
      throw new AwsFault(
        'UnsupportedFeatureException',
        'KECS does not implement the filter of ListContainerInstances yet; list without it.',
        501,
      )
    }
    const cluster = findCluster(rows, call, input.cluster)
    const mine = rows.containerInstances.by('cluster', cluster.arn)
    const page = listPage(mine, input, PAGE, (row) =>
      input.status ? row.status === input.status : row.status !== 'INACTIVE',
    )
    return { containerInstanceArns: page.rows.map((row) => row.arn), nextToken: page.nextToken }
  }

  function updateState(input: sdk.UpdateContainerInstancesStateCommandInput, call: Call) {
    const { status } = input
    if (status !== 'ACTIVE' && status !== 'DRAINING') {
      throw invalidParameter('Container instance status should be one of [ACTIVE,DRAINING].')
    }
    const cluster = findCluster(rows, call, input.cluster)
    const references = input.containerInstances ?? []
    if (references.length > MAX_UPDATED) {
      throw invalidParameter(`containerInstances can have at most ${MAX_UPDATED} elements.`)
    }
    const containerInstances = []
    const failures: sdk.Failure[] = []
    for (const reference of references) {
      const row = findContainerInstance(rows, cluster, reference)
      if (!row) {
        failures.push({ arn: reference, reason: 'MISSING' })
        continue
      }
      const next: ContainerInstanceRow = { ...row, status, version: row.version + 1 }
      rows.containerInstances.put(row.arn, next)
      containerInstances.push(view(next, false))
    }
    return { containerInstances, failures }
  }

  function existing(call: Call, cluster: string | undefined, reference: string | undefined) {
    const row = findContainerInstance(rows, findCluster(rows, call, cluster), reference ?? '')
    if (!row) throw containerInstanceNotFound()
    return row
  }

  function running(row: ContainerInstanceRow): number {
    return rows.tasks.by('instanceLive', row.arn).size
  }

  function view(row: ContainerInstanceRow, withTags: boolean): Wire<sdk.ContainerInstance> {
    let runningTasksCount = 0
    let pendingTasksCount = 0
    let cpu = row.cpuUnits
    let memory = row.memoryMiB
    for (const task of rows.tasks.by('instanceLive', row.arn)) {
      if (task.lastStatus === 'RUNNING') runningTasksCount++
      else if (isPending(task)) pendingTasksCount++
      cpu -= Number(task.cpu ?? 0)
      memory -= Number(task.memory ?? 0)
    }
    return {
      containerInstanceArn: row.arn,
      ec2InstanceId: row.ec2InstanceId,
      version: row.version,
      versionInfo: row.versionInfo ?? {},
      remainingResources: resources(cpu, memory),
      registeredResources: resources(row.cpuUnits, row.memoryMiB),
      status: row.status,
      agentConnected: row.status !== 'INACTIVE' && isConnected(context, row),
      runningTasksCount,
      pendingTasksCount,
      attributes: [...row.attributes],
      registeredAt: row.registeredAtMs / 1000,
      attachments: [],
      tags: withTags ? [...row.tags] : [],
    }
  }

  return {
    RegisterContainerInstance: register,
    DeregisterContainerInstance: deregister,
    DescribeContainerInstances: describe,
    ListContainerInstances: list,
    UpdateContainerInstancesState: updateState,
  }
}

function isPending({ lastStatus }: TaskRow): boolean {
  return lastStatus === 'PROVISIONING' || lastStatus === 'PENDING' || lastStatus === 'ACTIVATING'
}

function resources(cpu: number, memory: number): sdk.Resource[] {
  const integer = (name: string, integerValue: number): sdk.Resource => ({
    name,
    type: 'INTEGER',
    doubleValue: 0,
    longValue: 0,
    integerValue,
  })
  return [integer('CPU', cpu), integer('MEMORY', memory)]
}
