import type { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { nextTick } from 'node:process'
import type { TargetConnection } from './proxy-connection.ts'
import { type RawHeaders, trailerPairs } from './proxy-headers.ts'

/** The body of a client's request on its way to a target, no faster than the target takes it. */
export class Upload {
  readonly #req: IncomingMessage
  readonly #connection: TargetConnection
  readonly #isChunked: boolean
  readonly #onData = (piece: Buffer) => this.#send(piece)
  readonly #onEnd = () => this.#end()

  constructor(req: IncomingMessage, connection: TargetConnection, isChunked: boolean) {
    this.#req = req
    this.#connection = connection
    this.#isChunked = isChunked
  }

  /** Sends the head, and a body that is there already with it. */
  start(head: string): void {
    const { socket } = this.#connection
    socket.cork()
    socket.write(head, 'latin1')
    this.#req.on('error', () => {})
    this.#req.on('data', this.#onData).once('end', this.#onEnd)
    nextTick(() => socket.uncork())
  }

  /** The target takes more. */
  resume(): void {
    if (this.#req.isPaused()) this.#req.resume()
  }

  /** Nothing more of it goes to the target; it is left to whoever reads it next. */
  stop(): void {
    this.#req.off('data', this.#onData).off('end', this.#onEnd)
  }

  #send(piece: Buffer): void {
    const { socket } = this.#connection
    if (this.#isChunked) {
      socket.cork()
      socket.write(`${piece.length.toString(16)}\r\n`, 'latin1')
      socket.write(piece)
      socket.write('\r\n', 'latin1')
      socket.uncork()
    } else {
      socket.write(piece)
    }
    // What the kernel has taken at once is no reason to wait.
    if (socket.writableNeedDrain && socket.writableLength > 0) this.#req.pause()
  }

  #end(): void {
    if (this.#isChunked) {
      const trailers = linesOf(this.#req.rawTrailers)
      this.#connection.socket.write(`0\r\n${trailers}\r\n`, 'latin1')
    }
    this.#connection.sent()
  }
}

function linesOf(raw: RawHeaders): string {
  return trailerPairs(raw)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
}
