import type { IncomingMessage } from 'node:http'
import {
  type HeadOfRequest,
  isHeader,
  pairsOf,
  type RawHeaders,
  TOKEN,
  valuesOf,
} from './proxy-headers.ts'

export interface RequestHead1 extends HeadOfRequest {
  readonly method: string
  readonly url: string
}

/** Of a request or of what the compat API of node:http2 makes of one. */
export function isHttp2({ httpVersionMajor }: IncomingMessage): boolean {
  return httpVersionMajor === 2
}

/**
 * A request's head as HTTP/1.1 says it: of HTTP/2 without pseudo headers, with `Host` and one
 * `Cookie` (RFC 9113, 8.2.3 and 8.3.1), and with chunks announced where a body has no length.
 */
export function requestHead(req: IncomingMessage): RequestHead1 {
  const { method = 'GET', url = '/', httpVersion } = req
  if (!isHttp2(req)) return { method, url, httpVersion, rawHeaders: req.rawHeaders }
  const rawHeaders: string[] = []
  const authority = valuesOf(req.rawHeaders, ':authority')[0]
  if (authority !== undefined) rawHeaders.push('Host', authority)
  for (const [name, value] of pairsOf(req.rawHeaders)) {
    if (name.startsWith(':') || name === 'cookie') continue
    if (name === 'host' && authority !== undefined) continue
    rawHeaders.push(name, value)
  }
  const crumbs = valuesOf(req.rawHeaders, 'cookie')
  if (crumbs.length > 0) rawHeaders.push('cookie', crumbs.join('; '))
  if (hasBody(req) && req.headers['content-length'] === undefined) {
    rawHeaders.push('transfer-encoding', 'chunked')
  }
  return { method, url, httpVersion: '1.1', rawHeaders }
}

function hasBody(req: IncomingMessage): boolean {
  const { stream } = req as IncomingMessage & { stream?: { endAfterHeaders?: boolean } }
  return stream?.endAfterHeaders !== true
}

const NO_URL = /[^\x21-\xff]/

/** A request's head as it stands on the wire. Throws where it would not be one head. */
export function requestText(method: string, url: string, headers: RawHeaders): string {
  if (!TOKEN.test(method) || url === '' || NO_URL.test(url)) {
    throw new Error('The method or the path holds what none may hold.')
  }
  let text = `${method} ${url} HTTP/1.1\r\n`
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (!isHeader(name, value)) {
      throw new Error(`The header ${JSON.stringify(name)} holds what none may hold.`)
    }
    text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}
