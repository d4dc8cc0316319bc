import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from './core/clock.ts'
import { endUnread } from './linger.ts'
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
  if (!isHttp2(res.req)) {
    res.writeHead(status, message, headers as string[])
    return
  }
  const grouped: Record<string, string[]> = Object.create(null)
  for (const [name, value] of pairsOf(headers)) {
    const key = name.toLowerCase()
    if (key === 'connection') continue
    const values = grouped[key] ?? []
    values.push(value)
    grouped[key] = values
  }
  // One value as such: node takes no list for a header that may be there once only.
  const flat = Object.entries(grouped).map(([name, values]) => [
    name,
    values.length === 1 ? values[0] : values,
  ])
  res.writeHead(status, Object.fromEntries(flat))
}

export function addTrailers(res: ServerResponse, pairs: [name: string, value: string][]): void {
  if (pairs.length === 0) return
  if (isHttp2(res.req)) res.addTrailers(Object.fromEntries(pairs))
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
  // Where streams share a connection, what is unread of one holds nobody up.
  if (unread && !isHttp2(req)) endUnread(res, bytes, clock)
  else res.end(bytes)
}

/** Of an answer as its giver wrote it. */
export function rawHeadersOf(headers: FaultAnswer['headers']): string[] {
  return Array.isArray(headers) ? headers.flat() : Object.entries(headers).flat()
}
