/** The way of an HTTP request through an application load balancer, in order. */
import type { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { nextTick } from 'node:process'
import type { Duplex } from 'node:stream'
import { messageOf } from '../../../gateway/core/fault.ts'
import { isHttp2, requestHead } from '../../../gateway/proxy-head.ts'
import { isBodiless } from '../../../gateway/proxy-headers.ts'
import { claimsCallback } from '../auth/callback.ts'
import type { HttpFront, LiveListener, LiveRule, OwnAnswer, Peer, RequestFacts } from '../model.ts'
import { factsOf } from '../rules/facts.ts'
import { ownPage } from '../rules/own-answers.ts'
import { type Client, responseOn, upgradeClient, webClient } from './client.ts'
import { COMPLIANT, classify } from './desync.ts'
import { forward } from './forward.ts'
import { traceIdOf } from './forwarded.ts'
import type { FrontParts } from './front-parts.ts'
import { originForm, refusalOf } from './request-checks.ts'
import { RequestLog } from './request-log.ts'
import { Visit } from './visit.ts'

export function createHttpFront(parts: FrontParts): HttpFront {
  /** Connections that end with the request they are at: node still hands on what was sent behind it. */
  const ending = new WeakSet<Duplex>()

  function take(listener: LiveListener, peer: Peer, client: Client): void {
    const { req, socket } = client
    if (socket && ending.has(socket)) return
    const head = originForm(requestHead(req))
    const trace = traceIdOf(head.rawHeaders, parts.ids, parts.clock.now())
    const log = new RequestLog(listener, peer, head, typeOf(peer, client), trace, parts.clock)
    log.classification = isHttp2(req) ? COMPLIANT : classify(head)
    const visit = new Visit(parts, listener, peer, client, head, log)
    // The proxy, told of the same end, first says what passed.
    client.onceOver(() => nextTick(() => visit.over()))
    try {
      lead(visit)
    } catch (error) {
      bug(visit, error)
    }
  }

  function lead(visit: Visit): void {
    const { listener, peer, head, log } = visit
    const refused = refusalOf(head, log.classification, listener.balancer.settings)
    const { socket } = visit.client
    if (socket && (refused !== undefined || visit.isAlone)) ending.add(socket)
    if (refused !== undefined) {
      visit.own(ownPage(refused), { close: true })
      return
    }
    const facts = factsOf(head, peer, listener)
    if (claimsCallback(facts, listener)) {
      void finishLogin(visit, facts).catch((error) => bug(visit, error))
      return
    }
    const rule = listener.rules.find(({ matches }) => matches(facts))
    // A listener has its default rule always; without one there is nothing to be said.
    if (!rule) {
      visit.own(ownPage(503))
      return
    }
    log.rule = rule
    if (rule.authenticate.length === 0) act(visit, rule, facts)
    else void authenticate(visit, rule, facts).catch((error) => bug(visit, error))
  }

  /** An identity provider has sent the client back to us. */
  async function finishLogin(visit: Visit, facts: RequestFacts): Promise<void> {
    visit.log.actions.push('authenticate')
    const { answer, errorReason } = await parts.authenticator.callback(facts, visit.listener)
    if (visit.client.isGone) return
    visit.log.errorReason = errorReason
    visit.own(answer)
  }

  async function authenticate(visit: Visit, rule: LiveRule, facts: RequestFacts): Promise<void> {
    const identity: (readonly [string, string])[] = []
    for (const action of rule.authenticate) {
      visit.log.actions.push(actionName(action.Type))
      const outcome = await parts.authenticator.authenticate(action, facts, visit.listener)
      if (visit.client.isGone) return
      if (outcome.kind === 'answer') {
        visit.log.errorReason = outcome.errorReason
        visit.own(outcome.answer)
        return
      }
      identity.push(...outcome.headers)
      visit.answerHeaders = [...visit.answerHeaders, ...(outcome.responseHeaders ?? [])]
    }
    visit.identity = identity
    act(visit, rule, facts)
  }

  function act(visit: Visit, rule: LiveRule, facts: RequestFacts): void {
    const { final } = rule
    visit.log.actions.push(final.kind)
    if (final.kind === 'fixed-response') {
      visit.own(final.answer)
    } else if (final.kind === 'redirect') {
      const answer = final.answer(facts)
      visit.log.redirectUrl = locationOf(answer)
      visit.own(answer)
    } else {
      const rewrite = rule.rewrite?.(facts) ?? {}
      visit.log.host = rewrite.host
      visit.log.uri = rewrite.url
      forward(visit, final.plan, facts, rewrite)
    }
  }

  function bug(visit: Visit, error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined
    parts.log.error(`bug: ${messageOf(error)}`, { trace: visit.log.traceId, stack })
    if (visit.client.isGone || visit.isAnswered) return
    visit.own(ownPage(500))
  }

  function web(listener: LiveListener, peer: Peer, req: IncomingMessage, res: ServerResponse) {
    take(listener, peer, webClient(req, res, parts.clock))
  }

  function upgrade(
    listener: LiveListener,
    peer: Peer,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): void {
    // A body is not read any more where node has seen an upgrade: one with a body is refused.
    const isWebSocket = req.headers.upgrade?.toLowerCase() === 'websocket'
    const client =
      isWebSocket || !isBodiless(requestHead(req))
        ? upgradeClient(req, socket, head)
        : webClient(req, responseOn(socket, req), parts.clock)
    take(listener, peer, client)
  }

  return { web, upgrade }
}

/** As access logs name it. */
function typeOf({ protocol }: Peer, { req, res }: Client): string {
  const secure = protocol === 'https'
  if (res === undefined) return secure ? 'wss' : 'ws'
  if (!isHttp2(req)) return protocol
  return /^application\/grpc/i.test(req.headers['content-type'] ?? '') ? 'grpcs' : 'h2'
}

/** `authenticate-oidc` is `authenticate` in access logs, and `jwt-validation` is itself. */
function actionName(type: string | undefined): string {
  return type?.startsWith('authenticate') ? 'authenticate' : (type ?? '')
}

function locationOf({ headers }: OwnAnswer): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === 'location')?.[1]
}
