/** One health check of one target: what is asked, and by which protocol. */
import { groupKind } from '../../protocols.ts'
import type { HealthCheck, TargetGroupRow } from '../../rows.ts'
import { proxyHeader } from '../nlb/proxy-protocol.ts'
import { groupSettings } from '../settings.ts'
import { FAILED, type ProbeResult } from './health-state.ts'
import { type CodeMatcher, matcherOf } from './matcher.ts'
import type { Endpoint, HttpCheck } from './probe-endpoint.ts'
import { probeHttp } from './probe-http.ts'
import { probeGrpc, probeHttp2 } from './probe-http2.ts'
import { probeTcp } from './probe-tcp.ts'

/**
 * Asks an endpoint once; a rejection stands for FAILED. Never says that time is up: when `signal`
 * aborts, it lets go of its connection and settles with whatever it knows.
 */
export type Probe = (at: Endpoint, signal: AbortSignal) => Promise<ProbeResult>

export interface ProbePlan {
  readonly probe: Probe
  /** For Lambda functions, which are no endpoints. */
  readonly matches: CodeMatcher
  /** Of `row.healthCheck`; undefined stands for the port that the target gets its traffic on. */
  readonly port: number | undefined
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly thresholds: HealthCheck
  /** What a failure is told as: only application and gateway load balancers tell why. */
  readonly told: (result: ProbeResult) => ProbeResult
}

/** How the targets of a group are checked. */
export function probePlan(row: TargetGroupRow): ProbePlan {
  const { healthCheck } = row
  const { port } = healthCheck
  const matches = matcherOf(row)
  const path = healthCheck.path ?? (row.protocolVersion === 'GRPC' ? '/AWS.ALB/healthcheck' : '/')
  const isSilent = groupKind(row) === 'network'
  return {
    probe: probeOf(row, path, matches),
    matches,
    port: port === undefined || port === 'traffic-port' ? undefined : Number(port),
    path,
    intervalMs: healthCheck.intervalSeconds * 1000,
    timeoutMs: healthCheck.timeoutSeconds * 1000,
    thresholds: healthCheck,
    told: (result) => (isSilent && !result.isGood ? FAILED : result),
  }
}

function probeOf(row: TargetGroupRow, path: string, matches: CodeMatcher): Probe {
  const { protocol } = row.healthCheck
  const preface = groupSettings(row).proxyProtocolV2 ? proxyHeader(undefined) : undefined
  if (protocol !== 'HTTP' && protocol !== 'HTTPS') {
    return (at, signal) => probeTcp(preface, at, signal)
  }
  const check: HttpCheck = { path, matches, isTls: protocol === 'HTTPS', preface }
  if (row.protocolVersion === 'GRPC') return (at, signal) => probeGrpc(check, at, signal)
  if (row.protocolVersion === 'HTTP2') return (at, signal) => probeHttp2(check, at, signal)
  return (at, signal) => probeHttp(check, at, signal)
}
