/**
 * A program: a plain node:http server for the proxy's bench. With a port as its argument it hands all
 * on to that port, with nothing but pipes: the least that a proxy on node:http costs. Says its port on
 * stdout, and ends with stdin.
 */
import { Buffer } from 'node:buffer'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { Readable } from 'node:stream'
import { chunksOf } from './client.ts'

const ITEM = JSON.stringify({ Item: { id: { S: 'a' }, text: { S: 'x'.repeat(200) } } })
const agent = new Agent({ keepAlive: true })
const onwardPort = Number(process.argv[2] ?? 0)

function answer(req: IncomingMessage, res: ServerResponse): void {
  const { pathname, searchParams } = new URL(req.url ?? '/', 'http://localhost')
  if (pathname === '/down') {
    const length = Number(searchParams.get('bytes'))
    res.writeHead(200, { 'content-length': length })
    Readable.from(chunksOf(length)).pipe(res)
    return
  }
  req.resume()
  req.on('end', () => send(res, ITEM))
}

function send(res: ServerResponse, body: string): void {
  const length = Buffer.byteLength(body)
  res.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': length })
  res.end(body)
}

function pass(req: IncomingMessage, res: ServerResponse): void {
  const { method, url: path, headers } = req
  const call = { host: '127.0.0.1', port: onwardPort, method, path, headers, agent }
  const onward = request(call, (got) => {
    res.writeHead(got.statusCode ?? 502, got.headers)
    got.pipe(res)
  })
  onward.on('error', () => res.destroy())
  req.pipe(onward)
}

const server = createServer((req, res) => {
  if (onwardPort === 0) answer(req, res)
  else pass(req, res)
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.stdin.resume().on('end', () => process.exit(0))
