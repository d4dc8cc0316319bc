import { Buffer } from 'node:buffer'
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { request as secureRequest } from 'node:https'
import process from 'node:process'
import type { Duplex } from 'node:stream'
import util from 'node:util'
import httpProxy from 'http-proxy'
import type { Clock } from './core/clock.ts'
import { createAgents } from './proxy-agent.ts'
import type { ProxyCall } from './proxy-call.ts'
import { Exchange } from './proxy-exchange.ts'
import type { OnFault, ProxyTarget } from './proxy-fault.ts'
import { requestHead } from './proxy-head.ts'
import { isBodiless, outgoingHeaders, type RawHeaders, upgradeHeaders } from './proxy-headers.ts'
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
/** Of an answer's head. */
const MAX_HEAD_BYTES = 64 * 1024

/** A proxy for any number of targets. Paths, queries, Host, headers and bodies go as they came. */
export function createProxy(options: ProxyOptions): Proxy {
  const { clock } = options
  const limits = {
    connectMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    idleMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
  }
  const agents = createAgents()
  const server = createServer()
  const upgrades = new WeakMap<IncomingMessage, UpgradeExchange>()
  server.on('proxyReqWs', (outgoing: ClientRequest, req) => upgrades.get(req)?.sent(outgoing))

  return {
    web(req, res, target, onFault, call = {}) {
      const head = requestHead(req)
      const { body } = call
      const send = (to: ProxyTarget, fresh: boolean) => {
        const own = { headers: call.head?.headers, replayedBytes: body?.length }
        const { host, port, tls } = to
        // Not by http-proxy: it copies heads and pipes bodies that are not there.
        const outgoing = (tls ? secureRequest : request)({
          host,
          port,
          method: head.method,
          path: call.head?.url ?? head.url,
          headers: outgoingHeaders(head, authorityOf(to), own),
          agent: fresh || call.alone ? agents.fresh(to) : agents.kept(to),
          maxHeaderSize: MAX_HEAD_BYTES,
          rejectUnauthorized: false,
        })
        outgoing.once('socket', () => exchange.sent(outgoing))
        outgoing.once('response', (answer) => exchange.answered(answer))
        outgoing.on('error', (error) => exchange.failed(error))
        sendBody(req, outgoing, body ?? (isBodiless(head) ? NOTHING : undefined))
      }
      const rest = { clock, limits: call.limits ?? limits, call, head }
      const exchange = new Exchange({ req, res, target, onFault, send, ...rest })
      req.on('error', (error) => exchange.failed(error))
      exchange.start()
    },

    upgrade(req, socket, head, target, onFault, call = {}) {
      const send = (to: ProxyTarget) => {
        const headers = upgradeHeaders(req, authorityOf(to), call.head?.headers)
        const options = verbatim(to, call.head?.url ?? req.url ?? '/', headers)
        server.ws(req, socket, head, { ...options, agent: agents.fresh(to) }, (error) =>
          exchange.failed(error),
        )
      }
      const rest = { clock, limits: call.limits ?? limits, call }
      const exchange = new UpgradeExchange({ req, socket, target, onFault, send, ...rest })
      upgrades.set(req, exchange)
      exchange.start()
    },

    close: () => agents.close(),
  }
}

const NOTHING = Buffer.alloc(0)

function sendBody(req: IncomingMessage, outgoing: ClientRequest, known: Buffer | undefined): void {
  if (!known) {
    req.pipe(outgoing)
    return
  }
  if (known.length > 0) outgoing.end(known)
  else outgoing.end()
  // A request that is not read is not complete where streams share a connection.
  if (!req.complete) req.resume()
}

function createServer() {
  silenceExtend()
  return httpProxy.createProxyServer()
}

// http-proxy calls it on each request; from Node 22 on the first call warns the user of the program.
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
  return { target, ssl, toProxy: true, secure: false }
}

function fixed(value: unknown): PropertyDescriptor {
  return { enumerable: true, get: () => value, set() {} }
}

function authorityOf({ host, port }: ProxyTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
