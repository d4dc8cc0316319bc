/** Lambda functions as targets: invoked through the backend, with ALB's events. */
import { Buffer } from 'node:buffer'
import { parseArn } from '../../../gateway/core/arn.ts'
import { messageOf } from '../../../gateway/core/fault.ts'
import type { BackendAnswer, Elbv2Context } from '../../context.ts'
import { LAMBDA_INVOKE_FAULTS } from '../logs/reasons.ts'
import type { LiveGroup, LiveTarget } from '../model.ts'
import {
  healthCheckEvent,
  type LambdaAnswer,
  type LambdaRequest,
  lambdaAnswer,
  lambdaEvent,
  NotUtf8,
} from './lambda-event.ts'

/** Of a request's body, and of an answer as JSON. */
export const MAX_LAMBDA_BYTES = 1024 * 1024
/** The longest that a function may run, and what an invocation takes besides. */
const INVOKE_TIMEOUT_MS = 930_000
/** Functions whose failure was said, so that it is not said for each request. */
const MAX_SAID = 1_000

/** `errorReason` is AWS's code for the access log; such an answer has no page, which ALB writes. */
export interface LambdaOutcome extends LambdaAnswer {
  readonly errorReason: string | undefined
}

export interface LambdaForwarder {
  /** Never rejects: what fails becomes 413, 502 or 504 with an error reason. */
  forward(request: LambdaRequest, group: LiveGroup, target: LiveTarget): Promise<LambdaOutcome>
  /** One health check: what the function answered to ALB's event for that, or why it did not. */
  probe(group: LiveGroup, target: LiveTarget, timeoutMs: number): Promise<LambdaOutcome>
}

export function createLambdaForwarder(
  context: Pick<Elbv2Context, 'callBackend' | 'log'>,
): LambdaForwarder {
  const said = new Map<string, string>()

  /** Says a failure when it is another than the function's last. */
  function failed(arn: string, status: number, errorReason: string, detail: string): LambdaOutcome {
    const reason = `${errorReason}: ${detail}`
    if (said.get(arn) !== reason) {
      if (said.size >= MAX_SAID) said.clear()
      said.set(arn, reason)
      context.log.warn('a load balancer got no answer of a Lambda function', {
        function: arn,
        status,
        reason,
      })
    }
    return { status, reason: '', headers: [], body: Buffer.alloc(0), errorReason }
  }

  async function invoke(
    event: string,
    group: LiveGroup,
    target: LiveTarget,
    timeoutMs: number,
  ): Promise<LambdaOutcome> {
    const arn = target.row.id
    const { region, account } = parseArn(arn) ?? target.row
    let answer: BackendAnswer | undefined
    try {
      answer = await context.callBackend({
        scope: { region, account },
        service: 'lambda',
        method: 'POST',
        path: `/2015-03-31/functions/${encodeURIComponent(arn)}/invocations`,
        headers: { 'content-type': 'application/json' },
        body: event,
        timeoutMs,
      })
    } catch (thrown) {
      return failed(arn, 504, 'LambdaConnectionTimeout', messageOf(thrown))
    }
    if (!answer) {
      return failed(arn, 502, 'LambdaServiceException', 'there is no backend with Lambda')
    }
    const outcome = outcomeOf(answer, group)
    if ('detail' in outcome) return failed(arn, outcome.status, outcome.errorReason, outcome.detail)
    said.delete(arn)
    return { ...outcome, errorReason: undefined }
  }

  return {
    async forward(request, group, target) {
      const arn = target.row.id
      if (request.body.length > MAX_LAMBDA_BYTES) {
        return failed(arn, 413, 'LambdaRequestTooLarge', 'the body is larger than 1 MB')
      }
      let event: string
      try {
        event = lambdaEvent(request, group.arn, group.settings.multiValueHeaders)
      } catch (thrown) {
        if (!(thrown instanceof NotUtf8)) throw thrown
        return failed(arn, 502, 'LambdaBadRequest', thrown.message)
      }
      return invoke(event, group, target, INVOKE_TIMEOUT_MS)
    },
    probe(group, target, timeoutMs) {
      const path = group.row.healthCheck.path ?? '/'
      const event = healthCheckEvent(path, group.arn, group.settings.multiValueHeaders)
      return invoke(event, group, target, timeoutMs)
    },
  }
}

interface Failure {
  readonly status: 413 | 502
  readonly errorReason: string
  readonly detail: string
}

function outcomeOf({ status, headers, body }: BackendAnswer, group: LiveGroup) {
  if (status >= 300) return refusalOf(status, headers['x-amzn-errortype'] ?? '')
  const functionError = headers['x-amz-function-error']
  if (functionError !== undefined) {
    return failure('LambdaUnhandled', `the function failed: ${functionError}`)
  }
  if (body.length > MAX_LAMBDA_BYTES) {
    return failure('LambdaResponseTooLarge', 'the answer is larger than 1 MB')
  }
  const answer = lambdaAnswer(body.toString(), group.settings.multiValueHeaders)
  return answer ?? failure('LambdaInvalidResponse', 'the answer is malformed or lacks statusCode')
}

/** A fault of Invoke; its name may come with a namespace after a colon. */
function refusalOf(status: number, errorType: string): Failure {
  const type = errorType.split(':')[0] ?? ''
  const detail = `Lambda answered ${status} ${type}`.trim()
  if (LAMBDA_INVOKE_FAULTS.has(type)) return failure(`Lambda${type}`, detail)
  if (status === 403) return failure('LambdaAccessDenied', detail)
  if (status === 404) return failure('LambdaResourceNotFound', detail)
  if (status === 413) return { status: 413, errorReason: 'LambdaRequestTooLarge', detail }
  if (status === 429) return failure('LambdaThrottling', detail)
  if (status < 500) return failure('LambdaBadRequest', detail)
  return failure('LambdaServiceException', detail)
}

function failure(errorReason: string, detail: string): Failure {
  return { status: 502, errorReason, detail }
}
