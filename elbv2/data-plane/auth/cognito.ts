import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import { parseArn, type Scope } from '../../../gateway/core/arn.ts'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { BackendAnswer, BackendRequest, CallBackend } from '../../context.ts'
import { AuthTrouble } from './answers.ts'
import type { Idp } from './auth-rule.ts'
import { jsonObject, whyNot } from './idp-client.ts'

/** A pool's endpoints hardly change, a client's secret may. */
const KEEP_MS = 60_000
const TIMEOUT_MS = 5_000

export type FindPool = (config: sdk.AuthenticateCognitoActionConfig) => Promise<Idp>

/** User pools as the backend knows them; rejects with an `AuthTrouble` that says what it lacks. */
export function createPoolFinder(callBackend: CallBackend, clock: Clock): FindPool {
  type Known = { readonly untilMs: number; readonly idp: Promise<Idp> }
  const known = new WeakMap<sdk.AuthenticateCognitoActionConfig, Known>()
  return (config) => {
    const before = known.get(config)
    if (before && before.untilMs > clock.now()) return before.idp
    const idp = lookUp(config, callBackend)
    known.set(config, { untilMs: clock.now() + KEEP_MS, idp })
    idp.catch(() => known.delete(config))
    return idp
  }
}

async function lookUp(
  config: sdk.AuthenticateCognitoActionConfig,
  callBackend: CallBackend,
): Promise<Idp> {
  const { UserPoolArn: arn = '', UserPoolClientId: clientId = '' } = config
  const parsed = parseArn(arn)
  const poolId = parsed?.resource.replace(/^userpool\//, '')
  if (!parsed || !poolId) throw trouble(`${arn} is not the ARN of a user pool`)
  const ask = (request: Omit<BackendRequest, 'scope' | 'service' | 'timeoutMs'>) =>
    askCognito(callBackend, parsed, request)
  const [about, client] = await Promise.all([
    ask({ method: 'GET', path: `/${encodeURIComponent(poolId)}/.well-known/openid-configuration` }),
    ask({
      method: 'POST',
      path: '/',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'AWSCognitoIdentityProviderService.DescribeUserPoolClient',
      },
      body: JSON.stringify({ UserPoolId: poolId, ClientId: clientId }),
    }),
  ])
  return idpOf(poolId, clientId, about, client)
}

function idpOf(
  poolId: string,
  clientId: string,
  about: Record<string, unknown>,
  client: Record<string, unknown>,
): Idp {
  const endpoint = (name: string) => {
    const value = about[name]
    if (typeof value === 'string' && /^https?:\/\//.test(value)) return value
    throw trouble(`the backend does not say which ${name} the user pool ${poolId} has`)
  }
  const secret = (client.UserPoolClient as { ClientSecret?: unknown } | undefined)?.ClientSecret
  if (typeof secret !== 'string' || secret === '') {
    throw trouble(`the client ${clientId} of the user pool ${poolId} has no secret`)
  }
  return {
    issuer: endpoint('issuer'),
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
    userInfoEndpoint: endpoint('userinfo_endpoint'),
    clientId,
    clientSecret: secret,
  }
}

async function askCognito(
  callBackend: CallBackend,
  { account, region }: Scope,
  request: Omit<BackendRequest, 'scope' | 'service' | 'timeoutMs'>,
): Promise<Record<string, unknown>> {
  const scope = { account, region }
  const service = 'cognito-idp'
  const asked = callBackend({ ...request, scope, service, timeoutMs: TIMEOUT_MS })
  if (!asked) throw trouble('no backend is configured, so there are no Cognito user pools')
  let answer: BackendAnswer
  try {
    answer = await asked
  } catch (error) {
    throw trouble(`the backend cannot be asked for Cognito user pools: ${whyNot(error)}`)
  }
  const value = answer.status === 200 ? jsonObject(answer.body) : undefined
  if (value) return value
  const what = request.headers?.['x-amz-target'] ?? request.path
  throw trouble(`the backend answered ${answer.status} for Cognito's ${what}`)
}

function trouble(message: string): AuthTrouble {
  return new AuthTrouble(500, 'AuthUnhandledException', message)
}
