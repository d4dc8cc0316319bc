import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers'
import type { Clock, Timer } from './core/clock.ts'
import { messageOf } from './core/fault.ts'
import { addTrailers, cutOff, sendWhole, writeHead } from './proxy-answer.ts'
import type { ProxyCall } from './proxy-call.ts'
import { faultOf, type OnFault, type ProxyFault, type ProxyTarget } from './proxy-fault.ts'
import {
  answerHeaders,
  framingOf,
  type HeadOfRequest,
  isBodiless,
  trailerPairs,
} from './proxy-headers.ts'
import { onceOver } from './proxy-over.ts'
import { ByteCount, onceConnected, type ProxyLimits, watchSilence } from './proxy-watch.ts'

export interface ExchangeOptions {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly target: ProxyTarget | undefined
  readonly onFault: OnFault
  /** Sends the request; `fresh`: over a connection of its own. May throw. */
  readonly send: (to: ProxyTarget, fresh: boolean) => void
  readonly clock: Clock
  readonly limits: ProxyLimits
  readonly call: ProxyCall
  /** Of the client's request, as HTTP/1.1 says it. */
  readonly head: HeadOfRequest
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
export class Exchange {
  readonly #options: ExchangeOptions
  #outgoing: ClientRequest | undefined
  #silence: Timer | undefined
  #bytes: ByteCount | undefined
  #retried = false
  /** The client asked whether to send its body, and was not told to. */
  #waitsForContinue: boolean
  /** Nothing is left to be told to the client. */
  #over = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    const { headers } = options.req
    this.#waitsForContinue =
      options.call.body === undefined && headers.expect?.toLowerCase() === '100-continue'
  }

  start(): void {
    const { req, res, call, head } = this.#options
    onceOver(req, res, () => this.#closed())
    const framing = framingOf(head)
    if (framing.kind === 'refused') {
      this.#fail({ kind: 'request', detail: framing.detail })
      return
    }
    if (call.body === undefined) {
      // Before the pipe ends the request to the target.
      req.prependOnceListener('end', () => {
        this.#outgoing?.addTrailers(trailerPairs(req.rawTrailers))
      })
    }
    this.#send(false)
    if (this.#waitsForContinue) req.once('data', () => this.#stopWaiting())
  }

  /** The request to the target has a connection, made or being made. */
  sent(outgoing: ClientRequest): void {
    const { res, clock, limits, call } = this.#options
    this.#outgoing = outgoing
    if (this.#over) {
      outgoing.destroy()
      return
    }
    if (call.watch) {
      this.#bytes = new ByteCount(outgoing.socket)
      onceConnected(outgoing.socket, () => call.watch?.connected())
    }
    outgoing.on('continue', () => {
      if (!this.#waitsForContinue || res.headersSent) return
      this.#stopWaiting()
      res.writeContinue()
    })
    this.#watchEnd(outgoing)
    this.#silence?.cancel()
    this.#silence = watchSilence(outgoing, clock, limits, (detail) => {
      this.#fail({ kind: 'timeout', detail })
    })
  }

  // Under Deno a kept connection that dies with its next request ends without an error.
  #watchEnd(outgoing: ClientRequest): void {
    const { socket } = outgoing
    const onClose = () => {
      setImmediate(() => {
        if (this.#outgoing === outgoing)
          this.failed(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }))
      })
    }
    socket?.once('close', onClose)
    this.#options.res.once('close', () => socket?.off('close', onClose))
  }

  /** The head of the target's answer is there. */
  answered(answer: IncomingMessage): void {
    const { req, res } = this.#options
    answer.on('error', () => {})
    if (this.#over) {
      answer.destroy()
      return
    }
    const coding = answer.headers['transfer-encoding']
    if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
      this.#fail({ kind: 'answer', detail: `its Transfer-Encoding is ${JSON.stringify(coding)}` })
      return
    }
    try {
      this.#writeHead(answer)
    } catch (error) {
      this.#fail({ kind: 'answer', detail: messageOf(error) })
      return
    }
    let begun = false
    answer.once('data', () => {
      begun = true
    })
    // Long polls and event streams show their head at once; others have theirs go with the body.
    setImmediate(() => {
      if (!begun && !res.writableEnded && !res.destroyed) res.flushHeaders()
    })
    answer.pipe(res, { end: false })
    answer.once('end', () => this.#answeredWhole(answer))
    answer.once('close', () => {
      if (!answer.readableEnded) {
        this.#fail({ kind: 'reset', detail: 'it closed the connection within its answer' })
      }
    })
    // Nobody reads what no longer goes anywhere.
    req.once('close', () => req.unpipe())
  }

  /** http-proxy met an error, of the client's connection or of the target's. */
  failed(error: NodeJS.ErrnoException): void {
    const { req, res, call, head } = this.#options
    // The client's own end is seen by its response, the end of an answer by the answer.
    if (this.#over || res.headersSent || req.socket.destroyed) return
    const died = error.code === 'ECONNRESET' || error.code === 'EPIPE'
    const again =
      died &&
      !this.#retried &&
      this.#outgoing?.reusedSocket &&
      call.body === undefined &&
      IDEMPOTENT.has(req.method ?? '') &&
      isBodiless(head)
    if (!again) {
      this.#fail(faultOf(error))
      return
    }
    this.#retried = true
    this.#send(true)
  }

  #send(fresh: boolean): void {
    const { target, send } = this.#options
    if (!target) {
      this.#fail({ kind: 'nowhere', detail: 'there is no target' })
      return
    }
    try {
      send(target, fresh)
    } catch (error) {
      this.#fail({ kind: 'request', detail: messageOf(error) })
    }
  }

  #stopWaiting(): void {
    this.#waitsForContinue = false
  }

  #writeHead(answer: IncomingMessage): void {
    const { req, res, call } = this.#options
    const { statusCode = 502, statusMessage } = answer
    const bodiless = req.method === 'HEAD' || statusCode === 204 || statusCode === 304
    const chunked = answer.headers['transfer-encoding'] !== undefined
    const trailers = chunked && !bodiless && req.httpVersion !== '1.0'
    const given = answerHeaders(answer, trailers)
    const headers = call.onAnswer?.(statusCode, given) ?? given
    // The client may send its body or not: what follows on this connection cannot be told apart.
    if (this.#waitsForContinue || call.alone) headers.push('Connection', 'close')
    writeHead(res, statusCode, statusMessage, headers)
  }

  #answeredWhole(answer: IncomingMessage): void {
    const { req, res } = this.#options
    if (this.#over) return
    this.#over = true
    this.#bytes?.stop()
    addTrailers(res, trailerPairs(answer.rawTrailers))
    res.end()
    if (req.complete) return
    // The target wants no more of the body, but a client may only listen when it has sent it all.
    req.unpipe()
    this.#outgoing?.destroy()
    req.resume()
  }

  #fail(fault: Omit<ProxyFault, 'late'>): void {
    const { req, res, onFault, clock } = this.#options
    if (this.#over) return
    this.#over = true
    this.#bytes?.stop()
    const late = res.headersSent
    const answer = onFault({ ...fault, late })
    req.unpipe()
    this.#outgoing?.destroy()
    if (late) cutOff(res)
    else sendWhole(req, res, answer, clock)
  }

  #closed(): void {
    const { onFault, call } = this.#options
    this.#silence?.cancel()
    if (!this.#over) {
      this.#over = true
      onFault({ kind: 'gone', detail: 'the client hung up', late: true })
      this.#outgoing?.destroy()
    }
    call.watch?.over(this.#bytes?.stop() ?? { sent: 0, received: 0 })
  }
}
