/** What ECS shows to SQL: a table a kind of resource, and its history. */
import { type SqlTable, tableOf } from '../gateway/core/sql-table.ts'
import type { EcsRows, TaskRow } from './rows.ts'
import {
  CLUSTER,
  type ClusterItem,
  CONTAINER,
  CONTAINER_INSTANCE,
  type ContainerItem,
  type Counted,
  DEPLOYMENT,
  type DeploymentItem,
  type InstanceItem,
  SERVICE,
  SERVICE_EVENT,
  type ServiceItem,
  TASK,
  TASK_DEFINITION,
} from './sql-fields.ts'
import { type HistoryReader, historyTables } from './sql-history.ts'

/** The tables over these rows and this history. Scopes are columns: a question sees all of them. */
export function ecsTables(rows: EcsRows, history: HistoryReader): SqlTable[] {
  return [...resourceTables(rows), ...historyTables(history)]
}

function resourceTables(rows: EcsRows): SqlTable[] {
  return [
    tableOf('clusters', 'A row a cluster.', () => clustersOf(rows), CLUSTER),
    tableOf(
      'task_definitions',
      'A row a revision of a task definition.',
      () => [...rows.taskDefinitions.all()],
      TASK_DEFINITION,
    ),
    tableOf('services', 'A row a service.', () => servicesOf(rows), SERVICE),
    tableOf(
      'deployments',
      'A row a deployment that a service has now: the primary one and those it replaces.',
      () => deploymentsOf(rows),
      DEPLOYMENT,
    ),
    tableOf(
      'tasks',
      'A row a task, the stopped ones that ECS still describes among them.',
      () => [...rows.tasks.all()],
      TASK,
    ),
    tableOf('containers', 'A row a container of a task.', () => containersOf(rows), CONTAINER),
    tableOf(
      'service_events',
      'What services told of themselves, as DescribeServices answers it.',
      () => [...rows.serviceEvents.all()],
      SERVICE_EVENT,
    ),
    tableOf(
      'container_instances',
      'A row a machine that tasks of launch type EC2 run on.',
      () => instancesOf(rows),
      CONTAINER_INSTANCE,
    ),
  ]
}

const PENDING: ReadonlySet<string> = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING'])
const NONE: Counted = { running: 0, pending: 0 }

// Counted at the moment of the question: the indexes will have moved on when the rows are read.
function countTasks(
  rows: EcsRows,
  keyOf: (row: TaskRow) => string | undefined,
): (key: string) => Counted {
  const counts = new Map<string, Counted>()
  for (const task of rows.tasks.by('live', 'yes')) {
    const key = keyOf(task)
    if (key === undefined) continue
    const { running, pending } = counts.get(key) ?? NONE
    counts.set(key, {
      running: running + (task.lastStatus === 'RUNNING' ? 1 : 0),
      pending: pending + (PENDING.has(task.lastStatus) ? 1 : 0),
    })
  }
  return (key) => counts.get(key) ?? NONE
}

function clustersOf(rows: EcsRows): ClusterItem[] {
  const tasks = countTasks(rows, (task) => task.clusterArn)
  return Array.from(rows.clusters.all(), (row) => ({
    ...row,
    tasks: tasks(row.arn),
    services: count(rows.services.by('cluster', row.arn), ({ status }) => status === 'ACTIVE'),
    instances: count(
      rows.containerInstances.by('cluster', row.arn),
      ({ status }) => status !== 'INACTIVE',
    ),
  }))
}

function count<T>(items: Iterable<T>, isCounted: (item: T) => boolean): number {
  let sum = 0
  for (const item of items) if (isCounted(item)) sum++
  return sum
}

function servicesOf(rows: EcsRows): ServiceItem[] {
  const tasks = countTasks(rows, (task) => task.serviceArn)
  return Array.from(rows.services.all(), (row) => ({ ...row, tasks: tasks(row.arn) }))
}

function deploymentsOf(rows: EcsRows): DeploymentItem[] {
  const tasks = countTasks(rows, (task) => task.deploymentId)
  return Array.from(rows.services.all()).flatMap((service) =>
    service.deployments.map((deployment) => ({
      ...deployment,
      service,
      tasks: tasks(deployment.id),
    })),
  )
}

function containersOf(rows: EcsRows): Iterable<ContainerItem> {
  return each([...rows.tasks.all()])
}

function* each(tasks: readonly TaskRow[]): Generator<ContainerItem> {
  for (const task of tasks) {
    for (const container of task.containers) yield { task, container }
  }
}

function instancesOf(rows: EcsRows): InstanceItem[] {
  const tasks = countTasks(rows, (task) => task.containerInstanceArn)
  return Array.from(rows.containerInstances.all(), (row) => ({ ...row, tasks: tasks(row.arn) }))
}
