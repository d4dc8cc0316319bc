/**
 * What ALB's desync guard makes of a request, in the words of its access logs (the classes of AWS's
 * http-desync-guardian). Node's parser is strict and has refused before this what is malformed: bare
 * CR or NUL, spaces before a colon, folded lines, Content-Length twice or beside Transfer-Encoding,
 * versions other than 1.0 and 1.1. So `EmptyHeader`, `SpaceInUri`, `BothTeClPresent`,
 * `MultipleContentLength` and their like never get here, whatever the mode is.
 */
import { firstOf, framingOf, type HeadOfRequest } from '../../../gateway/proxy-headers.ts'
import type { BalancerSettings } from '../settings.ts'

export interface Classification {
  readonly classification: '-' | 'Acceptable' | 'Ambiguous' | 'Severe'
  /** Of its access log entry; `-` where nothing was found. */
  readonly reason: string
}

export const COMPLIANT: Classification = { classification: '-', reason: '-' }

/** Names that somebody's parser may take for the two that say where a body ends. */
const LOOKALIKE = /^[^a-z]*(transfer[^a-z]*encoding|content[^a-z]*length)[^a-z]*$/i
const EXACT = /^(transfer-encoding|content-length)$/i
const NOT_PRINTABLE = /[^\t\x20-\x7e]/

/** Classifies a request of HTTP/1; the worst finding counts. */
export function classify(head: HeadOfRequest & { readonly url: string }): Classification {
  const { method, url, httpVersion, rawHeaders } = head
  if (framingOf(head).kind === 'refused') {
    const isOld = httpVersion === '1.0'
    return isOld
      ? ambiguous('UndefinedTransferEncodingSemantics')
      : { classification: 'Severe', reason: 'BadTransferEncoding' }
  }
  const isRead = method === 'GET' || method === 'HEAD'
  const length = isRead ? firstOf(rawHeaders, 'content-length') : undefined
  if (length !== undefined && Number(length) !== 0) {
    return ambiguous('UndefinedContentLengthSemantics')
  }
  if (isRead && firstOf(rawHeaders, 'transfer-encoding') !== undefined) {
    return ambiguous('UndefinedTransferEncodingSemantics')
  }
  let isPrintable = true
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (LOOKALIKE.test(name) && !EXACT.test(name)) return ambiguous('SuspiciousHeader')
    if (NOT_PRINTABLE.test(rawHeaders[at + 1] ?? '')) isPrintable = false
  }
  if (NOT_PRINTABLE.test(url)) return ambiguous('AmbiguousUri')
  if (!isPrintable) return acceptable('NonCompliantHeader')
  if (length !== undefined) return acceptable('GetHeadZeroContentLength')
  return COMPLIANT
}

/** Severe ones are refused in every mode: where they end is not known, so `monitor` cannot pass them. */
export function isBlocked(
  { classification }: Classification,
  mode: BalancerSettings['desyncMode'],
): boolean {
  if (classification === 'Severe') return true
  return mode === 'strictest' && classification !== '-'
}

/** Whether both its connections end with the request: what follows it might not be the client's. */
export function isAlone(
  { classification }: Classification,
  mode: BalancerSettings['desyncMode'],
): boolean {
  return mode === 'defensive' && classification === 'Ambiguous'
}

function ambiguous(reason: string): Classification {
  return { classification: 'Ambiguous', reason }
}

function acceptable(reason: string): Classification {
  return { classification: 'Acceptable', reason }
}
