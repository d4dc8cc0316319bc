/** A port of HTTP listeners: node's server with the limits of the API port, and ALB's own pages. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../../gateway/core/clock.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import type { FaultAnswer } from '../../../gateway/proxy-fault.ts'
import { createHttpServer, SERVER_LIMITS, type ServerLimits } from '../../../gateway/server.ts'
import { type ConnectionWatch, createPlainPeers } from '../logs/connection-watch.ts'
import type { HttpFront, LiveListener, OpenListener } from '../model.ts'
import { ownPage, ownReason } from '../rules/own-answers.ts'
import { MAX_HEAD, MAX_REQUEST_LINE } from './request-checks.ts'

export interface HttpPortOptions {
  readonly front: HttpFront
  readonly watch: ConnectionWatch
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly limits?: ServerLimits
}

/** Whole heads come through to where it is known what is wrong with them. */
export const LIMITS: ServerLimits = { ...SERVER_LIMITS, headBytes: MAX_HEAD + MAX_REQUEST_LINE }

/** Holds a client's connection to its load balancer's times; called with each of its requests. */
export type LastsFor = (listener: LiveListener, req: IncomingMessage, res: ServerResponse) => void

export function createLastsFor(clock: Clock): LastsFor {
  /** When the first request of a connection came. */
  const since = new WeakMap<Duplex, number>()
  return ({ balancer }, req, res) => {
    const { clientKeepAliveMs, idleTimeoutMs } = balancer.settings
    const { socket } = req
    const begin = since.get(socket) ?? clock.now()
    since.set(socket, begin)
    if (clock.now() - begin >= clientKeepAliveMs) res.shouldKeepAlive = false
    // After node has set its own: how long the connection may wait for its next request.
    res.once('finish', () => socket.setTimeout(idleTimeoutMs))
  }
}

export function createHttpPort(options: HttpPortOptions): OpenListener {
  const { front, watch, clock, ids, log, limits = LIMITS } = options
  const lastsFor = createLastsFor(clock)
  const peerTo = createPlainPeers(watch, clock)

  return async (host, listeners) => {
    const server = createHttpServer(
      {
        web(req, res) {
          const listener = listeners.forHost(req.headers.host)
          if (!listener) return void res.destroy()
          lastsFor(listener, req, res)
          front.web(listener, peerTo(listener, req.socket, 'http'), req, res)
        },
        upgrade(req, socket, head) {
          const listener = listeners.forHost(req.headers.host)
          if (!listener) return void socket.destroy()
          front.upgrade(listener, peerTo(listener, req.socket, 'http'), req, socket, head)
        },
      },
      { log, ids, limits, refusal, dropped: () => watch.rejected(listeners) },
    )
    await server.listen(listeners.port, host)
    return { close: (graceMs) => server.close(graceMs) }
  }
}

/** ALB knows no 431: too large a head is a bad request. */
export function refusal(given: number): FaultAnswer {
  const status = given === 431 ? 400 : given
  const { headers, body } = ownPage(status)
  return { status, reason: ownReason(status), headers, body }
}
