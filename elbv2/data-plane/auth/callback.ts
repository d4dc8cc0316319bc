import type { LiveListener, RequestFacts } from '../model.ts'
import { type AuthRule, authRuleOf } from './auth-rule.ts'

export const CALLBACK_PATH = '/oauth2/idpresponse'

const rules = new WeakMap<LiveListener, readonly AuthRule[]>()

/** Those of a listener's rules that sign users in, the default rule included; worked out once. */
export function rulesOf(listener: LiveListener): readonly AuthRule[] {
  let found = rules.get(listener)
  if (!found) {
    found = listener.rules
      .flatMap(({ authenticate }) => authenticate)
      .flatMap((action) => authRuleOf(action, listener) ?? [])
    rules.set(listener, found)
  }
  return found
}

/**
 * Whether a request is a provider's answer, which `Authenticator.callback` answers. To be asked before
 * any rule is matched; it loads nothing of what authentication needs.
 */
export function claimsCallback(request: RequestFacts, listener: LiveListener): boolean {
  return request.path === CALLBACK_PATH && rulesOf(listener).length > 0
}
