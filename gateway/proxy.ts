import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import process from 'node:process'
import { type Duplex, Readable } from 'node:stream'
import util from 'node:util'
import httpProxy from 'http-proxy'
import type { Clock } from './core/clock.ts'
import { createAgents } from './proxy-agent.ts'
import type { ProxyCall } from './proxy-call.ts'
import { Exchange } from './proxy-exchange.ts'
import type { OnFault, ProxyTarget } from './proxy-fault.ts'
import { requestHead } from './proxy-head.ts'
import { outgoingHeaders, type RawHeaders, upgradeHeaders } from './proxy-headers.ts'
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
  const exchanges = new WeakMap<IncomingMessage, Exchange>()
  const upgrades = new WeakMap<IncomingMessage, UpgradeExchange>()
  server.on('proxyReq', (outgoing, req) => exchanges.get(req)?.sent(outgoing))
  server.on('proxyRes', (answer, req) => exchanges.get(req)?.answered(answer))
  server.on('proxyReqWs', (outgoing: ClientRequest, req) => upgrades.get(req)?.sent(outgoing))

  return {
    web(req, res, target, onFault, call = {}) {
      const head = requestHead(req)
      const { body } = call
      const send = (to: ProxyTarget, fresh: boolean) => {
        const own = { headers: call.head?.headers, replayedBytes: body?.length }
        const headers = outgoingHeaders(head, authorityOf(to), own)
        const options = {
          ...verbatim(to, call.head?.url ?? head.url, headers),
          agent: fresh || call.alone ? agents.fresh(to) : agents.kept(to),
          selfHandleResponse: true,
          ...(body && { buffer: Readable.from([body]) }),
        }
        server.web(req, res, options, (error) => exchange.failed(error))
      }
      const rest = { clock, limits: call.limits ?? limits, call, head }
      const exchange = new Exchange({ req, res, target, onFault, send, ...rest })
      exchanges.set(req, exchange)
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

interface Passes {
  webPasses: { readonly name: string }[]
}

function createServer() {
  silenceExtend()
  const server = httpProxy.createProxyServer()
  // It turns a chunked DELETE into one of length 0 with a second request behind it.
  const passes = server as typeof server & Passes
  passes.webPasses = passes.webPasses.filter(({ name }) => name !== 'deleteLength')
  return server
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
