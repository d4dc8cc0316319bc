/** The authentication actions of rules: authenticate-oidc, authenticate-cognito and jwt-validation. */
import type { Buffer } from 'node:buffer'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { CallBackend } from '../../context.ts'
import type { Authenticate, Authenticated, LiveListener, RequestFacts } from '../model.ts'
import { type AuthAnswer, AuthTrouble, refusal, setCookies } from './answers.ts'
import { type AuthRule, authRuleOf, type Idp } from './auth-rule.ts'
import { createClaimsSigner } from './claims-signer.ts'
import { createPoolFinder } from './cognito.ts'
import { type Cookies, cookiesOf, expiredShards } from './cookies.ts'
import { type CallIdp, createIdpClient } from './idp-client.ts'
import { createJwtValidation } from './jwt-validation.ts'
import { createKeyFinder } from './key-sets.ts'
import { createLogin } from './login.ts'
import { createRefresher } from './refresher.ts'
import { createSealer } from './seal.ts'
import { createSessions } from './session.ts'
import { createTokens } from './tokens.ts'

/** What only the load balancer may say to a target. */
export const OIDC_HEADERS = [
  'x-amzn-oidc-identity',
  'x-amzn-oidc-accesstoken',
  'x-amzn-oidc-data',
] as const

export interface AuthenticatorOptions {
  readonly callBackend: CallBackend
  readonly clock: Clock
  readonly ids: Ids
  readonly randomBytes: (count: number) => Buffer
  readonly log: Logger
  /** 32 bytes that seal cookies: whoever has them signs in as anybody; another key ends all sessions. */
  readonly key: Buffer
  readonly callIdp?: CallIdp
}

export interface Authenticator {
  /** Never rejects: what goes wrong is an answer and a log line. */
  readonly authenticate: Authenticate
  /** Answers what `claimsCallback` claims; never rejects. */
  callback(request: RequestFacts, listener: LiveListener): Promise<AuthAnswer>
  /** PEM of the key that signs x-amzn-oidc-data. */
  publicKeyPem(kid: string): string | undefined
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { clock, ids, log, randomBytes, callIdp = createIdpClient() } = options
  const sealer = createSealer(options.key, randomBytes)
  const sessions = createSessions(sealer, clock, ids)
  const tokens = createTokens(callIdp, clock)
  const findPool = createPoolFinder(options.callBackend, clock)
  const idpOf = async ({ provider }: AuthRule): Promise<Idp> =>
    provider.kind === 'oidc' ? provider.idp : findPool(provider.config)
  const signer = createClaimsSigner(clock, ids)
  const validateJwt = createJwtValidation(createKeyFinder(callIdp, clock), clock)
  const login = createLogin({ sealer, sessions, tokens, clock, randomBytes, idpOf })
  const refresher = createRefresher({ sessions, tokens, clock, log, idpOf })

  async function onlyUsers(
    rule: AuthRule,
    request: RequestFacts,
    listener: LiveListener,
  ): Promise<Authenticated> {
    const cookies = cookiesOf(request)
    const found = sessions.read(rule, cookies)
    if (found === 'forged') return forged(rule, cookies)
    const session = found && (await refresher.current(rule, found))
    if (!session) return unknownUser(rule, request, cookies)
    const headers: [string, string][] = [
      [OIDC_HEADERS[0], session.subject],
      [OIDC_HEADERS[1], session.accessToken],
      [OIDC_HEADERS[2], signer.sign(session, listener.balancer.row.arn)],
    ]
    if (session.id === found.id) return { kind: 'allow', headers }
    const responseHeaders = setCookies(sessions.cookies(rule, session, cookies))
    return { kind: 'allow', headers, responseHeaders }
  }

  async function unknownUser(
    rule: AuthRule,
    request: RequestFacts,
    cookies: Cookies,
  ): Promise<Authenticated> {
    if (rule.onUnauthenticated === 'deny') return refusal(401)
    if (rule.onUnauthenticated === 'authenticate') return login.begin(rule, request, cookies)
    return { kind: 'allow', headers: OIDC_HEADERS.map((name) => [name, '']) }
  }

  /** The answer of what went wrong, told in the log as well. */
  function answerOf(error: unknown, listener: LiveListener): AuthAnswer {
    const { status, errorReason } =
      error instanceof AuthTrouble ? error : new AuthTrouble(500, 'AuthUnhandledException', '')
    const { message, stack } = error as Error
    const about = { listener: listener.row.arn, status, reason: errorReason }
    if (error instanceof AuthTrouble) log.warn(`authentication failed: ${message}`, about)
    else log.error('authentication failed by a fault of ours', { ...about, error: stack })
    return refusal(status, errorReason)
  }

  return {
    async authenticate(action, request, listener) {
      try {
        if (action.Type === 'jwt-validation') return await validateJwt(jwtOf(action), request)
        const rule = authRuleOf(action, listener)
        if (!rule) throw new Error(`an action of type ${action.Type} authenticates nobody`)
        return await onlyUsers(rule, request, listener)
      } catch (error) {
        return answerOf(error, listener)
      }
    },
    async callback(request, listener) {
      try {
        return await login.finish(request, listener)
      } catch (error) {
        return answerOf(error, listener)
      }
    },
    publicKeyPem: (kid) => signer.publicKeyPem(kid),
  }
}

function jwtOf(action: sdk.Action): sdk.JwtValidationActionConfig {
  if (action.JwtValidationConfig) return action.JwtValidationConfig
  throw new Error('a jwt-validation action has no settings')
}

/** ALB refuses such a cookie. That the browser is told to drop it is ours: the next try signs in anew. */
function forged({ cookieName }: AuthRule, cookies: Cookies): AuthAnswer {
  return refusal(401, 'AuthInvalidCookie', setCookies(expiredShards(cookieName, cookies)))
}
