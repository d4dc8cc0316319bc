import type { Socket } from 'node:net'
import type { Clock, Timer } from './core/clock.ts'

export interface ProxyLimits {
  readonly connectMs: number
  readonly idleMs: number
}

/** How many looks a whole silence takes: it ends at most this fraction of the limit too late. */
const LOOKS = 4

/**
 * Calls `onTimeout` once when a connection is not made in time, or passes no byte in either direction
 * for too long. Costs nothing per byte: it looks at the connection's counters.
 */
export function watchSilence(
  socket: Socket,
  clock: Clock,
  limits: ProxyLimits,
  onTimeout: (detail: string) => void,
): Timer {
  const { connectMs, idleMs } = limits
  let passed = -1
  let looks = 0
  let timer: Timer

  function look(): void {
    const now = socket.bytesRead + socket.bytesWritten
    looks = now === passed ? looks + 1 : 0
    passed = now
    if (looks >= LOOKS) onTimeout(`no byte passed for ${idleMs / 1000} s`)
    else timer = clock.after(idleMs / LOOKS, look)
  }

  if (socket.connecting) {
    timer = clock.after(connectMs, () => onTimeout(`no connection within ${connectMs / 1000} s`))
    socket.once('connect', () => {
      timer.cancel()
      look()
    })
    socket.once('close', () => timer.cancel())
  } else {
    look()
  }
  return { cancel: () => timer.cancel() }
}

/** Calls `work` when there is a connection, over TLS when it is shaken hands; at once for a kept one. */
export function onceConnected(socket: Socket, work: () => void): void {
  if (!socket.connecting) work()
  else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', work)
}

/** Bytes of one request on a target's connection, its heads included. */
export interface ProxyBytes {
  readonly sent: number
  readonly received: number
}

/** Counts what passes on a connection from now on until it is stopped. */
export class ByteCount {
  readonly #socket: Socket
  readonly #begin: ProxyBytes
  #end: ProxyBytes | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    this.#begin = this.#now()
  }

  /** What passed until it was first called. */
  stop(): ProxyBytes {
    this.#end ??= this.#now()
    return {
      sent: this.#end.sent - this.#begin.sent,
      received: this.#end.received - this.#begin.received,
    }
  }

  #now(): ProxyBytes {
    return { sent: this.#socket.bytesWritten, received: this.#socket.bytesRead }
  }
}
