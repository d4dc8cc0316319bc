/** Requests over bare sockets: a client that costs little beside what it measures. */
import type { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { chunksOf } from './client.ts'

const HEAD_END = '\r\n\r\n'
const TIMEOUT_MS = 20_000

export class LoadClient {
  readonly #port: number
  readonly #keepAlive: boolean
  readonly #idle: Connection[] = []

  constructor(port: number, { keepAlive = true } = {}) {
    this.#port = port
    this.#keepAlive = keepAlive
  }

  /** Resolves when an answer of 200 and so many bytes is there whole; rejects with any other. */
  async get(path: string, bytes: number): Promise<void> {
    await this.#exchange(this.#head('GET', path), 0, bytes)
  }

  /** Sends so many bytes; the answer has none. */
  async put(path: string, bytes: number): Promise<void> {
    await this.#exchange(this.#head('PUT', path, `Content-Length: ${bytes}\r\n`), bytes, 0)
  }

  close(): void {
    for (const connection of this.#idle.splice(0)) connection.close()
  }

  async #exchange(head: string, sent: number, wanted: number): Promise<void> {
    const connection = this.#idle.pop() ?? new Connection(this.#port)
    const got = await connection.exchange(head, sent)
    if (got !== wanted) throw new Error(`${head.split('\r\n')[0]}: ${got} bytes, not ${wanted}`)
    if (this.#keepAlive) this.#idle.push(connection)
    else connection.close()
  }

  #head(method: string, path: string, more = ''): string {
    const close = this.#keepAlive ? '' : 'Connection: close\r\n'
    const host = `Host: 127.0.0.1:${this.#port}\r\n`
    return `${method} ${path} HTTP/1.1\r\n${host}User-Agent: bench\r\n${close}${more}\r\n`
  }
}

/** One exchange after the other; knows no answer but one with a Content-Length. */
class Connection {
  readonly #socket: Socket
  #head = ''
  /** Of the answer under way; undefined until its head is there. */
  #length: number | undefined
  #missing = 0
  #done: ((error: Error | undefined, length: number) => void) | undefined

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#socket.setTimeout(TIMEOUT_MS, () => this.#socket.destroy(new Error('no answer in time')))
    this.#socket.on('error', (error) => this.#settle(error))
    this.#socket.on('close', () => this.#settle(new Error('closed before the answer was whole')))
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk))
  }

  /** Answers the length of the answer's body. */
  exchange(head: string, bytes: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#done = (error, length) => (error ? reject(error) : resolve(length))
      this.#socket.write(head, 'latin1')
      if (bytes > 0) this.#send(bytes).catch((error) => this.#settle(error))
    })
  }

  close(): void {
    this.#done = undefined
    this.#socket.destroy()
  }

  async #send(bytes: number): Promise<void> {
    for (const chunk of chunksOf(bytes)) {
      if (!this.#socket.write(chunk)) await once(this.#socket, 'drain')
    }
  }

  #read(chunk: Buffer): void {
    let bytes = chunk.length
    if (this.#length === undefined) {
      const before = this.#head.length
      this.#head += chunk.toString('latin1')
      const end = this.#head.indexOf(HEAD_END)
      if (end === -1) return
      this.#begin(this.#head.slice(0, end))
      bytes = before + chunk.length - end - HEAD_END.length
    }
    this.#missing -= bytes
    if (this.#missing <= 0) this.#settle(undefined)
  }

  #begin(head: string): void {
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (!/^HTTP\/1\.1 200 /.test(head) || length === undefined) {
      this.#socket.destroy(new Error(`unexpected answer: ${head}`))
    }
    this.#length = Number(length)
    this.#missing = this.#length
  }

  #settle(error: Error | undefined): void {
    const done = this.#done
    const length = (this.#length ?? 0) - this.#missing
    this.#done = undefined
    this.#head = ''
    this.#length = undefined
    done?.(error, length)
  }
}
