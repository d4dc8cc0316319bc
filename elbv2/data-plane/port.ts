import type { Clock, Timer } from '../../gateway/core/clock.ts'
import { messageOf } from '../../gateway/core/fault.ts'
import { hostName } from '../../gateway/core/host-name.ts'
import type { Logger } from '../../gateway/core/log.ts'
import type { LiveListener, OpenListener, OpenPort, PortListeners } from './model.ts'

export interface PortWish {
  readonly protocol: string
  readonly open: OpenListener
  /** Oldest first; at least one. */
  readonly listeners: readonly LiveListener[]
}

export interface PortOptions {
  readonly host: string
  readonly clock: Clock
  readonly log: Logger
}

/** What is under way when a listener goes may finish for so long. */
const GRACE_MS = 30_000
const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000

/** One port number: open as long as listeners want it, tried again while it cannot be had. */
export class Port implements PortListeners {
  readonly port: number
  readonly #options: PortOptions
  #wish: PortWish | undefined
  /** Those that would have the port, open or not. */
  #listeners: readonly LiveListener[] = []
  #byName: ReadonlyMap<string, LiveListener> = new Map()
  #open: { readonly protocol: string; readonly port: OpenPort } | undefined
  #work: Promise<void> | undefined
  readonly #closing = new Set<Promise<void>>()
  #trouble: string | undefined
  #retry: Timer | undefined
  #retryMs = FIRST_RETRY_MS

  constructor(port: number, options: PortOptions) {
    this.port = port
    this.#options = options
  }

  current(): readonly LiveListener[] {
    return this.#listeners
  }

  forHost(host: string | undefined): LiveListener | undefined {
    const [oldest] = this.#listeners
    if (this.#byName.size < 2 || host === undefined) return oldest
    return this.#byName.get(hostName(host)) ?? oldest
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Undefined where nobody wants the port any more. */
  want(wish: PortWish | undefined): void {
    this.#wish = wish
    this.#setListeners(wish?.listeners ?? [])
    if (!wish) this.#settled()
    if (this.#retry === undefined || wish === undefined) this.#start()
  }

  /** These want the port and cannot have it; another try would change nothing. */
  refuse(listeners: readonly LiveListener[], reason: string): void {
    this.#wish = undefined
    this.#retry?.cancel()
    this.#retry = undefined
    this.#setListeners(listeners)
    this.#failed(reason)
    this.#start()
  }

  troubleOf(loadBalancerArn: string): string | undefined {
    const isTheirs = this.#listeners.some(({ balancer }) => balancer.row.arn === loadBalancerArn)
    return isTheirs && this.#trouble !== undefined
      ? `listener port ${this.port}: ${this.#trouble}`
      : undefined
  }

  async idle(): Promise<void> {
    while (this.#work || this.#closing.size > 0) await Promise.all([this.#work, ...this.#closing])
  }

  async close(graceMs: number): Promise<void> {
    this.want(undefined)
    await this.#work
    this.#shut(graceMs)
    await this.idle()
  }

  #setListeners(listeners: readonly LiveListener[]): void {
    this.#listeners = listeners
    this.#byName = new Map(listeners.map((each) => [each.balancer.dnsName, each]))
  }

  #start(): void {
    this.#work ??= this.#reconcile().finally(() => {
      this.#work = undefined
    })
  }

  // Wishes may change while a port is opened: the last one counts.
  async #reconcile(): Promise<void> {
    // Listeners that come together are opened together, after the caller is done.
    await Promise.resolve()
    while (this.#open?.protocol !== this.#wish?.protocol) {
      if (this.#open) {
        this.#shut(GRACE_MS)
      } else if (this.#wish) {
        const { protocol, open } = this.#wish
        try {
          const port = await open(this.#options.host, this)
          this.#open = { protocol, port }
          this.#opened()
        } catch (error) {
          if (!this.#wish) return
          this.#failed(reasonOf(error))
          this.#tryAgain()
          return
        }
      }
    }
  }

  #shut(graceMs: number): void {
    const closing = this.#open?.port.close(graceMs)
    this.#open = undefined
    if (!closing) return
    const done = closing
      .catch((error) => {
        const detail = messageOf(error)
        this.#options.log.warn('a listener port did not close', { port: this.port, detail })
      })
      .finally(() => this.#closing.delete(done))
    this.#closing.add(done)
  }

  #opened(): void {
    const { log } = this.#options
    if (this.#trouble !== undefined) log.info('a listener port could be had', { port: this.port })
    else log.debug('a listener port is open', { port: this.port })
    this.#settled()
  }

  #settled(): void {
    this.#retry?.cancel()
    this.#retry = undefined
    this.#retryMs = FIRST_RETRY_MS
    this.#trouble = undefined
  }

  /** A reason is told once, however often it is met. */
  #failed(reason: string): void {
    if (reason === this.#trouble) return
    this.#trouble = reason
    this.#options.log.warn(`listener port ${this.port}: ${reason}`, {
      loadBalancers: this.#listeners.map(({ balancer }) => balancer.row.name).join(),
    })
  }

  #tryAgain(): void {
    this.#retry = this.#options.clock.after(this.#retryMs, () => {
      this.#retry = undefined
      this.#start()
    })
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2)
  }
}

function reasonOf(error: unknown): string {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return 'taken by another program'
  if (code === 'EACCES' || code === 'EPERM') return 'this user is not allowed to open it'
  return messageOf(error)
}
