/** ECS's port to the load balancers: tasks of services as targets of ELBv2's groups. */
import { isIP } from 'node:net'
import type { LoadBalancer } from '@aws-sdk/client-ecs'
import type { ContainerInstanceRow, EcsRows, TaskRow } from '../ecs/rows.ts'
import {
  type Registered,
  RegistrationError,
  type TargetGroupFacts,
  type TargetRegistrar,
  type TargetState,
  type TargetTrouble,
} from '../ecs/targets.ts'
import { isUsed } from '../elbv2/associations.ts'
import type { TargetHealth } from '../elbv2/data-plane/model.ts'
import type { LiveTargets } from '../elbv2/data-plane/targets/live-targets.ts'
import { newTarget } from '../elbv2/registration.ts'
import { type Elbv2Rows, type TargetGroupRow, type TargetRow, targetKey } from '../elbv2/rows.ts'
import type { Scope } from '../gateway/core/arn.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { ScriptedTargets } from './scripted-targets.ts'

export interface RegistrarOptions {
  readonly ecs: EcsRows
  readonly elbv2: Elbv2Rows
  readonly live: LiveTargets
  readonly healthOf: (target: TargetRow) => TargetHealth
  readonly scripts: ScriptedTargets
  readonly clock: Clock
}

export function createTargetRegistrar(options: RegistrarOptions): TargetRegistrar {
  const { ecs, elbv2, live, healthOf, scripts, clock } = options
  const listeners = new Set<(taskArn: string) => void>()
  const tell = (taskArn: string) => {
    for (const listener of listeners) listener(taskArn)
  }
  live.onHealth((key) => {
    const owner = elbv2.targets.get(key)?.owner
    if (owner !== undefined) tell(owner)
  })

  function register(task: TaskRow, balancers: readonly LoadBalancer[]): readonly Registered[] {
    const counts = new Map<string, number>()
    for (const { group, id, port } of wantedOf(task, balancers)) {
      const key = targetKey(group.arn, id, port)
      const before = elbv2.targets.get(key)
      if (before?.owner === task.arn && before.drainingSinceMs === undefined) continue
      elbv2.targets.put(key, { ...newTarget(group, id, port, clock.now()), owner: task.arn })
      counts.set(group.arn, (counts.get(group.arn) ?? 0) + 1)
    }
    const changesAtMs = counts.size > 0 ? scripts.changesAtMs(task.arn) : undefined
    if (changesAtMs !== undefined) {
      clock.after(Math.max(0, changesAtMs - clock.now()), () => tell(task.arn))
    }
    return registeredOf(counts)
  }

  /** A task without an address is registered by its id: it cannot be reached, and is told so. */
  function wantedOf(task: TaskRow, balancers: readonly LoadBalancer[]) {
    return balancers.flatMap(({ targetGroupArn, containerName, containerPort }) => {
      if (!targetGroupArn) return []
      const group = elbv2.targetGroups.get(targetGroupArn)
      if (!group) {
        throw new RegistrationError(targetGroupArn, `Target group '${targetGroupArn}' not found`)
      }
      const container = task.observed?.containers.find(({ name }) => name === containerName)
      const bound = container?.ports.find((port) => port.containerPort === containerPort)
      const own = task.observed?.address
      const address =
        // A pod's dynamic port is on the pod alone: its instance could not tell two of them apart.
        group.targetType === 'instance' && (own === undefined || bound?.bindIp !== own)
          ? bound && instanceOf(ecs, task)?.ec2InstanceId
          : // A task without an address of its own is where its ports are bound.
            (own ?? bound?.bindIp)
      return [{ group, id: address ?? task.id, port: bound?.hostPort ?? containerPort }]
    })
  }

  function deregister(task: TaskRow): readonly Registered[] {
    const counts = new Map<string, number>()
    for (const row of [...elbv2.targets.by('owner', task.arn)]) {
      if (row.drainingSinceMs !== undefined) continue
      elbv2.targets.put(row.arn, { ...row, drainingSinceMs: clock.now() })
      counts.set(row.targetGroupArn, (counts.get(row.targetGroupArn) ?? 0) + 1)
      void live.drained(row.arn).then(() => tell(task.arn))
    }
    return registeredOf(counts)
  }

  /** Not before traffic has heard of its deregistration: until then it still gets requests. */
  function isDrained({ arn, targetGroupArn }: TargetRow): boolean {
    const target = live.target(arn)
    if (!target) return true
    const { drainingSinceMs } = target.row
    if (drainingSinceMs === undefined) return false
    const delayMs = live.group(targetGroupArn)?.settings.deregistrationDelayMs ?? 0
    return target.inFlight === 0 || clock.now() >= drainingSinceMs + delayMs
  }

  function state(task: TaskRow, balancers: readonly LoadBalancer[]): TargetState {
    if (!balancers.some(({ targetGroupArn }) => targetGroupArn)) return 'none'
    const rows = [...elbv2.targets.by('owner', task.arn)]
    if (rows.length === 0) return 'initial'
    if (rows.some(({ drainingSinceMs }) => drainingSinceMs !== undefined)) return 'draining'
    const states = rows.map((row) => healthOf(row).state)
    if (states.includes('unhealthy')) return 'unhealthy'
    // A group that no listener uses any more says nothing of its targets.
    return states.includes('initial') ? 'initial' : 'healthy'
  }

  function troubles(task: TaskRow): readonly TargetTrouble[] {
    return [...elbv2.targets.by('owner', task.arn)].flatMap((row) => {
      const { state: found, description = 'Health checks failed' } = healthOf(row)
      if (found !== 'unhealthy') return []
      const { targetGroupArn, id, port } = row
      const instanceId = id.startsWith('i-') ? id : undefined
      return [{ targetGroupArn, ...(instanceId && { instanceId }), port, reason: description }]
    })
  }

  function describe(targetGroupArn: string, scope: Scope): TargetGroupFacts | undefined {
    const group = elbv2.targetGroups.get(targetGroupArn)
    if (group?.account !== scope.account || group.region !== scope.region) return undefined
    const { targetType } = group
    return { targetType, balanced: isUsed(elbv2, group.arn) }
  }

  return {
    register,
    deregister,
    drained: (task) => [...elbv2.targets.by('owner', task.arn)].every(isDrained),
    state,
    troubles,
    describe,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** Who knows where targets are that have no address of their own. */
export interface Whereabouts {
  readonly ecs: EcsRows
  /** Of the machine that a runtime has for a container instance. */
  nodeAddress(instance: ContainerInstanceRow): string | undefined
  /** Where that port of a load balancer is open. */
  balancerAddress(loadBalancerArn: string, port: number): string | undefined
}

/**
 * Where a target is reached: an address is its own; an instance is the machine for the container
 * instance of that id; a load balancer is where its listeners are. Undefined: nobody here knows.
 */
export function targetAddress(
  { ecs, nodeAddress, balancerAddress }: Whereabouts,
  row: TargetRow,
  group: TargetGroupRow,
): string | undefined {
  if (isIP(row.id) !== 0) return row.id
  if (group.targetType === 'alb') return balancerAddress(row.id, row.port ?? group.port ?? 0)
  if (group.targetType !== 'instance') return undefined
  for (const instance of ecs.containerInstances.by('ec2Instance', row.id)) {
    if (instance.status !== 'INACTIVE') return nodeAddress(instance)
  }
  return undefined
}

function instanceOf(ecs: EcsRows, task: TaskRow): ContainerInstanceRow | undefined {
  return ecs.containerInstances.get(task.containerInstanceArn ?? '')
}

function registeredOf(counts: ReadonlyMap<string, number>): Registered[] {
  return [...counts].map(([targetGroupArn, count]) => ({ targetGroupArn, count }))
}
