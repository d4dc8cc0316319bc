import type { Context, Hono } from 'hono'
import { answerLogs, type Incoming, type LogSource } from './admin-logs.ts'
import type { App } from './app.ts'
import { readBody } from './body.ts'
import type { Clock } from './core/clock.ts'
import { AwsFault, messageOf } from './core/fault.ts'
import type { Logger } from './core/log.ts'
import type { Guard } from './guard.ts'
import type { HealthReport } from './health.ts'
import { METRICS_CONTENT_TYPE } from './metrics.ts'
import { lazyPages } from './pages.ts'
import { SqlFault } from './sql-guard.ts'
import type { SqlAnswer } from './sql-worker.ts'

/** What the caller of a page did wrong, in words for them. */
export class AdminFault extends Error {
  readonly status: 400 | 408 | 413
  constructor(message: string, status: 400 | 408 | 413 = 400) {
    super(message)
    this.name = 'AdminFault'
    this.status = status
  }
}

export interface AdminOptions {
  readonly guard: Guard
  readonly clock: Clock
  readonly log: Logger
  readonly health: () => HealthReport
  readonly metrics: () => string
  /** Plain facts of the running gateway, e.g. its version and endpoint. */
  readonly info: () => Readonly<Record<string, unknown>>
  /** Read-only SQL over state and history; rejects with a SqlFault. */
  readonly sql: (statement: string) => Promise<SqlAnswer>
  /** What writes logs that can be asked for, by its kind: `task`, `service` and `lb`. */
  readonly logs: Readonly<Record<string, LogSource>>
  /** Stops every task and deletes all that is stored; answers how many rows that were. */
  readonly reset: () => Promise<{ readonly rows: number; readonly tasks: number }>
}

/** The admin port: health, metrics, facts, SQL and reset. The same Host rules as the API port's. */
export function createAdmin(options: AdminOptions): App {
  const { guard, log } = options
  const serve = lazyPages(() => build(options), log)
  return {
    web(req, res) {
      const head = { method: req.method ?? 'GET', url: req.url ?? '/', headers: req.headers }
      const refused = guard.refuse(head)
      if (!refused) {
        if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue()
        return serve(req, res)
      }
      const body = JSON.stringify({ error: refused })
      res.writeHead(403, { 'content-type': 'application/json', connection: 'close' }).end(body)
    },
    upgrade: (_req, socket) => {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    },
  }
}

async function build(options: AdminOptions): Promise<Hono<Incoming>> {
  const { Hono } = await import('hono')
  const pages = new Hono<Incoming>()
  pages.get('/', (context) => context.json({ pages: PAGES }))
  pages.get('/health', (context) => {
    const { status } = options.health()
    return context.json({ status }, status === 'down' ? 503 : 200)
  })
  pages.get('/health/detailed', (context) => {
    const report = options.health()
    const components = report.components.map(({ sinceMs, ...rest }) => {
      return { ...rest, since: new Date(sinceMs).toISOString() }
    })
    return context.json({ ...report, components }, report.status === 'down' ? 503 : 200)
  })
  pages.get('/metrics', (context) => {
    return context.body(options.metrics(), 200, { 'content-type': METRICS_CONTENT_TYPE })
  })
  pages.get('/info', (context) => context.json(options.info()))
  pages.get('/logs/:kind/:name', (context) => answerLogs(context, options.logs, options.log))
  pages.post('/sql', (context) =>
    answered(context, async () => {
      const { sql } = await bodyOf(context, options.clock)
      if (typeof sql !== 'string') throw new AdminFault('The body has to be {"sql": "SELECT …"}.')
      return options.sql(sql)
    }),
  )
  pages.post('/reset', (context) =>
    answered(context, async () => {
      await bodyOf(context, options.clock)
      return options.reset()
    }),
  )
  return pages
}

const PAGES = [
  'GET /health',
  'GET /health/detailed',
  'GET /metrics',
  'GET /info',
  'GET /logs/task/ID',
  'GET /logs/service/CLUSTER%2FNAME',
  'GET /logs/lb/NAME',
  'POST /sql',
  'POST /reset',
]

// Reasons that another statement would not have met.
const CALLERS: ReadonlySet<string> = new Set(['REFUSED', 'INVALID'])

async function answered(
  context: Context<Incoming>,
  work: () => Promise<object>,
): Promise<Response> {
  const forged = crossSite(context)
  if (forged) return context.json({ error: forged }, 403)
  try {
    return context.json(await work())
  } catch (error) {
    if (error instanceof AdminFault) return context.json({ error: error.message }, error.status)
    if (error instanceof SqlFault) {
      const { message, reason } = error
      return context.json({ error: message, reason }, CALLERS.has(reason) ? 400 : 503)
    }
    throw error
  }
}

/**
 * A page elsewhere can make a browser send a form, or JSON dressed as text, without asking first.
 * The browser says so (Fetch Metadata, Origin), and cannot send JSON as JSON unasked.
 */
function crossSite(context: Context<Incoming>): string | undefined {
  const site = context.req.header('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return `A request that a browser calls ${JSON.stringify(site)} is refused.`
  }
  const origin = context.req.header('origin')
  if (origin !== undefined && hostOf(origin) !== context.req.header('host')) {
    return `Origin ${JSON.stringify(origin)} is not this port's own.`
  }
  const type = context.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  return type === 'application/json' ? undefined : 'Content-Type has to be application/json.'
}

function hostOf(origin: string): string {
  return origin.replace(/^[a-z]+:\/\//i, '')
}

async function bodyOf(context: Context<Incoming>, clock: Clock): Promise<Record<string, unknown>> {
  const bytes = await readBody(context.env.incoming, clock)
  if (bytes instanceof AwsFault || bytes === undefined) {
    context.header('connection', 'close')
    const status = bytes?.status === 413 || bytes?.status === 408 ? bytes.status : 400
    throw new AdminFault(bytes?.message ?? 'The request ended before its body did.', status)
  }
  if (bytes.length === 0) return {}
  let body: unknown
  try {
    body = JSON.parse(bytes.toString())
  } catch (error) {
    throw new AdminFault(`The body is not JSON: ${messageOf(error)}.`)
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new AdminFault('The body has to be a JSON object.')
  }
  return body as Record<string, unknown>
}
