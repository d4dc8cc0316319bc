/**
 * A program: targets for the bench of load balancers, as many as its argument says, on one port of as
 * many loopback addresses. It answers GET with so many bytes as the last part of the path says, and PUT
 * with none. On bare sockets, since it shares the machine with what is measured. Says its port on
 * stdout, and ends with its stdin.
 */
import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import process from 'node:process'
import { chunksOf } from './client.ts'
import { loopbackAddress } from './sites.ts'

const HEAD_END = '\r\n\r\n'
const SMALL = 64 * 1024
const small = new Map<number, Buffer>()

function serve(socket: Socket): void {
  let head = ''
  /** Of an upload: how much of it is still to come. */
  let missing = 0
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    if (missing > 0) {
      missing -= chunk.length
      if (missing <= 0) answer(socket, 0)
      return
    }
    head += chunk.toString('latin1')
    const end = head.indexOf(HEAD_END)
    if (end === -1) return
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
    missing = length - (head.length - end - HEAD_END.length)
    const close = /\r\nconnection: *close/i.test(head)
    const bytes = head.startsWith('GET') ? bytesOf(head) : 0
    head = ''
    if (missing <= 0) answer(socket, bytes)
    if (close) socket.end()
  })
}

/** `GET /rule-1/100 HTTP/1.1` asks for 100. */
function bytesOf(head: string): number {
  return Number(/^GET [^ ]*\/(\d*) /.exec(head)?.[1])
}

function answer(socket: Socket, bytes: number): void {
  if (bytes > SMALL) {
    stream(socket, bytes).catch(() => socket.destroy())
    return
  }
  let whole = small.get(bytes)
  if (!whole) {
    whole = Buffer.concat([Buffer.from(headOf(bytes)), ...chunksOf(bytes)])
    small.set(bytes, whole)
  }
  socket.write(whole)
}

async function stream(socket: Socket, bytes: number): Promise<void> {
  socket.write(headOf(bytes))
  for (const chunk of chunksOf(bytes)) if (!socket.write(chunk)) await once(socket, 'drain')
}

function headOf(bytes: number): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${bytes}\r\n\r\n`
}

async function listen(address: string, port: number): Promise<Server> {
  const server = createServer(serve).listen(port, address)
  await once(server, 'listening')
  return server
}

const count = Number(process.argv[2] ?? 1)
const first = await listen(loopbackAddress(0), 0)
const { port } = first.address() as { port: number }
for (let index = 1; index < count; index++) await listen(loopbackAddress(index), port)
console.log(port)
process.stdin.resume().on('end', () => process.exit(0))
