import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Authenticated, RequestFacts } from '../model.ts'
import { type AuthAnswer, refusal } from './answers.ts'
import { type FindKeys, KEY_ALGORITHM } from './key-sets.ts'

/** Carries out a jwt-validation action: the token goes on as it came, or the client gets a 401. */
export type ValidateJwt = (
  config: sdk.JwtValidationActionConfig,
  request: RequestFacts,
) => Promise<Authenticated>

export function createJwtValidation(findKeys: FindKeys, clock: Clock): ValidateJwt {
  return async (config, request) => {
    const credentials = request.header('authorization')
    if (credentials.length === 0) return refuse('JWTHeaderNotPresent', 'Bearer')
    const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+) *$/i.exec(credentials[0] ?? '')?.[1]
    if (credentials.length > 1 || token === undefined) return refuse('JWTRequestFormatInvalid')
    const wrong = await wrongWith(token, config, findKeys, clock)
    return wrong === undefined ? { kind: 'allow', headers: [] } : refuse(wrong)
  }
}

/** RFC 6750, section 3: a request without a token is told no error. */
function refuse(reason: string, challenge = 'Bearer error="invalid_token"'): AuthAnswer {
  return refusal(401, reason, [['WWW-Authenticate', challenge]])
}

async function wrongWith(
  token: string,
  config: sdk.JwtValidationActionConfig,
  findKeys: FindKeys,
  clock: Clock,
): Promise<string | undefined> {
  let keyId: string | undefined
  try {
    const header = decodeProtectedHeader(token)
    // Refused before a key is looked for: such a token causes no request.
    if (header.alg !== KEY_ALGORITHM) return 'JWTSignatureValidationError'
    keyId = header.kid
  } catch {
    return 'JWTRequestFormatInvalid'
  }
  for (const key of await findKeys(config.JwksEndpoint ?? '', keyId)) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [KEY_ALGORITHM],
        issuer: config.Issuer ?? '',
        requiredClaims: ['exp'],
        currentDate: new Date(clock.now()),
      })
      return wrongClaim(payload, config.AdditionalClaims ?? [], clock)
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return reasonOf(error)
    }
  }
  return 'JWTSignatureValidationError'
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'JWTClaimValueInvalid'
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === 'missing') return 'JWTClaimNotPresent'
    return error.reason === 'invalid' ? 'JWTClaimFormatInvalid' : 'JWTClaimValueInvalid'
  }
  if (error instanceof errors.JOSEError) return 'JWTRequestFormatInvalid'
  throw error
}

function wrongClaim(
  payload: JWTPayload,
  claims: readonly sdk.JwtValidationActionAdditionalClaim[],
  clock: Clock,
): string | undefined {
  const { iat } = payload
  if (iat !== undefined && iat > clock.now() / 1000) return 'JWTClaimValueInvalid'
  for (const { Name: name = '', Format: format, Values: wanted = [] } of claims) {
    const value = Object.hasOwn(payload, name) ? payload[name] : undefined
    if (value === undefined) return 'JWTClaimNotPresent'
    const has = valuesOf(value, format)
    if (!has) return 'JWTClaimFormatInvalid'
    // A single string is one of those that are wanted; a list must have them all.
    const fits =
      format === 'single-string'
        ? wanted.some((each) => has.includes(each))
        : wanted.every((each) => has.includes(each))
    if (!fits) return 'JWTClaimValueInvalid'
  }
  return undefined
}

/** Undefined where the claim has another format. */
function valuesOf(
  value: unknown,
  format: sdk.JwtValidationActionAdditionalClaimFormatEnum | undefined,
): readonly string[] | undefined {
  if (format === 'string-array') {
    const strings = Array.isArray(value) && value.every((each) => typeof each === 'string')
    return strings ? (value as string[]) : undefined
  }
  if (typeof value !== 'string') return undefined
  return format === 'single-string' ? [value] : value.split(' ').filter((each) => each !== '')
}
