/** What the parts of the data plane hand one another: types only. */
import type { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { ListenerRow, LoadBalancerRow, RuleRow, TargetGroupRow, TargetRow } from '../rows.ts'
import type { BalancerSettings, GroupSettings, ListenerSettings } from './settings.ts'

export interface TargetHealth {
  readonly state: sdk.TargetHealthStateEnum
  readonly reason?: sdk.TargetHealthReasonEnum
  readonly description?: string
}

/** A target as traffic sees it: one object from its registration until its row is gone. */
export interface LiveTarget {
  /** `targetKey` of its row. */
  readonly key: string
  row: TargetRow
  /** Where it is reached; undefined where nothing is known of it (an instance that nobody has). */
  host: string | undefined
  readonly port: number
  /** What health checks found; `initial` until the first. Written by the health monitor alone. */
  health: TargetHealth
  /** When it last became healthy, in milliseconds since the epoch: slow start counts from there. */
  healthySinceMs: number | undefined
  /** Whether it became healthy beside targets that had their full share already: only then it starts slowly. */
  slowStart: boolean
  /** Requests or connections under way. Raised and lowered by who sends them. */
  inFlight: number
}

/** A target group as traffic sees it; the same object while the group lives. */
export interface LiveGroup {
  readonly arn: string
  row: TargetGroupRow
  settings: GroupSettings
  /** In the order of registration, draining ones included. Replaced whole, never changed in place. */
  targets: readonly LiveTarget[]
  /** Another number whenever its targets, their health or its settings are others. */
  revision: number
}

/** The head of a client's request as rules and actions see it. */
export interface RequestFacts {
  readonly method: string
  /** Without port, in lower case. */
  readonly host: string
  /** As it came: encoded, without the query. */
  readonly path: string
  /** As it came, without `?`; empty where there is none. */
  readonly query: string
  /** Keys and values, decoded; worked out when first asked for. */
  readonly parameters: readonly (readonly [key: string, value: string])[]
  /** All values of a header (name in lower case), in their order. */
  header(name: string): readonly string[]
  /** Of the client's end of the connection, never of X-Forwarded-For. */
  readonly sourceIp: string
  readonly protocol: 'http' | 'https'
  /** Of the listener. */
  readonly port: number
}

export type Condition = (request: RequestFacts) => boolean

/** What transforms make of a request; undefined members stay as they are. */
export interface Rewrite {
  readonly host?: string
  /** Path and query, encoded. */
  readonly url?: string
}

/** An answer that the load balancer gives by itself. */
export interface OwnAnswer {
  readonly status: number
  /** Names and values; Content-Length is added. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | Buffer
}

export interface ForwardPlan {
  /** At least one; weights from 0 to 999. */
  readonly groups: readonly { readonly arn: string; readonly weight: number }[]
  /** Group stickiness (AWSALBTG); absent where it is off. */
  readonly stickinessMs?: number
}

/** One rule made ready: its condition first, then its actions in their order. */
export interface LiveRule {
  /** Of the rule; of the default rule as well. */
  readonly arn: string
  /** `0` stands for the default rule, as in access logs. */
  readonly priority: number
  readonly row: RuleRow | undefined
  readonly matches: Condition
  readonly rewrite: ((request: RequestFacts) => Rewrite) | undefined
  /** authenticate-oidc, authenticate-cognito and jwt-validation, in their order. */
  readonly authenticate: readonly sdk.Action[]
  readonly final:
    | { readonly kind: 'forward'; readonly plan: ForwardPlan }
    | { readonly kind: 'redirect'; readonly answer: (request: RequestFacts) => OwnAnswer }
    | { readonly kind: 'fixed-response'; readonly answer: OwnAnswer }
}

export interface LiveListener {
  readonly row: ListenerRow
  readonly balancer: LiveBalancer
  readonly settings: ListenerSettings
  /** In the order in which they are tried; the default rule is the last and matches all. */
  readonly rules: readonly LiveRule[]
}

export interface LiveBalancer {
  readonly row: LoadBalancerRow
  /** With its suffix, in lower case. */
  readonly dnsName: string
  readonly settings: BalancerSettings
  readonly listeners: readonly LiveListener[]
}

/** All that traffic is routed by; immutable, and swapped whole. Groups are reached by ARN. */
export interface RoutingTable {
  readonly byDnsName: ReadonlyMap<string, LiveBalancer>
  readonly byArn: ReadonlyMap<string, LiveBalancer>
  /** Oldest listener first. */
  readonly byPort: ReadonlyMap<number, readonly LiveListener[]>
}

/** What is known of a client's connection. */
export interface Peer {
  readonly sourceIp: string
  readonly sourcePort: number
  readonly protocol: 'http' | 'https'
  readonly tls?: {
    /** e.g. `TLSv1.3` and `TLS_AES_128_GCM_SHA256` (IANA's name). */
    readonly version: string
    readonly cipher: string
    readonly serverName?: string
    readonly certificateArn?: string
    /** PEM of the client's certificate and of its chain, where mutual TLS asked for one. */
    readonly clientCertificate?: { readonly leaf: string; readonly chain: string }
  }
}

/** Takes HTTP requests of a listener's clients: the one way into rules, actions and targets. */
export interface HttpFront {
  web(listener: LiveListener, peer: Peer, req: IncomingMessage, res: ServerResponse): void
  upgrade(
    listener: LiveListener,
    peer: Peer,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): void
}

/** The listeners that share a port, as they are at this moment. */
export interface PortListeners {
  readonly port: number
  /** Oldest first; at least one while the port is open. */
  current(): readonly LiveListener[]
  /** The one whose load balancer has this DNS name, else the oldest. */
  forHost(host: string | undefined): LiveListener | undefined
}

export interface OpenPort {
  /** Takes no new connections; what is under way may finish for `graceMs`. */
  close(graceMs: number): Promise<void>
}

/** Opens a port for listeners of one protocol; rejects with node's error, e.g. code EADDRINUSE. */
export type OpenListener = (host: string, listeners: PortListeners) => Promise<OpenPort>

export type Authenticated =
  /** The request goes on, with these headers in place of any that the client sent under their names. */
  | {
      readonly kind: 'allow'
      /** Names in lower case; an empty value says that what the client sent is only taken away. */
      readonly headers: readonly (readonly [name: string, value: string])[]
      /** Added to the answer, e.g. the cookies of a session that was refreshed. */
      readonly responseHeaders?: readonly (readonly [name: string, value: string])[]
    }
  | {
      readonly kind: 'answer'
      readonly answer: OwnAnswer
      /** As access logs name it, e.g. `AuthInvalidCookie`. */
      readonly errorReason?: string
    }

/** Carries out an authentication action. */
export type Authenticate = (
  action: sdk.Action,
  request: RequestFacts,
  listener: LiveListener,
) => Promise<Authenticated>

/** What one request came to, for access logs and metrics. */
export interface RequestRecord {
  readonly listener: LiveListener
  readonly peer: Peer
  /** `http`, `https`, `h2`, `grpcs`, `ws` or `wss`, as in access logs. */
  readonly type: string
  readonly receivedAtMs: number
  readonly endedAtMs: number
  readonly method: string
  /** Absolute, as access logs show it: `http://host:80/path?query`. */
  readonly url: string
  readonly httpVersion: string
  readonly userAgent: string | undefined
  readonly traceId: string
  readonly rule: LiveRule | undefined
  readonly target: { readonly group: LiveGroup; readonly target: LiveTarget } | undefined
  /** In milliseconds, or -1 where that part did not take place. */
  readonly requestProcessingMs: number
  readonly targetProcessingMs: number
  readonly responseProcessingMs: number
  /** Undefined where the client left first. */
  readonly status: number | undefined
  readonly targetStatus: number | undefined
  readonly receivedBytes: number
  readonly sentBytes: number
  /** In the order of the rule, as access logs name them: `forward`, `redirect`, `authenticate` … */
  readonly actions: readonly string[]
  readonly redirectUrl: string | undefined
  readonly errorReason: string | undefined
  /** Of the desync guard; `-` where nothing was found. */
  readonly classification: string
  readonly classificationReason: string
  readonly transformedHost: string | undefined
  readonly transformedUri: string | undefined
}
