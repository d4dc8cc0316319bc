import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Backend } from './backend.ts'
import { readBody } from './body.ts'
import type { Clock } from './core/clock.ts'
import { AwsFault, messageOf } from './core/fault.ts'
import type { Ids } from './core/ids.ts'
import type { Logger } from './core/log.ts'
import type { Answer, Dispatcher } from './dispatch.ts'
import type { Guard } from './guard.ts'
import { DEFAULT_ACCOUNT, identify, type RequestHead, scopeOf } from './identify.ts'
import { endUnread } from './linger.ts'

/** What answers requests that are no API calls, e.g. a load balancer's host name. */
export interface Edge {
  /** Whether this request is the edge's, by its head alone. */
  claims(head: RequestHead): boolean
  web(req: IncomingMessage, res: ServerResponse): void
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
}

export interface AppOptions {
  readonly dispatcher: Dispatcher
  readonly backend: Backend
  readonly guard: Guard
  /** First come first asked. */
  readonly edges: readonly Edge[]
  /** Answers GET /health and /ready: what is no AWS call and belongs to the gateway itself. */
  readonly own: Edge
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly defaultAccount?: string
}

export interface App {
  web(req: IncomingMessage, res: ServerResponse): void
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
}

/** The whole request path, in order: edge → guard → own pages → identify → dispatch, or proxy. */
export function createApp(options: AppOptions): App {
  const { dispatcher, backend, guard, edges, own, clock, ids, log } = options
  const account = options.defaultAccount ?? DEFAULT_ACCOUNT

  async function web(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const head = headOf(req)
    const edge = edges.find((each) => each.claims(head))
    if (edge) return edge.web(req, res)
    const requestId = ids.uuid()
    const refused = guard.refuse(head)
    if (refused) {
      return sendPlain(res, requestId, clock, new AwsFault('AccessDeniedException', refused, 403))
    }
    const cors = guard.corsHeaders(head)
    if (cors) {
      for (const [name, value] of Object.entries(cors)) res.setHeader(name, value)
      if (isPreflight(head)) return void res.writeHead(204).end()
    }
    if (own.claims(head)) return own.web(req, res)

    let found = identify(head, dispatcher.routes)
    if (found.kind === 'other') return backend.web(req, res)
    continueIfAsked(req, res)
    let body = await readBody(req, clock)
    if (body === undefined) return
    if (found.kind === 'form') {
      const form = body instanceof AwsFault ? '' : body.toString('latin1')
      found = identify(head, dispatcher.routes, form)
      if (found.kind !== 'call') {
        if (body instanceof AwsFault) return sendPlain(res, requestId, clock, body)
        return backend.web(req, res, body)
      }
    }
    const { provider, operation } = found
    // The query protocol may put its form into the URL.
    if (isQueryCall(head) && !(body instanceof AwsFault)) body = Buffer.from(queryOf(head))
    const contentType = req.headers['content-type']
    const scope = scopeOf(head, account)
    const call = { ...scope, provider, operation, requestId, contentType, body }
    const answer = await dispatcher.call(call)
    send(res, requestId, answer, body instanceof AwsFault ? clock : undefined)
  }

  function upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const request = headOf(req)
    const edge = edges.find((each) => each.claims(request))
    if (edge) {
      edge.upgrade(req, socket, head)
      return
    }
    if (guard.refuse(request)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
      return
    }
    backend.upgrade(req, socket, head)
  }

  function onBug(error: unknown, res: ServerResponse): void {
    const requestId = ids.uuid()
    const stack = error instanceof Error ? error.stack : undefined
    log.error(`bug: ${messageOf(error)}`, { requestId, stack })
    if (res.headersSent) return void res.destroy()
    const message = `Internal error; the log has it as ${requestId}.`
    sendPlain(res, requestId, clock, new AwsFault('ServerException', message, 500))
  }

  return { web: (req, res) => void web(req, res).catch((error) => onBug(error, res)), upgrade }
}

function headOf(req: IncomingMessage): RequestHead {
  return { method: req.method ?? 'GET', url: req.url ?? '/', headers: req.headers }
}

function isQueryCall({ method, headers }: RequestHead): boolean {
  return method === 'GET' && headers['x-amz-target'] === undefined
}

function queryOf({ url }: RequestHead): string {
  const mark = url.indexOf('?')
  return mark === -1 ? '' : url.slice(mark + 1)
}

function isPreflight(head: RequestHead): boolean {
  return head.method === 'OPTIONS' && head.headers['access-control-request-method'] !== undefined
}

// A proxied request leaves the question to the backend; ours is read here, so it may come.
function continueIfAsked(req: IncomingMessage, res: ServerResponse): void {
  if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue()
}

/** With `linger` where the body was not read to its end: the connection cannot be used again. */
function send(res: ServerResponse, requestId: string, answer: Answer, linger?: Clock): void {
  const body = Buffer.from(answer.body)
  const headers: Record<string, string | number> = {
    'x-amzn-RequestId': requestId,
    'content-type': answer.contentType,
    'content-length': body.length,
  }
  if (linger) headers.connection = 'close'
  res.writeHead(answer.status, headers)
  if (linger) endUnread(res, body, linger)
  else res.end(body)
}

// Before it is known whose call it is there is no protocol to answer in; JSON is the least wrong.
function sendPlain(res: ServerResponse, requestId: string, clock: Clock, fault: AwsFault): void {
  const body = JSON.stringify({ __type: fault.code, message: fault.message })
  const answer = { status: fault.status, contentType: 'application/x-amz-json-1.1', body }
  send(res, requestId, answer, clock)
}
