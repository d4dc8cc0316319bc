/** Load balancers, groups and requests as the data plane sees them, for tests: all defaults, named like AWS's examples. */
import type {
  LiveBalancer,
  LiveGroup,
  LiveListener,
  LiveRule,
  LiveTarget,
  RequestRecord,
} from '../../../elbv2/data-plane/model.ts'
import {
  balancerSettings,
  groupSettings,
  listenerSettings,
} from '../../../elbv2/data-plane/settings.ts'
import type { LoadBalancerRow, TargetGroupRow, TargetRow } from '../../../elbv2/rows.ts'

const SCOPE = { account: '123456789012', region: 'us-east-2' }
const ARN = 'arn:aws:elasticloadbalancing:us-east-2:123456789012'

export const BALANCER_ARN = `${ARN}:loadbalancer/app/my-loadbalancer/50dc6c495c0c9188`
export const GROUP_ARN = `${ARN}:targetgroup/my-targets/73e2d6bc24d8a067`

export function balancerRow(changes: Partial<LoadBalancerRow> = {}): LoadBalancerRow {
  return {
    ...SCOPE,
    arn: BALANCER_ARN,
    name: 'my-loadbalancer',
    type: 'application',
    scheme: 'internet-facing',
    dnsLabel: 'my-loadbalancer-1234567890.us-east-2',
    vpcId: 'vpc-1',
    state: 'active',
    availabilityZones: [],
    securityGroups: [],
    ipAddressType: 'ipv4',
    attributes: {},
    tags: [],
    createdAtMs: 0,
    ...changes,
  }
}

export function groupOf(changes: Partial<TargetGroupRow> = {}, ids = ['10.0.0.1']): LiveGroup {
  const row: TargetGroupRow = {
    ...SCOPE,
    arn: GROUP_ARN,
    name: 'my-targets',
    targetType: 'ip',
    protocol: 'HTTP',
    protocolVersion: 'HTTP1',
    port: 80,
    ipAddressType: 'ipv4',
    healthCheck: {
      enabled: true,
      path: '/',
      intervalSeconds: 30,
      timeoutSeconds: 5,
      healthyThreshold: 5,
      unhealthyThreshold: 2,
    },
    attributes: {},
    tags: [],
    createdAtMs: 0,
    ...changes,
  }
  const targets = ids.map((id) => targetOf(row, id))
  return { arn: row.arn, row, settings: groupSettings(row), targets, revision: 0 }
}

function targetOf(group: TargetGroupRow, id: string): LiveTarget {
  const row: TargetRow = {
    ...SCOPE,
    arn: `${group.arn}|${id}|80`,
    targetGroupArn: group.arn,
    id,
    port: 80,
    registeredAtMs: 0,
  }
  return {
    key: row.arn,
    row,
    host: id,
    port: 80,
    health: { state: 'healthy' },
    healthySinceMs: 0,
    slowStart: false,
    inFlight: 0,
  }
}

export function ruleTo(groups: readonly LiveGroup[], priority = 0): LiveRule {
  return {
    arn: `${BALANCER_ARN.replace(':loadbalancer/', ':listener-rule/')}/f2f7/${priority}`,
    priority,
    row: undefined,
    matches: () => true,
    rewrite: undefined,
    authenticate: [],
    final: {
      kind: 'forward',
      plan: { groups: groups.map(({ arn }) => ({ arn, weight: 1 })) },
    },
  }
}

/** A load balancer of one listener on port 80. */
export function listenerOf(row: LoadBalancerRow, rules: readonly LiveRule[]): LiveListener {
  const listenerRow = {
    ...SCOPE,
    arn: `${row.arn.replace(':loadbalancer/', ':listener/')}/f2f7dc8efc522ab2`,
    loadBalancerArn: row.arn,
    port: 80,
    protocol: 'HTTP' as const,
    certificateArns: [],
    defaultActions: [],
    defaultRule: { arn: '', tags: [] },
    attributes: {},
    tags: [],
    createdAtMs: 0,
  }
  const listeners: LiveListener[] = []
  const balancer: LiveBalancer = {
    row,
    dnsName: `${row.dnsLabel}.elb.localhost`,
    settings: balancerSettings(row),
    listeners,
  }
  const settings = listenerSettings(listenerRow, row.type)
  const listener: LiveListener = { row: listenerRow, balancer, settings, rules }
  listeners.push(listener)
  return listener
}

/** AWS's example of a request to an HTTP listener, from port 80 to port 80. */
export function recordOf(changes: Partial<RequestRecord> = {}): RequestRecord {
  const group = groupOf()
  const rule = ruleTo([group])
  return {
    listener: listenerOf(balancerRow(), [rule]),
    peer: { sourceIp: '192.168.131.39', sourcePort: 2817, protocol: 'http' },
    type: 'http',
    receivedAtMs: Date.UTC(2018, 6, 2, 22, 22, 48, 364),
    endedAtMs: Date.UTC(2018, 6, 2, 22, 23, 0, 186),
    method: 'GET',
    url: 'http://www.example.com:80/',
    httpVersion: '1.1',
    userAgent: 'curl/7.46.0',
    traceId: 'Root=1-58337262-36d228ad5d99923122bbe354',
    rule,
    target: { group, target: group.targets[0] as LiveTarget },
    requestProcessingMs: 0,
    targetProcessingMs: 1,
    responseProcessingMs: 0,
    status: 200,
    targetStatus: 200,
    receivedBytes: 34,
    sentBytes: 366,
    actions: ['forward'],
    redirectUrl: undefined,
    errorReason: undefined,
    classification: '-',
    classificationReason: '-',
    transformedHost: undefined,
    transformedUri: undefined,
    ...changes,
  }
}
