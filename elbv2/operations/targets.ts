import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { groupUsers } from '../associations.ts'
import type { Elbv2Context } from '../context.ts'
import type { TargetHealth } from '../data-plane/model.ts'
import { groupSettings } from '../data-plane/settings.ts'
import { fault, validationError } from '../faults.ts'
import { groupKind } from '../protocols.ts'
import { MAX_TARGETS_PER_GROUP } from '../quotas.ts'
import { findTargetGroup } from '../resolve.ts'
import { type TargetGroupRow, type TargetRow, targetKey } from '../rows.ts'
import { checkTarget, portOf } from '../target-input.ts'

const UNUSED: TargetHealth = {
  state: 'unused',
  reason: 'Target.NotInUse',
  description: 'Target group is not configured to receive traffic from the load balancer',
}
const UNREGISTERED: TargetHealth = {
  state: 'unused',
  reason: 'Target.NotRegistered',
  description: 'Target is not registered to the target group',
}
const DRAINING: TargetHealth = {
  state: 'draining',
  reason: 'Target.DeregistrationInProgress',
  description: 'Target deregistration is in progress',
}

/** Registration of targets, and what the data plane knows of their health. */
export function targetHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, clock, live } = context

  function register(input: sdk.RegisterTargetsInput, call: Call) {
    const group = findTargetGroup(rows, call, input.TargetGroupArn)
    const targets = required(input.Targets)
    for (const target of targets) checkTarget(rows, group, target)
    for (const target of targets) putTarget(group, target)
    checkCount(group)
    return {}
  }

  function putTarget(group: TargetGroupRow, target: sdk.TargetDescription): void {
    const id = target.Id ?? ''
    const port = portOf(group, target)
    const arn = targetKey(group.arn, id, port)
    const existing = rows.targets.get(arn)
    if (existing && existing.drainingSinceMs === undefined && hasSame(existing, target)) return
    checkServerId(group, target, existing)
    rows.targets.put(arn, {
      arn,
      account: group.account,
      region: group.region,
      targetGroupArn: group.arn,
      id,
      ...(port !== undefined && { port }),
      ...(target.AvailabilityZone !== undefined && { availabilityZone: target.AvailabilityZone }),
      ...(target.QuicServerId !== undefined && { quicServerId: target.QuicServerId }),
      registeredAtMs: clock.now(),
    })
  }

  function checkServerId(
    group: TargetGroupRow,
    { QuicServerId: serverId }: sdk.TargetDescription,
    existing: TargetRow | undefined,
  ): void {
    if (serverId === undefined) return
    if (
      existing?.drainingSinceMs === undefined &&
      (existing?.quicServerId ?? serverId) !== serverId
    ) {
      throw validationError('The QUIC server ID of a registered target cannot be changed')
    }
    for (const other of rows.targets.by('group', group.arn)) {
      if (other.quicServerId === serverId && other.arn !== existing?.arn) {
        throw validationError(`The QUIC server ID '${serverId}' is in use by another target`)
      }
    }
  }

  function checkCount({ arn, targetType }: TargetGroupRow): void {
    const single = targetType === 'lambda' || targetType === 'alb'
    const most = single ? 1 : MAX_TARGETS_PER_GROUP
    const bucket = rows.targets.by('group', arn)
    if (bucket.size <= most) return
    let registered = 0
    for (const row of bucket) if (row.drainingSinceMs === undefined) registered++
    if (registered > most) {
      throw fault(
        'TooManyTargetsException',
        `You can register up to '${most}' targets of target type '${targetType}' with a target group`,
      )
    }
  }

  // As on AWS, targets that are not registered are as good as deregistered.
  function deregister(input: sdk.DeregisterTargetsInput, call: Call) {
    const group = findTargetGroup(rows, call, input.TargetGroupArn)
    const drains =
      group.targetType !== 'lambda' &&
      groupSettings(group).deregistrationDelayMs > 0 &&
      groupUsers(rows, call).has(group.arn)
    for (const target of required(input.Targets)) {
      const row = rows.targets.get(targetKey(group.arn, target.Id ?? '', portOf(group, target)))
      if (!row || row.drainingSinceMs !== undefined) continue
      if (drains) rows.targets.put(row.arn, { ...row, drainingSinceMs: clock.now() })
      else rows.targets.delete(row.arn)
    }
    return {}
  }

  function describeHealth(input: sdk.DescribeTargetHealthInput, call: Call) {
    const group = findTargetGroup(rows, call, input.TargetGroupArn)
    const isUsed = groupUsers(rows, call).has(group.arn)
    const include = new Set<string>(input.Include ?? [])
    const describe = (target: sdk.TargetDescription, health: TargetHealth) =>
      healthView(group, target, health, include)
    const registered = (row: TargetRow) => describe(targetView(row), healthOf(row, isUsed))
    if (!input.Targets?.length) {
      const all = [...rows.targets.by('group', group.arn)]
      return { TargetHealthDescriptions: all.map(registered) }
    }
    const asked = input.Targets.map((target) => {
      const port = portOf(group, target)
      const row = rows.targets.get(targetKey(group.arn, target.Id ?? '', port))
      return row ? registered(row) : describe({ Id: target.Id, Port: port }, UNREGISTERED)
    })
    return { TargetHealthDescriptions: asked }
  }

  function healthOf(row: TargetRow, isUsed: boolean): TargetHealth {
    if (row.drainingSinceMs !== undefined) return DRAINING
    return isUsed ? live.targetHealth(row) : UNUSED
  }

  return {
    RegisterTargets: register,
    DeregisterTargets: deregister,
    DescribeTargetHealth: describeHealth,
  }
}

function required(targets: readonly sdk.TargetDescription[] | undefined) {
  if (!targets?.length) throw validationError('At least one target must be specified')
  return targets
}

function hasSame(row: TargetRow, { AvailabilityZone, QuicServerId }: sdk.TargetDescription) {
  return row.availabilityZone === AvailabilityZone && row.quicServerId === QuicServerId
}

function targetView(row: TargetRow): sdk.TargetDescription {
  return {
    Id: row.id,
    Port: row.port,
    AvailabilityZone: row.availabilityZone,
    QuicServerId: row.quicServerId,
  }
}

function healthView(
  group: TargetGroupRow,
  target: sdk.TargetDescription,
  { state, reason, description }: TargetHealth,
  include: ReadonlySet<string>,
): sdk.TargetHealthDescription {
  const { port } = group.healthCheck
  const checked = port === 'traffic-port' ? target.Port?.toString() : port
  const anomalies =
    groupKind(group) === 'application' && (include.has('AnomalyDetection') || include.has('All'))
  return {
    Target: target,
    HealthCheckPort: checked,
    TargetHealth: { State: state, Reason: reason, Description: description },
    // No target is taken to be anomalous here, and so none is given less traffic.
    ...(anomalies && { AnomalyDetection: { Result: 'normal', MitigationInEffect: 'no' } }),
  }
}
