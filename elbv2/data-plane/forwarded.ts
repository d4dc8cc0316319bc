/** The headers that a target is sent: the client's, and what the load balancer says about the client. */
import { isIPv6 } from 'node:net'
import type { Ids } from '../../gateway/core/ids.ts'
import { endToEnd, pairsOf, valuesOf } from '../../gateway/proxy-headers.ts'
import type { LiveListener, Peer } from './model.ts'
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

/** The end-to-end headers of the request to a target, names and values in turns. */
export function forwardedHeaders(request: ForwardedRequest): string[] {
  const { listener, peer, rawHeaders, traceId, identity } = request
  const { settings } = listener.balancer
  const port = listener.row.port ?? 0
  const added: [string, string][] = [
    ['X-Forwarded-Proto', peer.protocol],
    ['X-Forwarded-Port', String(port)],
    ['X-Amzn-Trace-Id', traceId],
    ...tlsHeaders(listener, peer),
    ...(identity ?? []).map(([name, value]): [string, string] => [name, value]),
  ]
  const host = request.host ?? valuesOf(rawHeaders, 'host')[0]
  if (host !== undefined) {
    added.push(['Host', settings.preserveHost ? host : withPort(host, port)])
  }
  const replaced = new Set(added.map(([name]) => name.toLowerCase()))
  if (settings.forwardedMode !== 'preserve') replaced.add('x-forwarded-for')
  if (settings.forwardedMode === 'append') added.unshift(['X-Forwarded-For', chainOf(request)])
  for (const name of guardedNames(listener)) replaced.add(name)
  // What the client's Connection names goes first: it must not take away what is added here.
  const kept = pairsOf(endToEnd(rawHeaders)).filter(([name]) => {
    if (replaced.has(name.toLowerCase())) return false
    if (settings.dropInvalidHeaders && !VALID_NAME.test(name)) return false
    return identity === undefined || !IDENTITY.test(name)
  })
  // An empty one only takes away what the client said.
  return [...kept, ...added.filter(([, value]) => value !== '')].flat()
}

/** What only the load balancer says of a client's TLS, where it says anything of it. */
function guardedNames({ row, settings, balancer }: LiveListener): string[] {
  const mode = row.mutualAuthentication?.Mode ?? 'off'
  const guarded = (name: string) =>
    name.startsWith('x-amzn-mtls-') ? mode !== 'off' : balancer.settings.tlsHeaders
  return [...settings.requestHeaderNames]
    .filter(([name]) => guarded(name))
    .flatMap(([name, given]) => [name, given.toLowerCase()])
}

/** The client behind those who forwarded for it before. */
function chainOf({ listener, peer, rawHeaders }: ForwardedRequest): string {
  const { sourceIp, sourcePort } = peer
  const address = isIPv6(sourceIp) ? `[${sourceIp}]` : sourceIp
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
  const own = `1-${seconds.toString(16).padStart(8, '0')}-${ids.uuid().replaceAll('-', '').slice(-24)}`
  const given = valuesOf(rawHeaders, TRACE).join(';')
  const fields = given.split(';').filter((field) => field !== '' && !/^\s*Self=/i.test(field))
  const kind = fields.some((field) => /^\s*Root=/i.test(field)) ? 'Self' : 'Root'
  return [`${kind}=${own}`, ...fields].join(';')
}
