import type { LiveListener, Peer, RequestFacts } from '../model.ts'

/** What node's requests of HTTP/1.1 and HTTP/2 alike say of themselves. */
export interface FactsHead {
  readonly method?: string | undefined
  /** The request target as it came: `/path?query`, or `http://host/path?query`. */
  readonly url?: string | undefined
  /** Names and values in turn, as they came; pseudo-headers of HTTP/2 among them. */
  readonly rawHeaders: readonly string[]
}

const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i
const NONE: readonly string[] = []

/** What rules and actions ask of a request; what costs is worked out when first asked for. */
export function factsOf(head: FactsHead, peer: Peer, listener: LiveListener): RequestFacts {
  return new Facts(head, peer, listener)
}

class Facts implements RequestFacts {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  readonly sourceIp: string
  readonly protocol: 'http' | 'https'
  readonly port: number
  readonly #rawHeaders: readonly string[]
  #headers: ReadonlyMap<string, readonly string[]> | undefined
  #parameters: RequestFacts['parameters'] | undefined

  constructor(head: FactsHead, peer: Peer, listener: LiveListener) {
    const { authority, path, query } = splitTarget(head.url ?? '/')
    this.method = head.method ?? 'GET'
    this.path = path
    this.query = query
    this.#rawHeaders = head.rawHeaders
    this.host = hostOf(authority ?? authorityOf(head.rawHeaders))
    this.sourceIp = peer.sourceIp
    this.protocol = peer.protocol
    this.port = listener.row.port ?? 0
  }

  get parameters(): RequestFacts['parameters'] {
    this.#parameters ??= parametersOf(this.query)
    return this.#parameters
  }

  header(name: string): readonly string[] {
    this.#headers ??= grouped(this.#rawHeaders)
    return this.#headers.get(name) ?? NONE
  }
}

/** RFC 9112, section 3.2: an absolute target says more of the host than the Host header. */
function splitTarget(url: string): { authority?: string; path: string; query: string } {
  const target = url.split('#', 1)[0] ?? ''
  if (target.startsWith('/') || target === '*') return splitPath(target)
  const [scheme, authority] = ABSOLUTE.exec(target) ?? []
  if (scheme === undefined || authority === undefined) return splitPath(target)
  return { authority, ...splitPath(target.slice(scheme.length)) }
}

function splitPath(target: string): { path: string; query: string } {
  const mark = target.indexOf('?')
  if (mark === -1) return { path: target || '/', query: '' }
  return { path: target.slice(0, mark) || '/', query: target.slice(mark + 1) }
}

function authorityOf(rawHeaders: readonly string[]): string {
  let host = ''
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name === ':authority') return rawHeaders[at + 1] ?? ''
    if (host === '' && name.length === 4 && name.toLowerCase() === 'host') {
      host = rawHeaders[at + 1] ?? ''
    }
  }
  return host
}

/** `user@Example.com:8080` → `example.com`, `[::1]:80` → `[::1]`. */
function hostOf(authority: string): string {
  const host = authority.slice(authority.lastIndexOf('@') + 1).trim()
  const end = host.startsWith('[') ? host.indexOf(']') + 1 || -1 : host.indexOf(':')
  return (end === -1 ? host : host.slice(0, end)).toLowerCase()
}

function grouped(rawHeaders: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const headers = new Map<string, string[]>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase()
    const value = rawHeaders[at + 1] ?? ''
    const known = headers.get(name)
    if (known) known.push(value)
    else headers.set(name, [value])
  }
  return headers
}

function parametersOf(query: string): RequestFacts['parameters'] {
  if (query === '') return []
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const mark = pair.indexOf('=')
      if (mark === -1) return [decode(pair), '']
      return [decode(pair.slice(0, mark)), decode(pair.slice(mark + 1))]
    })
}

/**
 * Percent-decoded, as RFC 3986 has it: `+` stays one. What is no escape, or no UTF-8, stays as it
 * came.
 */
function decode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replace(/(%[0-9a-f]{2})+/gi, (escapes) => {
      try {
        return decodeURIComponent(escapes)
      } catch {
        return escapes
      }
    })
  }
}
