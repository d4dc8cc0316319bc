import { hostName } from './core/host-name.ts'
import type { RequestHead } from './identify.ts'

/** Who may speak to an endpoint, judged by what a browser cannot forge. */
export interface GuardOptions {
  /**
   * Host names (no port) besides localhost, *.localhost and loopback addresses; `*.example.test`
   * allows what ends so, `*` allows all.
   */
  readonly allowedHosts: readonly string[]
  /** Origins of web pages that may call, e.g. `http://localhost:3000`; `*` allows all. */
  readonly allowedOrigins: readonly string[]
}

export interface Guard {
  /** Why the request is refused, or undefined. */
  refuse(head: RequestHead): string | undefined
  /** CORS headers for an allowed origin; none for everyone else. */
  corsHeaders(head: RequestHead): Readonly<Record<string, string>> | undefined
}

const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/
const CORS_MAX_AGE_S = '600'

/**
 * Against DNS rebinding: only known Host names. Against cross-site requests: a page's Origin has to
 * be loopback or configured, since a form POST reaches a local port without asking first.
 */
export function createGuard(options: GuardOptions): Guard {
  const hosts = new Set(options.allowedHosts.map((host) => host.toLowerCase()))
  const origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()))
  const endings = [...hosts].flatMap((host) => (host.startsWith('*.') ? host.slice(1) : []))
  const hostAllowed = (host: string) =>
    LOOPBACK.test(host) ||
    hosts.has('*') ||
    hosts.has(host) ||
    endings.some((ending) => host.endsWith(ending))

  function refuse(head: RequestHead): string | undefined {
    const host = hostName(first(head.headers.host) ?? '')
    if (!hostAllowed(host)) {
      return `Host ${JSON.stringify(host)} is not allowed here; allow it with --allow-host.`
    }
    const origin = first(head.headers.origin)?.toLowerCase()
    if (origin === undefined || origins.has('*') || origins.has(origin)) return undefined
    if (hostAllowed(hostName(origin.replace(/^https?:\/\//, '')))) return undefined
    return `Origin ${JSON.stringify(origin)} is not allowed here; allow it with --allow-origin.`
  }

  function corsHeaders(head: RequestHead) {
    const origin = first(head.headers.origin)
    if (origin === undefined) return undefined
    if (!origins.has('*') && !origins.has(origin.toLowerCase())) return undefined
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET,HEAD,POST,PUT,PATCH,DELETE',
      'access-control-allow-headers': first(head.headers['access-control-request-headers']) ?? '*',
      'access-control-expose-headers': 'x-amzn-requestid,etag,x-amz-request-id',
      'access-control-max-age': CORS_MAX_AGE_S,
      vary: 'origin',
    }
  }

  return { refuse, corsHeaders }
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
