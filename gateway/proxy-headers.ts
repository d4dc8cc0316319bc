/** Heads of proxied messages: what crosses a proxy, what stays, and where a body ends. */

/** Names and values in turns, as node keeps them: repeated headers and their case survive. */
export type RawHeaders = readonly string[]

/** Headers of one connection only (RFC 9110, 7.6.1); Trailer and Expect are judged on their own. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

// Taking these away by naming them in Connection would change what the next hop believes it reads.
const NEVER_NAMED: ReadonlySet<string> = new Set(['host', 'content-length'])

/** What a trailer must not say (RFC 9110, 6.5.1): framing, routing and credentials. */
const NO_TRAILERS: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'set-cookie',
])

/** Of names and methods. */
export const TOKEN: RegExp = /^[\w!#$%&'*+.^`|~-]+$/
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** What a proxy says of a client: where a target merges trailers, a client would say it in its place. */
const SAID_BY_PROXIES = /^(forwarded$|x-forwarded-|x-amzn-)/i

/** Methods whose requests say nothing of a body where there is none (RFC 9110, 8.6). */
const BODILESS_METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
])

export interface HeadOfRequest {
  readonly method?: string | undefined
  readonly httpVersion: string
  readonly rawHeaders: RawHeaders
}

export interface HeadOfAnswer {
  readonly rawHeaders: RawHeaders
}

export type Framing =
  /** `empty`: a length of 0. */
  | { readonly kind: 'none' | 'empty' | 'length' | 'chunked' }
  /** Two readers could see different ends of it: never to be handed on. */
  | { readonly kind: 'refused'; readonly detail: string }

const NONE: Framing = { kind: 'none' }
const EMPTY: Framing = { kind: 'empty' }
const LENGTH: Framing = { kind: 'length' }
const CHUNKED: Framing = { kind: 'chunked' }

/** Where the body of a request ends. Stricter than RFC 9112 allows: no doubt is tolerated. */
export function framingOf({ httpVersion, rawHeaders }: HeadOfRequest): Framing {
  let length: string | undefined
  let coding: string | undefined
  let hosts = 0
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (isNamed(name, 'host')) {
      if (++hosts > 1) return refused('Host is given more than once.')
    } else if (isNamed(name, 'content-length')) {
      if (length !== undefined) return refused('Content-Length is given more than once.')
      length = (rawHeaders[at + 1] ?? '').trim()
    } else if (isNamed(name, 'transfer-encoding')) {
      if (coding !== undefined) return refused('Transfer-Encoding is given more than once.')
      coding = (rawHeaders[at + 1] ?? '').trim()
    }
  }
  if (coding !== undefined) {
    if (length !== undefined)
      return refused('Content-Length and Transfer-Encoding exclude another.')
    if (httpVersion === '1.0') return refused('HTTP/1.0 has no Transfer-Encoding.')
    if (coding.toLowerCase() === 'chunked') return CHUNKED
    return refused(`Transfer-Encoding ${JSON.stringify(coding)} is not chunked.`)
  }
  if (length === undefined || length === '0') return length === undefined ? NONE : EMPTY
  if (/^\d{1,15}$/.test(length)) return Number(length) === 0 ? EMPTY : LENGTH
  return refused(`Content-Length ${JSON.stringify(length)} is not a number of bytes.`)
}

/** Whether nothing follows the head. */
export function isBodiless(head: HeadOfRequest): boolean {
  const { kind } = framingOf(head)
  return kind === 'none' || kind === 'empty'
}

/** Values of one header (name in lower case), trimmed, in their order. */
export function valuesOf(raw: RawHeaders, name: string): string[] {
  const values: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (isNamed(raw[at] ?? '', name)) values.push((raw[at + 1] ?? '').trim())
  }
  return values
}

export function firstOf(raw: RawHeaders, name: string): string | undefined {
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (isNamed(raw[at] ?? '', name)) return (raw[at + 1] ?? '').trim()
  }
  return undefined
}

// Most are told apart by their length already.
function isNamed(given: string, name: string): boolean {
  return given.length === name.length && (given === name || given.toLowerCase() === name)
}

export interface OutgoingOptions {
  /** The length of a body that was read whole before: it is sent with its length, however it came. */
  readonly replayedBytes?: number | undefined
  /** End-to-end headers to send in place of the client's. */
  readonly headers?: RawHeaders | undefined
  /** The connection to the target ends with the request. */
  readonly alone?: boolean | undefined
}

/** The headers to send to a target at `authority`, framed as the client's request is. */
export function outgoingHeaders(
  head: HeadOfRequest,
  authority: string,
  options: OutgoingOptions = {},
): string[] {
  const { rawHeaders, method = 'GET' } = head
  const { replayedBytes } = options
  const given = options.headers ?? rawHeaders
  const headers = endToEnd(given, replayedBytes === undefined ? undefined : isOfUpload)
  const { kind } = framingOf(head)
  if (firstOf(headers, 'host') === undefined) headers.push('Host', authority)
  if (replayedBytes !== undefined) {
    headers.push('Content-Length', String(replayedBytes))
  } else if (kind === 'chunked') {
    const trailer = firstOf(rawHeaders, 'trailer')
    if (trailer !== undefined) headers.push('Trailer', trailer)
    headers.push('Transfer-Encoding', 'chunked')
  } else if (kind === 'none' && !BODILESS_METHODS.has(method)) {
    // Of other methods a body is expected.
    headers.push('Content-Length', '0')
  }
  const connection = options.alone ? 'close' : 'keep-alive'
  const te = firstOf(rawHeaders, 'te') === undefined ? '' : valuesOf(rawHeaders, 'te').join()
  if (/(^|,)\s*trailers\s*(,|$)/i.test(te)) {
    headers.push('TE', 'trailers', 'Connection', `${connection}, TE`)
  } else {
    headers.push('Connection', connection)
  }
  return headers
}

function isOfUpload(name: string): boolean {
  return name === 'content-length' || name === 'expect'
}

/** The headers that ask a target at `authority` for the upgrade that a client asks for. */
export function upgradeHeaders(
  { rawHeaders }: HeadOfRequest,
  authority: string,
  given: RawHeaders = rawHeaders,
): string[] {
  const headers = endToEnd(given)
  if (firstOf(headers, 'host') === undefined) headers.push('Host', authority)
  return [...headers, 'Connection', 'Upgrade', 'Upgrade', firstOf(rawHeaders, 'upgrade') ?? '']
}

/** The headers of an answer for its client; `trailers` says whether any can follow. */
export function answerHeaders({ rawHeaders }: HeadOfAnswer, trailers: boolean): string[] {
  const headers = endToEnd(rawHeaders)
  const trailer = trailers ? firstOf(rawHeaders, 'trailer') : undefined
  if (trailer !== undefined) headers.push('Trailer', trailer)
  return headers
}

/** Trailers that may cross, in pairs as node takes them. */
export function trailerPairs(raw: RawHeaders): [name: string, value: string][] {
  return pairsOf(raw).filter(
    ([name, value]) =>
      !NO_TRAILERS.has(name.toLowerCase()) && !SAID_BY_PROXIES.test(name) && isHeader(name, value),
  )
}

/** Whether such a header can be written as one line of HTTP/1.1. */
export function isHeader(name: string, value: string): boolean {
  return TOKEN.test(name) && !NO_VALUE.test(value)
}

/** Headers that are for whoever answers in the end, but for those (in lower case) that stay here. */
export function endToEnd(raw: RawHeaders, stays?: (name: string) => boolean): string[] {
  const named = namedByConnection(raw)
  const headers: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const given = raw[at] ?? ''
    const name = given.toLowerCase()
    if (HOP_BY_HOP.has(name) || named?.has(name) || stays?.(name)) continue
    headers.push(given, raw[at + 1] ?? '')
  }
  return headers
}

function namedByConnection(raw: RawHeaders): ReadonlySet<string> | undefined {
  if (firstOf(raw, 'connection') === undefined) return undefined
  const options = valuesOf(raw, 'connection').join().toLowerCase().split(',')
  return new Set(options.map((each) => each.trim()).filter((each) => !NEVER_NAMED.has(each)))
}

/** Names with their values. */
export function pairsOf(raw: RawHeaders): [name: string, value: string][] {
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? '', raw[at + 1] ?? ''])
  return pairs
}

function refused(detail: string): Framing {
  return { kind: 'refused', detail }
}
