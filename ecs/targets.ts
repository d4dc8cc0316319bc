import type { LoadBalancer } from '@aws-sdk/client-ecs'
import type { TaskRow } from './rows.ts'

/** What a load balancer says of one task's targets, all of its groups together. */
export type TargetState = 'none' | 'initial' | 'healthy' | 'unhealthy' | 'draining'

/**
 * The load balancers as the scheduler sees them; filled in by the composition root, since ECS and
 * ELBv2 never meet. Calls are idempotent; a fault is retried by the next pass.
 */
export interface TargetRegistrar {
  /** Registers a running task with every target group that its service names. */
  register(task: TaskRow, loadBalancers: readonly LoadBalancer[]): Promise<readonly Registered[]>
  /** Takes the task's targets out; in-flight requests are the balancer's business. */
  deregister(task: TaskRow, loadBalancers: readonly LoadBalancer[]): Promise<readonly Registered[]>
  state(task: TaskRow, loadBalancers: readonly LoadBalancer[]): TargetState
  /** Calls `listener` with a task's ARN whenever the state of one of its targets may have changed. */
  onChange(listener: (taskArn: string) => void): () => void
}

export interface Registered {
  readonly targetGroupArn: string
  readonly count: number
}

/** Where no balancer is at hand: tasks of services with balancers are never held up for them. */
export const noTargets: TargetRegistrar = {
  register: async () => [],
  deregister: async () => [],
  state: () => 'none',
  onChange: () => () => {},
}
