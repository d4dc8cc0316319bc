import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { setImmediate } from 'node:timers'
import type { Clock, Timer } from './core/clock.ts'
import { messageOf } from './core/fault.ts'
import { addTrailers, cutOff, endWithHead, sendWhole, writeHead } from './proxy-answer.ts'
import type { ProxyCall } from './proxy-call.ts'
import { faultOf, type OnFault, type ProxyFault, type ProxyTarget } from './proxy-fault.ts'
import { type RequestHead1, requestHead } from './proxy-head.ts'
import {
  endToEnd,
  framingOf,
  isBodiless,
  pairsOf,
  trailerPairs,
  valuesOf,
} from './proxy-headers.ts'
import type { Sessions, SharedSession } from './proxy-http2-sessions.ts'
import { onceOver } from './proxy-over.ts'
import type { ProxyLimits } from './proxy-watch.ts'

export interface Http2ExchangeOptions {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly target: ProxyTarget
  readonly onFault: OnFault
  readonly call: ProxyCall
  readonly limits: ProxyLimits
  readonly clock: Clock
  readonly sessions: Sessions
}

/** How many looks a whole silence takes. */
const LOOKS = 4
const LEFT: ReadonlySet<string> = new Set([
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_SESSION_ERROR',
])
const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } =
  constants

/** One request and its answer on a stream of HTTP/2, or the fault in its place. */
export class Http2Exchange {
  readonly #options: Http2ExchangeOptions
  readonly #head: RequestHead1
  readonly #bodiless: boolean
  #session: SharedSession | undefined
  #stream: ClientHttp2Stream | undefined
  #timer: Timer | undefined
  #retried = false
  #over = false
  /** The answer ends with its head: nothing follows, no trailers either. */
  #headOnly = false
  #trailers: [name: string, value: string][] = []
  #sent = 0
  #received = 0

  constructor(options: Http2ExchangeOptions) {
    this.#options = options
    this.#head = requestHead(options.req)
    this.#bodiless = options.call.body === undefined && isBodiless(this.#head)
  }

  start(): void {
    const { req, res } = this.#options
    onceOver(req, res, () => this.#closed())
    const framing = framingOf(this.#head)
    if (framing.kind === 'refused') this.#fail({ kind: 'request', detail: framing.detail })
    else void this.#send(false)
  }

  async #send(fresh: boolean): Promise<void> {
    const { sessions, target, clock, limits, call } = this.#options
    const session = sessions.to(target, fresh)
    this.#session = session
    session.use()
    const { connectMs } = limits
    const detail = `no connection within ${connectMs / 1000} s`
    this.#timer = clock.after(connectMs, () => {
      this.#fail({ kind: 'timeout', detail })
      session.destroy()
    })
    try {
      if (!session.isConnected) await session.ready
    } catch (error) {
      this.#fail(faultOf(error as NodeJS.ErrnoException))
      return
    } finally {
      this.#timer.cancel()
    }
    if (this.#over) return
    call.watch?.connected()
    try {
      this.#open(session)
    } catch (error) {
      // The session was left in this very moment: nothing was sent on it.
      if (LEFT.has((error as NodeJS.ErrnoException).code ?? '') && !this.#retried) this.#sendAgain()
      else this.#fail({ kind: 'request', detail: messageOf(error) })
    }
  }

  #sendAgain(): void {
    this.#retried = true
    this.#session?.free()
    void this.#send(true)
  }

  #open(session: SharedSession): void {
    const { req, res, call } = this.#options
    const stream = session.http2.request(this.#requestHeaders(), {
      endStream: this.#bodiless,
      waitForTrailers: !this.#bodiless,
    })
    this.#stream = stream
    stream.on('continue', () => {
      const asked = req.headers.expect?.toLowerCase() === '100-continue'
      if (asked && !res.headersSent) res.writeContinue()
    })
    stream.once('response', (headers, flags) => this.#answered(headers, flags))
    stream.once('trailers', (headers) => {
      this.#trailers = trailerPairs(rawOf(headers))
    })
    // Node lets what is read of a stream that is reset end first, as if it had been finished.
    stream.once('end', () => setImmediate(() => this.#ended()))
    stream.on('error', () => {})
    stream.once('close', () => this.#streamClosed())
    stream.once('wantTrailers', () => {
      stream.sendTrailers(Object.fromEntries(trailerPairs(req.rawTrailers)))
    })
    this.#watch()
    if (call.body !== undefined) stream.end(call.body)
    else if (!this.#bodiless) this.#upload(stream)
  }

  #upload(stream: ClientHttp2Stream): void {
    const { req } = this.#options
    req.on('data', (chunk: Uint8Array) => {
      this.#sent += chunk.length
    })
    req.on('error', () => {})
    req.pipe(stream)
  }

  #requestHeaders(): OutgoingHttpHeaders {
    const { call, target } = this.#options
    const { method, rawHeaders } = this.#head
    const given = endToEnd(call.head?.headers ?? rawHeaders, ['host', 'expect', 'http2-settings'])
    const headers: OutgoingHttpHeaders = Object.create(null)
    headers[':method'] = method
    headers[':scheme'] = target.tls ? 'https' : 'http'
    headers[':path'] = call.head?.url ?? this.#head.url
    const [host] = valuesOf(call.head?.headers ?? rawHeaders, 'host')
    if (host !== undefined) headers[':authority'] = host
    Object.assign(headers, groupedOf(given))
    const te = valuesOf(rawHeaders, 'te').join().toLowerCase()
    if (/(^|,)\s*trailers\s*(,|$)/.test(te)) headers.te = 'trailers'
    return headers
  }

  #answered(given: IncomingHttpHeaders, flags: number): void {
    const { req, res, call } = this.#options
    if (this.#over) return
    const status = Number(given[':status'])
    try {
      const raw = endToEnd(rawOf(given))
      const headers = call.onAnswer?.(status, raw) ?? raw
      this.#headOnly = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
      if (this.#headOnly) {
        // A client of gRPC tells an answer that is a head alone from one that lost its trailers.
        this.#over = true
        endWithHead(res, status, headers)
        this.#stream?.resume()
        req.unpipe()
        req.resume()
        return
      }
      writeHead(res, status, undefined, headers)
    } catch (error) {
      this.#fail({ kind: 'answer', detail: messageOf(error) })
      return
    }
    res.flushHeaders()
    // Not before: Deno would hand on data that came with the head first.
    this.#stream?.on('data', (chunk: Uint8Array) => {
      this.#received += chunk.length
    })
    this.#stream?.pipe(res, { end: false })
  }

  #ended(): void {
    const { req, res } = this.#options
    const wasReset = (this.#stream?.rstCode ?? NGHTTP2_NO_ERROR) !== NGHTTP2_NO_ERROR
    if (this.#over || !res.headersSent || wasReset) return
    this.#over = true
    addTrailers(res, this.#trailers)
    res.end()
    if (req.complete) return
    // The target wants no more of the body.
    req.unpipe()
    req.resume()
  }

  #streamClosed(): void {
    if (this.#over) return
    const code = this.#stream?.rstCode ?? NGHTTP2_NO_ERROR
    const { res } = this.#options
    if (code === NGHTTP2_NO_ERROR && this.#stream?.readableEnded && res.headersSent) {
      this.#ended()
      return
    }
    // RFC 9113, 8.7: a refused stream was not looked at, and may be sent again.
    if (code === NGHTTP2_REFUSED_STREAM && this.#bodiless && !this.#retried && !res.headersSent) {
      this.#sendAgain()
      return
    }
    this.#fail({ kind: 'reset', detail: `it ended the stream with code ${code}` })
  }

  /** Costs a comparison now and then: no byte in either direction for too long is a time-out. */
  #watch(): void {
    const { clock, limits } = this.#options
    let passed = -1
    let looks = 0
    const look = () => {
      const now = this.#sent + this.#received
      looks = now === passed ? looks + 1 : 0
      passed = now
      if (looks >= LOOKS) {
        this.#fail({ kind: 'timeout', detail: `no byte passed for ${limits.idleMs / 1000} s` })
      } else {
        this.#timer = clock.after(limits.idleMs / LOOKS, look)
      }
    }
    look()
  }

  #fail(fault: Omit<ProxyFault, 'late'>): void {
    const { req, res, onFault, clock } = this.#options
    if (this.#over) return
    this.#over = true
    const late = res.headersSent
    const answer = onFault({ ...fault, late })
    req.unpipe()
    this.#stream?.close(NGHTTP2_CANCEL)
    if (late) cutOff(res)
    else sendWhole(req, res, answer, clock)
  }

  #closed(): void {
    const { onFault, call } = this.#options
    this.#timer?.cancel()
    if (!this.#over) {
      this.#over = true
      onFault({ kind: 'gone', detail: 'the client hung up', late: true })
    }
    this.#stream?.close(NGHTTP2_CANCEL)
    this.#session?.free()
    call.watch?.over({ sent: this.#sent, received: this.#received })
  }
}

function groupedOf(raw: readonly string[]): OutgoingHttpHeaders {
  const grouped: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of pairsOf(raw)) {
    const key = name.toLowerCase()
    const before = grouped[key]
    grouped[key] = before === undefined ? value : [before, value].flat()
  }
  return grouped
}

function rawOf(headers: IncomingHttpHeaders): string[] {
  const raw: string[] = []
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || value === undefined) continue
    for (const each of [value].flat()) raw.push(name, each)
  }
  return raw
}
