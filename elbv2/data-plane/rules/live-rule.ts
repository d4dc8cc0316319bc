/** Rules made ready for requests: each compiled once a row, however often the table changes. */
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { ListenerRow, RuleRow } from '../../rows.ts'
import type { ForwardPlan, LiveRule } from '../model.ts'
import { compileConditions } from './match.ts'
import { fixedAnswer, ownPage } from './own-answers.ts'
import { compileRedirect } from './redirect.ts'
import { compileTransforms } from './transform.ts'

/** Hears of a rule that cannot be compiled: the API should have refused it. */
export type Rejected = (ruleArn: string, error: unknown) => void

const DEFAULT_WEIGHT = 1

const rules = new WeakMap<RuleRow, LiveRule | 'rejected'>()
const defaultRules = new WeakMap<ListenerRow, LiveRule>()

/** Undefined for a rule that cannot be compiled; `rejected` is told once. */
export function liveRule(row: RuleRow, rejected: Rejected): LiveRule | undefined {
  let rule = rules.get(row)
  if (rule === undefined) {
    try {
      rule = {
        arn: row.arn,
        priority: row.priority,
        row,
        matches: compileConditions(row.conditions),
        rewrite: compileTransforms(row.transforms),
        ...compileActions(row.actions),
      }
    } catch (error) {
      rejected(row.arn, error)
      rule = 'rejected'
    }
    rules.set(row, rule)
  }
  return rule === 'rejected' ? undefined : rule
}

/** There is always one: where the listener's actions cannot be compiled it answers 500. */
export function defaultRule(listener: ListenerRow, rejected: Rejected): LiveRule {
  let rule = defaultRules.get(listener)
  if (rule === undefined) {
    const { arn } = listener.defaultRule
    let actions: Pick<LiveRule, 'authenticate' | 'final'>
    try {
      actions = compileActions(listener.defaultActions)
    } catch (error) {
      rejected(arn, error)
      actions = { authenticate: [], final: { kind: 'fixed-response', answer: ownPage(500) } }
    }
    const matches = () => true
    rule = { arn, priority: 0, row: undefined, matches, rewrite: undefined, ...actions }
    defaultRules.set(listener, rule)
  }
  return rule
}

function compileActions(actions: readonly sdk.Action[]): Pick<LiveRule, 'authenticate' | 'final'> {
  const ordered = [...actions].sort((one, other) => (one.Order ?? 0) - (other.Order ?? 0))
  const last = ordered.pop()
  if (last === undefined) throw new Error('a rule has no actions')
  return { authenticate: ordered.map(authentication), final: finalOf(last) }
}

function authentication(action: sdk.Action): sdk.Action {
  const { Type } = action
  if (
    Type !== 'authenticate-oidc' &&
    Type !== 'authenticate-cognito' &&
    Type !== 'jwt-validation'
  ) {
    throw new Error(`a ${Type} action is not the last one`)
  }
  return action
}

function finalOf(action: sdk.Action): LiveRule['final'] {
  const { Type, RedirectConfig, FixedResponseConfig } = action
  if (Type === 'forward') return { kind: 'forward', plan: forwardPlan(action) }
  if (Type === 'redirect' && RedirectConfig) {
    return { kind: 'redirect', answer: compileRedirect(RedirectConfig) }
  }
  if (Type === 'fixed-response' && FixedResponseConfig) {
    return { kind: 'fixed-response', answer: fixedAnswer(FixedResponseConfig) }
  }
  throw new Error(`a rule ends in no answer: ${Type}`)
}

function forwardPlan({ TargetGroupArn, ForwardConfig }: sdk.Action): ForwardPlan {
  const tuples = ForwardConfig?.TargetGroups?.length
    ? ForwardConfig.TargetGroups
    : [{ TargetGroupArn }]
  const groups = tuples.map(
    ({ TargetGroupArn: arn, Weight = DEFAULT_WEIGHT }: sdk.TargetGroupTuple) => {
      if (!arn) throw new Error('a forward action names no target group')
      return { arn, weight: Weight }
    },
  )
  const { Enabled, DurationSeconds } = ForwardConfig?.TargetGroupStickinessConfig ?? {}
  if (!Enabled || DurationSeconds === undefined) return { groups }
  return { groups, stickinessMs: DurationSeconds * 1000 }
}
