import type { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../../../gateway/core/clock.ts'

export interface SpliceOptions {
  readonly clock: Clock
  /** No byte in either direction for so long and both sides are reset. */
  readonly idleMs: number
  /** Said to the target before the client's first byte, not before that comes. */
  readonly header: Buffer | undefined
  /** Bytes of either side, as they come. */
  passed(bytes: number): void
  /** Called once, when both sides are closed. */
  ended(): void
}

/** Joins two connections, each half-close by itself; neither may have been read. What cuts it off. */
export function splice(client: Socket, target: Socket, options: SpliceOptions): () => void {
  const { clock, idleMs, header } = options
  let lastMs = clock.now()
  let timer = clock.after(idleMs, checkIdle)
  let open = 2

  function cut(): void {
    reset(client)
    reset(target)
  }

  function checkIdle(): void {
    const leftMs = lastMs + idleMs - clock.now()
    if (leftMs <= 0) cut()
    else timer = clock.after(leftMs, checkIdle)
  }

  function watch(socket: Socket, other: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      lastMs = clock.now()
      options.passed(chunk.length)
    })
    socket.on('error', cut)
    socket.once('close', () => {
      open--
      // What it had yet to say is lost: the other side must not take it for a whole.
      if (!other.readableEnded || !socket.readableEnded) reset(other)
      if (open > 0) return
      timer.cancel()
      options.ended()
    })
  }

  watch(client, target)
  watch(target, client)
  if (header) withHeader(client, target, header)
  else client.pipe(target)
  target.pipe(client)
  return cut
}

function withHeader(client: Socket, target: Socket, header: Buffer): void {
  const end = () => target.end()
  client.once('end', end)
  client.once('data', (first) => {
    client.off('end', end)
    client.pause()
    target.write(header)
    target.write(first)
    client.pipe(target)
  })
  client.resume()
}

/** As network load balancers end connections; under TLS there is no such end. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return
  if (socket instanceof TLSSocket || socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}
