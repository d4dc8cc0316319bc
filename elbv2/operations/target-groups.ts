import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { groupsOfBalancer, isUsed, usersOf } from '../associations.ts'
import { checkedAttributes, TARGET_GROUP_ATTRIBUTES } from '../attributes.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, invalidConfiguration, validationError } from '../faults.ts'
import { carriesDatagrams, groupAttributes } from '../group-attributes.ts'
import { checkedHealthCheck } from '../health-check-rules.ts'
import { newTargetGroupArn } from '../names.ts'
import { vpcExists } from '../network.ts'
import { groupKind } from '../protocols.ts'
import { MAX_TARGET_GROUPS } from '../quotas.ts'
import {
  byName,
  checkArn,
  findLoadBalancer,
  findTargetGroup,
  listPage,
  selector,
} from '../resolve.ts'
import { type Attributes, indexKey, type TargetGroupRow } from '../rows.ts'
import { checkedTags } from '../tags.ts'
import { checkedName, checkedTraffic, type GroupTraffic } from '../target-group-input.ts'

const STICKINESS_TYPE = 'stickiness.type'

/** Target groups and their attributes. Which load balancers use one is derived, never stored. */
export function targetGroupHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, clock, ids, store } = context

  function create(input: sdk.CreateTargetGroupInput, call: Call) {
    const traffic = checkedTraffic(input)
    const exists = traffic.vpcId === undefined ? undefined : vpcExists(context, call, traffic.vpcId)
    const put = () => putGroup(input, call, traffic)
    if (!exists) return put()
    return exists.then((found) => {
      if (!found) throw validationError(`The VPC ID '${traffic.vpcId}' is not found`)
      return store.transact(put)
    })
  }

  function putGroup(input: sdk.CreateTargetGroupInput, call: Call, traffic: GroupTraffic) {
    const name = checkedName(input.Name)
    const row: TargetGroupRow = {
      arn: newTargetGroupArn(ids, call, name),
      account: call.account,
      region: call.region,
      name,
      ...traffic,
      healthCheck: checkedHealthCheck(traffic, input),
      attributes: {},
      tags: checkedTags(input.Tags),
      createdAtMs: clock.now(),
    }
    const existing = byName(rows.targetGroups, call, name)
    if (existing) {
      if (settingsOf(existing) === settingsOf(row)) return answer(existing)
      throw fault(
        'DuplicateTargetGroupNameException',
        `A target group with the same name '${name}' exists, but with different settings`,
      )
    }
    if (
      rows.targetGroups.by('scope', indexKey(call.account, call.region)).size >= MAX_TARGET_GROUPS
    ) {
      throw fault(
        'TooManyTargetGroupsException',
        `The maximum number of target groups [${MAX_TARGET_GROUPS}] has been reached`,
      )
    }
    rows.targetGroups.put(row.arn, row)
    return answer(row)
  }

  function describe(input: sdk.DescribeTargetGroupsInput, call: Call) {
    const selection = { arns: input.TargetGroupArns, names: input.Names }
    const balancer = input.LoadBalancerArn
    if (balancer !== undefined && (selection.arns?.length || selection.names?.length)) {
      throw validationError(
        'A load balancer ARN cannot be specified together with target group ARNs or names',
      )
    }
    let keep = selector('targetGroup', rows.targetGroups, call, selection)
    if (balancer !== undefined) {
      const groups = groupsOfBalancer(rows, findLoadBalancer(rows, call, balancer).arn)
      keep = (row) => groups.has(row.arn)
    }
    const mine = rows.targetGroups.by('scope', indexKey(call.account, call.region))
    const page = listPage(mine, input, keep)
    return { TargetGroups: page.rows.map(view), NextMarker: page.nextToken }
  }

  function modify(input: sdk.ModifyTargetGroupInput, call: Call) {
    const row = findTargetGroup(rows, call, input.TargetGroupArn)
    const changed = { ...row, healthCheck: checkedHealthCheck(row, input, row.healthCheck) }
    rows.targetGroups.put(row.arn, changed)
    return answer(changed)
  }

  // As on AWS, a group that is not there is as good as deleted.
  function remove(input: sdk.DeleteTargetGroupInput, call: Call) {
    const arn = input.TargetGroupArn ?? ''
    checkArn('targetGroup', call, arn)
    const row = rows.targetGroups.get(arn)
    if (!row) return {}
    if (isUsed(rows, row.arn)) {
      throw fault(
        'ResourceInUseException',
        `Target group '${row.arn}' is currently in use by a listener or a rule`,
      )
    }
    for (const target of [...rows.targets.by('group', row.arn)]) rows.targets.delete(target.arn)
    rows.targetGroups.delete(row.arn)
    return {}
  }

  function describeAttributes(input: sdk.DescribeTargetGroupAttributesInput, call: Call) {
    return attributesView(findTargetGroup(rows, call, input.TargetGroupArn))
  }

  function modifyAttributes(input: sdk.ModifyTargetGroupAttributesInput, call: Call) {
    const row = findTargetGroup(rows, call, input.TargetGroupArn)
    const given = input.Attributes ?? []
    for (const { Key, Value } of given) if (Key === STICKINESS_TYPE) checkStickiness(row, Value)
    const set = checkedAttributes(TARGET_GROUP_ATTRIBUTES, groupKind(row), 'Target group', given)
    const changed = { ...row, attributes: { ...row.attributes, ...set } }
    checkTogether(changed)
    rows.targetGroups.put(row.arn, changed)
    return attributesView(changed)
  }

  function answer(row: TargetGroupRow) {
    return { TargetGroups: [view(row)] }
  }

  function view(row: TargetGroupRow) {
    return groupView(row, usersOf(rows, row.arn))
  }

  return {
    CreateTargetGroup: create,
    DescribeTargetGroups: describe,
    ModifyTargetGroup: modify,
    DeleteTargetGroup: remove,
    DescribeTargetGroupAttributes: describeAttributes,
    ModifyTargetGroupAttributes: modifyAttributes,
  }
}

function groupView(row: TargetGroupRow, users: Iterable<string>): sdk.TargetGroup {
  const check = row.healthCheck
  return {
    TargetGroupArn: row.arn,
    TargetGroupName: row.name,
    Protocol: row.protocol,
    Port: row.port,
    VpcId: row.vpcId,
    HealthCheckProtocol: check.protocol,
    HealthCheckPort: check.port,
    HealthCheckEnabled: check.enabled,
    HealthCheckIntervalSeconds: check.intervalSeconds,
    HealthCheckTimeoutSeconds: check.timeoutSeconds,
    HealthyThresholdCount: check.healthyThreshold,
    UnhealthyThresholdCount: check.unhealthyThreshold,
    HealthCheckPath: check.path,
    Matcher: check.matcher,
    LoadBalancerArns: [...users],
    TargetType: row.targetType,
    ProtocolVersion: row.protocolVersion,
    IpAddressType: row.ipAddressType,
    TargetControlPort: row.targetControlPort,
  }
}

function attributesView(row: TargetGroupRow) {
  const all = groupAttributes(row)
  return { Attributes: Object.entries(all).map(([Key, Value]) => ({ Key, Value })) }
}

/** What has to be the same for a second CreateTargetGroup to be the first one's again. */
function settingsOf(row: TargetGroupRow): string {
  const { targetType, protocol, protocolVersion, port, vpcId, ipAddressType } = row
  const { enabled, path, intervalSeconds, timeoutSeconds, matcher, ...check } = row.healthCheck
  return JSON.stringify([
    [targetType, protocol, protocolVersion, port, vpcId, ipAddressType, row.targetControlPort],
    [enabled, path, intervalSeconds, timeoutSeconds, matcher?.HttpCode, matcher?.GrpcCode],
    [check.protocol, check.port, check.healthyThreshold, check.unhealthyThreshold],
  ])
}

/** A type of stickiness that groups of other protocols have is no mere wrong word to AWS. */
function checkStickiness(row: TargetGroupRow, type: string | undefined): void {
  const isForeign = TARGET_GROUP_ATTRIBUTES.some(
    ({ key, kinds, allowed }) =>
      key === STICKINESS_TYPE &&
      !kinds.includes(groupKind(row)) &&
      'words' in allowed &&
      allowed.words.includes(type ?? ''),
  )
  if (isForeign && row.protocol) {
    throw invalidConfiguration(
      `Stickiness type '${type}' is not supported for target groups with the ${row.protocol} protocol`,
    )
  }
}

/** Attributes that AWS lets nobody set together. */
function checkTogether(row: TargetGroupRow): void {
  const all: Attributes = groupAttributes(row)
  const algorithm = all['load_balancing.algorithm.type']
  if (all['stickiness.enabled'] === 'true') {
    if (all['stickiness.type'] === 'app_cookie' && !all['stickiness.app_cookie.cookie_name']) {
      throw invalidConfiguration(
        "You must specify 'stickiness.app_cookie.cookie_name' for stickiness type 'app_cookie'",
      )
    }
    if (row.protocol === 'TLS') {
      throw invalidConfiguration("Stickiness is not supported with protocol 'TLS'")
    }
  }
  if (carriesDatagrams(row) && all['preserve_client_ip.enabled'] === 'false') {
    throw invalidConfiguration(
      'preserve_client_ip.enabled cannot be false if the target group protocol is UDP or TCP_UDP',
    )
  }
  const [deregistered, unhealthy] = ['on_deregistration', 'on_unhealthy'].map(
    (event) => all[`target_failover.${event}`],
  )
  if (deregistered !== unhealthy) {
    throw validationError(
      "Target group attribute keys 'target_failover.on_unhealthy' and 'target_failover.on_deregistration' must both be set to the same value for this target group",
    )
  }
  const slowStart = all['slow_start.duration_seconds'] ?? '0'
  if (slowStart !== '0' && algorithm !== undefined && algorithm !== 'round_robin') {
    throw invalidConfiguration(`Slow start is not supported with algorithm '${algorithm}'`)
  }
  const mitigation = all['load_balancing.algorithm.anomaly_mitigation']
  if (mitigation === 'on' && algorithm !== 'weighted_random') {
    throw invalidConfiguration(
      "Anomaly mitigation is supported only with algorithm 'weighted_random'",
    )
  }
}
