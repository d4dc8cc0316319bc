/** Actions of rules and listeners, checked by AWS's rules and brought into the form in which they are answered. */
import type {
  Action,
  ActionTypeEnum,
  ForwardActionConfig,
  TargetGroupTuple,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import {
  checkedCognito,
  checkedFixedResponse,
  checkedJwt,
  checkedOidc,
  checkedRedirect,
  invalidAction,
  type ListenerPlace,
} from './action-configs.ts'
import { fault, validationError } from './faults.ts'
import { MAX_ACTIONS, MAX_TARGET_GROUPS_PER_ACTION } from './quotas.ts'
import type { LoadBalancerType } from './rows.ts'

const MAX_WEIGHT = 999
const MAX_STICKY_SECONDS = 604_800

const CONFIGS = {
  forward: 'ForwardConfig',
  redirect: 'RedirectConfig',
  'fixed-response': 'FixedResponseConfig',
  'authenticate-oidc': 'AuthenticateOidcConfig',
  'authenticate-cognito': 'AuthenticateCognitoConfig',
  'jwt-validation': 'JwtValidationConfig',
} as const satisfies Record<ActionTypeEnum, keyof Action>

const FINAL: readonly string[] = ['forward', 'redirect', 'fixed-response']

export interface ActionPlace extends ListenerPlace {
  readonly type: LoadBalancerType
  /** The actions that these take the place of: their secrets may be used on. */
  readonly before?: readonly Action[]
}

/**
 * The actions in their order, as they are stored: with Order, and ForwardConfig filled in. Faults
 * where AWS refuses them; whether their target groups exist and fit is not looked at.
 */
export function checkedActions(
  actions: readonly Action[] | undefined,
  place: ActionPlace,
): readonly Action[] {
  if (!actions?.length) throw validationError('An action must be specified')
  if (actions.length > MAX_ACTIONS) {
    throw fault('TooManyActionsException', `A rule can have up to '${MAX_ACTIONS}' actions`)
  }
  const ordered = inOrder(actions)
  const last = ordered.at(-1)
  if (!last || !isFinal(last)) {
    throw invalidAction(
      `The last action performed must be one of the following types: '${FINAL.join("', '")}'`,
    )
  }
  const others = ordered.slice(0, -1)
  if (others.some(isFinal)) {
    throw invalidAction(
      `A rule must have exactly one action of the following types: '${FINAL.join("', '")}'`,
    )
  }
  if (others.length > 1) {
    throw invalidAction('A rule can have only one action that authenticates or validates')
  }
  return ordered.map((action) => checkedAction(action, place))
}

/** An action as callers may see it: secrets are kept, and never answered. */
export function actionView(action: Action): Action {
  if (!action.AuthenticateOidcConfig) return action
  const { ClientSecret: _, ...AuthenticateOidcConfig } = action.AuthenticateOidcConfig
  return { ...action, AuthenticateOidcConfig }
}

function isFinal({ Type }: Action): boolean {
  return Type !== undefined && FINAL.includes(Type)
}

function inOrder(actions: readonly Action[]): Action[] {
  const [only, ...more] = actions
  if (only && more.length === 0) return [{ ...only, Order: only.Order ?? 1 }]
  const orders = actions.map(({ Order }) => Order)
  if (orders.includes(undefined)) {
    throw invalidAction("The 'Order' field must be specified for rules with multiple actions")
  }
  if (new Set(orders).size < orders.length) {
    throw invalidAction("The values of the 'Order' field must be unique within a rule")
  }
  return [...actions].sort((left, right) => (left.Order ?? 0) - (right.Order ?? 0))
}

function checkedAction(action: Action, place: ActionPlace): Action {
  const { Type: type, Order } = action
  if (type === undefined) throw validationError('An action type must be specified')
  if (place.type !== 'application' && type !== 'forward') {
    throw invalidAction(`The action type '${type}' is not valid with ${place.type} load balancer`)
  }
  if (!FINAL.includes(type) && place.protocol !== 'HTTPS') {
    throw invalidAction(
      `The action type '${type}' is not valid with listener protocol '${place.protocol}'`,
    )
  }
  refuseForeign(action, type)
  const own = { Type: type, Order }
  if (type === 'forward') return { ...own, ...checkedForward(action, place) }
  return { ...own, ...checkedConfig(action, type, place) }
}

function refuseForeign(action: Action, type: ActionTypeEnum): void {
  const names = [...Object.values(CONFIGS), 'TargetGroupArn'] as const
  for (const name of names) {
    const isOwn = name === CONFIGS[type] || (name === 'TargetGroupArn' && type === 'forward')
    if (!isOwn && action[name] !== undefined) {
      throw invalidAction(
        `For actions of type '${type}', you cannot specify the following fields: '${name}'`,
      )
    }
  }
}

function checkedConfig(
  action: Action,
  type: Exclude<ActionTypeEnum, 'forward'>,
  place: ActionPlace,
): Partial<Action> {
  if (action.RedirectConfig) {
    return { RedirectConfig: checkedRedirect(action.RedirectConfig, place) }
  }
  if (action.FixedResponseConfig) {
    return { FixedResponseConfig: checkedFixedResponse(action.FixedResponseConfig) }
  }
  if (action.AuthenticateOidcConfig) {
    const kept = (place.before ?? []).flatMap((each) => each.AuthenticateOidcConfig ?? [])
    return { AuthenticateOidcConfig: checkedOidc(action.AuthenticateOidcConfig, kept) }
  }
  if (action.AuthenticateCognitoConfig) {
    return { AuthenticateCognitoConfig: checkedCognito(action.AuthenticateCognitoConfig) }
  }
  if (action.JwtValidationConfig) {
    return { JwtValidationConfig: checkedJwt(action.JwtValidationConfig) }
  }
  throw missing(type, CONFIGS[type])
}

function missing(type: string, field: string) {
  return invalidAction(
    `For actions of type '${type}', you must specify the following fields: '${field}'`,
  )
}

function checkedForward({ TargetGroupArn, ForwardConfig }: Action, place: ActionPlace) {
  const config: ForwardActionConfig = ForwardConfig ?? {}
  const groups = config.TargetGroups?.length
    ? config.TargetGroups
    : [TargetGroupArn === undefined ? {} : { TargetGroupArn }]
  const most = place.type === 'gateway' ? 1 : MAX_TARGET_GROUPS_PER_ACTION
  if (groups.length > most) {
    throw fault(
      'TooManyTargetGroupsException',
      `An action can forward to up to '${most}' target groups`,
    )
  }
  const [first, ...more] = groups.map(checkedTuple)
  if (!first) throw missing('forward', 'TargetGroupArn')
  if (
    TargetGroupArn !== undefined &&
    (more.length > 0 || first.TargetGroupArn !== TargetGroupArn)
  ) {
    throw invalidAction(
      "You can specify both 'TargetGroupArn' and 'ForwardConfig' only if they name the same single target group",
    )
  }
  const arns = new Set([first, ...more].map((tuple) => tuple.TargetGroupArn))
  if (arns.size <= more.length) {
    throw invalidAction('A target group can be specified only once in an action')
  }
  return {
    ...(more.length === 0 && { TargetGroupArn: first.TargetGroupArn }),
    ForwardConfig: {
      TargetGroups: [first, ...more],
      TargetGroupStickinessConfig: checkedStickiness(config, place),
    },
  }
}

function checkedTuple({ TargetGroupArn, Weight = 1 }: TargetGroupTuple): TargetGroupTuple {
  if (!TargetGroupArn) throw missing('forward', 'TargetGroupArn')
  if (Weight < 0 || Weight > MAX_WEIGHT) {
    throw invalidAction(`The weight of a target group must be between 0 and ${MAX_WEIGHT}`)
  }
  return { TargetGroupArn, Weight }
}

function checkedStickiness(
  { TargetGroupStickinessConfig: config }: ForwardActionConfig,
  { type }: ActionPlace,
) {
  const { Enabled = false, DurationSeconds: seconds } = config ?? {}
  const inRange = seconds !== undefined && seconds >= 1 && seconds <= MAX_STICKY_SECONDS
  // Only application load balancers keep it in a cookie, which has to end.
  const needed = Enabled && type === 'application'
  if (seconds === undefined ? needed : !inRange) {
    throw validationError(
      `Target group stickiness duration must be between 1 and ${MAX_STICKY_SECONDS} seconds`,
    )
  }
  return seconds === undefined ? { Enabled } : { Enabled, DurationSeconds: seconds }
}
