/** Ports of HTTPS listeners whose front tells what it was told, and clients of them. */
import { existsSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { createHttpsPort } from '../../../../elbv2/data-plane/http/https-port.ts'
import type { HttpFront, LiveListener, Peer } from '../../../../elbv2/data-plane/model.ts'
import { AUTHORITY_FILE } from '../../../../elbv2/data-plane/tls/authority.ts'
import { createCertificates } from '../../../../elbv2/data-plane/tls/certificates.ts'
import { mutualTlsHeaders } from '../../../../elbv2/data-plane/tls/mutual-tls.ts'
import { createSecurityPolicies } from '../../../../elbv2/data-plane/tls/security-policy.ts'
import type { TrustStoreRow } from '../../../../elbv2/rows.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { SERVER_LIMITS } from '../../../../gateway/server.ts'
import { FakeClock } from '../../../fake-clock.ts'
import { Watched } from '../watched.ts'
import { portListeners } from './tls-world.ts'

export const A = 'a-1.us-east-1.elb.localhost'
export const B = 'b-2.us-east-1.elb.localhost'

export interface World {
  readonly port: number
  readonly ca: string
  /** Whether the authority's file was there when the port was open. */
  readonly isKept: boolean
  readonly clock: FakeClock
  readonly peers: Peer[]
  readonly watch: Watched
  readonly trustStores: Map<string, TrustStoreRow>
}

/** A port whose front answers, as JSON, what it was told. */
export async function withPort(
  all: () => readonly LiveListener[],
  work: (world: World) => Promise<void>,
  { dir, headMs = 15_000 }: { dir?: string; headMs?: number } = {},
): Promise<void> {
  const clock = new FakeClock(Date.now())
  const peers: Peer[] = []
  const watch = new Watched()
  const trustStores = new Map<string, TrustStoreRow>()
  const front: HttpFront = {
    web(listener, peer, req, res) {
      peers.push(peer)
      const headers = Object.fromEntries(mutualTlsHeaders(listener, peer))
      const { dnsName } = listener.balancer
      res.end(JSON.stringify({ dnsName, version: req.httpVersion, tls: peer.tls, headers }))
    },
    upgrade(_listener, _peer, _req, socket) {
      socket.end(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello',
      )
    },
  }
  const options = { clock, ids: systemIds, log: silentLogger }
  const certificates = createCertificates({ ...options, callBackend: () => undefined, dir })
  const open = createHttpsPort({
    ...options,
    front,
    watch,
    certificates,
    policies: createSecurityPolicies(silentLogger),
    rows: { trustStores } as never,
    limits: { ...SERVER_LIMITS, headMs },
  })
  const opened = await open('127.0.0.1', portListeners(all))
  const { port } = opened
  const isKept = dir !== undefined && existsSync(join(dir, AUTHORITY_FILE))
  const { certificate: ca } = await certificates.authority()
  try {
    await work({ port, ca, clock, peers, watch, trustStores, isKept })
  } finally {
    const closed = opened.close(0)
    clock.advance(0)
    await closed
  }
}

export interface Told {
  readonly status: number | undefined
  readonly dnsName: string
  readonly version: string
  readonly tls: Peer['tls']
  readonly headers: Record<string, string>
}

export function get(
  { port, ca }: World,
  options: ConnectionOptions & { readonly headers?: Record<string, string> } = {},
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, ca, agent: false, servername: A, ...options },
      (res) => {
        let body = ''
        res.on('data', (chunk) => {
          body += chunk
        })
        res.on('end', () => {
          resolve({ status: res.statusCode, ...(body === '' ? {} : JSON.parse(body)) })
        })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

/** The code of the error that the connection or request ends in. */
export async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (thrown) {
    return `${(thrown as NodeJS.ErrnoException).code}: ${thrown}`
  }
  throw new Error('it worked')
}

/** Over HTTP/2. */
export function get2({ port, ca }: World, headers: Record<string, string>): Promise<Told> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: A })
    session.on('error', reject)
    const stream = session.request({ ':path': '/', ':authority': A, ...headers })
    stream.on('error', reject)
    let body = ''
    let status = 0
    stream.on('response', (head) => {
      status = Number(head[':status'])
    })
    stream.on('data', (chunk) => {
      body += chunk
    })
    stream.on('end', () => {
      session.close()
      resolve({ status, ...(body === '' ? {} : JSON.parse(body)) })
    })
  })
}
