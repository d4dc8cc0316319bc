/** The forward action where the target is a Lambda function: the request is read whole first. */
import { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../gateway/core/clock.ts'
import { messageOf } from '../../gateway/core/fault.ts'
import { pairsOf } from '../../gateway/proxy-headers.ts'
import type { Chosen } from './balance.ts'
import { stickyCookies } from './cookies.ts'
import type { LambdaRequest } from './front-parts.ts'
import { ownPage } from './own-answers.ts'
import type { Visit } from './visit.ts'

/** AWS: "The maximum size of the request body that you can send to a Lambda function is 1 MB". */
export const MAX_LAMBDA_BODY = 1024 * 1024

export async function sendToLambda(
  visit: Visit,
  request: Omit<LambdaRequest, 'body' | 'listener'>,
  choice: Chosen,
): Promise<void> {
  const { parts, client, log, listener } = visit
  const { req, res } = client
  // A function cannot speak a WebSocket; its request is one of HTTP all the same.
  if (req.headers.expect?.toLowerCase() === '100-continue') res?.writeContinue()
  const { idleTimeoutMs } = listener.balancer.settings
  const body = await readWhole(req, idleTimeoutMs, parts.clock)
  if (client.isGone) return
  if (typeof body === 'number') return void visit.own(ownPage(body), { close: true })
  log.connected()
  try {
    const answer = await parts.lambda({ ...request, listener, body })
    if (client.isGone) return
    log.answered(answer.status)
    const cookies = pairsOf(stickyCookies(visit, choice, answer.headers.flat()))
    visit.own({ ...answer, headers: [...answer.headers, ...cookies] })
  } catch (error) {
    parts.log.debug('a function did not answer', { detail: messageOf(error) })
    log.errorReason = 'LambdaUnhandled'
    if (!client.isGone) visit.own(ownPage(502))
  }
}

/** The body, or the status that refuses it: 413 for too large, 408 for not sent in time. */
function readWhole(req: IncomingMessage, idleMs: number, clock: Clock): Promise<Buffer | number> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const end = (outcome: Buffer | number) => {
      timer.cancel()
      req.off('data', onData)
      resolve(outcome)
    }
    const late = () => end(408)
    let timer = clock.after(idleMs, late)
    const onData = (chunk: Buffer) => {
      timer.cancel()
      timer = clock.after(idleMs, late)
      size += chunk.length
      chunks.push(chunk)
      if (size > MAX_LAMBDA_BODY) end(413)
    }
    req.on('data', onData)
    req.once('end', () => end(Buffer.concat(chunks)))
    req.once('error', () => end(400))
    req.once('close', () => end(400))
  })
}
