import type { Scope } from './core/arn.ts'

/** The routing facts of a provider, taken from its contract. */
export interface ProviderRoute {
  readonly name: string
  readonly signingName: string
  readonly targetPrefix: string | undefined
  readonly apiVersion: string
  readonly protocol: 'json' | 'query'
}

/** What of a request routing looks at. Header names are in lower case. */
export interface RequestHead {
  readonly method: string
  /** Path and query as they came. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export type Identified =
  /** For the provider of that name; `operation` is undefined when the request names none. */
  | { readonly kind: 'call'; readonly provider: string; readonly operation: string | undefined }
  /** It may be for a provider: the form in the body decides. Buffer it, then ask again. */
  | { readonly kind: 'form' }
  | { readonly kind: 'other' }

export const DEFAULT_ACCOUNT = '000000000000'
export const DEFAULT_REGION = 'us-east-1'

const OTHER: Identified = { kind: 'other' }
const FORM: Identified = { kind: 'form' }
const ACCOUNT = /^\d{12}$/
// A region becomes part of ARNs and keys: anything that cannot be one is not taken for one.
const REGION = /^[a-z][a-z0-9-]{0,31}$/
const CREDENTIAL = /Credential=([^,\s/]+)\/[^/,\s]*\/([^/,\s]*)\/([^/,\s]*)\//

/**
 * Which provider a request is for, in the order in which AWS clients sign: SigV4 scope, then
 * X-Amz-Target, then Action and Version of a form POST to `/` or of the query.
 */
export function identify(
  head: RequestHead,
  routes: readonly ProviderRoute[],
  form?: string,
): Identified {
  const target = text(head.headers['x-amz-target'])
  const signed = credentialOf(head)?.service
  if (signed !== undefined && !routes.some((route) => route.signingName === signed)) return OTHER
  for (const route of routes) {
    if (signed !== undefined && route.signingName !== signed) continue
    if (route.protocol === 'json') {
      const found = identifyJson(route, target, signed !== undefined)
      if (found) return found
    } else {
      const found = identifyQuery(route, head, form)
      if (found) return found
    }
  }
  return OTHER
}

function identifyJson(
  route: ProviderRoute,
  target: string | undefined,
  signed: boolean,
): Identified | undefined {
  if (target === undefined) {
    return signed ? { kind: 'call', provider: route.name, operation: undefined } : undefined
  }
  const dot = target.lastIndexOf('.')
  const ours = target.slice(0, Math.max(0, dot)) === route.targetPrefix
  if (!ours && !signed) return undefined
  return { kind: 'call', provider: route.name, operation: ours ? target.slice(dot + 1) : target }
}

// Classic load balancers share scope and action names with v2: only the version tells them apart.
function identifyQuery(
  route: ProviderRoute,
  head: RequestHead,
  form: string | undefined,
): Identified | undefined {
  const mark = head.url.indexOf('?')
  const path = mark === -1 ? head.url : head.url.slice(0, mark)
  if (path !== '/') return undefined
  const isForm =
    head.method === 'POST' &&
    (text(head.headers['content-type']) ?? '').startsWith('application/x-www-form-urlencoded')
  if (isForm && form === undefined) return FORM
  const fields = new URLSearchParams(isForm ? form : mark === -1 ? '' : head.url.slice(mark + 1))
  if (fields.get('Version') !== route.apiVersion) return undefined
  return { kind: 'call', provider: route.name, operation: fields.get('Action') ?? undefined }
}

/**
 * Account and region a request speaks for: the account from an access key of 12 digits (else
 * `defaultAccount`), the region from the SigV4 scope (else us-east-1).
 */
export function scopeOf(head: RequestHead, defaultAccount: string = DEFAULT_ACCOUNT): Scope {
  const credential = credentialOf(head)
  const key = credential?.accessKey ?? ''
  return {
    account: ACCOUNT.test(key) ? key : defaultAccount,
    region: REGION.test(credential?.region ?? '') ? (credential?.region ?? '') : DEFAULT_REGION,
  }
}

/** The SigV4 scope of a request, as far as the gateway looks at it. */
export interface Credential {
  readonly accessKey: string
  readonly region: string
  /** Signing name, e.g. `s3`. */
  readonly service: string
}

/** The scope in the Authorization header or, for presigned URLs, in the query; none for unsigned requests. */
export function credentialOf(head: RequestHead): Credential | undefined {
  const header = text(head.headers.authorization)
  const found = header
    ? CREDENTIAL.exec(header)
    : head.url.includes('X-Amz-Credential=')
      ? CREDENTIAL.exec(`Credential=${queryCredential(head.url)}`)
      : null
  if (!found) return undefined
  const [, accessKey = '', region = '', service = ''] = found
  return { accessKey, region, service }
}

function queryCredential(url: string): string {
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1))
  return query.get('X-Amz-Credential') ?? ''
}

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
