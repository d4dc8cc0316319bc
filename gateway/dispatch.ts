import type { Scope } from './core/arn.ts'
import type { Clock } from './core/clock.ts'
import { AwsFault, messageOf, StoreFault } from './core/fault.ts'
import type { Logger } from './core/log.ts'
import type { Call, Provider } from './core/provider.ts'
import type { Store } from './core/store.ts'
import type { ProviderRoute } from './identify.ts'
import { createJsonCodec } from './wire/awsjson.ts'
import { createQueryCodec } from './wire/awsquery.ts'
import type { Codec } from './wire/codec.ts'

/** An answer ready for the socket. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** What is known of an API call once it is answered. */
export interface CallRecord extends Scope {
  readonly service: string
  /** `unknown` where the request named none or one that AWS does not have. */
  readonly operation: string
  readonly requestId: string
  /** `ok`, or the fault's code. */
  readonly outcome: string
  /** The fault's message. */
  readonly message?: string
  readonly status: number
  readonly startedAtMs: number
  readonly durationMs: number
}

export interface DispatchOptions {
  readonly providers: readonly Provider[]
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly onCall: (record: CallRecord) => void
}

export interface ApiCall extends Scope {
  readonly provider: string
  readonly operation: string | undefined
  readonly requestId: string
  readonly contentType: string | undefined
  /** A fault found while the body was read stands in the body's place. */
  readonly body: Buffer | AwsFault
}

export interface Dispatcher {
  readonly routes: readonly ProviderRoute[]
  /** Answers the call, with a fault where it fails; never rejects. */
  call(call: ApiCall): Promise<Answer>
}

interface Entry {
  readonly provider: Provider
  readonly codec: Codec
}

/** Provider → decode → handler → encode: the only place that renders faults. */
export function createDispatcher(options: DispatchOptions): Dispatcher {
  const entries = new Map<string, Entry>()
  for (const provider of options.providers) {
    const create = provider.contract.protocol === 'json' ? createJsonCodec : createQueryCodec
    const codec = create(provider)
    entries.set(provider.name, { provider, codec })
  }

  async function call(request: ApiCall): Promise<Answer> {
    const startedAtMs = options.clock.now()
    const begun = performance.now()
    const entry = entries.get(request.provider)
    if (!entry) throw new Error(`no provider is named ${request.provider}`)
    let outcome = 'ok'
    let message: string | undefined
    let answer: Answer
    try {
      const output = await run(entry, request, startedAtMs)
      const operation = request.operation ?? ''
      answer = { status: 200, ...entry.codec.encode(operation, output, request.requestId) }
    } catch (thrown) {
      const fault = asFault(thrown, request)
      outcome = fault.code
      message = fault.message
      answer = entry.codec.fault(fault, request.requestId)
    }
    const known = Object.hasOwn(entry.provider.contract.operations, request.operation ?? '')
    options.onCall({
      service: request.provider,
      operation: known ? (request.operation ?? '') : 'unknown',
      account: request.account,
      region: request.region,
      requestId: request.requestId,
      outcome,
      ...(message !== undefined && { message }),
      status: answer.status,
      startedAtMs,
      durationMs: performance.now() - begun,
    })
    return answer
  }

  async function run(entry: Entry, request: ApiCall, nowMs: number): Promise<object> {
    const { provider, codec } = entry
    const operation = request.operation
    if (operation === undefined || !Object.hasOwn(provider.contract.operations, operation)) {
      throw unknownOperation(provider, operation)
    }
    if (request.body instanceof AwsFault) throw request.body
    const input = codec.decode(request.body, request.contentType, operation)
    const handler = Object.hasOwn(provider.handlers, operation)
      ? provider.handlers[operation]
      : undefined
    if (!handler) throw notImplemented(provider, operation)
    const { account, region, requestId } = request
    const call: Call = { account, region, requestId, operation, nowMs }
    let output = options.store.transact(() => handler(input, call))
    if (output instanceof Promise) output = await output
    // An answer tells of rows that may still be on their way to the disk: it waits for them.
    const pending = options.store.pending()
    if (pending) await pending
    return output
  }

  function asFault(thrown: unknown, request: ApiCall): AwsFault {
    if (thrown instanceof AwsFault) return thrown
    const { requestId, provider: service, operation } = request
    if (thrown instanceof StoreFault) {
      options.log.error(thrown.message, { requestId, service, operation })
      return new AwsFault('ServerException', thrown.message, 500)
    }
    const stack = thrown instanceof Error ? thrown.stack : undefined
    options.log.error(`bug: ${messageOf(thrown)}`, { requestId, service, operation, stack })
    return new AwsFault('ServerException', `Internal error; the log has it as ${requestId}.`, 500)
  }

  return { routes: options.providers.map(routeOf), call }
}

function routeOf(provider: Provider): ProviderRoute {
  const { signingName, targetPrefix, apiVersion, protocol } = provider.contract
  return { name: provider.name, signingName, targetPrefix, apiVersion, protocol }
}

function unknownOperation(provider: Provider, operation: string | undefined): AwsFault {
  if (provider.contract.protocol === 'json') {
    const message = operation ? `${provider.name} has no operation ${operation}.` : ''
    return new AwsFault('UnknownOperationException', message)
  }
  const version = provider.contract.apiVersion
  return operation
    ? new AwsFault(
        'InvalidAction',
        `The action ${operation} is not valid for this web service, version ${version}.`,
      )
    : new AwsFault('MissingAction', 'The request is missing an action parameter.')
}

/** The operation exists on AWS and is not implemented here. */
function notImplemented(provider: Provider, operation: string): AwsFault {
  return new AwsFault(
    provider.contract.protocol === 'json' ? 'UnsupportedFeatureException' : 'UnsupportedOperation',
    `KECS does not implement ${operation} of ${provider.name} yet; its README lists what it does.`,
    501,
  )
}
