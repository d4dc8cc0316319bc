import { type AddressInfo, createServer, type ServerOpts, type Socket } from 'node:net'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { OpenPort, PortListeners } from '../model.ts'

export interface TcpServerOptions extends ServerOpts {
  readonly clock: Clock
  readonly maxConnections: number
  accept(socket: Socket): void
  /** Ends a connection that outlived the time it was given. */
  cut(socket: Socket): void
  /** A connection was turned away because there are too many. */
  dropped(): void
}

export interface NumberedPort extends OpenPort {
  /** The one that it has, also where any was asked for. */
  readonly port: number
}

/** An `OpenListener` that tells the number. */
export type OpenNumbered = (host: string, listeners: PortListeners) => Promise<NumberedPort>

/** Listens for connections; `close` resolves when the last one is closed, or cut off after its time. */
export async function listenTcp(
  host: string,
  port: number,
  options: TcpServerOptions,
): Promise<NumberedPort> {
  const { clock, maxConnections, accept, cut, dropped, ...serverOptions } = options
  const open = new Set<Socket>()
  const server = createServer({ ...serverOptions, noDelay: true }, (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    accept(socket)
  })
  server.maxConnections = maxConnections
  server.on('drop', dropped)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close(graceMs) {
      return new Promise((resolve) => {
        const timer = clock.after(graceMs, () => {
          for (const socket of open) cut(socket)
        })
        server.close(() => {
          timer.cancel()
          resolve()
        })
      })
    },
  }
}
