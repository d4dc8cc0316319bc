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

/** What a proxy says of a client: where a target merges trailers, a client would say it in its place. */
const SAID_BY_PROXIES = /^(forwarded$|x-forwarded-|x-amzn-)/i

/** Methods whose requests node sends without any framing when there is no body. */
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
  | { readonly kind: 'none' | 'length' | 'chunked' }
  /** Two readers could see different ends of it: never to be handed on. */
  | { readonly kind: 'refused'; readonly detail: string }

/** Where the body of a request ends. Stricter than RFC 9112 allows: no doubt is tolerated. */
export function framingOf({ httpVersion, rawHeaders }: HeadOfRequest): Framing {
  const lengths = valuesOf(rawHeaders, 'content-length')
  const codings = valuesOf(rawHeaders, 'transfer-encoding')
  if (lengths.length > 1) return refused('Content-Length is given more than once.')
  if (codings.length > 1) return refused('Transfer-Encoding is given more than once.')
  if (valuesOf(rawHeaders, 'host').length > 1) return refused('Host is given more than once.')
  const [length] = lengths
  const [coding] = codings
  if (coding !== undefined) {
    if (length !== undefined)
      return refused('Content-Length and Transfer-Encoding exclude another.')
    if (httpVersion === '1.0') return refused('HTTP/1.0 has no Transfer-Encoding.')
    if (coding.toLowerCase() === 'chunked') return { kind: 'chunked' }
    return refused(`Transfer-Encoding ${JSON.stringify(coding)} is not chunked.`)
  }
  if (length === undefined) return { kind: 'none' }
  if (/^\d{1,15}$/.test(length)) return { kind: 'length' }
  return refused(`Content-Length ${JSON.stringify(length)} is not a number of bytes.`)
}

/** Whether nothing follows the head. */
export function isBodiless(head: HeadOfRequest): boolean {
  const { kind } = framingOf(head)
  return (
    kind === 'none' || (kind === 'length' && firstOf(head.rawHeaders, 'content-length') === '0')
  )
}

/** Values of one header (name in lower case), trimmed, in their order. */
export function valuesOf(raw: RawHeaders, name: string): string[] {
  const values: string[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() === name) values.push((raw[at + 1] ?? '').trim())
  }
  return values
}

export function firstOf(raw: RawHeaders, name: string): string | undefined {
  return valuesOf(raw, name)[0]
}

export interface OutgoingOptions {
  /** The length of a body that was read whole before: it is sent with its length, however it came. */
  readonly replayedBytes?: number | undefined
  /** End-to-end headers to send in place of the client's. */
  readonly headers?: RawHeaders | undefined
}

/** The headers to send to a target at `authority`, framed as the client's request is. */
export function outgoingHeaders(
  head: HeadOfRequest,
  authority: string,
  options: OutgoingOptions = {},
): string[] {
  const { rawHeaders, method = 'GET' } = head
  const { replayedBytes } = options
  const without = replayedBytes === undefined ? [] : ['content-length', 'expect']
  const headers = endToEnd(options.headers ?? rawHeaders, without)
  const { kind } = framingOf(head)
  if (firstOf(headers, 'host') === undefined) headers.push('Host', authority)
  if (replayedBytes !== undefined) {
    headers.push('Content-Length', String(replayedBytes))
  } else if (kind === 'chunked') {
    const trailer = firstOf(rawHeaders, 'trailer')
    if (trailer !== undefined) headers.push('Trailer', trailer)
    headers.push('Transfer-Encoding', 'chunked')
  } else if (kind === 'none' && !BODILESS_METHODS.has(method)) {
    // Node would announce chunks otherwise, to a target that may not expect any.
    headers.push('Content-Length', '0')
  }
  if (/(^|,)\s*trailers\s*(,|$)/i.test(valuesOf(rawHeaders, 'te').join())) {
    headers.push('TE', 'trailers', 'Connection', 'keep-alive, TE')
  }
  return headers
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
  const trailer = firstOf(rawHeaders, 'trailer')
  if (trailers && trailer !== undefined) headers.push('Trailer', trailer)
  return headers
}

/** Trailers that may cross, in pairs as node takes them. */
export function trailerPairs(raw: RawHeaders): [name: string, value: string][] {
  return pairsOf(raw).filter(
    ([name]) => !NO_TRAILERS.has(name.toLowerCase()) && !SAID_BY_PROXIES.test(name),
  )
}

/** Headers that are for whoever answers in the end, but for those in `without` (lower case). */
export function endToEnd(raw: RawHeaders, without: readonly string[] = []): string[] {
  const named = new Set(without)
  for (const option of valuesOf(raw, 'connection').join().toLowerCase().split(',')) {
    if (!NEVER_NAMED.has(option.trim())) named.add(option.trim())
  }
  return pairsOf(raw)
    .filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.has(name.toLowerCase()))
    .flat()
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
