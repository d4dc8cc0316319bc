import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Clock } from './core/clock.ts'
import { endUnread, LINGER_MS } from './linger.ts'
import type { FaultAnswer } from './proxy-fault.ts'
import { isHttp2, requestHead } from './proxy-head.ts'
import { isBodiless, pairsOf, type RawHeaders } from './proxy-headers.ts'

/** Writes a head; to clients of HTTP/2 as they take it: names in lower case, nothing of connections. */
export function writeHead(
  res: ServerResponse,
  status: number,
  message: string | undefined,
  headers: RawHeaders,
): void {
  // RFC 9110, 8.6: a 204 has no length, and clients of HTTP/2 break off where it has one.
  const given = status === 204 ? without(headers, 'content-length') : headers
  if (!isHttp2(res.req)) {
    res.writeHead(status, message, given as string[])
    return
  }
  try {
    res.writeHead(status, grouped(given))
  } catch (error) {
    // What was set stays set: the answer in its place would fail for it, too.
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    throw error
  }
}

function without(headers: RawHeaders, name: string): RawHeaders {
  return pairsOf(headers)
    .filter(([each]) => each.toLowerCase() !== name)
    .flat()
}

/** Sends an answer that is a head and nothing else: to clients of HTTP/2 in one frame. */
export function endWithHead(res: ServerResponse, status: number, headers: RawHeaders): void {
  if (isHttp2(res.req)) {
    res.statusCode = status
    for (const [name, value] of Object.entries(grouped(headers))) res.setHeader(name, value)
  } else {
    writeHead(res, status, undefined, headers)
  }
  res.end()
}

/** What node sends once at most under HTTP/2; it throws when the head goes out, where nobody catches. */
const ONCE: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'access-control-max-age',
  'access-control-request-method',
  'age',
  'authorization',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'dnt',
  'etag',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'range',
  'referer',
  'retry-after',
  'tk',
  'upgrade-insecure-requests',
  'user-agent',
  'x-content-type-options',
])
/** Of one connection's HTTP/1.1; what else is, does not cross a proxy at all. */
const NOT_OF_HTTP2: ReadonlySet<string> = new Set(['connection', 'http2-settings'])

function grouped(headers: RawHeaders): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of pairsOf(headers)) {
    const key = name.toLowerCase()
    if (NOT_OF_HTTP2.has(key)) continue
    const before = all[key]
    // One value as such: node takes no list for a header that may be there once only.
    if (before === undefined) all[key] = value
    else if (!ONCE.has(key)) all[key] = [before, value].flat()
    // RFC 9110, 5.3: lines of one name may be put together, and those that say the same are one.
    else if (before !== value) all[key] = `${before}, ${value}`
  }
  return all
}

/** Ends an answer of which not all came: half of one must never look like a whole one. */
export function cutOff(res: ServerResponse): void {
  const stream = isHttp2(res.req) ? streamOf(res) : undefined
  if (!stream) {
    res.destroy()
    return
  }
  stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  stream.resume()
}

export function addTrailers(res: ServerResponse, pairs: [name: string, value: string][]): void {
  if (pairs.length === 0) return
  if (isHttp2(res.req)) res.addTrailers(grouped(pairs.flat()) as Record<string, string>)
  else res.addTrailers(pairs)
}

/** Sends an answer that no target gave, whole; a request that was not read to its end is let go. */
export function sendWhole(
  req: IncomingMessage,
  res: ServerResponse,
  answer: FaultAnswer,
  clock: Clock,
): void {
  const bytes = Buffer.from(answer.body)
  const unread = !req.complete && !isBodiless(requestHead(req))
  const headers = rawHeadersOf(answer.headers)
  headers.push('content-length', String(bytes.length))
  if (unread || answer.close) headers.push('connection', 'close')
  writeHead(res, answer.status, answer.reason, headers)
  if (unread && !isHttp2(req)) {
    endUnread(res, bytes, clock)
    return
  }
  res.end(bytes)
  if (unread) letGo(req, res, clock)
}

/** Of a stream that is answered the rest is read for a while, and then no more is taken. */
function letGo(req: IncomingMessage, res: ServerResponse, clock: Clock): void {
  const timer = clock.after(LINGER_MS, () => streamOf(res)?.close(constants.NGHTTP2_NO_ERROR))
  res.once('close', () => timer.cancel())
  req.resume()
}

function streamOf(res: ServerResponse): ServerHttp2Stream | undefined {
  return (res as ServerResponse & { stream?: ServerHttp2Stream }).stream
}

/** Of an answer as its giver wrote it. */
export function rawHeadersOf(headers: FaultAnswer['headers']): string[] {
  return Array.isArray(headers) ? headers.flat() : Object.entries(headers).flat()
}
