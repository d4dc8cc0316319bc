import type { Buffer } from 'node:buffer'
import { isIP, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AnswerError, AnswerParser, type AnswerSink } from './answer-parser.ts'
import { faultOf, type ProxyFault, type ProxyTarget } from './proxy-fault.ts'

type Done = (error?: Error | null) => void

/**
 * A connection whose end is told by what is read from it, never by a write that fails: a target may
 * answer and hang up before an upload is through, and its answer is still there to be read.
 */
class TargetSocket extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    super._write(chunk, encoding, unlessHungUp(done))
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: Done): void {
    super._writev?.(chunks, unlessHungUp(done))
  }
}

function unlessHungUp(done: Done): Done {
  return (error) => {
    const { code } = (error ?? {}) as NodeJS.ErrnoException
    done(code === 'EPIPE' || code === 'ECONNRESET' ? null : error)
  }
}

/** Whose request is under way on a connection. */
export interface Asker extends AnswerSink {
  /** All that came at once has been told: what waits for more need not wait longer. */
  paused(): void
  /** More of the request is taken again. */
  drained(): void
  /** Nothing more is told. `died`: it ended without a byte of an answer. */
  failed(fault: Omit<ProxyFault, 'late'>, died: boolean): void
}

/** Where a connection goes when it is no longer asked. */
export interface ConnectionKeeper {
  /** `keepAliveMs`: for how long its target says that it stays. */
  keep(connection: TargetConnection, keepAliveMs: number | undefined): void
  forget(connection: TargetConnection): void
  /** The process may open no more: those that wait make room. */
  makeRoom(): void
}

/** One connection to a target, which answers one request after the other. */
export class TargetConnection implements AnswerSink {
  readonly socket: Socket
  /** Of the target, as its keeper knows it. */
  readonly key: string
  /** It has answered before. */
  isUsed = false
  /** When it is given up, where nobody asks it. */
  idleUntilMs = 0
  readonly #keeper: ConnectionKeeper
  readonly #parser = new AnswerParser(this)
  #asker: Asker | undefined
  #isSent = false
  #isLast = false
  #hasHeard = false

  constructor(target: ProxyTarget, key: string, keeper: ConnectionKeeper) {
    this.key = key
    this.#keeper = keeper
    this.socket = socketTo(target)
    this.socket
      .on('data', (chunk) => this.#read(chunk))
      .on('drain', () => this.#asker?.drained())
      .on('end', () => this.#ended())
      .on('error', (error) => this.#broke(error))
      .on('close', () => this.#closed())
  }

  /** The next answer is the asker’s; `isLast`: none comes after it. */
  begin(asker: Asker, { isHead = false, isLast = false }): void {
    this.#asker = asker
    this.#isLast = isLast
    this.#isSent = false
    this.#hasHeard = false
    this.#parser.begin(isHead)
  }

  /** The request is written to its end: only then may another one follow. */
  sent(): void {
    this.#isSent = true
  }

  /** Lets go of it: nothing is told any more, and nobody asks it again. */
  destroy(): void {
    this.#asker = undefined
    this.#parser.stop()
    this.#keeper.forget(this)
    this.socket.destroy()
  }

  informed(status: number): void {
    this.#asker?.informed(status)
  }

  answered(...[head]: Parameters<AnswerSink['answered']>): void {
    this.#asker?.answered(head)
  }

  received(piece: Buffer): void {
    this.#asker?.received(piece)
  }

  ended(rawTrailers: string[]): void {
    const asker = this.#asker
    this.#asker = undefined
    asker?.ended(rawTrailers)
    this.isUsed = true
    if (this.#parser.persists && this.#isSent && !this.#isLast && !this.socket.destroyed) {
      if (this.socket.isPaused()) this.socket.resume()
      this.#keeper.keep(this, this.#parser.keepAliveMs)
    } else {
      this.destroy()
    }
  }

  #read(chunk: Buffer): void {
    if (this.#asker === undefined) {
      // Nobody has asked for it, and nobody may take it for the answer to what is asked next.
      this.destroy()
      return
    }
    this.#hasHeard = true
    try {
      this.#parser.read(chunk)
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error
      this.#fail({ kind: 'answer', detail: error.message })
      return
    }
    this.#asker?.paused()
  }

  #ended(): void {
    if (this.#asker === undefined) this.destroy()
    else if (!this.#parser.finish()) this.#hungUp()
  }

  #broke(error: NodeJS.ErrnoException): void {
    if (error.code === 'EMFILE') this.#keeper.makeRoom()
    if (this.#hasHeard || error.code === 'EPIPE' || error.code === 'ECONNRESET') this.#hungUp()
    else this.#fail(faultOf(error))
  }

  #closed(): void {
    this.#hungUp()
  }

  #hungUp(): void {
    const within = this.#hasHeard ? 'within its answer' : 'without an answer'
    this.#fail({ kind: 'reset', detail: `it closed the connection ${within}` }, !this.#hasHeard)
  }

  #fail(fault: Omit<ProxyFault, 'late'>, died = false): void {
    const asker = this.#asker
    this.destroy()
    asker?.failed(fault, died)
  }
}

function socketTo({ host, port, tls }: ProxyTarget): Socket {
  if (!tls) return new TargetSocket().setNoDelay(true).connect({ host, port })
  // An address is no server name (RFC 6066, 3).
  const servername = isIP(host) === 0 ? host : ''
  return connectTls({
    host,
    port,
    servername,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: false,
  }).setNoDelay(true)
}
