import type { Clock } from '../../../gateway/core/clock.ts'
import { firstOf } from '../../../gateway/proxy-headers.ts'
import type {
  LiveGroup,
  LiveListener,
  LiveRule,
  LiveTarget,
  Peer,
  RequestRecord,
} from '../model.ts'
import { type Classification, COMPLIANT } from './desync.ts'
import { type ClientHead, headBytes } from './request-checks.ts'

/** The client left before it had an answer. */
export const CLIENT_GONE = 460

/** The connection of a client: its counters are read, nothing is counted byte by byte. */
interface Counted {
  readonly bytesRead?: number
  readonly bytesWritten?: number
}

/** What earlier requests of a connection had, so that each is told its own. */
const before = new WeakMap<object, { read: number; written: number }>()

/** Notes what becomes of a request, for its one record. */
export class RequestLog {
  readonly #listener: LiveListener
  readonly #peer: Peer
  readonly #head: ClientHead
  readonly #type: string
  readonly #clock: Clock
  readonly #receivedAtMs: number
  readonly traceId: string
  rule: LiveRule | undefined
  target: { readonly group: LiveGroup; readonly target: LiveTarget } | undefined
  status: number | undefined
  targetStatus: number | undefined
  redirectUrl: string | undefined
  errorReason: string | undefined
  classification: Classification = COMPLIANT
  host: string | undefined
  uri: string | undefined
  /** Those that were carried out. */
  readonly actions: string[] = []
  #connectedAtMs: number | undefined
  #answeredAtMs: number | undefined
  #bytes: { readonly sent: number; readonly received: number } | undefined

  constructor(
    listener: LiveListener,
    peer: Peer,
    head: ClientHead,
    type: string,
    traceId: string,
    clock: Clock,
  ) {
    this.#listener = listener
    this.#peer = peer
    this.#head = head
    this.#type = type
    this.#clock = clock
    this.#receivedAtMs = clock.now()
    this.traceId = traceId
  }

  /** The request is on its way to its target. */
  connected(): void {
    this.#connectedAtMs = this.#clock.now()
  }

  get isConnected(): boolean {
    return this.#connectedAtMs !== undefined
  }

  answered(status: number): void {
    this.#answeredAtMs = this.#clock.now()
    this.targetStatus = status
    this.status = status
  }

  /** Where streams share a connection, the client's bytes are taken to be the target's. */
  passed(bytes: { readonly sent: number; readonly received: number }): void {
    this.#bytes = bytes
  }

  /** Told when all is over; `socket` is the client's connection unless streams share it. */
  record(socket: Counted | undefined): RequestRecord {
    const [received, sent] = socket ? ownBytes(socket) : this.#streamBytes()
    const host = firstOf(this.#head.rawHeaders, 'host') ?? ''
    const { requestProcessingMs, targetProcessingMs, responseProcessingMs } = this.#times()
    const { row } = this.#listener
    return {
      listener: this.#listener,
      peer: this.#peer,
      type: this.#type,
      receivedAtMs: this.#receivedAtMs,
      endedAtMs: this.#clock.now(),
      method: this.#head.method,
      url: `${this.#peer.protocol}://${host.replace(/:\d*$/, '')}:${row.port}${this.#head.url}`,
      httpVersion: this.#head.httpVersion,
      userAgent: firstOf(this.#head.rawHeaders, 'user-agent'),
      traceId: this.traceId,
      rule: this.rule,
      target: this.target,
      requestProcessingMs,
      targetProcessingMs,
      responseProcessingMs,
      status: this.status,
      targetStatus: this.targetStatus,
      receivedBytes: received,
      sentBytes: sent,
      actions: this.actions,
      redirectUrl: this.redirectUrl,
      errorReason: this.errorReason,
      classification: this.classification.classification,
      classificationReason: this.classification.reason,
      transformedHost: this.host,
      transformedUri: this.uri,
    }
  }

  #times() {
    const connected = this.#connectedAtMs
    const answered = this.#answeredAtMs
    if (connected === undefined || answered === undefined) {
      // AWS: -1 where no target was reached, and where the target did not answer.
      const request = connected === undefined ? -1 : connected - this.#receivedAtMs
      return { requestProcessingMs: request, targetProcessingMs: -1, responseProcessingMs: -1 }
    }
    return {
      requestProcessingMs: connected - this.#receivedAtMs,
      targetProcessingMs: Math.max(0, answered - connected),
      // The head is handed on in the moment in which it comes.
      responseProcessingMs: 0,
    }
  }

  #streamBytes(): [received: number, sent: number] {
    if (this.#bytes) return [this.#bytes.sent, this.#bytes.received]
    return [headBytes(this.#head), 0]
  }
}

function ownBytes(socket: Counted): [received: number, sent: number] {
  const { bytesRead: read = 0, bytesWritten: written = 0 } = socket
  const had = before.get(socket) ?? { read: 0, written: 0 }
  before.set(socket, { read, written })
  return [read - had.read, written - had.written]
}
