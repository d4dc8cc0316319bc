import type { LoadBalancer } from '@aws-sdk/client-ecs'
import type { Scope } from '../gateway/core/arn.ts'
import type { TaskRow } from './rows.ts'

/** What a load balancer says of one task's targets, all of its groups together. */
export type TargetState = 'none' | 'initial' | 'healthy' | 'unhealthy' | 'draining'

/** A target that fails its health checks, and why in the balancer's words. */
export interface TargetTrouble {
  readonly targetGroupArn: string
  /** Where the target is an instance and not the task's own address. */
  readonly instanceId?: string
  readonly port: number | undefined
  readonly reason: string
}

/** Of a target group, as far as services depend on it. */
export interface TargetGroupFacts {
  readonly targetType: string
  /** Whether a listener forwards to it. */
  readonly balanced: boolean
}

/**
 * The load balancers as the scheduler sees them; filled in by the composition root, since ECS and
 * ELBv2 never meet. Calls are idempotent and write rows, so that they belong to a transaction.
 */
export interface TargetRegistrar {
  /** Registers a running task with every target group that its service names; throws a RegistrationError where one is gone. */
  register(task: TaskRow, loadBalancers: readonly LoadBalancer[]): readonly Registered[]
  /** Takes the task's targets out, whichever groups they are in: they get no new requests. */
  deregister(task: TaskRow): readonly Registered[]
  /** Whether no request is under way to the task any more, or none is waited for. */
  drained(task: TaskRow): boolean
  state(task: TaskRow, loadBalancers: readonly LoadBalancer[]): TargetState
  /** Those of its targets that are unhealthy. */
  troubles(task: TaskRow): readonly TargetTrouble[]
  /** The group of that ARN, where it is one of this account and region. */
  describe(targetGroupArn: string, scope: Scope): TargetGroupFacts | undefined
  /** Calls `listener` with a task's ARN whenever the state of one of its targets may have changed. */
  onChange(listener: (taskArn: string) => void): () => void
}

/** Why a task was not registered with a group. */
export class RegistrationError extends Error {
  readonly targetGroupArn: string

  constructor(targetGroupArn: string, message: string) {
    super(message)
    this.targetGroupArn = targetGroupArn
  }
}

export interface Registered {
  readonly targetGroupArn: string
  readonly count: number
}
