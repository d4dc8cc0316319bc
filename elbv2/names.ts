/** ARNs and DNS names of load balancers and what belongs to them, as AWS spells them. */
import { arnOf, type Scope } from '../gateway/core/arn.ts'
import type { Ids } from '../gateway/core/ids.ts'
import type { LoadBalancerRow, LoadBalancerType } from './rows.ts'

const ID_LENGTH = 16
const DNS_DIGITS = 10
const KINDS: Readonly<Record<LoadBalancerType, string>> = {
  application: 'app',
  network: 'net',
  gateway: 'gwy',
}

function newId(ids: Ids): string {
  return ids.hex().slice(-ID_LENGTH)
}

function arn(scope: Scope, resource: string): string {
  return arnOf('elasticloadbalancing', scope, resource)
}

/** `…:loadbalancer/app/my-alb/50dc6c495c0c9188`. */
export function newLoadBalancerArn(
  ids: Ids,
  scope: Scope,
  type: LoadBalancerType,
  name: string,
): string {
  return arn(scope, `loadbalancer/${KINDS[type]}/${name}/${newId(ids)}`)
}

/** `…:listener/app/my-alb/50dc6c495c0c9188/f2f7dc8efc522ab2`. */
export function newListenerArn(ids: Ids, loadBalancerArn: string): string {
  return `${loadBalancerArn.replace(':loadbalancer/', ':listener/')}/${newId(ids)}`
}

/** `…:listener-rule/app/my-alb/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee`. */
export function newRuleArn(ids: Ids, listenerArn: string): string {
  return `${listenerArn.replace(':listener/', ':listener-rule/')}/${newId(ids)}`
}

/** `…:targetgroup/my-targets/73e2d6bc24d8a067`. */
export function newTargetGroupArn(ids: Ids, scope: Scope, name: string): string {
  return arn(scope, `targetgroup/${name}/${newId(ids)}`)
}

/** `…:truststore/my-store/73e2d6bc24d8a067`. */
export function newTrustStoreArn(ids: Ids, scope: Scope, name: string): string {
  return arn(scope, `truststore/${name}/${newId(ids)}`)
}

/** `my-alb-1234567890.us-east-1`, with `internal-` in front of internal ones. */
export function newDnsLabel(
  ids: Ids,
  scope: Scope,
  name: string,
  scheme: LoadBalancerRow['scheme'],
): string {
  const prefix = scheme === 'internal' ? 'internal-' : ''
  return `${prefix}${name}-${ids.decimal(DNS_DIGITS)}.${scope.region}`.toLowerCase()
}

export function dnsNameOf(row: Pick<LoadBalancerRow, 'dnsLabel'>, suffix: string): string {
  return `${row.dnsLabel}.${suffix}`
}

/** `app/my-alb/50dc6c495c0c9188`: how logs and metrics name a load balancer. */
export function shortNameOf(loadBalancerArn: string): string {
  return loadBalancerArn.slice(loadBalancerArn.indexOf('/') + 1)
}
