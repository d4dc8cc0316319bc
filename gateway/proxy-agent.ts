import { Agent, type AgentOptions, type ClientRequest } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import { Socket, type TcpNetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ProxyTarget } from './proxy-fault.ts'

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

/** Node's own servers hang up after 5 s: an idle connection goes before it can be found dead. */
const FREE_SOCKET_MS = 4_000
/** To one target. */
const FREE_SOCKETS = 64
/** To all targets together: a thousand of them must not use up a process's file descriptors. */
export const ALL_FREE_SOCKETS = 512

function destroyed(this: Duplex): void {
  this.destroy()
}

/** Idle connections to whatever target: the one that has waited longest makes room. */
class IdleSockets {
  readonly #sockets = new Set<Duplex>()
  readonly #known = new WeakSet<Duplex>()

  add(socket: Duplex): void {
    this.#sockets.add(socket)
    // Nobody asked for what comes now: the next request must not take it for its answer.
    socket.on('data', destroyed)
    // One listener for its whole life; it is idle many times.
    if (!this.#known.has(socket)) {
      this.#known.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    }
    if (this.#sockets.size <= ALL_FREE_SOCKETS) return
    const [oldest] = this.#sockets
    if (oldest) this.#sockets.delete(oldest)
    oldest?.destroy()
  }

  remove(socket: Duplex): void {
    socket.off('data', destroyed)
    this.#sockets.delete(socket)
  }
}

class PlainAgent extends Agent {
  readonly #idle: IdleSockets | undefined

  constructor(options?: AgentOptions, idle?: IdleSockets) {
    super(options)
    this.#idle = idle
  }

  override createConnection(options: TcpNetConnectOpts): Socket {
    return new TargetSocket().connect(options)
  }

  override keepSocketAlive(socket: Duplex): boolean {
    this.#idle?.add(socket)
    return keptAlive(super.keepSocketAlive(socket), socket)
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.#idle?.remove(socket)
    super.reuseSocket(socket, request)
  }
}

class TlsAgent extends SecureAgent {
  readonly #idle: IdleSockets | undefined

  constructor(options?: AgentOptions, idle?: IdleSockets) {
    super(options)
    this.#idle = idle
  }

  override keepSocketAlive(socket: Duplex): boolean {
    this.#idle?.add(socket)
    return keptAlive(super.keepSocketAlive(socket), socket)
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.#idle?.remove(socket)
    super.reuseSocket(socket, request)
  }
}

// Node answers whether it is kept, though its types do not say so.
function keptAlive(kept: unknown, socket: Duplex): boolean {
  return kept !== false && !socket.destroyed
}

export interface Agents {
  /** Of connections that are kept for further requests. */
  kept(target: ProxyTarget): Agent
  /** Of one connection, for one request. */
  fresh(target: ProxyTarget): Agent
  close(): void
}

/** Connections to targets, plain and over TLS. */
export function createAgents(): Agents {
  const idle = new IdleSockets()
  const options = { keepAlive: true, maxFreeSockets: FREE_SOCKETS, timeout: FREE_SOCKET_MS }
  const plain = new PlainAgent(options, idle)
  const secure = new TlsAgent(options, idle)
  return {
    kept: ({ tls }) => (tls ? secure : plain),
    fresh: ({ tls }) => (tls ? new TlsAgent() : new PlainAgent()),
    close() {
      plain.destroy()
      secure.destroy()
    },
  }
}
