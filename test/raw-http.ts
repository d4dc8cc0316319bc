import { connect, type Socket } from 'node:net'

/** A connection that says exactly what a test tells it to, and keeps what it hears. */
export class RawConnection {
  readonly socket: Socket
  readonly closed: Promise<void>
  #heard = ''
  #listeners = new Set<() => void>()

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('error', () => {})
    this.socket.on('data', (chunk) => {
      this.#heard += chunk.toString('latin1')
      for (const listener of this.#listeners) listener()
    })
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
  }

  get heard(): string {
    return this.#heard
  }

  say(text: string | Uint8Array): void {
    this.socket.write(text)
  }

  /** Everything heard, once `wanted` is in it; rejects when the connection closes before. */
  async hears(wanted: string | RegExp): Promise<string> {
    const is = () =>
      typeof wanted === 'string' ? this.#heard.includes(wanted) : wanted.test(this.#heard)
    if (is()) return this.#heard
    let listener = () => {}
    const heard = new Promise<void>((resolve) => {
      listener = () => is() && resolve()
      this.#listeners.add(listener)
    })
    await Promise.race([heard, this.closed])
    this.#listeners.delete(listener)
    if (!is()) throw new Error(`closed after ${JSON.stringify(this.#heard)}, without ${wanted}`)
    return this.#heard
  }

  /** Everything heard until the other side closed. */
  async toTheEnd(): Promise<string> {
    await this.closed
    return this.#heard
  }

  destroy(): void {
    this.socket.destroy()
  }
}
