import type { LoadBalancerRow, LoadBalancerType } from '../../elbv2/rows.ts'
import { SCOPE } from './row-fixtures.ts'
import type { Elbv2World } from './world.ts'

const KINDS = { application: 'app', network: 'net', gateway: 'gwy' }

/** A load balancer in the store, without the calls that make one; answers its ARN. */
export function putBalancer(
  world: Elbv2World,
  type: LoadBalancerType = 'application',
  more: Partial<LoadBalancerRow> = {},
): string {
  const name = more.name ?? type
  const arn = `arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/${KINDS[type]}/${name}/50dc6c495c0c9188`
  world.rows.loadBalancers.put(arn, {
    ...SCOPE,
    arn,
    name,
    type,
    scheme: 'internet-facing',
    dnsLabel: `${name}-1234567890.us-east-1`,
    vpcId: 'vpc-1',
    state: 'active',
    availabilityZones: [],
    securityGroups: [],
    ipAddressType: 'ipv4',
    attributes: {},
    tags: [],
    createdAtMs: 0,
    ...more,
  })
  return arn
}

/** A target group by the API (HTTP on port 80 of VPC `vpc-1`); answers its ARN. */
export async function makeGroup(world: Elbv2World, more: object = {}): Promise<string> {
  const input = { Name: 'g', Protocol: 'HTTP', Port: 80, VpcId: 'vpc-1', ...more }
  const { TargetGroups } = await world.call('CreateTargetGroup', input)
  return TargetGroups[0].TargetGroupArn
}

export const CERTIFICATE = 'arn:aws:acm:us-east-1:000000000000:certificate/1'
/** What makes a listener an HTTPS one, on port 443. */
export const HTTPS = {
  Protocol: 'HTTPS',
  Port: 443,
  Certificates: [{ CertificateArn: CERTIFICATE }],
}

export const OK = { Type: 'fixed-response', FixedResponseConfig: { StatusCode: '200' } }

export function forward(TargetGroupArn: string) {
  return { Type: 'forward', TargetGroupArn }
}

/** A listener by the API (HTTP on port 80, answering 200); answers its ARN. */
export async function makeListener(
  world: Elbv2World,
  LoadBalancerArn: string,
  more: object = {},
): Promise<string> {
  const input = { LoadBalancerArn, Protocol: 'HTTP', Port: 80, DefaultActions: [OK], ...more }
  const { Listeners } = await world.call('CreateListener', input)
  return Listeners[0].ListenerArn
}

/** A rule by the API (path `/a`, answering 200); answers its ARN. */
export async function makeRule(
  world: Elbv2World,
  ListenerArn: string,
  Priority: number,
  more: object = {},
): Promise<string> {
  const Conditions = [{ Field: 'path-pattern', Values: ['/a'] }]
  const input = { ListenerArn, Priority, Conditions, Actions: [OK], ...more }
  const { Rules } = await world.call('CreateRule', input)
  return Rules[0].RuleArn
}
