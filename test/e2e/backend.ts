/** Real AWS emulators that nobody here wrote, behind one URL, as LocalStack has it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface EmulatedBackend {
  readonly url: string
  close(): Promise<void>
}

/** DynamoDB by dynalite, S3 by s3rver; both in memory or in a folder that goes with them. */
export async function startBackend(): Promise<EmulatedBackend> {
  const load = createRequire(import.meta.url)
  const dynalite = load('dynalite')({ createTableMs: 0, deleteTableMs: 0 })
  await new Promise<void>((resolve) => dynalite.listen(0, '127.0.0.1', resolve))
  const folder = mkdtempSync(join(tmpdir(), 'kecs-s3-'))
  const S3rver = load('s3rver')
  const s3rver = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: folder })
  const s3Port = (await s3rver.run()).port as number
  const dynaPort = (dynalite.address() as AddressInfo).port
  const server = createServer((req, res) => {
    const target = String(req.headers['x-amz-target'] ?? '')
    pass(req, res, target.startsWith('DynamoDB') ? dynaPort : s3Port)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await new Promise((resolve) => dynalite.close(resolve))
      await s3rver.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function pass(req: IncomingMessage, res: ServerResponse, port: number): void {
  const { method, url, headers } = req
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(res)
  })
  onward.on('error', () => res.destroy())
  req.pipe(onward)
}
