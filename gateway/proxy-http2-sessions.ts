import { type ClientHttp2Session, connect } from 'node:http2'
import type { Clock, Timer } from './core/clock.ts'
import type { ProxyTarget } from './proxy-fault.ts'

/** One connection to a target; streams share it. */
export interface SharedSession {
  readonly http2: ClientHttp2Session
  /** Resolves when it is connected, rejects when it will not be. */
  readonly ready: Promise<void>
  readonly isConnected: boolean
  /** A stream begins on it. */
  use(): void
  /** A stream is over. */
  free(): void
  /** Hangs up: nothing is to be had from it. */
  destroy(): void
}

export interface Sessions {
  /** `fresh`: none that was there before. */
  to(target: ProxyTarget, fresh: boolean): SharedSession
  close(): void
}

/** To one target. Beyond them and what the target allows on each, node lets streams wait. */
const MAX_SESSIONS = 8
/** Targets that allow more streams (often: any number) get another connection all the same. */
const MAX_STREAMS = 100
/** How long a connection without streams is kept. */
const IDLE_MS = 10_000
/** Of an answer's head, as for HTTP/1. */
const MAX_HEAD_BYTES = 64 * 1024

export function createSessions(clock: Clock): Sessions {
  const byTarget = new Map<string, Set<Session>>()

  function open(key: string, target: ProxyTarget): Session {
    const known = byTarget.get(key) ?? new Set()
    byTarget.set(key, known)
    const session = new Session(target, clock, () => {
      known.delete(session)
      if (known.size === 0 && byTarget.get(key) === known) byTarget.delete(key)
    })
    known.add(session)
    return session
  }

  return {
    to(target, fresh) {
      const key = `${target.tls ? 'https' : 'http'}://${authorityOf(target)}`
      const known = [...(byTarget.get(key) ?? [])]
      if (fresh || known.length === 0) return open(key, target)
      const idlest = known.reduce((best, each) => (each.streams < best.streams ? each : best))
      const isFull = idlest.streams >= idlest.capacity
      return isFull && known.length < MAX_SESSIONS ? open(key, target) : idlest
    },
    close() {
      for (const known of byTarget.values()) for (const session of known) session.destroy()
    },
  }
}

class Session implements SharedSession {
  readonly http2: ClientHttp2Session
  readonly ready: Promise<void>
  isConnected = false
  streams = 0
  readonly #clock: Clock
  readonly #forget: () => void
  #idle: Timer | undefined

  constructor(target: ProxyTarget, clock: Clock, forget: () => void) {
    this.#clock = clock
    this.#forget = forget
    const scheme = target.tls ? 'https' : 'http'
    this.http2 = connect(`${scheme}://${authorityOf(target)}`, {
      // ALB takes any certificate of a target.
      rejectUnauthorized: false,
      maxSendHeaderBlockLength: MAX_HEAD_BYTES,
      settings: { enablePush: false, maxHeaderListSize: MAX_HEAD_BYTES },
    })
    this.ready = new Promise((resolve, reject) => {
      this.http2.once('connect', () => {
        this.isConnected = true
        resolve()
      })
      this.http2.once('error', reject)
      this.http2.once('close', () => reject(hangUp()))
    })
    this.ready.catch(() => {})
    this.http2.on('error', () => {})
    // After either it takes no new streams; those under way may end.
    this.http2.once('goaway', () => this.#leave())
    this.http2.once('close', () => this.#leave())
  }

  get capacity(): number {
    const allowed = this.http2.remoteSettings?.maxConcurrentStreams ?? MAX_STREAMS
    return Math.max(1, Math.min(MAX_STREAMS, allowed))
  }

  use(): void {
    this.#idle?.cancel()
    this.streams++
  }

  free(): void {
    this.streams--
    if (this.streams > 0) return
    this.#idle = this.#clock.after(IDLE_MS, () => {
      this.#leave()
      this.http2.close()
    })
  }

  destroy(): void {
    this.#leave()
    this.http2.destroy()
  }

  #leave(): void {
    this.#idle?.cancel()
    this.#forget()
  }
}

function hangUp(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

function authorityOf({ host, port }: ProxyTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
