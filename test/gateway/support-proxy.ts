import type { Buffer } from 'node:buffer'
import { createServer, type RequestListener } from 'node:http'
import {
  type AddressInfo,
  createServer as createRawServer,
  type Server,
  type Socket,
} from 'node:net'
import { suite } from 'uvu'
import { type Clock, systemClock } from '../../gateway/core/clock.ts'
import { systemIds } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createProxy, type ProxyOptions } from '../../gateway/proxy.ts'
import type { ProxyCall } from '../../gateway/proxy-call.ts'
import type { ProxyFault } from '../../gateway/proxy-fault.ts'
import { createHttpServer } from '../../gateway/server.ts'
import { RawConnection } from '../raw-http.ts'

/** A target that speaks no more HTTP than a test makes it speak. */
export interface RawTarget {
  readonly port: number
  /** Connections in the order in which they were made. */
  readonly sockets: readonly Socket[]
  /** Everything a connection (by its number) was sent. */
  heard(connection?: number): string
  /** Once `wanted` is in what a connection was sent. */
  hears(wanted: string | RegExp, connection?: number): Promise<string>
  close(): Promise<void>
}

export interface Front {
  readonly port: number
  readonly faults: ProxyFault[]
  /** Settles with the next fault, or with the first if there was one. */
  fault(): Promise<ProxyFault>
  connect(): RawConnection
  close(): Promise<void>
}

export interface FrontOptions extends Partial<Omit<ProxyOptions, 'clock'>> {
  readonly clock?: Clock
  /** Given to the proxy as a body that was read before. */
  readonly body?: Buffer
  readonly call?: ProxyCall
}

/** Called with each connection, all that came on it so far, and what came now. */
export type OnData = (socket: Socket, all: string, chunk: Buffer) => void

/** A suite of tests of the proxy; what they start or leave in `cleanUps` is gone after each. */
export function proxySuite(name: string) {
  const proxy = suite(name)
  const cleanUps: (() => Promise<void>)[] = []
  proxy.after.each(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })
  /** The proxy in front of a target that does what `onData` says. */
  async function start(onData: OnData, options?: FrontOptions): Promise<[Front, RawTarget]> {
    const target = await rawTarget(onData)
    cleanUps.push(() => target.close())
    const front = await frontOf(target.port, options)
    cleanUps.push(() => front.close())
    return [front, target]
  }
  return { proxy, cleanUps, start }
}

/** Calls `onData` with each connection, what came now, and all that came on it so far. */
export async function rawTarget(onData: OnData = () => {}): Promise<RawTarget> {
  const sockets: Socket[] = []
  const heard: string[] = []
  const listeners = new Set<() => void>()
  const server = createRawServer((socket) => {
    const number = sockets.push(socket) - 1
    heard[number] = ''
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      heard[number] += chunk.toString('latin1')
      onData(socket, heard[number] ?? '', chunk)
      for (const listener of listeners) listener()
    })
  })
  const port = await listening(server)
  return {
    port,
    sockets,
    heard: (connection = 0) => heard[connection] ?? '',
    hears(wanted, connection = 0) {
      return new Promise((resolve) => {
        const look = () => {
          const all = heard[connection] ?? ''
          if (typeof wanted === 'string' ? !all.includes(wanted) : !wanted.test(all)) return
          listeners.delete(look)
          resolve(all)
        }
        listeners.add(look)
        look()
      })
    },
    close() {
      for (const socket of sockets) socket.destroy()
      return closed(server)
    },
  }
}

/** A target that is an HTTP server of node. */
export async function httpTarget(listener: RequestListener) {
  const server = createServer(listener)
  const port = await listening(server)
  return {
    port,
    server,
    close() {
      server.closeAllConnections()
      return closed(server)
    },
  }
}

/** The gateway's own HTTP server with nothing behind it but the proxy. */
export async function frontOf(
  targetPort: number | undefined,
  options: FrontOptions = {},
): Promise<Front> {
  const { clock = systemClock, body, call = body && { body }, ...rest } = options
  const proxy = createProxy({ clock, ...rest })
  const target = targetPort === undefined ? undefined : { host: '127.0.0.1', port: targetPort }
  const faults: ProxyFault[] = []
  const waiting: ((fault: ProxyFault) => void)[] = []
  const connections: RawConnection[] = []
  const onFault = (fault: ProxyFault) => {
    faults.push(fault)
    for (const resolve of waiting.splice(0)) resolve(fault)
    return { status: 502, headers: { 'x-fault': fault.kind }, body: fault.detail }
  }
  const server = createHttpServer(
    {
      web: (req, res) => proxy.web(req, res, target, onFault, call),
      upgrade: (req, socket, head) => proxy.upgrade(req, socket, head, target, onFault, call),
    },
    { log: silentLogger, ids: systemIds },
  )
  const port = await server.listen(0, '127.0.0.1')
  return {
    port,
    faults,
    fault() {
      const [first] = faults
      return first ? Promise.resolve(first) : new Promise((resolve) => waiting.push(resolve))
    },
    connect() {
      const connection = new RawConnection(port)
      connections.push(connection)
      return connection
    },
    async close() {
      for (const connection of connections) connection.destroy()
      await server.close(0)
      proxy.close()
    },
  }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

/** A port on which nothing listens. */
export async function deadPort(): Promise<number> {
  const server = createRawServer()
  const port = await listening(server)
  await closed(server)
  return port
}

/** An answer of a given body, as it stands on the wire. */
export function answerOf(body: string, ...headers: string[]): string {
  const lines = [...headers, `content-length: ${body.length}`]
  return `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
