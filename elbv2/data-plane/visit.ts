import type { Socket } from 'node:net'
import { isHttp2 } from '../../gateway/proxy-head.ts'
import type { Client } from './client.ts'
import { isAlone } from './desync.ts'
import type { FrontParts } from './front-parts.ts'
import type { LiveListener, LiveTarget, OwnAnswer, Peer } from './model.ts'
import type { ClientHead } from './request-checks.ts'
import { CLIENT_GONE, type RequestLog } from './request-log.ts'

export const OWN_SERVER = 'awselb/2.0'

/** One request at a load balancer, from its head to its end. */
export class Visit {
  readonly parts: FrontParts
  readonly listener: LiveListener
  readonly peer: Peer
  readonly client: Client
  readonly head: ClientHead
  readonly log: RequestLog
  /** What an authentication told of its user; undefined where there was none. */
  identity: readonly (readonly [name: string, value: string])[] | undefined
  isAnswered = false
  #target: LiveTarget | undefined

  constructor(
    parts: FrontParts,
    listener: LiveListener,
    peer: Peer,
    client: Client,
    head: ClientHead,
    log: RequestLog,
  ) {
    this.parts = parts
    this.listener = listener
    this.peer = peer
    this.client = client
    this.head = head
    this.log = log
  }

  /** Whether both connections end with this request. */
  get isAlone(): boolean {
    return isAlone(this.log.classification, this.listener.balancer.settings.desyncMode)
  }

  /** The target has one more request under way, until this one is over. */
  goesTo(target: LiveTarget): void {
    if (this.client.isGone) return
    this.#target = target
    this.parts.live.began(target)
  }

  /** Sends an answer that no target gave. */
  own(answer: OwnAnswer, { close = false } = {}): void {
    this.isAnswered = true
    this.log.status = answer.status
    this.client.answer({
      status: answer.status,
      headers: this.ownHeaders(answer),
      body: answer.body,
      close: close || this.isAlone,
    })
  }

  /** The headers of such an answer, names with their values. */
  ownHeaders({ headers }: OwnAnswer): [name: string, value: string][] {
    const raw = this.listener.settings.serverHeader ? ['Server', OWN_SERVER] : []
    // A response of node's has a date by itself; a bare connection has not.
    if (!this.client.res) raw.push('Date', new Date(this.parts.clock.now()).toUTCString())
    for (const [name, value] of headers) raw.push(name, value)
    const dressed = this.dressed(raw)
    return dressed.flatMap((name, at) => (at % 2 ? [] : [[name, dressed[at + 1] ?? '']]))
  }

  /** Headers of an answer with what the listener sets on all of its answers. */
  dressed(raw: readonly string[]): string[] {
    const { responseHeaders, serverHeader } = this.listener.settings
    if (responseHeaders.length === 0 && serverHeader) return [...raw]
    const replaced = new Set(responseHeaders.map(([name]) => name.toLowerCase()))
    if (!serverHeader) replaced.add('server')
    const kept = raw.filter(
      (_, at) => !replaced.has((raw[at % 2 ? at - 1 : at] ?? '').toLowerCase()),
    )
    return [...kept, ...responseHeaders.flat()]
  }

  /** All is over: lets go of the target and tells of the request. */
  over(): void {
    const { live, onRequest } = this.parts
    const target = this.#target
    this.#target = undefined
    if (target) live.finished(target)
    this.log.status ??= CLIENT_GONE
    const { req, socket } = this.client
    onRequest(this.log.record(isHttp2(req) ? undefined : (socket as Socket | undefined)))
  }
}
