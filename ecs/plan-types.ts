/** What the plan of a service is made from, and what it says. */
import type { TaskStopCode } from '@aws-sdk/client-ecs'
import type { ServiceRow, TaskRow } from './rows.ts'
import type { TargetState, TargetTrouble } from './targets.ts'

export interface ServiceView {
  readonly service: ServiceRow
  /** Tasks of the service whose last status is not STOPPED, in any order. */
  readonly tasks: readonly TaskRow[]
  /** ARNs of the cluster's ACTIVE container instances; DAEMON services run one task on each. */
  readonly instances: readonly string[]
  /** Whether an essential container of the task has a health check. */
  readonly hasHealthCheck: (task: TaskRow) => boolean
  readonly targetState: (task: TaskRow) => TargetState
  readonly targetTroubles: (task: TaskRow) => readonly TargetTrouble[]
  readonly newDeploymentId: () => string
  readonly nowMs: number
}

export interface LaunchAction {
  readonly deploymentId: string
  /** For DAEMON: where. */
  readonly containerInstanceArn?: string
}

export interface StopAction {
  readonly task: TaskRow
  readonly code: TaskStopCode
  readonly reason: string
  /** The task failed: it counts against its deployment. */
  readonly failed: boolean
  /** Its targets that fail their health checks; absent where a container does. */
  readonly troubles?: readonly TargetTrouble[]
}

export interface ServicePlan {
  /** The service as it is to be stored; the same object when nothing about it changes. */
  readonly service: ServiceRow
  readonly launches: readonly LaunchAction[]
  readonly stops: readonly StopAction[]
  readonly events: readonly string[]
  /** When to look again although nothing has changed. */
  readonly lookAgainAtMs?: number
}

export type Condition = 'starting' | 'healthy' | 'unhealthy' | 'leaving'

/** A task with what the plan needs to know of it. */
export interface Member {
  readonly task: TaskRow
  readonly condition: Condition
}
