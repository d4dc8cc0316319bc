import { Buffer } from 'node:buffer'
import { type ClientRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from './core/clock.ts'
import { messageOf } from './core/fault.ts'
import { rawHeadersOf } from './proxy-answer.ts'
import type { ProxyCall } from './proxy-call.ts'
import {
  type FaultAnswer,
  faultOf,
  type OnFault,
  type ProxyFault,
  type ProxyTarget,
} from './proxy-fault.ts'
import { endToEnd, isBodiless, pairsOf, type RawHeaders } from './proxy-headers.ts'
import { ByteCount, onceConnected, type ProxyLimits, watchSilence } from './proxy-watch.ts'

export interface UpgradeOptions {
  readonly req: IncomingMessage
  readonly socket: Duplex
  readonly target: ProxyTarget | undefined
  readonly onFault: OnFault
  /** Sends the request. May throw. */
  readonly send: (to: ProxyTarget) => void
  readonly clock: Clock
  readonly limits: ProxyLimits
  readonly call: ProxyCall
}

/** One request for a WebSocket, until either side closes it. */
export class UpgradeExchange {
  readonly #options: UpgradeOptions
  #outgoing: ClientRequest | undefined
  #silence: Timer | undefined
  #bytes: ByteCount | undefined
  /** The client has been told something. */
  #answered = false
  #over = false

  constructor(options: UpgradeOptions) {
    this.#options = options
  }

  start(): void {
    const { req, socket, target, send } = this.#options
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#closed())
    const detail = refusalOf(req)
    if (detail !== undefined) {
      this.#refuse('request', detail)
    } else if (!target) {
      this.#refuse('nowhere', 'there is no target')
    } else {
      try {
        send(target)
        // http-proxy's own would write a head that announces chunks, and a body without any.
        this.#outgoing
          ?.removeAllListeners('response')
          .once('response', (answer) => this.#refused(answer))
      } catch (error) {
        this.#refuse('request', messageOf(error))
      }
    }
  }

  /** The request is made; http-proxy's own listeners are not there yet. */
  sent(outgoing: ClientRequest): void {
    const { clock, limits, call } = this.#options
    this.#outgoing = outgoing
    outgoing.once('upgrade', (answer, target) => this.#upgraded(answer, target))
    outgoing.once('socket', (target) => {
      if (call.watch) {
        this.#bytes = new ByteCount(target)
        onceConnected(target, () => call.watch?.connected())
      }
      this.#silence = watchSilence(target, clock, limits, (detail) => {
        this.#refuse('timeout', detail)
        outgoing.destroy()
      })
    })
  }

  /** http-proxy met an error of the target's connection; it ends the client's afterwards. */
  failed(error: Error): void {
    this.#fail(faultOf(error))
  }

  // Its head and body as they are, up to the end of the connection: chunks are undone by node.
  #refused(answer: IncomingMessage): void {
    const { socket, call, clock, limits } = this.#options
    this.#silence?.cancel()
    this.#silence = watchSilence(answer.socket, clock, limits, () => socket.destroy())
    this.#answered = true
    const { statusCode = 502, statusMessage = '', rawHeaders } = answer
    const given = endToEnd(rawHeaders)
    const headers = [...(call.onAnswer?.(statusCode, given) ?? given), 'Connection', 'close']
    socket.write(headOf(statusCode, statusMessage, headers), 'latin1')
    answer.on('error', () => {})
    answer.once('close', () => {
      if (!answer.readableEnded) socket.destroy()
    })
    answer.pipe(socket)
  }

  #upgraded(answer: IncomingMessage, target: Duplex): void {
    const { socket, call, clock } = this.#options
    this.#silence?.cancel()
    this.#answered = true
    const given = endToEnd(answer.rawHeaders)
    const headers = call.onAnswer?.(101, given) ?? given
    // http-proxy writes these: names once, in order, with a list where one is repeated.
    answer.headers = upgradedHeaders(headers, answer.headers.upgrade)
    if (call.limits) {
      this.#silence = watchSilence(answer.socket, clock, call.limits, () => {
        socket.destroy()
        target.destroy()
      })
    }
    target.once('close', () => {
      if (!target.readableEnded) socket.destroy()
    })
    socket.once('close', () => target.destroy())
  }

  #refuse(kind: ProxyFault['kind'], detail: string): void {
    this.#fail({ kind, detail })
    this.#options.socket.end()
  }

  #fail(fault: Omit<ProxyFault, 'late'>): void {
    const { socket, onFault } = this.#options
    if (this.#over) return
    this.#over = true
    const late = this.#answered
    const answer = onFault({ ...fault, late })
    if (!late) writeAnswer(socket, answer)
  }

  #closed(): void {
    const { onFault, call } = this.#options
    this.#silence?.cancel()
    this.#outgoing?.destroy()
    if (!this.#over) {
      this.#over = true
      if (!this.#answered) onFault({ kind: 'gone', detail: 'the client hung up', late: true })
    }
    call.watch?.over(this.#bytes?.stop() ?? { sent: 0, received: 0 })
  }
}

function refusalOf(req: IncomingMessage): string | undefined {
  if (req.method !== 'GET' || req.headers.upgrade?.toLowerCase() !== 'websocket') {
    return 'only WebSockets can be upgraded to'
  }
  return isBodiless(req) ? undefined : 'a request for a WebSocket has no body'
}

function upgradedHeaders(
  headers: RawHeaders,
  upgrade: string | undefined,
): NodeJS.Dict<string | string[]> {
  const grouped: Record<string, string[]> = Object.create(null)
  for (const [name, value] of pairsOf(headers)) {
    const values = grouped[name.toLowerCase()] ?? []
    values.push(value)
    grouped[name.toLowerCase()] = values
  }
  return { ...grouped, connection: 'Upgrade', upgrade }
}

/** Answers on a connection of which nothing more is read; whoever calls ends it. */
export function writeAnswer(socket: Duplex, answer: FaultAnswer): void {
  const { status, headers, body, reason = STATUS_CODES[status] ?? '' } = answer
  const bytes = Buffer.from(body)
  const length = ['content-length', String(bytes.length), 'connection', 'close']
  const all = [...rawHeadersOf(headers), ...length]
  socket.write(headOf(status, reason, all), 'latin1')
  socket.write(bytes)
}

function headOf(status: number, message: string, headers: RawHeaders): string {
  const lines = pairsOf(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${message}\r\n${lines.join('')}\r\n`
}
