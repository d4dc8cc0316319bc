import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FaultAnswer } from '../../../gateway/proxy-fault.ts'
import { isHttp2 } from '../../../gateway/proxy-head.ts'
import { pairsOf } from '../../../gateway/proxy-headers.ts'
import type { LiveListener, LiveTarget, OwnAnswer, Peer } from '../model.ts'
import { ownReason, SERVER } from '../rules/own-answers.ts'
import type { Client } from './client.ts'
import { isAlone } from './desync.ts'
import type { FrontParts } from './front-parts.ts'
import type { ClientHead } from './request-checks.ts'
import { CLIENT_GONE, type RequestLog } from './request-log.ts'

/** Of a function with the words of its own status line. */
type SentAnswer = OwnAnswer & { readonly reason?: string }

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
  /** What an authentication has the answer say besides. */
  answerHeaders: readonly (readonly [name: string, value: string])[] = []
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
  own(answer: SentAnswer, { close = false } = {}): void {
    this.isAnswered = true
    this.log.status = answer.status
    this.client.answer(this.toSend(answer, close))
  }

  /** Such an answer with what is the same for all of them. */
  toSend({ status, reason, headers, body }: SentAnswer, close = false): FaultAnswer {
    const raw = ['Server', SERVER]
    // A response of node's has a date by itself; a bare connection has not.
    if (!this.client.res) raw.push('Date', new Date(this.parts.clock.now()).toUTCString())
    for (const [name, value] of headers) if (name !== 'Server') raw.push(name, value)
    return {
      status,
      reason: reason ?? (ownReason(status) || STATUS_CODES[status] || ''),
      headers: pairsOf(this.dressed(raw)),
      body,
      close: close || this.isAlone,
    }
  }

  /** Headers of an answer with what the listener sets on all of its answers. */
  dressed(raw: string[]): string[] {
    const { responseHeaders, serverHeader } = this.listener.settings
    const added = this.answerHeaders.flat()
    if (responseHeaders.length === 0 && serverHeader) {
      return added.length === 0 ? raw : [...raw, ...added]
    }
    const replaced = new Set(responseHeaders.map(([name]) => name.toLowerCase()))
    if (!serverHeader) replaced.add('server')
    const kept = raw.filter(
      (_, at) => !replaced.has((raw[at % 2 ? at - 1 : at] ?? '').toLowerCase()),
    )
    return [...kept, ...responseHeaders.flat(), ...added]
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
