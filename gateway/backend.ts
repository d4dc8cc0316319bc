import type { Buffer } from 'node:buffer'
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type BackendFault, renderBackendFault } from './backend-fault.ts'
import type { Clock, Timer } from './core/clock.ts'
import type { Ids } from './core/ids.ts'
import type { Logger } from './core/log.ts'
import type { ComponentHealth, HealthStatus } from './health.ts'
import { credentialOf, type RequestHead } from './identify.ts'
import { createProxy } from './proxy.ts'
import type { OnFault, ProxyFault, ProxyTarget } from './proxy-fault.ts'

/** `none`: no backend is configured; `unknown`: it was not asked yet. */
export type BackendState = 'up' | 'down' | 'none' | 'unknown'

export interface BackendHealth extends ComponentHealth {
  readonly state: BackendState
  /** When it was first seen in this state, in milliseconds since the epoch. */
  readonly sinceMs: number
}

/** Where every service is that is not answered here. */
export interface Backend {
  readonly target: ProxyTarget | undefined
  /** `body`: the whole body where it was read already. */
  web(req: IncomingMessage, res: ServerResponse, body?: Buffer): void
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** From what is known; it is asked now and then, and proxied requests tell, too. */
  health(): BackendHealth
  /** Asks it now. */
  check(): Promise<BackendHealth>
  close(): void
}

export interface BackendOptions {
  /** `http://host:port`; undefined: there is none. */
  readonly url: string | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly ids: Ids
}

export const CHECK_TIMEOUT_MS = 2_000
export const CHECK_INTERVAL_MS = 15_000
/** LocalStack answers it; that anything else answers 404 tells as much. */
const CHECK_PATH = '/_localstack/health'
const DEFAULT_PORT = 80

const NONE =
  'No backend is configured, so only what KECS itself provides is answered. Give it LocalStack or ' +
  'another AWS emulator: kecs serve --backend http://localhost:4567'

/** The backend at `url`, asked for its health from now on until it is closed. */
export function createBackend(options: BackendOptions): Backend {
  const { url, clock, log, ids } = options
  const target = url === undefined ? undefined : targetOf(url)
  const proxy = createProxy({ clock })
  let closed = false
  let timer: Timer | undefined
  let health: BackendHealth = target
    ? healthOf('unknown', `The backend ${url} has not been asked yet.`, clock.now())
    : healthOf('none', NONE, clock.now())

  function know(state: BackendState, detail: string): void {
    const changed = state !== health.state
    if (changed && state === 'down') log.warn('the backend does not answer', { detail })
    if (changed && state === 'up') log.info('the backend answers', { backend: url })
    health = healthOf(state, detail, changed ? clock.now() : health.sinceMs)
  }

  async function check(): Promise<BackendHealth> {
    if (!target || closed) return health
    const trouble = await ask(target, clock)
    if (trouble === undefined) know('up', `The backend ${url} answers.`)
    else know('down', unreachable(url, trouble))
    return health
  }

  async function keepChecking(): Promise<void> {
    await check()
    if (!closed) timer = clock.after(CHECK_INTERVAL_MS, () => void keepChecking())
  }
  if (target) void keepChecking()

  function rendering(req: IncomingMessage): OnFault {
    return (fault) => {
      if (fault.kind === 'unreachable') know('down', unreachable(url, fault.detail))
      log.debug('a proxied request failed', { fault: fault.kind, detail: fault.detail })
      return renderBackendFault(headOf(req), backendFault(url, headOf(req), fault, ids.uuid()))
    }
  }

  return {
    target,
    web: (req, res, body) => proxy.web(req, res, target, rendering(req), body && { body }),
    upgrade: (req, socket, head) => proxy.upgrade(req, socket, head, target, rendering(req)),
    health: () => health,
    check,
    close() {
      closed = true
      timer?.cancel()
      proxy.close()
    },
  }
}

function targetOf(url: string): ProxyTarget {
  const { hostname, port } = new URL(url)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || DEFAULT_PORT }
}

const STATUSES: Readonly<Record<BackendState, HealthStatus>> = {
  up: 'up',
  // Nothing is wrong with a gateway that was never given one.
  none: 'up',
  unknown: 'degraded',
  down: 'down',
}

function healthOf(state: BackendState, detail: string, sinceMs: number): BackendHealth {
  return { status: STATUSES[state], state, detail, sinceMs }
}

/** Why it does not answer; any answer at all is one. */
function ask({ host, port }: ProxyTarget, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get({ host, port, path: CHECK_PATH, agent: false }, (answer) => {
      answer.on('error', () => {})
      end(undefined)
    })
    const timer = clock.after(CHECK_TIMEOUT_MS, () => {
      end(`it did not answer within ${CHECK_TIMEOUT_MS / 1000} s`)
    })
    // Asking must not keep a program alive that has nothing else to do.
    request.on('socket', (socket) => socket.unref())
    request.on('error', (error: NodeJS.ErrnoException) =>
      end(error.message || error.code || 'error'),
    )
    function end(trouble: string | undefined): void {
      timer.cancel()
      resolve(trouble)
      request.destroy()
    }
  })
}

function unreachable(url: string | undefined, trouble: string): string {
  return (
    `The backend ${url} cannot be reached (${trouble}). ` +
    'Start it, or give another one: kecs serve --backend URL'
  )
}

const TROUBLES: Readonly<Record<Exclude<ProxyFault['kind'], 'nowhere' | 'unreachable'>, string>> = {
  reset: 'failed before it had answered',
  timeout: 'did not answer in time',
  answer: 'gave an answer that is no HTTP',
  request: 'was not asked, for the request is unsafe to hand on',
  gone: 'had nobody left to answer',
}

function backendFault(
  url: string | undefined,
  head: RequestHead,
  { kind, detail }: ProxyFault,
  requestId: string,
): BackendFault {
  if (kind === 'nowhere') {
    const service = credentialOf(head)?.service
    const message = `${service ? `This call is for ${service}. ` : ''}${NONE}`
    return { status: 503, code: 'ServiceUnavailable', message, requestId }
  }
  if (kind === 'unreachable') {
    const message = unreachable(url, detail)
    return { status: 502, code: 'ServiceUnavailable', message, requestId }
  }
  const message = `The backend ${url} ${TROUBLES[kind]}: ${detail}.`
  if (kind === 'request') return { status: 400, code: 'BadRequest', message, requestId }
  const status = kind === 'timeout' ? 504 : 502
  return { status, code: 'ServiceUnavailable', message, requestId }
}

function headOf(req: IncomingMessage): RequestHead {
  return { method: req.method ?? 'GET', url: req.url ?? '/', headers: req.headers }
}
