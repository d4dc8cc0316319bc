import type * as sdk from '@aws-sdk/client-ecs'
import { rolloutView } from './deployment-view.ts'
import type { EcsRows, ServiceRow, TaskSetRow, Wire } from './rows.ts'
import { type Counts, countTasks } from './task-counts.ts'

/** A task set as DescribeTaskSets and DescribeServices answer it. */
export function taskSetView(
  service: ServiceRow,
  row: TaskSetRow,
  counts: Counts | undefined,
  withTags = true,
): Wire<sdk.TaskSet> {
  const { taskSet } = row
  return {
    ...rolloutView(row, counts),
    taskSetArn: taskSet.arn,
    serviceArn: service.arn,
    clusterArn: service.clusterArn,
    externalId: taskSet.externalId,
    computedDesiredCount: row.desiredCount,
    loadBalancers: [...(row.loadBalancers ?? [])],
    serviceRegistries: [...(row.serviceRegistries ?? [])],
    scale: { value: taskSet.scalePercent, unit: 'PERCENT' },
    stabilityStatus: row.rolloutState === 'COMPLETED' ? 'STEADY_STATE' : 'STABILIZING',
    stabilityStatusAt: taskSet.stabilityStatusAtMs / 1000,
    tags: withTags ? [...taskSet.tags] : [],
  }
}

/** Each of the task sets, with the counts of their tasks as they are now. */
export function taskSetViews(
  rows: EcsRows,
  service: ServiceRow,
  sets: readonly TaskSetRow[],
  withTags = true,
): Wire<sdk.TaskSet>[] {
  if (sets.length === 0) return []
  const { byDeployment } = countTasks(rows.tasks.by('serviceLive', service.arn))
  return sets.map((set) => taskSetView(service, set, byDeployment.get(set.id), withTags))
}
