import { createHash } from 'node:crypto'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { LiveListener } from '../model.ts'

const COOKIE_NAME = 'AWSELBAuthSessionCookie'
const SCOPE = 'openid'
const SESSION_TIMEOUT_SECONDS = 604_800

/** Where users sign in, and as whom the load balancer asks. */
export interface Idp {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly userInfoEndpoint: string
  readonly clientId: string
  readonly clientSecret: string | undefined
}

/** An authenticate-oidc or authenticate-cognito action, with its defaults. */
export interface AuthRule {
  readonly provider:
    | { readonly kind: 'oidc'; readonly idp: Idp }
    | { readonly kind: 'cognito'; readonly config: sdk.AuthenticateCognitoActionConfig }
  readonly cookieName: string
  readonly scope: string
  readonly sessionTimeoutMs: number
  readonly extraParams: Readonly<Record<string, string>>
  readonly onUnauthenticated: 'deny' | 'allow' | 'authenticate'
  /**
   * What its sessions are worth: listener, provider, client, scope and cookie. Rules that differ in
   * nothing of it (one that lets anybody in, one that asks for a login) share their sessions, as in AWS.
   */
  readonly binding: string
}

const known = new WeakMap<sdk.Action, { listenerArn: string; rule: AuthRule | undefined }>()

/** Undefined for actions of other types. Worked out once an action: rows are never changed in place. */
export function authRuleOf(action: sdk.Action, listener: LiveListener): AuthRule | undefined {
  const listenerArn = listener.row.arn
  let made = known.get(action)
  if (made?.listenerArn !== listenerArn) {
    made = { listenerArn, rule: makeRule(action, listenerArn) }
    known.set(action, made)
  }
  return made.rule
}

function makeRule(action: sdk.Action, listenerArn: string): AuthRule | undefined {
  const { Type: type, AuthenticateOidcConfig: oidc, AuthenticateCognitoConfig: cognito } = action
  if (type === 'authenticate-oidc' && oidc) {
    return { ...settingsOf(oidc, listenerArn), provider: { kind: 'oidc', idp: idpOf(oidc) } }
  }
  if (type === 'authenticate-cognito' && cognito) {
    return { ...settingsOf(cognito, listenerArn), provider: { kind: 'cognito', config: cognito } }
  }
  return undefined
}

type AnyConfig = sdk.AuthenticateOidcActionConfig & sdk.AuthenticateCognitoActionConfig

function settingsOf(
  config: sdk.AuthenticateOidcActionConfig | sdk.AuthenticateCognitoActionConfig,
  listenerArn: string,
): Omit<AuthRule, 'provider'> {
  const of = config as Partial<AnyConfig>
  const cookieName = of.SessionCookieName || COOKIE_NAME
  const scope = of.Scope || SCOPE
  const bound = [
    [listenerArn, cookieName, scope, of.Issuer, of.AuthorizationEndpoint, of.TokenEndpoint],
    [of.UserInfoEndpoint, of.ClientId, of.UserPoolArn, of.UserPoolClientId, of.UserPoolDomain],
  ]
  return {
    cookieName,
    scope,
    sessionTimeoutMs: Number(of.SessionTimeout ?? SESSION_TIMEOUT_SECONDS) * 1000,
    extraParams: of.AuthenticationRequestExtraParams ?? {},
    onUnauthenticated: of.OnUnauthenticatedRequest ?? 'authenticate',
    binding: createHash('sha256').update(JSON.stringify(bound)).digest('base64url'),
  }
}

function idpOf(config: sdk.AuthenticateOidcActionConfig): Idp {
  return {
    issuer: config.Issuer ?? '',
    authorizationEndpoint: config.AuthorizationEndpoint ?? '',
    tokenEndpoint: config.TokenEndpoint ?? '',
    userInfoEndpoint: config.UserInfoEndpoint ?? '',
    clientId: config.ClientId ?? '',
    clientSecret: config.ClientSecret,
  }
}
