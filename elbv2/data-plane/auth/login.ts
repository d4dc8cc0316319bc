import type { Buffer } from 'node:buffer'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { LiveListener, RequestFacts } from '../model.ts'
import { type AuthAnswer, AuthTrouble, redirectTo } from './answers.ts'
import type { AuthRule, Idp } from './auth-rule.ts'
import { BoundedMap } from './bounded-map.ts'
import { CALLBACK_PATH, rulesOf } from './callback.ts'
import { browserCookie, type Cookies, cookiesOf } from './cookies.ts'
import { SEAL_ID_CHARACTERS, type Sealer } from './seal.ts'
import type { Sessions } from './session.ts'
import type { Tokens } from './tokens.ts'

const PURPOSE = 'state'
/** ALB's client login timeout. */
const LOGIN_TIMEOUT_MS = 15 * 60 * 1000
const NONCE_COOKIE = 'AWSALBAuthNonce'
const NONCE = /^[\w-]{16}$/
const NONCE_BYTES = 12
const MOST_USED_STATES = 10_000

/** What travels by the provider and back, sealed. */
interface State {
  readonly binding: string
  /** Also in a cookie: what comes back is good in the browser that left only. */
  readonly nonce: string
  readonly origin: string
  /** Path and query that the user asked for. */
  readonly target: string
  readonly startedMs: number
}

export interface LoginParts {
  readonly sealer: Sealer
  readonly sessions: Sessions
  readonly tokens: Tokens
  readonly clock: Clock
  readonly randomBytes: (count: number) => Buffer
  readonly idpOf: (rule: AuthRule) => Promise<Idp>
}

export interface Login {
  /** Sends the browser to the provider. */
  begin(rule: AuthRule, request: RequestFacts, cookies: Cookies): Promise<AuthAnswer>
  /** Takes the browser back from there and on to where it was going. */
  finish(request: RequestFacts, listener: LiveListener): Promise<AuthAnswer>
}

export function createLogin(parts: LoginParts): Login {
  const { sealer, sessions, tokens, clock, randomBytes, idpOf } = parts
  const used = new BoundedMap<true>(MOST_USED_STATES)

  function openState(request: RequestFacts, cookies: Cookies): State {
    const sealed = parameter(request, 'state')
    if (!sealed) throw new AuthTrouble(401, 'AuthMissingStateParam', 'no state came back')
    const state = sealer.open(PURPOSE, sealed) as State | undefined
    const id = sealed.slice(0, SEAL_ID_CHARACTERS)
    if (!state) throw badState('was not made here')
    if (state.startedMs + LOGIN_TIMEOUT_MS <= clock.now()) throw badState('is of too long ago')
    if (state.origin !== originOf(request)) throw badState('is of another host')
    const nonce = cookies.get(NONCE_COOKIE)
    if (!nonce) throw new AuthTrouble(401, 'AuthMissingAWSALBAuthNonce', 'no nonce cookie came')
    if (nonce !== state.nonce) {
      throw new AuthTrouble(401, 'AuthInvalidAWSALBAuthNonce', 'the login began elsewhere')
    }
    if (used.get(id)) throw badState('was used before')
    used.set(id, true)
    return state
  }

  return {
    async begin(rule, request, cookies) {
      const origin = originOf(request)
      const idp = await idpOf(rule)
      // One nonce for all tabs and calls of a browser: the last of them does not undo the others.
      const known = cookies.get(NONCE_COOKIE) ?? ''
      const nonce = NONCE.test(known) ? known : randomBytes(NONCE_BYTES).toString('base64url')
      const state: State = {
        binding: rule.binding,
        nonce,
        origin,
        target: targetOf(request),
        startedMs: clock.now(),
      }
      const url = authorizationUrl(rule, idp, origin, sealer.seal(PURPOSE, state))
      return redirectTo(url, [browserCookie(NONCE_COOKIE, nonce)])
    },

    async finish(request, listener) {
      const cookies = cookiesOf(request)
      refuseErrorOfProvider(request)
      const state = openState(request, cookies)
      const code = parameter(request, 'code')
      if (!code) throw new AuthTrouble(401, 'AuthMissingCodeParam', 'no code came back')
      const rule = rulesOf(listener).find(({ binding }) => binding === state.binding)
      if (!rule) throw badState('is of a rule that is no more')
      const idp = await idpOf(rule)
      const { nonce } = rule.extraParams
      const grant = await tokens.redeem(idp, code, state.origin + CALLBACK_PATH, nonce)
      const session = sessions.begin(rule, idp, grant)
      return redirectTo(state.origin + state.target, sessions.cookies(rule, session, cookies))
    },
  }
}

function badState(why: string): AuthTrouble {
  return new AuthTrouble(401, 'AuthInvalidStateParam', `the state ${why}`)
}

function parameter(request: RequestFacts, name: string): string | undefined {
  // Providers encode as forms do (RFC 6749, section 4.1.2), which rules' conditions do not.
  return new URLSearchParams(request.query).get(name) ?? undefined
}

function refuseErrorOfProvider(request: RequestFacts): void {
  const error = parameter(request, 'error')
  if (error === undefined) return
  const message = `the provider says ${JSON.stringify(error.slice(0, 100))}`
  throw new AuthTrouble(error === 'access_denied' ? 401 : 561, undefined, message)
}

function authorizationUrl(rule: AuthRule, idp: Idp, origin: string, state: string): string {
  const url = new URL(idp.authorizationEndpoint)
  for (const [name, value] of Object.entries(rule.extraParams)) url.searchParams.set(name, value)
  url.searchParams.set('client_id', idp.clientId)
  url.searchParams.set('redirect_uri', origin + CALLBACK_PATH)
  url.searchParams.set('response_type', 'code')
  url.searchParams.set('scope', rule.scope)
  url.searchParams.set('state', state)
  // Some providers read `+` as a plus sign.
  url.search = url.searchParams.toString().replaceAll('+', '%20')
  return url.href
}

/** Scheme, host and port as the browser has them; an `AuthTrouble` where it names no host. */
function originOf(request: RequestFacts): string {
  if (!/^([a-z\d._-]+|\[[a-f\d:.]+\])$/.test(request.host)) {
    throw new AuthTrouble(401, 'AuthMissingHostHeader', 'the request names no usable host')
  }
  const authority = request.header(':authority')[0] ?? request.header('host')[0] ?? ''
  const port = /:(\d{1,5})$/.exec(authority)?.[1]
  const usual = request.protocol === 'https' ? '443' : '80'
  const suffix = port === undefined || port === usual ? '' : `:${port}`
  return `${request.protocol}://${request.host}${suffix}`
}

/** Always begins with `/`, so that the origin before it stays what it is. */
function targetOf({ path, query }: RequestFacts): string {
  const target = query === '' ? path : `${path}?${query}`
  const rooted = target.startsWith('/') ? target : '/'
  return rooted.replace(/[^\x21-\x7e]/g, (character) => encodeURIComponent(character))
}
