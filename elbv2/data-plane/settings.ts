/** Attributes as the data plane reads them: typed, with units, worked out once a row. */
import { allAttributes, LISTENER_ATTRIBUTES, LOAD_BALANCER_ATTRIBUTES } from '../attributes.ts'
import { groupAttributes } from '../group-attributes.ts'
import type { ListenerRow, LoadBalancerRow, TargetGroupRow } from '../rows.ts'

export interface BalancerSettings {
  readonly idleTimeoutMs: number
  readonly clientKeepAliveMs: number
  readonly desyncMode: 'monitor' | 'defensive' | 'strictest'
  readonly dropInvalidHeaders: boolean
  readonly preserveHost: boolean
  readonly tlsHeaders: boolean
  readonly forwardedPort: boolean
  readonly forwardedMode: 'append' | 'preserve' | 'remove'
  readonly http2: boolean
  readonly crossZone: boolean
  readonly accessLogs: LogDelivery | undefined
  readonly connectionLogs: LogDelivery | undefined
}

export interface LogDelivery {
  readonly bucket: string
  readonly prefix: string
}

export interface GroupSettings {
  readonly deregistrationDelayMs: number
  readonly algorithm: 'round_robin' | 'least_outstanding_requests' | 'weighted_random'
  readonly anomalyMitigation: boolean
  readonly slowStartMs: number
  /** Undefined: off. */
  readonly stickiness:
    | { readonly type: 'lb_cookie'; readonly durationMs: number }
    | { readonly type: 'app_cookie'; readonly durationMs: number; readonly cookieName: string }
    | { readonly type: 'source_ip' }
    | undefined
  /** Fewer healthy targets than this and all are used (fail-open); a count and a share of 1. */
  readonly leastHealthy: { readonly count: number; readonly share: number }
  readonly multiValueHeaders: boolean
  /** Of network load balancers. */
  readonly terminateOnDeregistration: boolean
  readonly terminateUnhealthy: boolean
  readonly preserveClientIp: boolean
  readonly proxyProtocolV2: boolean
}

export interface ListenerSettings {
  readonly tcpIdleTimeoutMs: number
  readonly serverHeader: boolean
  /** `X-Amzn-…` as it is by default, in lower case → as the listener calls it. */
  readonly requestHeaderNames: ReadonlyMap<string, string>
  /** Set on every answer, e.g. Strict-Transport-Security. */
  readonly responseHeaders: readonly (readonly [name: string, value: string])[]
}

const balancers = new WeakMap<LoadBalancerRow, BalancerSettings>()
const groups = new WeakMap<TargetGroupRow, GroupSettings>()
const listeners = new WeakMap<ListenerRow, ListenerSettings>()

function once<K extends object, V>(known: WeakMap<K, V>, key: K, make: () => V): V {
  let value = known.get(key)
  if (value === undefined) {
    value = make()
    known.set(key, value)
  }
  return value
}

export function balancerSettings(row: LoadBalancerRow): BalancerSettings {
  return once(balancers, row, () => {
    const all = allAttributes(LOAD_BALANCER_ATTRIBUTES, row.type, row.attributes)
    const on = (key: string) => all[key] === 'true'
    const logs = (name: string) =>
      on(`${name}.s3.enabled`)
        ? { bucket: all[`${name}.s3.bucket`] ?? '', prefix: all[`${name}.s3.prefix`] ?? '' }
        : undefined
    return {
      idleTimeoutMs: Number(all['idle_timeout.timeout_seconds'] ?? 60) * 1000,
      clientKeepAliveMs: Number(all['client_keep_alive.seconds'] ?? 3600) * 1000,
      desyncMode: (all['routing.http.desync_mitigation_mode'] ??
        'defensive') as BalancerSettings['desyncMode'],
      dropInvalidHeaders: on('routing.http.drop_invalid_header_fields.enabled'),
      preserveHost: on('routing.http.preserve_host_header.enabled'),
      tlsHeaders: on('routing.http.x_amzn_tls_version_and_cipher_suite.enabled'),
      forwardedPort: on('routing.http.xff_client_port.enabled'),
      forwardedMode: (all['routing.http.xff_header_processing.mode'] ??
        'append') as BalancerSettings['forwardedMode'],
      http2: on('routing.http2.enabled'),
      crossZone: on('load_balancing.cross_zone.enabled'),
      accessLogs: logs('access_logs'),
      connectionLogs: logs('connection_logs'),
    }
  })
}

export function groupSettings(row: TargetGroupRow): GroupSettings {
  return once(groups, row, () => {
    const all = groupAttributes(row)
    const on = (key: string) => all[key] === 'true'
    const least = 'target_group_health.unhealthy_state_routing.minimum_healthy_targets'
    const share = all[`${least}.percentage`] ?? 'off'
    return {
      deregistrationDelayMs: Number(all['deregistration_delay.timeout_seconds'] ?? 0) * 1000,
      algorithm: (all['load_balancing.algorithm.type'] ??
        'round_robin') as GroupSettings['algorithm'],
      anomalyMitigation: all['load_balancing.algorithm.anomaly_mitigation'] === 'on',
      slowStartMs: Number(all['slow_start.duration_seconds'] ?? 0) * 1000,
      stickiness: on('stickiness.enabled') ? stickinessOf(all) : undefined,
      leastHealthy: {
        count: Number(all[`${least}.count`] ?? 1),
        share: share === 'off' ? 0 : Number(share) / 100,
      },
      multiValueHeaders: on('lambda.multi_value_headers.enabled'),
      terminateOnDeregistration: on('deregistration_delay.connection_termination.enabled'),
      terminateUnhealthy: on('target_health_state.unhealthy.connection_termination.enabled'),
      preserveClientIp: on('preserve_client_ip.enabled'),
      proxyProtocolV2: on('proxy_protocol_v2.enabled'),
    }
  })
}

function stickinessOf(all: Record<string, string>): GroupSettings['stickiness'] {
  const type = all['stickiness.type']
  const duration = (name: string) => Number(all[`stickiness.${name}.duration_seconds`]) * 1000
  if (type === 'lb_cookie') return { type, durationMs: duration('lb_cookie') }
  if (type === 'app_cookie') {
    const cookieName = all['stickiness.app_cookie.cookie_name'] ?? ''
    return { type, durationMs: duration('app_cookie'), cookieName }
  }
  return { type: 'source_ip' }
}

export function listenerSettings(
  row: ListenerRow,
  type: LoadBalancerRow['type'],
): ListenerSettings {
  return once(listeners, row, () => {
    const all = allAttributes(LISTENER_ATTRIBUTES, type, row.attributes)
    const requestHeaderNames = new Map<string, string>()
    const responseHeaders: [string, string][] = []
    for (const { key, fallback } of LISTENER_ATTRIBUTES) {
      const value = all[key]
      if (value === undefined) continue
      if (key.endsWith('.header_name')) requestHeaderNames.set(fallback.toLowerCase(), value)
      const name = /^routing\.http\.response\.(.+)\.header_value$/.exec(key)?.[1]
      if (name !== undefined && value !== '') responseHeaders.push([headerName(name), value])
    }
    return {
      tcpIdleTimeoutMs: Number(all['tcp.idle_timeout.seconds'] ?? 350) * 1000,
      serverHeader: all['routing.http.response.server.enabled'] !== 'false',
      requestHeaderNames,
      responseHeaders,
    }
  })
}

/** `x_frame_options` → `X-Frame-Options`. */
function headerName(name: string): string {
  return name.replace(/(^|_)([a-z])/g, (_, gap, first) => (gap ? '-' : '') + first.toUpperCase())
}
