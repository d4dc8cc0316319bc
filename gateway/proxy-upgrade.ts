import { Buffer } from 'node:buffer'
import { type ClientRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from './core/clock.ts'
import { messageOf } from './core/fault.ts'
import { faultOf, type OnFault, type ProxyFault, type ProxyTarget } from './proxy-fault.ts'
import { endToEnd, isBodiless, pairsOf, type RawHeaders } from './proxy-headers.ts'
import { type ProxyLimits, watchSilence } from './proxy-watch.ts'

export interface UpgradeOptions {
  readonly req: IncomingMessage
  readonly socket: Duplex
  readonly target: ProxyTarget | undefined
  readonly onFault: OnFault
  /** Sends the request. May throw. */
  readonly send: (to: ProxyTarget) => void
  readonly clock: Clock
  readonly limits: ProxyLimits
}

/** One request for a WebSocket, until either side closes it. */
export class UpgradeExchange {
  readonly #options: UpgradeOptions
  #outgoing: ClientRequest | undefined
  #silence: Timer | undefined
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
      } catch (error) {
        this.#refuse('request', messageOf(error))
      }
    }
  }

  /** The request is made; http-proxy's own listeners are not there yet. */
  sent(outgoing: ClientRequest): void {
    const { clock, limits } = this.#options
    this.#outgoing = outgoing
    outgoing.once('response', (answer) => this.#refused(answer))
    outgoing.once('upgrade', (answer, target) => this.#upgraded(answer, target))
    outgoing.once('socket', () => {
      this.#silence = watchSilence(outgoing, clock, limits, (detail) => {
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
    const { socket } = this.#options
    this.#silence?.cancel()
    // Else http-proxy writes a head that announces chunks, and a body without any.
    Object.assign(answer, { upgrade: true })
    this.#answered = true
    const { statusCode = 502, statusMessage = '', rawHeaders } = answer
    const headers = [...endToEnd(rawHeaders), 'Connection', 'close']
    socket.write(headOf(statusCode, statusMessage, headers), 'latin1')
    answer.on('error', () => {})
    answer.once('close', () => {
      if (!answer.readableEnded) socket.destroy()
    })
    answer.pipe(socket)
  }

  #upgraded(answer: IncomingMessage, target: Duplex): void {
    const { socket } = this.#options
    this.#silence?.cancel()
    this.#answered = true
    // http-proxy writes these, each name once: node has joined or listed what was repeated.
    answer.headers = upgradedHeaders(answer)
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
    const { status, headers, body } = onFault({ ...fault, late })
    if (late) return
    const bytes = Buffer.from(body)
    const length = ['content-length', String(bytes.length), 'connection', 'close']
    socket.write(
      headOf(status, STATUS_CODES[status] ?? '', [...Object.entries(headers).flat(), ...length]),
    )
    socket.write(bytes)
  }

  #closed(): void {
    const { onFault } = this.#options
    this.#silence?.cancel()
    this.#outgoing?.destroy()
    if (this.#over) return
    this.#over = true
    if (!this.#answered) onFault({ kind: 'gone', detail: 'the client hung up', late: true })
  }
}

function refusalOf(req: IncomingMessage): string | undefined {
  if (req.method !== 'GET' || req.headers.upgrade?.toLowerCase() !== 'websocket') {
    return 'only WebSockets can be upgraded to'
  }
  return isBodiless(req) ? undefined : 'a request for a WebSocket has no body'
}

function upgradedHeaders({ rawHeaders, headers }: IncomingMessage): NodeJS.Dict<string | string[]> {
  const kept: NodeJS.Dict<string | string[]> = Object.create(null)
  for (const [name] of pairsOf(endToEnd(rawHeaders))) {
    kept[name.toLowerCase()] = headers[name.toLowerCase()]
  }
  return { ...kept, connection: 'Upgrade', upgrade: headers.upgrade }
}

function headOf(status: number, message: string, headers: RawHeaders): string {
  const lines = pairsOf(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${message}\r\n${lines.join('')}\r\n`
}
