import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { TransportProtocol } from '../runtime.ts'

const MAX_TRIES = 50

/** Host ports given out, so that two tasks never collide; each was free when it was taken. */
export class PortPool {
  readonly #bindHost: string
  readonly #taken = new Set<string>()

  constructor(bindHost: string) {
    this.#bindHost = bindHost
  }

  /** A free port, or exactly `fixed`; undefined where that one is taken or forbidden. */
  async take(protocol: TransportProtocol, fixed?: number): Promise<number | undefined> {
    if (fixed !== undefined) return (await this.#takeFixed(protocol, fixed)) ? fixed : undefined
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const port = await probe(protocol, this.#bindHost, 0)
      if (port === undefined) return undefined
      if (this.#taken.has(`${protocol}:${port}`)) continue
      this.#taken.add(`${protocol}:${port}`)
      return port
    }
    return undefined
  }

  give(protocol: TransportProtocol, port: number): void {
    this.#taken.delete(`${protocol}:${port}`)
  }

  async #takeFixed(protocol: TransportProtocol, port: number): Promise<boolean> {
    const key = `${protocol}:${port}`
    if (this.#taken.has(key)) return false
    this.#taken.add(key)
    if ((await probe(protocol, this.#bindHost, port)) === port) return true
    this.#taken.delete(key)
    return false
  }
}

function probe(
  protocol: TransportProtocol,
  host: string,
  port: number,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    if (protocol === 'udp') {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
      socket.once('error', () => {
        socket.close()
        resolve(undefined)
      })
      socket.bind(port, host, () => {
        const bound = socket.address().port
        socket.close(() => resolve(bound))
      })
      return
    }
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address()
      const bound = address && typeof address === 'object' ? address.port : undefined
      server.close(() => resolve(bound))
    })
  })
}
