/** The events that a load balancer sends to Lambda functions, and the answers that it takes. */
import { Buffer } from 'node:buffer'
import { STATUS_CODES } from 'node:http'

/** A client's request with the headers that the load balancer adds, e.g. X-Forwarded-For. */
export interface LambdaRequest {
  readonly method: string
  /** Encoded, as it came; without the query. */
  readonly path: string
  /** Encoded, as it came; without `?`. */
  readonly query: string
  /** In their order, repeated ones each on its own; values as node gives them, a character a byte. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

export interface LambdaAnswer {
  readonly status: number
  readonly reason: string
  /** Without Content-Length and headers of the connection; a name may come several times. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/** What the event says of the request cannot be said in JSON: AWS's LambdaBadRequest. */
export class NotUtf8 extends Error {}

/** Sent as they are; every other body goes as Base64. */
const TEXT_TYPE = /^(?:text\/.*|application\/(?:json|javascript|xml))$/

/** ALB's event as JSON; throws NotUtf8. */
export function lambdaEvent(
  request: LambdaRequest,
  targetGroupArn: string,
  multiValue: boolean,
): string {
  const headers = request.headers.map(
    ([name, value]) => [name.toLowerCase(), utf8Of(value)] as const,
  )
  const asIs = isText(headers) || request.body.length === 0
  return JSON.stringify({
    requestContext: { elb: { targetGroupArn } },
    httpMethod: request.method,
    path: utf8Of(request.path),
    ...members('queryStringParameters', parametersOf(utf8Of(request.query)), multiValue),
    ...members('headers', headers, multiValue),
    body: asIs ? textOf(request.body) : request.body.toString('base64'),
    isBase64Encoded: !asIs,
  })
}

/** ALB's event for a health check of a function. */
export function healthCheckEvent(
  path: string,
  targetGroupArn: string,
  multiValue: boolean,
): string {
  const headers = [['user-agent', 'ELB-HealthChecker/2.0']] as const
  const body = Buffer.alloc(0)
  return lambdaEvent({ method: 'GET', path, query: '', headers, body }, targetGroupArn, multiValue)
}

type Pairs = readonly (readonly [name: string, value: string])[]

/** `headers` or `multiValueHeaders`: without multiple values the last one counts. */
function members(name: string, pairs: Pairs, multiValue: boolean): Record<string, object> {
  // fromEntries defines what it finds: names are a client's, and `__proto__` is one.
  if (!multiValue) return { [name]: Object.fromEntries(pairs) }
  const values = new Map<string, string[]>()
  for (const [key, value] of pairs) {
    const known = values.get(key)
    if (known) known.push(value)
    else values.set(key, [value])
  }
  const multiName = `multiValue${name.charAt(0).toUpperCase()}${name.slice(1)}`
  return { [multiName]: Object.fromEntries(values) }
}

/** Not decoded: ALB leaves that to the function. */
function parametersOf(query: string): Pairs {
  const parts = query.split('&').filter((part) => part !== '')
  return parts.map((part) => {
    const end = part.indexOf('=')
    return end === -1 ? [part, ''] : [part.slice(0, end), part.slice(end + 1)]
  })
}

function isText(headers: Pairs): boolean {
  const last = (wanted: string) => headers.findLast(([name]) => name === wanted)?.[1]
  if (last('content-encoding') !== undefined) return false
  const type = last('content-type')?.split(';')[0]?.trim().toLowerCase()
  return type !== undefined && TEXT_TYPE.test(type)
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new NotUtf8('the request is not UTF-8')
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of what needs no decoding
const ASCII = /^[\x00-\x7f]*$/

function utf8Of(value: string): string {
  return ASCII.test(value) ? value : textOf(Buffer.from(value, 'latin1'))
}

/** What load balancers do not take from a function: they are of a connection, or worked out. */
const NOT_TAKEN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const REASON = /^\d{3} ([\t\x20-\x7e]*)$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const UNTYPED = 'application/octet-stream'

/** The function's answer; undefined where ALB answers 502: it is malformed or lacks something. */
export function lambdaAnswer(json: string, multiValue: boolean): LambdaAnswer | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(json)
  } catch {
    return undefined
  }
  if (!isRecord(answer)) return undefined
  const { statusCode, statusDescription, isBase64Encoded = false } = answer
  if (typeof statusCode !== 'number' || !Number.isInteger(statusCode)) return undefined
  if (statusCode < 200 || statusCode > 599 || typeof isBase64Encoded !== 'boolean') return undefined
  if (statusDescription !== undefined && typeof statusDescription !== 'string') return undefined
  const headers = headersOf(answer[multiValue ? 'multiValueHeaders' : 'headers'], multiValue)
  const body = bodyOf(answer.body, isBase64Encoded)
  if (!headers || !body) return undefined
  if (body.length > 0 && !headers.some(([name]) => name.toLowerCase() === 'content-type')) {
    headers.push(['Content-Type', UNTYPED])
  }
  const reason = REASON.exec(statusDescription ?? '')?.[1] ?? STATUS_CODES[statusCode] ?? ''
  return { status: statusCode, reason, headers, body }
}

function headersOf(given: unknown, multiValue: boolean): [string, string][] | undefined {
  if (given === undefined) return []
  if (!isRecord(given)) return undefined
  const headers: [string, string][] = []
  for (const [name, value] of Object.entries(given)) {
    const values: unknown[] = multiValue && Array.isArray(value) ? value : [value]
    if (multiValue && !Array.isArray(value)) return undefined
    if (!HEADER_NAME.test(name)) return undefined
    for (const each of values) {
      if (typeof each !== 'string') return undefined
      // Node writes a character a byte: these go out as UTF-8.
      const bytes = ASCII.test(each) ? each : Buffer.from(each).toString('latin1')
      if (!HEADER_VALUE.test(bytes)) return undefined
      if (!NOT_TAKEN.has(name.toLowerCase())) headers.push([name, bytes])
    }
  }
  return headers
}

function bodyOf(given: unknown, isBase64Encoded: boolean): Buffer | undefined {
  if (given === undefined || given === null) return Buffer.alloc(0)
  if (typeof given !== 'string') return undefined
  if (!isBase64Encoded) return Buffer.from(given)
  return BASE64.test(given) ? Buffer.from(given, 'base64') : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
