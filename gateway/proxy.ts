import { Agent, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import process from 'node:process'
import type { Duplex } from 'node:stream'
import util from 'node:util'
import httpProxy from 'http-proxy'
import { MAX_HEAD_BYTES } from './answer-parser.ts'
import type { Clock } from './core/clock.ts'
import type { ProxyCall } from './proxy-call.ts'
import { Exchange } from './proxy-exchange.ts'
import { authorityOf, type OnFault, type ProxyTarget } from './proxy-fault.ts'
import { requestHead } from './proxy-head.ts'
import { type RawHeaders, upgradeHeaders } from './proxy-headers.ts'
import { TargetPool } from './proxy-pool.ts'
import { UpgradeExchange } from './proxy-upgrade.ts'

export interface Proxy {
  web(
    req: IncomingMessage,
    res: ServerResponse,
    target: ProxyTarget | undefined,
    onFault: OnFault,
    call?: ProxyCall,
  ): void
  /** WebSockets only. */
  upgrade(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    target: ProxyTarget | undefined,
    onFault: OnFault,
    call?: ProxyCall,
  ): void
  /** Cuts every connection to a target. */
  close(): void
}

export interface ProxyOptions {
  readonly clock: Clock
  readonly connectTimeoutMs?: number
  /** How long neither side may pass a byte. */
  readonly idleTimeoutMs?: number
}

export const CONNECT_TIMEOUT_MS = 10_000
/** Beyond the longest poll (a Lambda call of 15 minutes), below the time a client is given. */
export const IDLE_TIMEOUT_MS = 18 * 60_000

/** A proxy for any number of targets. Paths, queries, Host, headers and bodies go as they came. */
export function createProxy(options: ProxyOptions): Proxy {
  const { clock } = options
  const limits = {
    connectMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    idleMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
  }
  const pool = new TargetPool(clock)
  const server = createUpgradeServer()
  const upgrades = new WeakMap<IncomingMessage, UpgradeExchange>()
  server.on('proxyReqWs', (outgoing: ClientRequest, req) => upgrades.get(req)?.sent(outgoing))

  return {
    web(req, res, target, onFault, call = {}) {
      const held = call.limits ?? limits
      const head = requestHead(req)
      new Exchange({ req, res, target, onFault, pool, clock, limits: held, call, head }).start()
    },

    upgrade(req, socket, head, target, onFault, call = {}) {
      const send = (to: ProxyTarget) => {
        const headers = upgradeHeaders(req, authorityOf(to), call.head?.headers)
        const options = verbatim(to, call.head?.url ?? req.url ?? '/', headers)
        server.ws(req, socket, head, options, (error) => exchange.failed(error))
      }
      const rest = { clock, limits: call.limits ?? limits, call }
      const exchange = new UpgradeExchange({ req, socket, target, onFault, send, ...rest })
      upgrades.set(req, exchange)
      exchange.start()
    },

    close: () => pool.close(),
  }
}

function createUpgradeServer() {
  silenceExtend()
  return httpProxy.createProxyServer()
}

// http-proxy calls it on each upgrade; from Node 22 on the first call warns the user of the program.
function silenceExtend(): void {
  const before = process.noDeprecation
  process.noDeprecation = true
  Reflect.get(util, '_extend')?.({}, {})
  process.noDeprecation = before ?? false
}

/**
 * Options that make http-proxy send just this path and these headers. It fills `ssl` with what it
 * would send: a path without doubled slashes, headers without repetition and with all of Connection.
 */
function verbatim({ host, port, tls }: ProxyTarget, path: string, headers: RawHeaders) {
  const ssl = Object.defineProperties(
    { maxHeaderSize: MAX_HEAD_BYTES },
    { path: fixed(path), headers: fixed(headers) },
  )
  // Without `toProxy` it parses the path, and throws for some.
  const target = { protocol: tls ? 'https:' : 'http:', host, hostname: host, port }
  const agent = tls ? new SecureAgent() : new Agent()
  return { target, ssl, toProxy: true, secure: false, agent }
}

function fixed(value: unknown): PropertyDescriptor {
  return { enumerable: true, get: () => value, set() {} }
}
