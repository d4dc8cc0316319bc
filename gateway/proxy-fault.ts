import type { Buffer } from 'node:buffer'

/** Where a request goes. */
export interface ProxyTarget {
  /** Name or address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** Over TLS, whoever's certificate it shows; plain where absent. */
  readonly tls?: boolean
}

/** As URLs and Host headers have it: IPv6 in brackets. */
export function authorityOf({ host, port }: ProxyTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Why a request did not get a whole answer from its target. */
export interface ProxyFault {
  /**
   * `nowhere`: no target was given; `unreachable`: no connection; `reset`: the target hung up;
   * `timeout`: it did not connect or fell silent; `answer`: what it said is no HTTP; `request`: the
   * request itself must not be handed on; `gone`: the client left.
   */
  readonly kind: 'nowhere' | 'unreachable' | 'reset' | 'timeout' | 'answer' | 'request' | 'gone'
  /** For people, without a full stop. */
  readonly detail: string
  /** The client has (part of) the target's answer, or is not there: nothing can be told to it. */
  readonly late: boolean
}

/** An answer in place of the target's. The length and what belongs to the connection are added. */
export interface FaultAnswer {
  readonly status: number
  /** Of the status line where it is not HTTP's own; may be empty. */
  readonly reason?: string
  readonly headers: Readonly<Record<string, string>> | readonly (readonly [string, string])[]
  readonly body: string | Buffer
  /** The client's connection is closed afterwards. */
  readonly close?: boolean
}

/** Called once for a request that fails; what it returns is sent unless the fault is late. */
export type OnFault = (fault: ProxyFault) => FaultAnswer

const UNREACHABLE: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
])

/** It speaks neither HTTP nor TLS as it should. */
const NO_HTTP = /^(HPE_|EPROTO$|ERR_SSL_|ERR_TLS_|ERR_HTTP2_)/

/** What an error of the connection to a target means. */
export function faultOf(error: NodeJS.ErrnoException): Omit<ProxyFault, 'late'> {
  const { code = '', message } = error
  const detail = message || code
  if (UNREACHABLE.has(code)) return { kind: 'unreachable', detail }
  if (NO_HTTP.test(code)) return { kind: 'answer', detail }
  if (code.startsWith('ERR_')) return { kind: 'request', detail }
  return { kind: 'reset', detail: 'it closed the connection without an answer' }
}
