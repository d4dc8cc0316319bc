/** Listeners, certificates and clients for tests of TLS and of network load balancers. */

import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { LiveListener, PortListeners } from '../../../../elbv2/data-plane/model.ts'
import { balancerSettings, listenerSettings } from '../../../../elbv2/data-plane/settings.ts'
import {
  createAuthority,
  issueCertificate,
  type KeyAndCertificate,
} from '../../../../elbv2/data-plane/tls/self-signed.ts'
import type { ListenerRow, LoadBalancerRow } from '../../../../elbv2/rows.ts'
import { hostName } from '../../../../gateway/core/host-name.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'

const SCOPE = { account: '000000000000', region: 'us-east-1' }

export const testAuthority: KeyAndCertificate & { privateKey: KeyObject } = (() => {
  const made = createAuthority(systemIds, Date.now())
  return { ...made, privateKey: createPrivateKey(made.key) }
})()

/** A key and a certificate of `testAuthority` for these names and localhost. */
export function pair(names: readonly string[]): KeyAndCertificate {
  return issueCertificate(testAuthority, [...names, 'localhost'], systemIds, Date.now())
}

export interface ListenerParts extends Partial<ListenerRow> {
  readonly dnsName?: string
  readonly balancerAttributes?: Readonly<Record<string, string>>
  readonly type?: LoadBalancerRow['type']
  readonly rules?: LiveListener['rules']
}

let count = 0

export function liveListener(parts: ListenerParts = {}): LiveListener {
  const {
    dnsName = 'my-alb-1.us-east-1.elb.localhost',
    balancerAttributes = {},
    type = 'application',
    rules = [],
    ...row
  } = parts
  const loadBalancerArn = `arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/${dnsName}/1`
  const listenerRow: ListenerRow = {
    ...SCOPE,
    arn: `${loadBalancerArn.replace(':loadbalancer/', ':listener/')}/${++count}`,
    loadBalancerArn,
    port: 443,
    protocol: 'HTTPS',
    certificateArns: [],
    defaultActions: [],
    defaultRule: { arn: 'rule', tags: [] },
    attributes: {},
    tags: [],
    createdAtMs: 0,
    ...row,
  }
  const balancerRow = {
    ...SCOPE,
    arn: loadBalancerArn,
    type,
    attributes: balancerAttributes,
  } as LoadBalancerRow
  return {
    row: listenerRow,
    settings: listenerSettings(listenerRow, type),
    balancer: { row: balancerRow, dnsName, settings: balancerSettings(balancerRow), listeners: [] },
    rules,
  }
}

/** Of a port that the system chooses. */
export function portListeners(all: () => readonly LiveListener[]): PortListeners {
  return {
    port: 0,
    current: all,
    forHost: (host) =>
      all().find(({ balancer }) => host !== undefined && balancer.dnsName === hostName(host)) ??
      all()[0],
  }
}
