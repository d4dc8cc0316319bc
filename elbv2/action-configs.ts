/** What redirects, fixed responses and authentication may say, and what they mean by default. */
import type {
  AuthenticateCognitoActionConfig,
  AuthenticateOidcActionConfig,
  FixedResponseActionConfig,
  JwtValidationActionConfig,
  ProtocolEnum,
  RedirectActionConfig,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { parseArn } from '../gateway/core/arn.ts'
import type { AwsFault } from '../gateway/core/fault.ts'
import { fault } from './faults.ts'

const MAX_PORT = 65535
const CONTENT_TYPES = [
  'text/plain',
  'text/css',
  'text/html',
  'application/javascript',
  'application/json',
]
const MAX_SESSION_SECONDS = 604_800
const MAX_EXTRA_PARAMS = 10
const MAX_CLIENT_ID = 1024
const MAX_URL = 256
const MAX_CLAIMS = 10
const MAX_CLAIM_VALUES = 10
const MAX_CLAIM_VALUE = 256
/** Always validated, so that nobody asks for them. */
const OWN_CLAIMS = ['exp', 'iss', 'nbf', 'iat']

export function invalidAction(message: string): AwsFault {
  return fault('InvalidLoadBalancerActionException', message)
}

/** Where a redirect stands: what its placeholders come to. */
export interface ListenerPlace {
  readonly protocol?: ProtocolEnum
  readonly port?: number
}

export function checkedRedirect(
  config: RedirectActionConfig,
  listener: ListenerPlace,
): RedirectActionConfig {
  const { Protocol = '#{protocol}', Port = '#{port}', Host = '#{host}' } = config
  const { Path = '/#{path}', Query = '#{query}', StatusCode } = config
  if (Port !== '#{port}' && !isPort(Port)) {
    throw invalidAction(`The Port parameter must be a number from 1 to ${MAX_PORT} or '#{port}'`)
  }
  if (!hasOnly(Host, ['host']) || !/^[A-Za-z0-9._*:[\]-]*$/.test(withoutPlaceholders(Host))) {
    throw invalidAction(
      "The Host parameter must be a valid host name, and may contain the placeholder '#{host}'",
    )
  }
  if (!Path.startsWith('/') || !hasOnly(Path, ['path', 'host', 'port'])) {
    throw invalidAction(
      "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of these placeholders: '#{path}', '#{host}', '#{port}'.",
    )
  }
  if (Query.startsWith('?') || !hasOnly(Query, ['query', 'path', 'host', 'port', 'protocol'])) {
    throw invalidAction(
      "The Query parameter must be a valid query without a leading '?', and may contain up to one of each of the placeholders",
    )
  }
  const protocol = Protocol === '#{protocol}' ? listener.protocol : Protocol
  if (listener.protocol === 'HTTPS' && protocol === 'HTTP') {
    throw invalidAction('You cannot redirect HTTPS to HTTP')
  }
  const port = Port === '#{port}' ? listener.port : Number(Port)
  const same = protocol === listener.protocol && port === listener.port
  // Another query alone does not end the loop: the client comes back to where it was.
  if (same && Host === '#{host}' && Path === '/#{path}') {
    throw invalidAction('The redirect configuration is not valid because it creates a loop.')
  }
  return { Protocol, Port, Host, Path, Query, StatusCode }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_PORT
}

function withoutPlaceholders(text: string): string {
  return text.replace(/#\{\w+\}/g, '')
}

/** Whether every `#{…}` is one of these, and none comes twice. */
function hasOnly(text: string, placeholders: readonly string[]): boolean {
  const found = [...text.matchAll(/#\{(?:([^}]*)\})?/g)].map(([, name = '']) => name)
  return new Set(found).size === found.length && found.every((name) => placeholders.includes(name))
}

export function checkedFixedResponse(config: FixedResponseActionConfig): FixedResponseActionConfig {
  const { ContentType } = config
  if (ContentType !== undefined && !CONTENT_TYPES.includes(ContentType)) {
    throw invalidAction(
      `The content type '${ContentType}' must be one of '${CONTENT_TYPES.join(', ')}'`,
    )
  }
  return config
}

interface Session {
  readonly SessionTimeout?: number | undefined
  readonly AuthenticationRequestExtraParams?: Record<string, string> | undefined
}

const SESSION_DEFAULTS = {
  SessionCookieName: 'AWSELBAuthSessionCookie',
  Scope: 'openid',
  SessionTimeout: MAX_SESSION_SECONDS,
  OnUnauthenticatedRequest: 'authenticate',
} as const

function checkSession({ SessionTimeout: seconds = 1, ...config }: Session): void {
  if (seconds < 1 || seconds > MAX_SESSION_SECONDS) {
    throw invalidAction(
      `The 'session timeout' field must be between 1 and ${MAX_SESSION_SECONDS} seconds`,
    )
  }
  if (Object.keys(config.AuthenticationRequestExtraParams ?? {}).length > MAX_EXTRA_PARAMS) {
    throw invalidAction(
      `The 'authentication request extra params' field can have up to ${MAX_EXTRA_PARAMS} parameters`,
    )
  }
}

/** `kept`: the configurations whose client secret may be used on, where the caller says so. */
export function checkedOidc(
  config: AuthenticateOidcActionConfig,
  kept: readonly AuthenticateOidcActionConfig[],
): AuthenticateOidcActionConfig {
  const { UseExistingClientSecret = false, ClientSecret: given, ...rest } = config
  checkUrl('issuer', rest.Issuer)
  checkUrl('authorization endpoint', rest.AuthorizationEndpoint)
  checkUrl('token endpoint', rest.TokenEndpoint)
  checkUrl('user info endpoint', rest.UserInfoEndpoint)
  checkLength('client id', rest.ClientId)
  if (given !== undefined && UseExistingClientSecret) {
    throw invalidAction(
      "You cannot specify a client secret when 'UseExistingClientSecret' is set to true",
    )
  }
  const same = kept.find((each) => each.Issuer === rest.Issuer && each.ClientId === rest.ClientId)
  const ClientSecret = UseExistingClientSecret ? same?.ClientSecret : given
  if (!ClientSecret) {
    throw invalidAction(
      UseExistingClientSecret
        ? "There is no existing client secret for this 'issuer' and 'client id'"
        : "For actions of type 'authenticate-oidc', you must specify the following fields: 'ClientSecret'",
    )
  }
  checkSession(rest)
  return { ...SESSION_DEFAULTS, ...rest, ClientSecret }
}

export function checkedCognito(
  config: AuthenticateCognitoActionConfig,
): AuthenticateCognitoActionConfig {
  const arn = parseArn(config.UserPoolArn ?? '')
  if (arn?.service !== 'cognito-idp' || !arn.resource.startsWith('userpool/')) {
    throw invalidAction(`'${config.UserPoolArn}' is not a valid user pool ARN`)
  }
  checkLength('user pool client id', config.UserPoolClientId)
  checkLength('user pool domain', config.UserPoolDomain)
  checkSession(config)
  return { ...SESSION_DEFAULTS, ...config }
}

export function checkedJwt(config: JwtValidationActionConfig): JwtValidationActionConfig {
  checkUrl('jwks endpoint', config.JwksEndpoint)
  if (!config.Issuer || config.Issuer.length > MAX_URL) {
    throw invalidAction(`The 'issuer' field must be between 1 and ${MAX_URL} characters in length`)
  }
  const claims = config.AdditionalClaims ?? []
  if (claims.length > MAX_CLAIMS) {
    throw invalidAction(`The 'additional claims' field can have up to ${MAX_CLAIMS} claims`)
  }
  for (const { Name = '', Format, Values = [] } of claims) {
    if (Name === '' || OWN_CLAIMS.includes(Name)) {
      throw invalidAction(`The additional claim '${Name}' cannot be specified`)
    }
    const fits = (value: string) =>
      value.length > 0 &&
      value.length <= MAX_CLAIM_VALUE &&
      !(Format === 'space-separated-values' && value.includes(' '))
    if (Values.length === 0 || Values.length > MAX_CLAIM_VALUES || !Values.every(fits)) {
      throw invalidAction(
        `The additional claim '${Name}' must have 1 to ${MAX_CLAIM_VALUES} values of up to ${MAX_CLAIM_VALUE} characters, without spaces where they are separated by spaces`,
      )
    }
  }
  return config
}

function checkLength(field: string, value = ''): void {
  if (value.length < 1 || value.length > MAX_CLIENT_ID) {
    throw invalidAction(
      `The '${field}' field must be between 1 and ${MAX_CLIENT_ID} characters in length`,
    )
  }
}

// AWS takes HTTPS alone. Here an identity provider may well be a container without certificates.
function checkUrl(field: string, value = ''): void {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    value.length > MAX_CLIENT_ID
  ) {
    throw invalidAction(`The '${field}' field must be a valid URL`)
  }
}
