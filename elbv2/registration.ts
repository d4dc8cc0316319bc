/** Targets come to groups and leave them as the API asks for it. */
import type { TargetDescription } from '@aws-sdk/client-elastic-load-balancing-v2'
import { isUsed } from './associations.ts'
import type { Elbv2Context } from './context.ts'
import { groupSettings } from './data-plane/settings.ts'
import { fault, validationError } from './faults.ts'
import { MAX_TARGETS_PER_GROUP } from './quotas.ts'
import { type Elbv2Rows, type TargetGroupRow, type TargetRow, targetKey } from './rows.ts'
import { checkTarget, portOf } from './target-input.ts'

/** What registration needs of the context. */
type Registry = Pick<Elbv2Context, 'rows' | 'clock'>

/**
 * Registers all targets or, in the caller's transaction, none: ValidationError, InvalidTarget or
 * TooManyTargets. One that is draining is registered again; one that is there already stays.
 */
export function registerTargets(
  { rows, clock }: Registry,
  group: TargetGroupRow,
  targets: readonly TargetDescription[],
): void {
  for (const target of targets) checkTarget(rows, group, target)
  for (const target of targets) putTarget(rows, group, target, clock.now())
  checkCount(rows, group)
}

function putTarget(
  rows: Elbv2Rows,
  group: TargetGroupRow,
  target: TargetDescription,
  registeredAtMs: number,
): void {
  const id = target.Id ?? ''
  const port = portOf(group, target)
  const arn = targetKey(group.arn, id, port)
  const existing = rows.targets.get(arn)
  if (existing && existing.drainingSinceMs === undefined && hasSame(existing, target)) return
  checkServerId(rows, group, target, existing)
  rows.targets.put(arn, {
    ...newTarget(group, id, port, registeredAtMs),
    ...(target.AvailabilityZone !== undefined && { availabilityZone: target.AvailabilityZone }),
    ...(target.QuicServerId !== undefined && { quicServerId: target.QuicServerId }),
  })
}

/** The row of a target that has just come, whoever brought it. */
export function newTarget(
  group: TargetGroupRow,
  id: string,
  port: number | undefined,
  registeredAtMs: number,
): TargetRow {
  return {
    arn: targetKey(group.arn, id, port),
    account: group.account,
    region: group.region,
    targetGroupArn: group.arn,
    id,
    ...(port !== undefined && { port }),
    registeredAtMs,
  }
}

function hasSame(row: TargetRow, { AvailabilityZone, QuicServerId }: TargetDescription): boolean {
  return row.availabilityZone === AvailabilityZone && row.quicServerId === QuicServerId
}

function checkServerId(
  rows: Elbv2Rows,
  group: TargetGroupRow,
  { QuicServerId: serverId }: TargetDescription,
  existing: TargetRow | undefined,
): void {
  if (serverId === undefined) return
  const registered = existing?.drainingSinceMs === undefined ? existing : undefined
  if (registered && registered.quicServerId !== serverId) {
    throw validationError('The QUIC server ID of a registered target cannot be changed')
  }
  for (const other of rows.targets.by('group', group.arn)) {
    if (other.quicServerId === serverId && other.arn !== existing?.arn) {
      throw validationError(`The QUIC server ID '${serverId}' is in use by another target`)
    }
  }
}

function checkCount(rows: Elbv2Rows, { arn, targetType }: TargetGroupRow): void {
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

/**
 * Begins the deregistration delay of the targets; those without one go at once, as do functions and
 * targets that nothing sends traffic to. As on AWS, what is not registered is as good as gone.
 */
export function deregisterTargets(
  { rows, clock }: Registry,
  group: TargetGroupRow,
  targets: readonly TargetDescription[],
): void {
  const drains =
    group.targetType !== 'lambda' &&
    groupSettings(group).deregistrationDelayMs > 0 &&
    isUsed(rows, group.arn)
  for (const target of targets) {
    const row = rows.targets.get(targetKey(group.arn, target.Id ?? '', portOf(group, target)))
    if (!row || row.drainingSinceMs !== undefined) continue
    if (drains) rows.targets.put(row.arn, { ...row, drainingSinceMs: clock.now() })
    else rows.targets.delete(row.arn)
  }
}
