/**
 * Calls to an API server over node:https: each with a time-out, streams that can be called off. The
 * library reads kubeconfigs and keeps credentials fresh; its generated client has neither.
 */
import type { IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import process from 'node:process'
import type { KubeConfig } from '@kubernetes/client-node'
import { serviceAccount } from './service-account.ts'

const REQUEST_TIMEOUT_MS = 20_000
const NO_KUBECONFIG = 'loaded-context'
const MAX_SOCKETS = 16
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/** The API server answered, and it was a no. */
export class KubeFault extends Error {
  readonly status: number
  readonly reason: string
  constructor(status: number, reason: string, message: string) {
    super(message)
    this.name = 'KubeFault'
    this.status = status
    this.reason = reason
  }
}

export interface KubeRequest {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
  readonly timeoutMs?: number
}

export interface KubeStream {
  readonly path: string
  readonly query: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Silence after which the connection counts as dead; 0: never. */
  readonly idleMs: number
}

export interface KubeClient {
  readonly server: string
  /** Faults: KubeFault where the server said no; any other Error where it was not reached. */
  request<T>(request: KubeRequest): Promise<T>
  /** Lines as they come; ends when the server ends, or quietly when it is called off. */
  lines(stream: KubeStream): AsyncGenerator<string>
  close(): void
}

export interface ClientOptions {
  readonly kubeconfig?: string
  readonly context?: string
}

/** Where an API server is, and what it takes to be let in. */
export interface Access {
  readonly server: string
  /** Adds authorities and credentials as they are now. */
  applyTo(options: RequestOptions): Promise<void>
  /** Requests go by the agent that `applyTo` sets: there is a proxy on the way. */
  readonly proxied?: boolean
}

/** A client for the kubeconfig's context, or, in a pod and unless told otherwise, its service account. */
export async function createKubeClient(options: ClientOptions): Promise<KubeClient> {
  const { kubeconfig, context } = options
  const inPod =
    kubeconfig === undefined && context === undefined
      ? serviceAccount(process.env, Date.now)
      : undefined
  return clientOf(inPod ?? (await configured(options)))
}

async function configured(options: ClientOptions): Promise<Access> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  if (options.kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(options.kubeconfig)
  if (options.context !== undefined && config.getCurrentContext() !== NO_KUBECONFIG) {
    if (!config.getContextObject(options.context)) {
      const known = config.getContexts().map(({ name }) => name)
      throw new Error(
        `the kubeconfig has no context ${options.context}; it has ${known.join(', ') || 'none'}`,
      )
    }
    config.setCurrentContext(options.context)
  }
  // The library's way to say that there is nothing to read.
  if (config.getCurrentContext() === NO_KUBECONFIG) throw new Error('no kubeconfig was found')
  const cluster = config.getCurrentCluster()
  if (!cluster) throw new Error('the kubeconfig names no cluster')
  return accessOf(config, cluster.server, cluster.proxyUrl !== undefined)
}

function accessOf(config: KubeConfig, server: string, proxied: boolean): Access {
  return { server, applyTo: (options) => config.applyToHTTPSOptions(options), proxied }
}

function clientOf({ server, applyTo, proxied = false }: Access): KubeClient {
  const base = new URL(server)
  if (base.protocol !== 'https:') throw new Error(`the API server ${server} is not https`)
  const prefix = base.pathname.replace(/\/$/, '')
  // Streams have sockets of their own: a hundred followers must not keep requests waiting.
  const pools = { request: poolOf(MAX_SOCKETS), stream: poolOf(Number.POSITIVE_INFINITY) }

  async function open(
    pool: keyof typeof pools,
    { method = 'GET', path, query = {}, body }: KubeRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const auth: RequestOptions = { headers: {} }
    await applyTo(auth)
    const pairs = Object.entries(query).filter(([, value]) => value !== undefined)
    const search = new URLSearchParams(pairs as [string, string][]).toString()
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const type = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json'
    const length = text && { 'content-type': type, 'content-length': text.length }
    return new Promise((resolve, reject) => {
      const call = https.request(
        {
          ...auth,
          // A proxy's agent is the library's; ours keeps connections.
          agent: proxied ? auth.agent : pools[pool],
          method,
          host: base.hostname.replace(/^\[(.*)\]$/, '$1'),
          port: base.port || 443,
          path: `${prefix}${path}${search && `?${search}`}`,
          headers: { ...auth.headers, accept: 'application/json', ...length },
          signal,
        },
        (answer) => {
          // Whoever reads it hears of it; one called off has no reader any more.
          answer.on('error', () => {})
          resolve(answer)
        },
      )
      call.on('error', reject)
      call.end(text)
    })
  }

  return {
    server,
    async request<T>(request: KubeRequest): Promise<T> {
      const call = new Call(request.timeoutMs ?? REQUEST_TIMEOUT_MS)
      try {
        const answer = await open('request', request, call.signal)
        const text = await textOf(answer)
        call.over()
        if ((answer.statusCode ?? 0) >= 300) throw faultOf(answer, text)
        return JSON.parse(text) as T
      } catch (thrown) {
        call.callOff()
        throw call.silent ? silence(server, thrown) : thrown
      }
    },
    async *lines({ signal, idleMs, ...stream }) {
      const call = new Call(idleMs)
      const callOff = () => call.callOff()
      signal.addEventListener('abort', callOff)
      if (signal.aborted) callOff()
      try {
        const answer = await open('stream', stream, call.signal)
        if ((answer.statusCode ?? 0) >= 300) {
          const text = await textOf(answer)
          call.over()
          throw faultOf(answer, text)
        }
        yield* linesOf(answer, () => call.heard())
        call.over()
      } catch (thrown) {
        if (call.silent) throw silence(server, thrown)
        if (!signal.aborted) throw thrown
      } finally {
        signal.removeEventListener('abort', callOff)
        callOff()
      }
    },
    close() {
      pools.request.destroy()
      pools.stream.destroy()
    },
  }
}

/** When a call is given up. Once it is over its connection serves others, and Deno would cut those off. */
class Call {
  readonly #off = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined
  #over = false
  silent = false

  /** 0: silence is borne for ever. */
  constructor(patienceMs: number) {
    if (patienceMs === 0) return
    this.#timer = setTimeout(() => {
      this.silent = true
      this.callOff()
    }, patienceMs)
  }

  get signal(): AbortSignal {
    return this.#off.signal
  }

  heard(): void {
    this.#timer?.refresh()
  }

  over(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }

  callOff(): void {
    clearTimeout(this.#timer)
    if (!this.#over) this.#off.abort()
  }
}

function silence(server: string, cause: unknown): Error {
  return new Error(`the API server ${server} did not answer in time`, { cause })
}

function poolOf(maxSockets: number): https.Agent {
  return new https.Agent({ keepAlive: true, maxSockets })
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer of the API server is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

async function* linesOf(answer: IncomingMessage, heard: () => void): AsyncGenerator<string> {
  answer.setEncoding('utf8')
  let rest = ''
  for await (const chunk of answer) {
    heard()
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

function faultOf(answer: IncomingMessage, text: string): KubeFault {
  const status = answer.statusCode ?? 0
  try {
    const { reason = '', message = text } = JSON.parse(text)
    return new KubeFault(status, String(reason), String(message))
  } catch {
    return new KubeFault(status, '', text.slice(0, 500) || `HTTP ${status}`)
  }
}
