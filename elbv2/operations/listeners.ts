import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { actionView, checkedActions } from '../actions.ts'
import { allAttributes, checkedAttributes, LISTENER_ATTRIBUTES } from '../attributes.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, validationError } from '../faults.ts'
import { checkForwarding } from '../forwarding.ts'
import {
  checkEndpointFree,
  checkedEndpoint,
  checkedTls,
  defaultCertificate,
  type Endpoint,
  type ListenerInput,
} from '../listener-input.ts'
import { newListenerArn, newRuleArn } from '../names.ts'
import { checkArn, findListener, findLoadBalancer, listPage } from '../resolve.ts'
import { indexKey, type ListenerRow, type LoadBalancerRow } from '../rows.ts'
import { checkCertificates } from '../server-certificates.ts'
import { checkedTags } from '../tags.ts'

/** Listeners, their default actions and their attributes. */
export function listenerHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, clock, ids } = context

  function create(input: sdk.CreateListenerInput, call: Call) {
    findLoadBalancer(rows, call, input.LoadBalancerArn)
    return withCertificate(input, call, () => putNew(input, call))
  }

  /** The backend may have to be asked for the certificate: only then is the answer a promise. */
  function withCertificate(input: ListenerInput, call: Call, put: () => object) {
    const arn = defaultCertificate(input)
    const asked = arn === undefined ? undefined : checkCertificates(context, call, [arn])
    return asked ? asked.then(() => context.store.transact(put)) : put()
  }

  function putNew(input: sdk.CreateListenerInput, call: Call) {
    const balancer = findLoadBalancer(rows, call, input.LoadBalancerArn)
    const endpoint = checkedEndpoint(balancer, input)
    const defaultActions = checkedActions(input.DefaultActions, {
      ...endpoint,
      type: balancer.type,
    })
    checkForwarding(rows, balancer, endpoint.protocol, defaultActions)
    const arn = newListenerArn(ids, balancer.arn)
    const tags = checkedTags(input.Tags)
    const row: ListenerRow = {
      arn,
      account: call.account,
      region: call.region,
      loadBalancerArn: balancer.arn,
      ...endpoint,
      ...checkedTls(rows, balancer, endpoint.protocol, input),
      defaultActions,
      defaultRule: { arn: newRuleArn(ids, arn), tags: [] },
      attributes: {},
      tags,
      createdAtMs: clock.now(),
    }
    // As on AWS, the same call again answers the listener that is there.
    for (const other of rows.listeners.by('loadBalancer', balancer.arn)) {
      if (settingsOf(other) === settingsOf(row)) return { Listeners: [listenerView(other)] }
    }
    checkEndpointFree(rows, balancer, endpoint)
    rows.listeners.put(arn, row)
    return { Listeners: [listenerView(row)] }
  }

  function describe(input: sdk.DescribeListenersInput, call: Call) {
    const { LoadBalancerArn: balancerArn, ListenerArns: arns } = input
    if (arns?.length) {
      if (balancerArn !== undefined) {
        throw validationError(
          'Listener ARNs and a load balancer ARN cannot be specified at the same time',
        )
      }
      for (const arn of arns) checkArn('listener', call, arn)
      if (arns.some((arn) => !rows.listeners.get(arn))) {
        throw fault('ListenerNotFoundException', 'One or more listeners not found')
      }
    } else if (balancerArn === undefined) {
      throw validationError('You must specify either listener ARNs or a load balancer ARN')
    }
    const wanted = new Set(arns)
    const bucket =
      balancerArn === undefined
        ? rows.listeners.by('scope', indexKey(call.account, call.region))
        : rows.listeners.by('loadBalancer', findLoadBalancer(rows, call, balancerArn).arn)
    const keep = (row: ListenerRow) => wanted.size === 0 || wanted.has(row.arn)
    const page = listPage(bucket, input, keep)
    return { Listeners: page.rows.map(listenerView), NextMarker: page.nextToken }
  }

  function modify(input: sdk.ModifyListenerInput, call: Call) {
    findListener(rows, call, input.ListenerArn)
    return withCertificate(input, call, () => putChanged(input, call))
  }

  function putChanged(input: sdk.ModifyListenerInput, call: Call) {
    const row = findListener(rows, call, input.ListenerArn)
    const balancer = findLoadBalancer(rows, call, row.loadBalancerArn)
    const endpoint = checkedEndpoint(balancer, {
      Protocol: input.Protocol ?? row.protocol,
      Port: input.Port ?? row.port,
    })
    checkEndpointFree(rows, balancer, endpoint, row)
    if (endpoint.port !== row.port) refuseInUse(row)
    const { certificateArns: _, sslPolicy, alpnPolicy, mutualAuthentication, ...rest } = row
    const changed: ListenerRow = {
      ...rest,
      ...endpoint,
      ...checkedTls(rows, balancer, endpoint.protocol, input, row),
      defaultActions: changedActions(balancer, endpoint, row, input.DefaultActions),
    }
    if (endpoint.protocol !== row.protocol) recheckRules(balancer, changed)
    rows.listeners.put(row.arn, changed)
    return { Listeners: [listenerView(changed)] }
  }

  function changedActions(
    balancer: LoadBalancerRow,
    endpoint: Endpoint,
    row: ListenerRow,
    asked: readonly sdk.Action[] | undefined,
  ) {
    if (!asked && endpoint.protocol === row.protocol && endpoint.port === row.port) {
      return row.defaultActions
    }
    const place = { ...endpoint, type: balancer.type, before: row.defaultActions }
    const actions = checkedActions(asked ?? row.defaultActions, place)
    checkForwarding(rows, balancer, endpoint.protocol, actions)
    return actions
  }

  /** What suited the old protocol has to suit the new one, too. */
  function recheckRules(balancer: LoadBalancerRow, listener: ListenerRow): void {
    for (const rule of rows.rules.by('listener', listener.arn)) {
      checkedActions(rule.actions, { ...listener, type: balancer.type })
      checkForwarding(rows, balancer, listener.protocol, rule.actions)
    }
  }

  function remove(input: sdk.DeleteListenerInput, call: Call) {
    const row = findListener(rows, call, input.ListenerArn)
    refuseInUse(row)
    for (const rule of [...rows.rules.by('listener', row.arn)]) rows.rules.delete(rule.arn)
    rows.listeners.delete(row.arn)
    return {}
  }

  /** A network load balancer may send its clients to this listener. */
  function refuseInUse(row: ListenerRow): void {
    for (const group of rows.targetGroups.by('scope', indexKey(row.account, row.region))) {
      if (group.targetType !== 'alb') continue
      for (const target of rows.targets.by('group', group.arn)) {
        if (target.id === row.loadBalancerArn && target.port === row.port) {
          throw fault(
            'ResourceInUseException',
            `Listener port '${row.port}' is in use by registered target '${target.id}' and cannot be removed.`,
          )
        }
      }
    }
  }

  function describeAttributes(input: sdk.DescribeListenerAttributesInput, call: Call) {
    return attributesView(findListener(rows, call, input.ListenerArn), call)
  }

  function modifyAttributes(input: sdk.ModifyListenerAttributesInput, call: Call) {
    const row = findListener(rows, call, input.ListenerArn)
    const { type } = findLoadBalancer(rows, call, row.loadBalancerArn)
    const set = checkedAttributes(LISTENER_ATTRIBUTES, type, 'Listener', input.Attributes ?? [])
    const changed = { ...row, attributes: { ...row.attributes, ...set } }
    rows.listeners.put(row.arn, changed)
    return attributesView(changed, call)
  }

  function attributesView(row: ListenerRow, call: Call) {
    const { type } = findLoadBalancer(rows, call, row.loadBalancerArn)
    const all = allAttributes(LISTENER_ATTRIBUTES, type, row.attributes)
    return { Attributes: Object.entries(all).map(([Key, Value]) => ({ Key, Value })) }
  }

  return {
    CreateListener: create,
    DescribeListeners: describe,
    ModifyListener: modify,
    DeleteListener: remove,
    DescribeListenerAttributes: describeAttributes,
    ModifyListenerAttributes: modifyAttributes,
  }
}

/** What has to be the same for a second CreateListener to be the first one's again. */
function settingsOf(row: ListenerRow): string {
  const { port, protocol, certificateArns, sslPolicy, alpnPolicy } = row
  const { mutualAuthentication, defaultActions } = row
  const secure = [certificateArns[0], sslPolicy, alpnPolicy, mutualAuthentication]
  return JSON.stringify([port, protocol, secure, defaultActions])
}

function listenerView(row: ListenerRow): sdk.Listener {
  const [certificate] = row.certificateArns
  return {
    ListenerArn: row.arn,
    LoadBalancerArn: row.loadBalancerArn,
    Port: row.port,
    Protocol: row.protocol,
    Certificates: certificate === undefined ? undefined : [{ CertificateArn: certificate }],
    SslPolicy: row.sslPolicy,
    DefaultActions: row.defaultActions.map(actionView),
    AlpnPolicy: row.alpnPolicy && [...row.alpnPolicy],
    MutualAuthentication: row.mutualAuthentication,
  }
}
