/** What pods of a k3d cluster reach on this machine: a store that believes only signatures that hold. */
import { Buffer } from 'node:buffer'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { sha256, signatureOf, termsOf } from '../e2e/sigv4.ts'

export const SECRET = 'test'
const SHA256 = /^[0-9a-f]{64}$/

interface Stored {
  readonly body: Buffer
  readonly encoding: string | undefined
}

export interface SignedStore {
  readonly port: number
  close(): Promise<void>
}

/**
 * Objects by the path as it stood on the wire. A signed request is refused where its method, path,
 * query, signed headers or body are not as they were signed; one that is not signed is told what
 * arrived. WebSockets are echoed.
 */
export async function startSignedStore(address: string): Promise<SignedStore> {
  const objects = new Map<string, Stored>()
  const server = createServer((req, res) => {
    answer(req, res, objects).catch(() => res.destroy())
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, address, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  objects: Map<string, Stored>,
): Promise<void> {
  const { method = 'GET', url = '/', headers } = req
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const terms = termsOf({ method, url, headers })
  if (terms === undefined) return void res.end(JSON.stringify({ url, headers }))
  const isSigned = signatureOf({ method, url, headers }, terms, SECRET) === terms.signature
  const isWhole = !SHA256.test(terms.payloadHash) || sha256(body) === terms.payloadHash
  if (!isSigned || !isWhole) return void res.writeHead(403).end(`not as it was signed: ${url}`)
  const [path = ''] = url.split('?')
  if (method === 'PUT') {
    objects.set(path, { body, encoding: headers['content-encoding'] })
    return void res.end()
  }
  const found = objects.get(path)
  if (!found) return void res.writeHead(404).end()
  const { encoding } = found
  res.writeHead(200, {
    'content-length': found.body.length,
    ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
  })
  res.end(found.body)
}
