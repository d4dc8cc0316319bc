import type * as sdk from '@aws-sdk/client-ecs'
import { AwsFault } from '../../gateway/core/fault.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { EcsContext, NetworkFacts } from '../context.ts'
import { invalidParameter, serviceNotFound, taskNotFound } from '../faults.ts'
import { candidatesOf, needsOf, placeTasks } from '../instance-placement.ts'
import { instancesFor } from '../instances.ts'
import { checkOverrides } from '../launch.ts'
import { askNetwork, checkNetwork, normalNetwork } from '../network.ts'
import { spread } from '../placement.ts'
import { requestHash } from '../request-hash.ts'
import {
  activeCluster,
  childArn,
  findCluster,
  findContainerInstance,
  findService,
  findTask,
  listPage,
} from '../resolve.ts'
import {
  type ClusterRow,
  type ContainerInstanceRow,
  type IdempotencyRow,
  indexKey,
  type TaskDefinitionRow,
  type TaskRow,
} from '../rows.ts'
import { type Capacity, checkedCapacity, checkPlacement, launchTypeOf } from '../service-rules.ts'
import { checkedTags } from '../tags.ts'
import { assertLaunchable } from '../task-definition-rules/launchable.ts'
import { newTask } from '../task-factory.ts'
import { taskView } from '../task-view.ts'
import { startableTaskDefinition } from './task-definitions.ts'

const PAGE = { fallback: 100, max: 100 }
const MAX_DESCRIBED = 100
const MAX_COUNT = 10
const MAX_STARTED_BY = 128
const MAX_STARTED_INSTANCES = 10
const MAX_TOKEN = 64
const MAX_REASON = 1024

/** What RunTask and StartTask have in common. */
type LaunchInput = Pick<
  sdk.RunTaskCommandInput & sdk.StartTaskCommandInput,
  | 'enableECSManagedTags'
  | 'enableExecuteCommand'
  | 'group'
  | 'networkConfiguration'
  | 'overrides'
  | 'propagateTags'
  | 'startedBy'
  | 'tags'
>

/** Handlers of tasks: they write what is wanted; the scheduler and the runtime make it so. */
export function taskHandlers(context: EcsContext): Record<string, Handler> {
  const { rows, store, clock } = context
  const attributes = Object.entries(context.runtimeAttributes).map(([name, value]) => ({
    name,
    value,
  }))

  function run(input: sdk.RunTaskCommandInput, call: Call) {
    const facts = askNetwork(context.lookUpNetwork, call, input.networkConfiguration)
    if (!facts) return runNow(input, call)
    return facts.then((known) => store.transact(() => runNow(input, call, known)))
  }

  function runNow(input: sdk.RunTaskCommandInput, call: Call, facts?: NetworkFacts) {
    const cluster = activeCluster(rows, call, input.cluster)
    const again = repeated(input, cluster)
    if (again) return answer(again, [])
    const count = input.count ?? 1
    if (count < 1 || count > MAX_COUNT) {
      throw invalidParameter(`count must be between 1 and ${MAX_COUNT}, but was ${count}.`)
    }
    const definition = startableTaskDefinition(rows, call, input.taskDefinition)
    const capacity = checkedCapacity(cluster, input.launchType, input.capacityProviderStrategy)
    checkPlacement(capacity, input.placementConstraints, input.placementStrategy)
    checkLaunch(definition, input, launchTypeOf(capacity))
    const { places, failures } = placesFor(input, cluster, definition, capacity, count)
    const tasks = places.map((place) => create(cluster, definition, input, place, facts))
    if (input.clientToken && tasks.length > 0) remember(input, cluster, tasks)
    return answer(tasks, failures)
  }

  /** Where each task goes, and a failure for each that can go nowhere. */
  function placesFor(
    input: sdk.RunTaskCommandInput,
    cluster: ClusterRow,
    definition: TaskDefinitionRow,
    capacity: Capacity,
    count: number,
  ) {
    const providers = spread(capacity.capacityProviderStrategy ?? [], count)
    const launchType = launchTypeOf(capacity)
    if (launchType !== 'EC2') {
      const places = Array.from({ length: count }, (_, index) => ({
        launchType,
        capacityProviderName: providers[index],
        instance: undefined,
      }))
      return { places, failures: [] }
    }
    const instances = instancesFor(context, cluster)
    if (instances.length === 0) {
      throw invalidParameter('No Container Instances were found in your cluster.')
    }
    const needs = needsOf(definition.body, input.overrides)
    const rules = { constraints: input.placementConstraints, strategy: input.placementStrategy }
    const placed = placeTasks(candidatesOf(context, instances), needs, count, rules)
    const places = placed.instances.map((instance, index) => ({
      launchType,
      capacityProviderName: providers[index],
      instance,
    }))
    return { places, failures: placed.failures }
  }

  function start(input: sdk.StartTaskCommandInput, call: Call) {
    const facts = askNetwork(context.lookUpNetwork, call, input.networkConfiguration)
    if (!facts) return startNow(input, call)
    return facts.then((known) => store.transact(() => startNow(input, call, known)))
  }

  function startNow(input: sdk.StartTaskCommandInput, call: Call, facts?: NetworkFacts) {
    const cluster = activeCluster(rows, call, input.cluster)
    const references = input.containerInstances ?? []
    if (references.length === 0) throw invalidParameter('Container instances cannot be empty.')
    if (references.length > MAX_STARTED_INSTANCES) {
      throw invalidParameter(
        `containerInstances can have at most ${MAX_STARTED_INSTANCES} elements.`,
      )
    }
    const definition = startableTaskDefinition(rows, call, input.taskDefinition)
    checkLaunch(definition, input, 'EC2')
    const tasks: TaskRow[] = []
    const failures: sdk.Failure[] = []
    for (const reference of references) {
      const instance = findContainerInstance(rows, cluster, reference)
      if (instance?.status === 'ACTIVE') {
        const place = { launchType: 'EC2' as const, capacityProviderName: undefined, instance }
        tasks.push(create(cluster, definition, input, place, facts))
      } else {
        const arn = instance?.arn ?? childArn(cluster, 'container-instance', reference)
        failures.push({ arn, reason: instance ? instance.status : 'MISSING' })
      }
    }
    return answer(tasks, failures)
  }

  function checkLaunch(
    definition: TaskDefinitionRow,
    input: LaunchInput,
    launchType: TaskRow['launchType'],
  ): void {
    assertLaunchable(definition, launchType)
    checkNetwork(definition.body.networkMode, input.networkConfiguration)
    checkOverrides(definition.body, input.overrides, launchType)
    if (input.propagateTags === 'SERVICE') {
      throw invalidParameter('Tags can only be propagated from the task definition to a task.')
    }
    if ((input.startedBy?.length ?? 0) > MAX_STARTED_BY) {
      throw invalidParameter(`startedBy can have at most ${MAX_STARTED_BY} characters.`)
    }
    if (/^(service|family):/.test(input.group ?? '')) {
      throw invalidParameter('Invalid namespace for group.')
    }
  }

  interface Place {
    readonly launchType: TaskRow['launchType']
    readonly capacityProviderName: string | undefined
    readonly instance: ContainerInstanceRow | undefined
  }

  function create(
    cluster: ClusterRow,
    definition: TaskDefinitionRow,
    input: LaunchInput,
    place: Place,
    facts: NetworkFacts | undefined,
  ): TaskRow {
    const row = newTask(context, {
      cluster,
      definition,
      launchType: place.launchType,
      capacityProviderName: place.capacityProviderName,
      containerInstanceArn: place.instance?.arn,
      platformVersion: (input as sdk.RunTaskCommandInput).platformVersion,
      networkConfiguration: normalNetwork(input.networkConfiguration),
      subnets: facts?.subnets,
      overrides: input.overrides,
      placementConstraints: (input as sdk.RunTaskCommandInput).placementConstraints,
      group: input.group,
      startedBy: input.startedBy,
      enableExecuteCommand: input.enableExecuteCommand,
      enableECSManagedTags: input.enableECSManagedTags,
      propagateTags: input.propagateTags,
      tags: checkedTags(input.tags),
    })
    rows.tasks.put(row.arn, row)
    return row
  }

  function repeated(
    input: sdk.RunTaskCommandInput,
    cluster: ClusterRow,
  ): readonly TaskRow[] | undefined {
    const token = input.clientToken
    if (!token) return undefined
    if (token.length > MAX_TOKEN) {
      throw invalidParameter(`clientToken can have at most ${MAX_TOKEN} characters.`)
    }
    const known = rows.idempotency.get(tokenKey(cluster, token))
    if (!known) return undefined
    if (known.requestHash !== requestHash(input)) {
      throw new AwsFault(
        'ConflictException',
        'The RunTask request could not be processed due to conflicts. The provided clientToken is already in use with a different RunTask request. The resourceIds are the existing task ARNs which are already associated with the clientToken.',
        400,
        { resourceIds: known.taskArns },
      )
    }
    return known.taskArns.flatMap((arn) => rows.tasks.get(arn) ?? [])
  }

  function remember(
    input: sdk.RunTaskCommandInput,
    cluster: ClusterRow,
    tasks: readonly TaskRow[],
  ): void {
    const token = input.clientToken ?? ''
    const row: IdempotencyRow = {
      arn: tokenKey(cluster, token),
      account: cluster.account,
      region: cluster.region,
      token,
      requestHash: requestHash(input),
      taskArns: tasks.map((task) => task.arn),
      createdAtMs: clock.now(),
    }
    rows.idempotency.put(row.arn, row)
  }

  function answer(tasks: readonly TaskRow[], failures: readonly sdk.Failure[]) {
    return { tasks: tasks.map((task) => taskView(task, attributes, true)), failures }
  }

  function stop(input: sdk.StopTaskCommandInput, call: Call) {
    const cluster = activeCluster(rows, call, input.cluster)
    const row = findTask(rows, cluster, input.task ?? '')
    if (!row) throw taskNotFound()
    if (row.desiredStatus === 'STOPPED') return { task: taskView(row, attributes, true) }
    if ((input.reason?.length ?? 0) > MAX_REASON) {
      throw invalidParameter(`reason can have at most ${MAX_REASON} characters.`)
    }
    const next: TaskRow = {
      ...row,
      desiredStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      stoppedReason: input.reason ?? 'Task stopped by user',
      stoppingAtMs: clock.now(),
      version: row.version + 1,
    }
    rows.tasks.put(row.arn, next)
    return { task: taskView(next, attributes, true) }
  }

  function describe(input: sdk.DescribeTasksCommandInput, call: Call) {
    const cluster = findCluster(rows, call, input.cluster)
    const references = input.tasks ?? []
    if (references.length === 0) throw invalidParameter('Tasks cannot be empty.')
    if (references.length > MAX_DESCRIBED) {
      throw invalidParameter(`Tasks cannot have more than ${MAX_DESCRIBED} elements.`)
    }
    const withTags = (input.include ?? []).includes('TAGS')
    const tasks = []
    const failures: sdk.Failure[] = []
    for (const reference of references) {
      const row = findTask(rows, cluster, reference)
      if (row) tasks.push(taskView(row, attributes, withTags))
      else {
        const arn = reference.startsWith('arn:') ? reference : childArn(cluster, 'task', reference)
        failures.push({ arn, reason: 'MISSING' })
      }
    }
    return { tasks, failures }
  }

  function list(input: sdk.ListTasksCommandInput, call: Call) {
    const cluster = findCluster(rows, call, input.cluster)
    const status = input.desiredStatus ?? 'RUNNING'
    const instance = input.containerInstance
      ? findContainerInstance(rows, cluster, input.containerInstance)
      : undefined
    if (input.containerInstance && !instance) {
      throw invalidParameter('Referenced container instance not found.')
    }
    const serviceArn = input.serviceName ? serviceArnOf(cluster, input.serviceName) : undefined
    const { family, startedBy } = input
    if (startedBy && (family || serviceArn || instance)) {
      throw invalidParameter('startedBy can not be combined with another filter.')
    }
    const bucket = serviceArn
      ? rows.tasks.by('serviceDesired', indexKey(serviceArn, status))
      : startedBy
        ? rows.tasks.by('startedByDesired', indexKey(cluster.arn, status, startedBy))
        : family
          ? rows.tasks.by('familyDesired', indexKey(cluster.arn, status, family))
          : rows.tasks.by('desired', indexKey(cluster.arn, status))
    const page = listPage(bucket, input, PAGE, (row) => {
      if (instance && row.containerInstanceArn !== instance.arn) return false
      if (input.launchType && row.launchType !== input.launchType) return false
      return !(serviceArn && family) || row.taskDefinitionArn.includes(`/${family}:`)
    })
    return { taskArns: page.rows.map((row) => row.arn), nextToken: page.nextToken }
  }

  function serviceArnOf(cluster: ClusterRow, name: string): string {
    const row = findService(rows, cluster, name)
    if (!row) throw serviceNotFound()
    return row.arn
  }

  return {
    RunTask: run,
    StartTask: start,
    StopTask: stop,
    DescribeTasks: describe,
    ListTasks: list,
  }
}

function tokenKey(cluster: ClusterRow, token: string): string {
  return indexKey('RunTask', cluster.arn, token)
}
