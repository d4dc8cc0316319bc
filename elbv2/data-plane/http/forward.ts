/** The forward action: a target is chosen, and the request goes there. */
import type { FaultAnswer, OnFault, ProxyFault, ProxyTarget } from '../../../gateway/proxy-fault.ts'
import { isHttp2 } from '../../../gateway/proxy-head.ts'
import { valuesOf } from '../../../gateway/proxy-headers.ts'
import { sendToLambda } from '../lambda/lambda-call.ts'
import type { ForwardPlan, LiveGroup, RequestFacts, Rewrite } from '../model.ts'
import { ownPage } from '../rules/own-answers.ts'
import type { Chosen } from '../targets/balance.ts'
import { cookieReader, stickyCookies } from './cookies.ts'
import { forwardedHeaders } from './forwarded.ts'
import type { SentHead } from './front-parts.ts'
import type { ClientHead } from './request-checks.ts'
import type { Visit } from './visit.ts'

/** AWS: "the load balancer ... establish a connection to the target ... (10 seconds)". */
export const CONNECT_MS = 10_000

export function forward(
  visit: Visit,
  plan: ForwardPlan,
  facts: RequestFacts,
  rewrite: Rewrite,
): void {
  const { parts, peer, head, log } = visit
  const asker = { cookie: cookieReader(head.rawHeaders), sourceIp: peer.sourceIp }
  const choice = parts.balancer.choose(plan, parts.live, asker)
  if (choice.kind === 'none') return void visit.own(ownPage(503))
  const { group, target } = choice
  if (isIncompatible(visit, group)) return void visit.own(ownPage(464))
  log.target = { group, target }
  const headers = forwardedHeaders({
    listener: visit.listener,
    peer,
    rawHeaders: head.rawHeaders,
    traceId: log.traceId,
    host: rewrite.host,
    identity: visit.identity,
  })
  const sent = { url: rewrite.url ?? head.url, headers }
  if (group.row.targetType === 'lambda') {
    visit.goesTo(target)
    void sendToLambda(visit, choice, facts, sent)
  } else if (target.host === undefined) {
    // Registered, and nobody knows where it is.
    visit.own(ownPage(502))
  } else {
    visit.goesTo(target)
    const tls = group.row.protocol === 'HTTPS'
    send(visit, choice, { host: target.host, port: target.port, tls }, sent)
  }
}

function send(visit: Visit, choice: Chosen, to: ProxyTarget, head: SentHead): void {
  const { parts, client, log, listener } = visit
  const { group } = choice
  const idleMs = listener.balancer.settings.idleTimeoutMs
  const isHttp1 = (group.row.protocolVersion ?? 'HTTP1') === 'HTTP1'
  const proxy = isHttp1 ? parts.proxy : { ...parts.proxy, web: parts.proxyHttp2.web }
  client.forward(proxy, to, faultAnswers(visit), {
    head,
    limits: { connectMs: CONNECT_MS, idleMs },
    alone: visit.isAlone,
    onAnswer(status, headers) {
      visit.isAnswered = true
      log.answered(status)
      const cookies = stickyCookies(visit, choice, headers)
      const dressed = visit.dressed(headers)
      return cookies.length === 0 ? dressed : [...dressed, ...cookies]
    },
    watch: {
      connected: () => log.connected(),
      over: (bytes) => log.passed(bytes),
    },
  })
}

/** AWS's table of request protocols and protocol versions of target groups: other pairs answer 464. */
function isIncompatible({ client, head }: Visit, { row }: LiveGroup): boolean {
  const version = row.protocolVersion ?? 'HTTP1'
  if (version === 'HTTP1') return isHttp2(client.req) && isGrpc(head)
  if (!isHttp2(client.req)) return true
  return version === 'GRPC' && head.method !== 'POST'
}

function isGrpc({ rawHeaders }: ClientHead): boolean {
  return valuesOf(rawHeaders, 'content-type').some((type) => /^application\/grpc/i.test(type))
}

function faultAnswers(visit: Visit): OnFault {
  const { parts, log, client } = visit
  return (fault): FaultAnswer => {
    const status = statusOf(fault, log.isConnected && !client.req.complete)
    parts.log.debug('a target did not answer', { fault: fault.kind, detail: fault.detail })
    if (!fault.late) {
      visit.isAnswered = true
      log.status = status
    }
    return visit.toSend(ownPage(status), status === 400 || status === 408)
  }
}

/** `uploading`: the target was there and the client had not sent all of its body. */
function statusOf({ kind }: ProxyFault, uploading: boolean): number {
  switch (kind) {
    case 'nowhere':
      return 503
    case 'request':
      return 400
    case 'timeout':
      return uploading ? 408 : 504
    default:
      return 502
  }
}
