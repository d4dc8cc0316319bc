/** Real AWS emulators that nobody here wrote, behind one URL, as LocalStack has it. */
import { Buffer } from 'node:buffer'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256, signatureOf, termsOf } from './sigv4.ts'

export interface EmulatedBackend {
  readonly url: string
  /** Cuts every connection and listens no more; what is stored stays. */
  stop(): Promise<void>
  /** Listens again, on the port that it had. */
  start(): Promise<void>
  close(): Promise<void>
}

/** Every key that may sign, with its secret. s3rver knows no other than its own. */
export const SECRETS: Readonly<Record<string, string>> = { test: 'test', S3RVER: 'S3RVER' }
/** As in `http://BUCKET.s3.localhost:4566`. */
const S3_DOMAIN = 'localhost'
const LOOPBACK = '127.0.0.1'
const SHA256 = /^[0-9a-f]{64}$/

/**
 * DynamoDB by dynalite, S3 by s3rver; both in memory or in a folder that goes with them. Neither
 * looks at signatures as AWS does, so they are verified here: a request that did not arrive as its
 * client signed it is refused.
 */
export async function startBackend(): Promise<EmulatedBackend> {
  const load = createRequire(import.meta.url)
  const dynalite = load('dynalite')({ createTableMs: 0, deleteTableMs: 0 })
  await new Promise<void>((resolve) => dynalite.listen(0, LOOPBACK, resolve))
  const directory = mkdtempSync(join(tmpdir(), 'kecs-s3-'))
  const S3rver = load('s3rver')
  const options = { port: 0, address: LOOPBACK, silent: true, serviceEndpoint: S3_DOMAIN }
  const s3rver = new S3rver({ ...options, directory })
  const s3Port = (await s3rver.run()).port as number
  const dynaPort = (dynalite.address() as AddressInfo).port

  function portOf(req: IncomingMessage): number {
    return String(req.headers['x-amz-target'] ?? '').startsWith('DynamoDB') ? dynaPort : s3Port
  }
  async function start(port: number): Promise<Server> {
    const server = createServer((req, res) => {
      pass(req, res, portOf(req)).catch(() => res.destroy())
    })
    await new Promise<void>((resolve) => server.listen(port, LOOPBACK, resolve))
    return server
  }
  async function stop(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  let server = await start(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${LOOPBACK}:${port}`,
    stop,
    async start() {
      server = await start(port)
    },
    async close() {
      if (server.listening) await stop()
      await new Promise((resolve) => dynalite.close(resolve))
      await s3rver.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function pass(req: IncomingMessage, res: ServerResponse, port: number): Promise<void> {
  const { method = 'GET', url = '/', headers } = req
  const terms = termsOf({ method, url, headers })
  const secret = SECRETS[terms?.accessKeyId ?? '']
  if (terms && secret !== undefined) {
    const expected = signatureOf({ method, url, headers }, terms, secret)
    if (expected !== terms.signature) return refuse(res, 'the head is not as it was signed')
  }
  let body: Buffer | undefined
  if (terms && SHA256.test(terms.payloadHash)) {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    body = Buffer.concat(chunks)
    if (sha256(body) !== terms.payloadHash) return refuse(res, 'the body is not as it was signed')
  }
  const onward = request({ host: LOOPBACK, port, method, path: url, headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(res)
  })
  onward.on('error', () => res.destroy())
  res.on('close', () => {
    if (!res.writableFinished) onward.destroy()
  })
  if (body) onward.end(body)
  else req.pipe(onward)
}

function refuse(res: ServerResponse, why: string): void {
  res.writeHead(403, { 'content-type': 'text/plain' }).end(`SignatureDoesNotMatch: ${why}`)
}
