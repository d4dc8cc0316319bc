import { adminClient } from '../admin-client.ts'
import type { Progress } from '../progress.ts'
import type { Started } from './start.ts'
import { statusOf } from './wait-ready.ts'

/** Of the host, as pods call it. */
const HOST = 'host.k3d.internal'
/** LocalStack answers it; that anything else answers 404 tells as much. */
const PATH = '/_localstack/health'
const BAD_GATEWAY = 502

/** Warns where pods do not reach the backend, which else only the first call to it would tell. */
export async function warnOfBackend(started: Started, progress: Progress): Promise<void> {
  // One request to it makes the control plane look at once, and not when it next would.
  const status = await statusOf(Number(new URL(started.endpoint).port), PATH)
  if (typeof status === 'number' && status < BAD_GATEWAY) return
  const detail = await detailOf(started.adminEndpoint)
  if (detail === undefined) return
  const first = detail.split('. ')[0] ?? detail
  progress.warn(
    `${first}.`,
    detail.includes(HOST) ? await ofThisMachine(started.backend) : ELSEWHERE,
  )
}

const ELSEWHERE = 'Start it, or start again with another --backend. kecs goes on asking it.'

async function ofThisMachine(url: string): Promise<string> {
  const port = Number(new URL(url).port || 80)
  const isThere = typeof (await statusOf(port, PATH)) === 'number'
  return isThere
    ? `It answers on 127.0.0.1 of this machine, and pods come by another address (${HOST}): let it listen on 0.0.0.0, and see that no firewall keeps containers out. kecs goes on asking it.`
    : `Nothing answers on port ${port} of this machine: start it, listening on 0.0.0.0, for pods come by another address than 127.0.0.1. kecs goes on asking it.`
}

interface Part {
  readonly name: string
  readonly status: string
  readonly detail: string
}

async function detailOf(adminEndpoint: string): Promise<string | undefined> {
  const { components } = (await adminClient(adminEndpoint).get('/health/detailed')) as {
    readonly components?: readonly Part[]
  }
  const backend = components?.find(({ name }) => name === 'backend')
  return backend?.status === 'up' ? undefined : backend?.detail
}
