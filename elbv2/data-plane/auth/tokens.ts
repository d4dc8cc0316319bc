import { Buffer } from 'node:buffer'
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import type { Clock } from '../../../gateway/core/clock.ts'
import { AuthTrouble } from './answers.ts'
import type { Idp } from './auth-rule.ts'
import { AnswerTooLarge, type CallIdp, type IdpAnswer, jsonObject, whyNot } from './idp-client.ts'

/** Claims and access token together, as ALB documents it. */
const MOST_USER_BYTES = 11 * 1024
const MOST_TOKEN_ANSWER_BYTES = 256 * 1024
/** What the clocks of provider and load balancer may differ. */
const LEEWAY_SECONDS = 60
const PRINTABLE = /^[\x21-\x7e]+$/

export type Claims = Readonly<Record<string, unknown>>

/** Who a user is, and for how long the provider says so. */
export interface Grant {
  readonly subject: string
  readonly claims: Claims
  readonly accessToken: string
  /** Undefined where the provider does not say. */
  readonly accessExpiresMs: number | undefined
  readonly refreshToken: string | undefined
}

/** What is asked of a provider's token and user info endpoints; rejects with `AuthTrouble`. */
export interface Tokens {
  /** `nonce` is what the authorization request had; ALB by itself sends none. */
  redeem(idp: Idp, code: string, redirectUri: string, nonce: string | undefined): Promise<Grant>
  refresh(idp: Idp, refreshToken: string, subject: string): Promise<Grant>
}

export function createTokens(callIdp: CallIdp, clock: Clock): Tokens {
  return {
    async redeem(idp, code, redirectUri, nonce) {
      const asked = { grant_type: 'authorization_code', code, redirect_uri: redirectUri }
      const answer = await askTokens(callIdp, idp, asked)
      if (typeof answer.id_token !== 'string') {
        throw new AuthTrouble(401, 'AuthInvalidTokenResponse', 'no ID token came: is openid asked?')
      }
      const subject = checkIdToken(answer.id_token, idp, clock, nonce)
      return grantOf(callIdp, idp, answer, clock, subject)
    },
    async refresh(idp, refreshToken, subject) {
      const asked = { grant_type: 'refresh_token', refresh_token: refreshToken }
      const answer = await askTokens(callIdp, idp, asked)
      const grant = await grantOf(callIdp, idp, answer, clock, subject)
      // RFC 6749, section 6: where no new one comes the old one goes on.
      return { ...grant, refreshToken: grant.refreshToken ?? refreshToken }
    },
  }
}

async function askTokens(
  callIdp: CallIdp,
  { tokenEndpoint, clientId, clientSecret }: Idp,
  asked: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  const form = new URLSearchParams(asked)
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  }
  // The one way to authenticate that every provider must know (RFC 6749, section 2.3.1).
  if (clientSecret === undefined) form.set('client_id', clientId)
  else headers.authorization = basic(clientId, clientSecret)
  const answer = await reach('AuthTokenEpRequestTimeout', 'token', () =>
    callIdp({
      method: 'POST',
      url: tokenEndpoint,
      headers,
      body: form.toString(),
      maxBytes: MOST_TOKEN_ANSWER_BYTES,
    }),
  )
  const value = jsonObject(answer.body)
  if (answer.status >= 200 && answer.status < 300) {
    if (value) return value
    throw new AuthTrouble(401, 'AuthInvalidTokenResponse', 'the token endpoint sent no JSON object')
  }
  const error = typeof value?.error === 'string' ? value.error.slice(0, 100) : ''
  const message = `the token endpoint answered ${answer.status} ${error}`.trimEnd()
  if (error === 'invalid_grant') throw new AuthTrouble(401, 'AuthInvalidGrantError', message)
  throw new AuthTrouble(561, 'AuthTokenEpRequestFailed', message)
}

function basic(user: string, password: string): string {
  const encoded = [user, password].map((part) => new URLSearchParams({ '': part }).toString())
  const pair = encoded.map((part) => part.slice(1)).join(':')
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

async function grantOf(
  callIdp: CallIdp,
  idp: Idp,
  answer: Record<string, unknown>,
  clock: Clock,
  subject: string,
): Promise<Grant> {
  const { access_token: token, expires_in: seconds, refresh_token: refresh } = answer
  // It becomes a header of requests: what is no token must not be one.
  if (typeof token !== 'string' || !PRINTABLE.test(token)) {
    throw new AuthTrouble(401, 'AuthInvalidTokenResponse', 'no usable access token came')
  }
  const lives = Number(seconds)
  return {
    subject,
    claims: await askClaims(callIdp, idp, token, subject),
    accessToken: token,
    accessExpiresMs: lives > 0 && Number.isFinite(lives) ? clock.now() + lives * 1000 : undefined,
    refreshToken: typeof refresh === 'string' && refresh !== '' ? refresh : undefined,
  }
}

async function askClaims(
  callIdp: CallIdp,
  { userInfoEndpoint }: Idp,
  accessToken: string,
  subject: string,
): Promise<Claims> {
  const answer = await reach('AuthUserinfoEpRequestTimeout', 'user info', () =>
    callIdp({
      method: 'GET',
      url: userInfoEndpoint,
      headers: { authorization: `Bearer ${accessToken}`, accept: 'application/json' },
      maxBytes: 2 * MOST_USER_BYTES,
    }),
  )
  if (answer.status < 200 || answer.status > 299) {
    const message = `the user info endpoint answered ${answer.status}`
    throw new AuthTrouble(561, 'AuthUserinfoEpRequestFailed', message)
  }
  const claims = jsonObject(answer.body)
  // OpenID Connect Core, section 5.3.2: claims of somebody else must not be used.
  if (claims?.sub !== subject) {
    const message = 'the user info endpoint sent no claims of the user who signed in'
    throw new AuthTrouble(401, 'AuthInvalidUserinfoResponse', message)
  }
  if (Buffer.byteLength(JSON.stringify(claims)) + accessToken.length > MOST_USER_BYTES) {
    throw tooMuch('claims and access token have more than 11 KB')
  }
  return claims
}

function tooMuch(message: string): AuthTrouble {
  return new AuthTrouble(500, 'AuthUserinfoResponseSizeExceeded', message)
}

async function reach(
  errorReason: string,
  name: string,
  call: () => Promise<IdpAnswer>,
): Promise<IdpAnswer> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof AnswerTooLarge && name === 'user info') throw tooMuch(error.message)
    throw new AuthTrouble(500, errorReason, `the ${name} endpoint is not reached: ${whyNot(error)}`)
  }
}

/**
 * The subject of an ID token. Its signature is not looked at: an action names no keys, and what comes
 * from the token endpoint itself is vouched for by the connection (OpenID Connect Core, 3.1.3.7).
 */
function checkIdToken(token: string, idp: Idp, clock: Clock, nonce: string | undefined): string {
  let algorithm: string | undefined
  let claims: JWTPayload
  try {
    algorithm = decodeProtectedHeader(token).alg
    claims = decodeJwt(token)
  } catch {
    throw new AuthTrouble(401, 'AuthInvalidIdToken', 'the ID token is not a JWT')
  }
  const wrong = wrongWith(algorithm, claims, idp, clock, nonce)
  if (wrong !== undefined) throw new AuthTrouble(401, 'AuthInvalidIdToken', wrong)
  return claims.sub as string
}

function wrongWith(
  algorithm: string | undefined,
  claims: JWTPayload,
  idp: Idp,
  clock: Clock,
  nonce: string | undefined,
): string | undefined {
  const nowSeconds = clock.now() / 1000
  const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
  if (!algorithm || algorithm === 'none') return 'the ID token is not signed'
  if (claims.iss !== idp.issuer)
    return `the ID token is of the issuer ${String(claims.iss).slice(0, 256)}`
  if (!audience.includes(idp.clientId)) return 'the ID token is for another client'
  if (claims.azp !== undefined && claims.azp !== idp.clientId) return 'the ID token is for another'
  if (typeof claims.exp !== 'number' || claims.exp <= nowSeconds - LEEWAY_SECONDS) {
    return 'the ID token is expired'
  }
  if (typeof claims.iat !== 'number' || claims.iat > nowSeconds + LEEWAY_SECONDS) {
    return 'the ID token is of the future'
  }
  if (claims.nonce !== nonce) return 'the ID token answers another request: its nonce is wrong'
  if (typeof claims.sub !== 'string' || !PRINTABLE.test(claims.sub)) {
    return 'the ID token names no usable subject'
  }
  return undefined
}
