import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers'
import type { AnswerHead } from './answer-parser.ts'
import type { Clock, Timer } from './core/clock.ts'
import { messageOf } from './core/fault.ts'
import { addTrailers, cutOff, sendWhole, writeHead } from './proxy-answer.ts'
import type { ProxyCall } from './proxy-call.ts'
import type { Asker, TargetConnection } from './proxy-connection.ts'
import { authorityOf, type OnFault, type ProxyFault, type ProxyTarget } from './proxy-fault.ts'
import { isHttp2, type RequestHead1, requestText } from './proxy-head.ts'
import {
  answerHeaders,
  type Framing,
  framingOf,
  outgoingHeaders,
  trailerPairs,
} from './proxy-headers.ts'
import { onceOver } from './proxy-over.ts'
import type { TargetPool } from './proxy-pool.ts'
import { Upload } from './proxy-upload.ts'
import { ByteCount, onceConnected, type ProxyLimits, watchSilence } from './proxy-watch.ts'

export interface ExchangeOptions {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly target: ProxyTarget | undefined
  readonly onFault: OnFault
  readonly pool: TargetPool
  readonly clock: Clock
  readonly limits: ProxyLimits
  readonly call: ProxyCall
  /** Of the client's request, as HTTP/1.1 says it. */
  readonly head: RequestHead1
}

/** Methods that may be sent twice (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'TRACE',
])

/** One request and its answer, or the fault in its place. */
export class Exchange implements Asker {
  readonly #options: ExchangeOptions
  #connection: TargetConnection | undefined
  #upload: Upload | undefined
  #silence: Timer | undefined
  #bytes: ByteCount | undefined
  #retried = false
  #framing: Framing = { kind: 'none' }
  /** The client asked whether to send its body, and was not told to. */
  #waitsForContinue: boolean
  /** Nothing is left to be told to the client. */
  #over = false
  /** Of the answer's body: it goes with what comes with it. */
  #piece: Buffer | undefined
  #hasHead = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    const { headers } = options.req
    this.#waitsForContinue =
      options.call.body === undefined && headers.expect?.toLowerCase() === '100-continue'
  }

  start(): void {
    const { req, res, head } = this.#options
    onceOver(req, res, () => this.#closed())
    const framing = framingOf(head)
    if (framing.kind === 'refused') {
      this.#fail({ kind: 'request', detail: framing.detail })
      return
    }
    this.#framing = framing
    this.#send(false)
    if (this.#waitsForContinue) req.once('data', () => this.#stopWaiting())
  }

  informed(status: number): void {
    const { res } = this.#options
    if (status !== 100 || !this.#waitsForContinue || res.headersSent) return
    this.#stopWaiting()
    res.writeContinue()
  }

  answered(head: AnswerHead): void {
    try {
      this.#writeHead(head)
    } catch (error) {
      this.#fail({ kind: 'answer', detail: messageOf(error) })
      return
    }
    this.#hasHead = true
  }

  received(piece: Buffer): void {
    if (this.#piece) this.#write(this.#piece)
    this.#piece = piece
  }

  paused(): void {
    const { res } = this.#options
    const piece = this.#piece
    if (piece) {
      this.#piece = undefined
      this.#write(piece)
    } else if (this.#hasHead) {
      // Long polls and event streams show their head at once; others have theirs go with the body.
      setImmediate(() => {
        if (!this.#over && !res.destroyed) res.flushHeaders()
      })
    }
    this.#hasHead = false
  }

  ended(rawTrailers: string[]): void {
    const { req, res } = this.#options
    this.#over = true
    this.#bytes?.stop()
    addTrailers(res, trailerPairs(rawTrailers))
    res.end(this.#piece)
    if (req.complete) return
    // The target wants no more of the body, but a client may only listen when it has sent it all.
    this.#upload?.stop()
    req.resume()
  }

  drained(): void {
    this.#upload?.resume()
  }

  failed(fault: Omit<ProxyFault, 'late'>, died: boolean): void {
    const { req, call } = this.#options
    const again =
      died &&
      !this.#retried &&
      this.#connection?.isUsed &&
      call.body === undefined &&
      IDEMPOTENT.has(req.method ?? '') &&
      !this.#hasBody
    if (!again) {
      this.#fail(fault)
      return
    }
    this.#retried = true
    this.#send(true)
  }

  #write(piece: Buffer): void {
    const { res } = this.#options
    const socket = this.#connection?.socket
    // What the kernel has taken at once is no reason to wait.
    if (res.write(piece) || res.writableLength === 0 || !socket || socket.isPaused()) return
    socket.pause()
    res.once('drain', () => {
      if (!this.#over) socket.resume()
    })
  }

  #send(fresh: boolean): void {
    const { target, pool, call, head, req } = this.#options
    if (!target) {
      this.#fail({ kind: 'nowhere', detail: 'there is no target' })
      return
    }
    const own = { headers: call.head?.headers, replayedBytes: call.body?.length, alone: call.alone }
    const headers = outgoingHeaders(head, authorityOf(target), own)
    let text: string
    try {
      text = requestText(head.method, call.head?.url ?? head.url, headers)
    } catch (error) {
      this.#fail({ kind: 'request', detail: messageOf(error) })
      return
    }
    const connection = fresh || call.alone ? pool.fresh(target) : pool.take(target)
    this.#connection = connection
    connection.begin(this, { isHead: head.method === 'HEAD', isLast: call.alone === true })
    this.#watch(connection)
    if (call.body === undefined && this.#hasBody) {
      this.#upload = new Upload(req, connection, this.#framing.kind === 'chunked')
      this.#upload.start(text)
      return
    }
    if (call.body?.length)
      connection.socket.write(Buffer.concat([Buffer.from(text, 'latin1'), call.body]))
    else connection.socket.write(text, 'latin1')
    connection.sent()
    // A request that is not read is not complete where streams share a connection.
    if (isHttp2(req)) req.resume()
  }

  get #hasBody(): boolean {
    return this.#framing.kind === 'chunked' || this.#framing.kind === 'length'
  }

  #watch({ socket }: TargetConnection): void {
    const { clock, limits, call } = this.#options
    if (call.watch) {
      this.#bytes = new ByteCount(socket)
      onceConnected(socket, () => call.watch?.connected())
    }
    this.#silence?.cancel()
    this.#silence = watchSilence(socket, clock, limits, (detail) => {
      this.#fail({ kind: 'timeout', detail })
    })
  }

  #stopWaiting(): void {
    this.#waitsForContinue = false
  }

  #writeHead({ status, message, rawHeaders, isChunked }: AnswerHead): void {
    const { req, res, call } = this.#options
    const bodiless = req.method === 'HEAD' || status === 204 || status === 304
    const trailers = isChunked && !bodiless && req.httpVersion !== '1.0'
    const given = answerHeaders({ rawHeaders }, trailers)
    const headers = call.onAnswer?.(status, given) ?? given
    // The client may send its body or not: what follows on this connection cannot be told apart.
    if (this.#waitsForContinue || call.alone) headers.push('Connection', 'close')
    writeHead(res, status, message, headers)
  }

  #fail(fault: Omit<ProxyFault, 'late'>): void {
    const { req, res, onFault, clock } = this.#options
    if (this.#over) return
    this.#over = true
    this.#bytes?.stop()
    const late = res.headersSent
    const answer = onFault({ ...fault, late })
    this.#upload?.stop()
    this.#connection?.destroy()
    if (late) cutOff(res)
    else sendWhole(req, res, answer, clock)
  }

  #closed(): void {
    const { onFault, call } = this.#options
    this.#silence?.cancel()
    if (!this.#over) {
      this.#over = true
      onFault({ kind: 'gone', detail: 'the client hung up', late: true })
      this.#upload?.stop()
      this.#connection?.destroy()
    }
    call.watch?.over(this.#bytes?.stop() ?? { sent: 0, received: 0 })
  }
}
