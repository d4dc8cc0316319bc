import type { TaskRow } from '../../ecs/rows.ts'
import type {
  RegistrationError,
  TargetRegistrar,
  TargetState,
  TargetTrouble,
} from '../../ecs/targets.ts'

const GROUP = 'arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/1'

/** Load balancers in a test's hands: one group, whose targets are as the test says. */
export class FakeTargets implements TargetRegistrar {
  static readonly group = GROUP
  /** Of registered tasks, by ARN; the test sets others. */
  readonly states = new Map<string, TargetState>()
  /** Tasks that still have requests under way. */
  readonly busy = new Set<string>()
  readonly listeners = new Set<(taskArn: string) => void>()
  /** Why nothing can be registered. */
  refusal: RegistrationError | undefined
  /** Of the targets' machine, where they are instances. */
  instanceId: string | undefined
  /** What new targets are. */
  fresh: TargetState = 'healthy'

  register(task: TaskRow) {
    if (this.refusal) throw this.refusal
    if (this.states.has(task.arn)) return []
    this.states.set(task.arn, this.fresh)
    return [{ targetGroupArn: GROUP, count: 1 }]
  }

  deregister(task: TaskRow) {
    return this.states.delete(task.arn) ? [{ targetGroupArn: GROUP, count: 1 }] : []
  }

  drained(task: TaskRow): boolean {
    return !this.busy.has(task.arn)
  }

  state(task: TaskRow): TargetState {
    return this.states.get(task.arn) ?? 'initial'
  }

  troubles(task: TaskRow): readonly TargetTrouble[] {
    if (this.state(task) !== 'unhealthy') return []
    const { instanceId } = this
    const target = { targetGroupArn: GROUP, port: 80, reason: 'Request timed out' }
    return [{ ...target, ...(instanceId !== undefined && { instanceId }) }]
  }

  describe(arn: string) {
    if (!arn.includes('targetgroup/')) return undefined
    return { targetType: arn.includes('/ip') ? 'ip' : 'instance', balanced: !arn.includes('idle') }
  }

  onChange(listener: (taskArn: string) => void) {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** The balancer finds a target so. */
  found(arn: string, state: TargetState): void {
    this.states.set(arn, state)
    this.tell(arn)
  }

  /** The task's last request has ended. */
  quiet(arn: string): void {
    this.busy.delete(arn)
    this.tell(arn)
  }

  tell(arn: string): void {
    for (const listener of this.listeners) listener(arn)
  }
}
