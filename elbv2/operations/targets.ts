import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { isUsed } from '../associations.ts'
import type { Elbv2Context } from '../context.ts'
import { DRAINING } from '../data-plane/health/health-state.ts'
import type { TargetHealth } from '../data-plane/model.ts'
import { validationError } from '../faults.ts'
import { groupKind } from '../protocols.ts'
import { deregisterTargets, registerTargets } from '../registration.ts'
import { findTargetGroup } from '../resolve.ts'
import { type TargetGroupRow, type TargetRow, targetKey } from '../rows.ts'
import { portOf } from '../target-input.ts'

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

/** Registration of targets, and what the data plane knows of their health. */
export function targetHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, live } = context
  const normal: sdk.AnomalyDetection = { Result: 'normal', MitigationInEffect: 'no' }

  function register(input: sdk.RegisterTargetsInput, call: Call) {
    const group = findTargetGroup(rows, call, input.TargetGroupArn)
    registerTargets(context, group, required(input.Targets))
    return {}
  }

  function deregister(input: sdk.DeregisterTargetsInput, call: Call) {
    const group = findTargetGroup(rows, call, input.TargetGroupArn)
    deregisterTargets(context, group, required(input.Targets))
    return {}
  }

  function describeHealth(input: sdk.DescribeTargetHealthInput, call: Call) {
    const group = findTargetGroup(rows, call, input.TargetGroupArn)
    const used = isUsed(rows, group.arn)
    const include = new Set<string>(input.Include ?? [])
    const tellsAnomalies =
      groupKind(group) === 'application' && (include.has('AnomalyDetection') || include.has('All'))
    const describe = (target: sdk.TargetDescription, health: TargetHealth, row?: TargetRow) => ({
      ...healthView(group, target, health),
      ...(tellsAnomalies && { AnomalyDetection: row ? live.anomaly(row) : normal }),
    })
    const registered = (row: TargetRow) => describe(targetView(row), healthOf(row, used), row)
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

  function healthOf(row: TargetRow, used: boolean): TargetHealth {
    if (row.drainingSinceMs !== undefined) return DRAINING
    return used ? live.targetHealth(row) : UNUSED
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
): sdk.TargetHealthDescription {
  const { port } = group.healthCheck
  const checked = port === 'traffic-port' ? target.Port?.toString() : port
  return {
    Target: target,
    HealthCheckPort: checked,
    TargetHealth: { State: state, Reason: reason, Description: description },
  }
}
