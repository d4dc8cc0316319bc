/** The headers that a target is sent: the client's, and what the load balancer says about the client. */
import type { Ids } from '../../../gateway/core/ids.ts'
import { endToEnd, firstOf, valuesOf } from '../../../gateway/proxy-headers.ts'
import type { LiveListener, Peer } from '../model.ts'
import { tlsHeaders } from './tls-headers.ts'

export interface ForwardedRequest {
  readonly listener: LiveListener
  readonly peer: Peer
  /** Of the client, names and values in turns. */
  readonly rawHeaders: readonly string[]
  readonly traceId: string
  /** What a transform made of Host. */
  readonly host: string | undefined
  /** Whether a user was authenticated, and what is told of one. */
  readonly identity: readonly (readonly [name: string, value: string])[] | undefined
}

/** ELB: "message header names contain only alphanumeric characters and hyphens". */
const VALID_NAME = /^[a-z0-9-]+$/i
/** What targets believe of users; only the load balancer may say it where it authenticates. */
const IDENTITY = /^x-amzn-oidc-/i
const TRACE = 'x-amzn-trace-id'
const DEFAULT_PORTS: readonly number[] = [80, 443]

/** What the client says of itself is never believed: only the load balancer says it. */
const REPLACED: ReadonlySet<string> = new Set(['x-forwarded-proto', 'x-forwarded-port', TRACE])

/** The end-to-end headers of the request to a target, names and values in turns. */
export function forwardedHeaders(request: ForwardedRequest): string[] {
  const { listener, peer, rawHeaders, traceId, identity = [] } = request
  const { settings } = listener.balancer
  const port = listener.row.port ?? 0
  const host = request.host ?? firstOf(rawHeaders, 'host')
  const more = [...tlsHeaders(listener, peer), ...identity]
  const guarded = guardedNames(listener)
  for (const [name] of more) guarded.add(name.toLowerCase())
  // What the client's Connection names goes first: it must not take away what is added here.
  const headers = endToEnd(rawHeaders, (name) => {
    if (REPLACED.has(name) || guarded.has(name)) return true
    if (name === 'host') return host !== undefined
    if (name === 'x-forwarded-for') return settings.forwardedMode !== 'preserve'
    if (settings.dropInvalidHeaders && !VALID_NAME.test(name)) return true
    return request.identity !== undefined && IDENTITY.test(name)
  })
  if (settings.forwardedMode === 'append') headers.push('X-Forwarded-For', chainOf(request))
  headers.push('X-Forwarded-Proto', peer.protocol)
  headers.push('X-Forwarded-Port', String(port))
  headers.push('X-Amzn-Trace-Id', traceId)
  // An empty one only takes away what the client said.
  for (const [name, value] of more) if (value !== '') headers.push(name, value)
  if (host) headers.push('Host', settings.preserveHost ? host : withPort(host, port))
  return headers
}

/** What only the load balancer says of a client's TLS, where it says anything of it. */
function guardedNames({ row, settings, balancer }: LiveListener): Set<string> {
  const names = new Set<string>()
  const isMutual = (row.mutualAuthentication?.Mode ?? 'off') !== 'off'
  const { tlsHeaders: isTold } = balancer.settings
  if (!isMutual && !isTold) return names
  for (const [name, given] of settings.requestHeaderNames) {
    if (name.startsWith('x-amzn-mtls-') ? isMutual : isTold) {
      names.add(name).add(given.toLowerCase())
    }
  }
  return names
}

/** The client behind those who forwarded for it before. */
function chainOf({ listener, peer, rawHeaders }: ForwardedRequest): string {
  const { sourceIp, sourcePort } = peer
  const address = sourceIp.includes(':') ? `[${sourceIp}]` : sourceIp
  const own = listener.balancer.settings.forwardedPort ? `${address}:${sourcePort}` : sourceIp
  return [...valuesOf(rawHeaders, 'x-forwarded-for').filter(Boolean), own].join(', ')
}

/** ALB names the listener's port in Host where it is none of HTTP's own, and takes others away. */
function withPort(host: string, port: number): string {
  const bare = host.replace(/:\d*$/, '')
  if (DEFAULT_PORTS.includes(port)) return bare
  return bare === host ? `${host}:${port}` : host
}

/** `X-Amzn-Trace-Id` as targets get it: a new root, or the caller's with this hop as `Self`. */
export function traceIdOf(rawHeaders: readonly string[], ids: Ids, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000)
  const own = `1-${seconds.toString(16).padStart(8, '0')}-${ids.hex().slice(-24)}`
  if (firstOf(rawHeaders, TRACE) === undefined) return `Root=${own}`
  const given = valuesOf(rawHeaders, TRACE).join(';')
  const fields = given.split(';').filter((field) => field !== '' && !/^\s*Self=/i.test(field))
  const kind = fields.some((field) => /^\s*Root=/i.test(field)) ? 'Self' : 'Root'
  return [`${kind}=${own}`, ...fields].join(';')
}
