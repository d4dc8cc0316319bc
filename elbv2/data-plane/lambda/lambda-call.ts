/** The forward action where the target is a Lambda function: the request is read whole first. */
import { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../../gateway/core/clock.ts'
import { messageOf } from '../../../gateway/core/fault.ts'
import { pairsOf } from '../../../gateway/proxy-headers.ts'
import { stickyCookies } from '../http/cookies.ts'
import type { SentHead } from '../http/front-parts.ts'
import type { Visit } from '../http/visit.ts'
import type { RequestFacts } from '../model.ts'
import { ownPage } from '../rules/own-answers.ts'
import type { Chosen } from '../targets/balance.ts'
import { MAX_LAMBDA_BYTES } from './lambda.ts'

/** Never rejects: whatever fails is answered. */
export async function sendToLambda(
  visit: Visit,
  choice: Chosen,
  { method }: RequestFacts,
  { url, headers }: SentHead,
): Promise<void> {
  const { parts, client, log, listener } = visit
  const { req, res } = client
  if (req.headers.expect?.toLowerCase() === '100-continue') res?.writeContinue()
  const { idleTimeoutMs } = listener.balancer.settings
  const body = await readWhole(req, idleTimeoutMs, parts.clock)
  if (client.isGone) return
  if (typeof body === 'number') return void visit.own(ownPage(body), { close: true })
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark + 1)
  log.connected()
  try {
    const request = { method, path, query, headers: pairsOf(headers), body }
    const { group, target } = choice
    const answer = await parts.lambda.forward(request, group, target)
    if (client.isGone) return
    log.errorReason = answer.errorReason
    if (answer.errorReason !== undefined) return void visit.own(ownPage(answer.status))
    log.answered(answer.status)
    const cookies = pairsOf(stickyCookies(visit, choice, answer.headers.flat()))
    visit.own({ ...answer, headers: [...answer.headers, ...cookies] })
  } catch (error) {
    parts.log.error(`bug: ${messageOf(error)}`, { trace: log.traceId })
    if (!client.isGone && !visit.isAnswered) visit.own(ownPage(500))
  }
}

/**
 * The body, or 408 where it was not sent in time. Of one that is too large no more is read than
 * what shows it to be.
 */
function readWhole(
  req: IncomingMessage,
  idleMs: number,
  clock: Clock,
): Promise<Buffer | 400 | 408> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const end = (outcome: Buffer | 400 | 408) => {
      timer.cancel()
      req.off('data', onData).pause()
      resolve(outcome)
    }
    const late = () => end(408)
    let timer = clock.after(idleMs, late)
    const onData = (chunk: Buffer) => {
      timer.cancel()
      timer = clock.after(idleMs, late)
      size += chunk.length
      chunks.push(chunk)
      if (size > MAX_LAMBDA_BYTES) end(Buffer.concat(chunks))
    }
    req.on('data', onData)
    req.once('end', () => end(Buffer.concat(chunks)))
    req.once('error', () => end(400))
    req.once('close', () => end(400))
  })
}
