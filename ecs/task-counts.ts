import type { TaskRow } from './rows.ts'

export interface Counts {
  running: number
  pending: number
}

/** Tasks that are to run, together and by the deployment or task set that they belong to. */
export function countTasks(tasks: Iterable<TaskRow>): {
  readonly all: Counts
  readonly byDeployment: ReadonlyMap<string, Counts>
} {
  const all: Counts = { running: 0, pending: 0 }
  const byDeployment = new Map<string, Counts>()
  for (const task of tasks) {
    if (task.desiredStatus !== 'RUNNING') continue
    const id = task.deploymentId ?? ''
    const counts = byDeployment.get(id) ?? { running: 0, pending: 0 }
    const kind = task.lastStatus === 'RUNNING' ? 'running' : 'pending'
    all[kind]++
    counts[kind]++
    byDeployment.set(id, counts)
  }
  return { all, byDeployment }
}
