import type { Edge } from './app.ts'
import { hostName } from './core/host-name.ts'
import type { Logger } from './core/log.ts'
import type { HealthReport } from './health.ts'
import type { RequestHead } from './identify.ts'
import { lazyPages } from './pages.ts'

export interface OwnPagesOptions {
  readonly health: () => HealthReport
  /** Whether calls are answered and tasks are looked after. */
  readonly ready: () => boolean
  readonly version: string
  readonly log: Logger
}

const PAGES = /^\/(health|ready)(\?|$)/
const SIGNED_QUERY = /[?&](X-Amz-Credential|X-Amz-Signature|AWSAccessKeyId|Signature)=/i
// Virtual hosts of S3 buckets: their /health is somebody's object.
const BUCKET_HOST = /(^|\.)s3[.-]/

/** GET and HEAD of /health and /ready on the API port, for whoever does not sign. */
export function createOwnPages(options: OwnPagesOptions): Edge {
  const { health, ready, version, log } = options

  async function build() {
    const { Hono } = await import('hono')
    const pages = new Hono()
    pages.get('/health', (context) => {
      const { status } = health()
      return context.json({ status, version }, status === 'down' ? 503 : 200)
    })
    pages.get('/ready', (context) => {
      const isReady = ready()
      return context.json({ ready: isReady }, isReady ? 200 : 503)
    })
    return pages
  }

  return {
    claims,
    web: lazyPages(build, log),
    upgrade: (_req, socket) => socket.destroy(),
  }
}

/** Signed ones are S3's: a bucket may be called `health`. */
function claims({ method, url, headers }: RequestHead): boolean {
  if (!PAGES.test(url) || (method !== 'GET' && method !== 'HEAD')) return false
  if (headers.authorization !== undefined || SIGNED_QUERY.test(url)) return false
  const host = headers.host
  return !BUCKET_HOST.test(hostName((Array.isArray(host) ? host[0] : host) ?? ''))
}
