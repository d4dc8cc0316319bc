import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { actionView, checkedActions } from '../actions.ts'
import { checkedConditions } from '../conditions.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, listenerNotFound, validationError } from '../faults.ts'
import { checkForwarding } from '../forwarding.ts'
import { newRuleArn } from '../names.ts'
import { MAX_RULES_PER_BALANCER } from '../quotas.ts'
import {
  checkArn,
  findListener,
  findLoadBalancer,
  findRule,
  listenerOfDefaultRule,
  sortedPage,
} from '../resolve.ts'
import { indexKey, type ListenerRow, type LoadBalancerRow, type RuleRow } from '../rows.ts'
import { checkedTags } from '../tags.ts'
import { checkedTransforms } from '../transforms.ts'

const PRIORITY_DIGITS = 5
/** Sorts behind every number. */
const DEFAULT = 'default'

/** Rules of listeners; a default rule is a part of its listener's row. */
export function ruleHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, clock, ids } = context

  function create(input: sdk.CreateRuleInput, call: Call) {
    const listener = findListener(rows, call, input.ListenerArn)
    const balancer = balancerOf(listener)
    if (balancer.type === 'gateway') {
      throw fault('UnsupportedProtocolException', 'Rules are unsupported for GENEVE listeners')
    }
    const actions = checkedActions(input.Actions, { ...listener, type: balancer.type })
    const row: RuleRow = {
      arn: newRuleArn(ids, listener.arn),
      account: call.account,
      region: call.region,
      listenerArn: listener.arn,
      priority: freePriority(listener, input.Priority),
      conditions: checkedConditions(balancer.type, input.Conditions),
      actions,
      transforms: transformsFor(balancer, input.Transforms),
      tags: checkedTags(input.Tags),
      createdAtMs: clock.now(),
    }
    checkCount(balancer)
    checkForwarding(rows, balancer, listener.protocol, actions)
    rows.rules.put(row.arn, row)
    return { Rules: [ruleView(row)] }
  }

  function balancerOf(listener: ListenerRow): LoadBalancerRow {
    return findLoadBalancer(rows, listener, listener.loadBalancerArn)
  }

  function freePriority(listener: ListenerRow, priority = 0): number {
    for (const rule of rows.rules.by('listener', listener.arn)) {
      if (rule.priority === priority) throw priorityInUse(priority)
    }
    return priority
  }

  function checkCount(balancer: LoadBalancerRow): void {
    let count = 0
    for (const listener of rows.listeners.by('loadBalancer', balancer.arn)) {
      count += rows.rules.by('listener', listener.arn).size
    }
    if (count >= MAX_RULES_PER_BALANCER) {
      throw fault(
        'TooManyRulesException',
        `The maximum number of rules on load balancer '${balancer.arn}' has been reached: [${MAX_RULES_PER_BALANCER}]`,
      )
    }
  }

  function describe(input: sdk.DescribeRulesInput, call: Call) {
    const { ListenerArn: listenerArn, RuleArns: arns } = input
    if (arns?.length ? listenerArn !== undefined : listenerArn === undefined) {
      throw validationError(
        arns?.length
          ? 'Listener rule ARNs and a listener ARN cannot be specified at the same time'
          : 'You must specify either listener rule ARNs or a listener ARN',
      )
    }
    const views = arns?.length ? namedRules(arns, call) : rulesOf(call, listenerArn)
    const page = sortedPage([...views.keys()].sort(), input, inOrder)
    return { Rules: page.rows.flatMap((key) => views.get(key) ?? []), NextMarker: page.nextToken }
  }

  /** By what they are sorted by: their priority, the default rule last. */
  function rulesOf(call: Call, listenerArn: string | undefined): Map<string, sdk.Rule> {
    const listener = findListener(rows, call, listenerArn)
    const views = new Map<string, sdk.Rule>()
    for (const rule of rows.rules.by('listener', listener.arn)) {
      views.set(sortKey(rule), ruleView(rule))
    }
    views.set(defaultKey(listener), defaultRuleView(listener))
    return views
  }

  function namedRules(arns: readonly string[], call: Call): Map<string, sdk.Rule> {
    const views = new Map<string, sdk.Rule>()
    for (const arn of arns) {
      checkArn('rule', call, arn)
      const rule = rows.rules.get(arn)
      const listener = rule ? undefined : listenerOfDefaultRule(rows, arn)
      if (rule) views.set(sortKey(rule), ruleView(rule))
      else if (listener) views.set(defaultKey(listener), defaultRuleView(listener))
      else throw fault('RuleNotFoundException', 'One or more rules not found')
    }
    return views
  }

  function modify(input: sdk.ModifyRuleInput, call: Call) {
    const row = findOwnRule(call, input.RuleArn, 'modified')
    const { Conditions, Actions, Transforms, ResetTransforms = false } = input
    if (!Conditions && !Actions && !Transforms && !ResetTransforms) {
      throw validationError('Either conditions or actions must be specified')
    }
    if (ResetTransforms && Transforms?.length) {
      throw validationError('Transforms cannot be specified when they are reset')
    }
    const listener = rows.listeners.get(row.listenerArn)
    if (!listener) throw listenerNotFound(row.listenerArn)
    const balancer = balancerOf(listener)
    const place = { ...listener, type: balancer.type, before: row.actions }
    const changed: RuleRow = {
      ...row,
      conditions: Conditions ? checkedConditions(balancer.type, Conditions) : row.conditions,
      actions: Actions ? checkedActions(Actions, place) : row.actions,
      transforms:
        Transforms || ResetTransforms ? transformsFor(balancer, Transforms) : row.transforms,
    }
    if (Actions) checkForwarding(rows, balancer, listener.protocol, changed.actions)
    rows.rules.put(row.arn, changed)
    return { Rules: [ruleView(changed)] }
  }

  function remove(input: sdk.DeleteRuleInput, call: Call) {
    const row = findOwnRule(call, input.RuleArn, 'deleted')
    rows.rules.delete(row.arn)
    return {}
  }

  function findOwnRule(call: Call, arn: string | undefined, done: string): RuleRow {
    if (arn !== undefined && listenerOfDefaultRule(rows, arn)) {
      checkArn('rule', call, arn)
      throw fault('OperationNotPermittedException', `Default rule '${arn}' cannot be ${done}`)
    }
    return findRule(rows, call, arn)
  }

  /** All or none: what is refused takes back with it what was put before. */
  function setPriorities(input: sdk.SetRulePrioritiesInput, call: Call) {
    const pairs = input.RulePriorities ?? []
    if (pairs.length === 0) throw validationError('At least one rule priority must be specified')
    const moved = new Map<string, RuleRow>()
    for (const { RuleArn, Priority } of pairs) {
      const row = findOwnRule(call, RuleArn, 'modified')
      if (Priority === undefined) throw validationError('A rule priority must be specified')
      if (moved.has(row.arn)) {
        throw validationError(`Rule '${row.arn}' was provided multiple times`)
      }
      moved.set(row.arn, { ...row, priority: Priority })
    }
    for (const listenerArn of new Set([...moved.values()].map((row) => row.listenerArn))) {
      checkDistinct(listenerArn, moved)
    }
    for (const row of moved.values()) rows.rules.put(row.arn, row)
    return { Rules: [...moved.values()].map(ruleView) }
  }

  function checkDistinct(listenerArn: string, moved: ReadonlyMap<string, RuleRow>): void {
    const asked = new Set<number>()
    for (const row of moved.values()) {
      if (row.listenerArn !== listenerArn) continue
      if (asked.has(row.priority)) {
        throw validationError(`Priority '${row.priority}' was provided multiple times`)
      }
      asked.add(row.priority)
    }
    for (const rule of rows.rules.by('listener', listenerArn)) {
      if (!moved.has(rule.arn) && asked.has(rule.priority)) throw priorityInUse(rule.priority)
    }
  }

  return {
    CreateRule: create,
    DescribeRules: describe,
    ModifyRule: modify,
    DeleteRule: remove,
    SetRulePriorities: setPriorities,
  }
}

function priorityInUse(priority: number) {
  return fault('PriorityInUseException', `Priority '${priority}' is currently in use`)
}

function transformsFor(
  { type }: LoadBalancerRow,
  transforms: readonly sdk.RuleTransform[] | undefined,
): readonly sdk.RuleTransform[] {
  if (type !== 'application' && transforms?.length) {
    throw validationError(`Transforms are not supported for rules of ${type} load balancers`)
  }
  return checkedTransforms(transforms)
}

function sortKey({ listenerArn, priority }: RuleRow): string {
  return indexKey(listenerArn, String(priority).padStart(PRIORITY_DIGITS, '0'))
}

function defaultKey({ arn }: ListenerRow): string {
  return indexKey(arn, DEFAULT)
}

function inOrder(left: string, right: string): number {
  return left < right ? -1 : Number(left > right)
}

function ruleView(row: RuleRow): sdk.Rule {
  return {
    RuleArn: row.arn,
    Priority: String(row.priority),
    Conditions: [...row.conditions],
    Actions: row.actions.map(actionView),
    IsDefault: false,
    Transforms: [...row.transforms],
  }
}

function defaultRuleView(listener: ListenerRow): sdk.Rule {
  return {
    RuleArn: listener.defaultRule.arn,
    Priority: DEFAULT,
    Conditions: [],
    Actions: listener.defaultActions.map(actionView),
    IsDefault: true,
    Transforms: [],
  }
}
