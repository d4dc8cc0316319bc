/** What a load balancer refuses by itself, before any rule is looked at. */
import { Buffer } from 'node:buffer'
import { firstOf, valuesOf } from '../../../gateway/proxy-headers.ts'
import type { BalancerSettings } from '../settings.ts'
import { type Classification, isBlocked } from './desync.ts'

/** A request's head as HTTP/1.1 says it. */
export interface ClientHead {
  readonly method: string
  readonly url: string
  readonly httpVersion: string
  /** Names and values in turns. */
  readonly rawHeaders: readonly string[]
}

/** Quotas of application load balancers, in bytes. */
export const MAX_REQUEST_LINE = 16 * 1024
export const MAX_HEADER = 16 * 1024
export const MAX_HEAD = 64 * 1024
const MAX_FORWARDED = 30

/** Host, brackets and port included; anything else is nobody's name and may fool the next reader. */
const HOST = /^(\[[0-9a-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(:\d{1,5})?$/i
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i

/** The status with which ALB refuses such a request, or undefined. */
export function refusalOf(
  head: ClientHead,
  classification: Classification,
  { desyncMode }: BalancerSettings,
): number | undefined {
  const { method, url, httpVersion, rawHeaders } = head
  if (method === 'TRACE') return 405
  if (url.length + method.length > MAX_REQUEST_LINE) return 414
  let total = 0
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const size = (rawHeaders[at]?.length ?? 0) + (rawHeaders[at + 1]?.length ?? 0)
    if (size > MAX_HEADER) return 400
    total += size
  }
  if (total > MAX_HEAD || isBlocked(classification, desyncMode)) return 400
  const host = firstOf(rawHeaders, 'host')
  if (host === undefined ? httpVersion !== '1.0' : !HOST.test(host)) return 400
  if (!url.startsWith('/') && url !== '*') return 400
  const forwarded = valuesOf(rawHeaders, 'x-forwarded-for')
  if (forwarded.length > 0 && forwarded.join().split(',').length > MAX_FORWARDED) return 463
  return undefined
}

/** `GET http://host/path` as `GET /path`, where the host is the one that Host names. */
export function originForm(head: ClientHead): ClientHead {
  if (head.url.startsWith('/')) return head
  const [, host = '', rest = ''] = ABSOLUTE.exec(head.url) ?? []
  const named = firstOf(head.rawHeaders, 'host')
  if (host === '' || host.toLowerCase() !== named?.toLowerCase()) return head
  return { ...head, url: rest.startsWith('/') ? rest : `/${rest}` }
}

/** How many bytes a head has on the wire. */
export function headBytes({ method, url, rawHeaders }: ClientHead): number {
  let sum = method.length + Buffer.byteLength(url) + ' HTTP/1.1 \r\n\r\n'.length
  for (const text of rawHeaders) sum += text.length + 2
  return sum
}
