/** One request as a line of an Application Load Balancer's access log: AWS's 34 fields, in its order. */

import { Buffer } from 'node:buffer'
import { shortNameOf } from '../../names.ts'
import type { RequestRecord } from '../model.ts'
import { plainAddress } from '../peer.ts'

/** AWS cuts user agents that are longer. */
const MAX_USER_AGENT_CHARS = 8_192
/** A client that left before its answer. */
const CLIENT_LEFT = 460
export const NONE = '-'
/** Where the load balancer's node would stand. */
export const NODE_ADDRESS = '127.0.0.1'

/**
 * The line without its line feed: printable ASCII whatever a client sent, so that no value can end
 * its field or its line. `connectionTraceId` (`TID_…`) is what connection logs call the connection.
 */
export function accessLogLine(record: RequestRecord, connectionTraceId: string = NONE): string {
  const { listener, peer, rule } = record
  const { tls } = peer
  const target = targetOf(record)
  const targetStatus = String(record.targetStatus ?? NONE)
  return [
    record.type,
    timeOf(record.endedAtMs),
    shortNameOf(listener.balancer.row.arn),
    hostAndPort(peer.sourceIp, peer.sourcePort),
    target,
    secondsOf(record.requestProcessingMs),
    secondsOf(record.targetProcessingMs),
    secondsOf(record.responseProcessingMs),
    record.status ?? CLIENT_LEFT,
    targetStatus,
    record.receivedBytes,
    record.sentBytes,
    quoted(requestLine(record)),
    quoted(record.userAgent?.slice(0, MAX_USER_AGENT_CHARS)),
    tls === undefined ? NONE : openSslName(tls.cipher),
    tls?.version ?? NONE,
    groupOf(record),
    quoted(record.traceId),
    quoted(tls?.serverName),
    quoted(tls?.certificateArn),
    rule?.priority ?? NONE,
    timeOf(record.receivedAtMs),
    quoted(record.actions.join(',')),
    quoted(record.redirectUrl),
    quoted(record.errorReason),
    quoted(target),
    // AWS leaves this list empty where no address answered, as with Lambda functions.
    quoted(target === NONE ? NONE : targetStatus),
    quoted(record.classification),
    quoted(record.classificationReason),
    connectionTraceId,
    quoted(record.transformedHost),
    quoted(record.transformedUri),
    quoted(transformStatus(record)),
    NODE_ADDRESS,
  ].join(' ')
}

/** The second that was written last: most lines are of the same one. */
let last = { second: Number.NaN, text: '' }

/** `2018-07-02T22:23:00.186641Z`: AWS writes microseconds. */
export function timeOf(epochMs: number): string {
  const second = Math.floor(epochMs / 1000)
  if (second !== last.second) {
    last = { second, text: new Date(second * 1000).toISOString().slice(0, -'000Z'.length) }
  }
  const micros = Math.floor((epochMs - second * 1000) * 1000)
  return `${last.text}${String(micros).padStart(6, '0')}Z`
}

/** With milliseconds; -1 for what did not take place. */
export function secondsOf(ms: number): string {
  if (ms < 0) return '-1'
  const whole = Math.round(ms)
  return `${Math.floor(whole / 1000)}.${String(whole % 1000).padStart(3, '0')}`
}

/** AWS puts no brackets around IPv6 addresses. */
function hostAndPort(host: string, port: number): string {
  return `${plainAddress(host)}:${port}`
}

function targetOf({ target }: RequestRecord): string {
  if (target === undefined || target.group.row.targetType === 'lambda') return NONE
  const { host, row, port } = target.target
  return hostAndPort(host ?? row.id, port)
}

/** A request that no target of the only group could take is still one of that group. */
function groupOf({ target, rule }: RequestRecord): string {
  if (target !== undefined) return target.group.arn
  if (rule?.final.kind !== 'forward') return NONE
  const { groups } = rule.final.plan
  return (groups.length === 1 ? groups[0]?.arn : undefined) ?? NONE
}

function requestLine({ method, url, httpVersion }: RequestRecord): string {
  // As AWS writes a request that could not be read, with its space at the end.
  if (method === '' && url === '') return '- - - '
  return `${method || NONE} ${url || NONE} ${httpVersion === '' ? NONE : `HTTP/${httpVersion}`}`
}

function transformStatus({ transformedHost, transformedUri }: RequestRecord): string | undefined {
  return (transformedHost ?? transformedUri) === undefined ? undefined : 'TransformSuccess'
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
const UNSAFE = /["\\\x00-\x1f\x7f-\uffff]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: by code points, surrogates together
const EVERY_UNSAFE = /["\\\x00-\x1f\x7f-\u{10ffff}]/gu

/** A value of a client's as a field of its own: no quote and no line feed gets through. */
export function quoted(value: string | undefined): string {
  if (value === undefined || value === '') return '"-"'
  return `"${UNSAFE.test(value) ? value.replace(EVERY_UNSAFE, escaped) : value}"`
}

/** `\x22`, as AWS has it: quotes, backslashes and every byte that is not printable ASCII. */
function escaped(char: string): string {
  // Node hands heads over with a character a byte; what lies above came from elsewhere.
  const bytes = char <= '\xff' ? [char.charCodeAt(0)] : Buffer.from(char)
  let text = ''
  for (const byte of bytes) text += `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return text
}

const openSslNames = new Map<string, string>()

/** AWS names cipher suites before TLS 1.3 as OpenSSL does. */
export function openSslName(iana: string): string {
  let name = openSslNames.get(iana)
  if (name === undefined) {
    const [, exchange, cipher] = /^TLS_(\w+)_WITH_(\w+)$/.exec(iana) ?? []
    name =
      exchange === undefined || cipher === undefined
        ? iana
        : [...(exchange === 'RSA' ? [] : [exchange]), cipher]
            .join('-')
            .replace(/_(128|256)/, '$1')
            .replace(/_CBC/, '')
            .replace(/(POLY1305)_SHA256$/, '$1')
            .replaceAll('_', '-')
    openSslNames.set(iana, name)
  }
  return name
}
