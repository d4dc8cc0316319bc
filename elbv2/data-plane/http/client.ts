/** The client's end of a request: an HTTP exchange, or the connection of one who wants a WebSocket. */
import type { Buffer } from 'node:buffer'
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Proxy as HttpProxy } from '../../../gateway/proxy.ts'
import { sendWhole } from '../../../gateway/proxy-answer.ts'
import type { ProxyCall } from '../../../gateway/proxy-call.ts'
import type { FaultAnswer, OnFault, ProxyTarget } from '../../../gateway/proxy-fault.ts'
import { isHttp2 } from '../../../gateway/proxy-head.ts'
import { onceOver } from '../../../gateway/proxy-over.ts'
import { writeAnswer } from '../../../gateway/proxy-upgrade.ts'

export interface Client {
  readonly req: IncomingMessage
  /** Undefined where it wants a WebSocket. */
  readonly res: ServerResponse | undefined
  /** The connection, where no other stream shares it. */
  readonly socket: Duplex | undefined
  readonly isGone: boolean
  /** Once, when nothing of the request is under way any more. */
  onceOver(work: () => void): void
  answer(answer: FaultAnswer): void
  forward(proxy: HttpProxy, to: ProxyTarget, onFault: OnFault, call: ProxyCall): void
}

export function webClient(req: IncomingMessage, res: ServerResponse, clock: Clock): Client {
  return new WebClient(req, res, clock)
}

class WebClient implements Client {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly socket: Duplex | undefined
  isGone = false
  readonly #clock: Clock
  readonly #works: (() => void)[] = []

  constructor(req: IncomingMessage, res: ServerResponse, clock: Clock) {
    this.req = req
    this.res = res
    this.socket = isHttp2(req) ? undefined : req.socket
    this.#clock = clock
    onceOver(req, res, () => {
      this.isGone = true
      for (const work of this.#works) work()
    })
  }

  onceOver(work: () => void): void {
    this.#works.push(work)
  }

  answer(answer: FaultAnswer): void {
    sendWhole(this.req, this.res, answer, this.#clock)
  }

  forward(proxy: HttpProxy, to: ProxyTarget, onFault: OnFault, call: ProxyCall): void {
    proxy.web(this.req, this.res, to, onFault, call)
  }
}

export function upgradeClient(req: IncomingMessage, socket: Duplex, head: Buffer): Client {
  socket.on('error', () => socket.destroy())
  return {
    req,
    res: undefined,
    socket,
    get isGone() {
      return socket.destroyed
    },
    onceOver: (work) => void socket.once('close', work),
    answer(answer) {
      writeAnswer(socket, answer)
      socket.end()
      // The other side may never close its half.
      socket.once('finish', () => socket.destroy())
    },
    forward: (proxy, to, onFault, call) => proxy.upgrade(req, socket, head, to, onFault, call),
  }
}

/**
 * What is asked besides WebSockets (`Upgrade: h2c` of curl) is not upgraded to, and the request is
 * one like others; but node has let go of its connection, which therefore ends with the answer.
 */
export function responseOn(socket: Duplex, req: IncomingMessage): ServerResponse {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  socket.on('error', () => socket.destroy())
  res.assignSocket(socket as Socket)
  res.once('finish', () => {
    socket.end()
    socket.once('finish', () => socket.destroy())
  })
  return res
}
