import type { Scope } from './arn.ts'

/** What a handler knows of the call besides its input. */
export interface Call extends Scope {
  readonly operation: string
  /** Also the answer's `x-amzn-RequestId`. */
  readonly requestId: string
  /** When the call was accepted, in milliseconds since the epoch. */
  readonly nowMs: number
}

/**
 * The function of one operation: checked input in, output in AWS's shape, or a thrown AwsFault.
 * It runs in one store transaction and must not await (the rare one that asks the world first
 * returns a promise and opens its own transaction for what it writes afterwards).
 */
// biome-ignore lint/suspicious/noExplicitAny: each handler narrows its own operation's types
export type Handler<I = any, O = object> = (input: I, call: Call) => O | Promise<O>

/** One AWS service that is answered in this process. */
export interface Provider {
  /** For logs and metrics, e.g. `ecs`. */
  readonly name: string
  readonly contract: ServiceContract
  /** By operation name; an operation of the contract without a handler answers a fault that names it. */
  readonly handlers: Readonly<Record<string, Handler>>
  /** Code of the fault for input that breaks a constraint of the contract. */
  readonly validationCode: string
  readonly missing?: MissingFaults
}

/** By `Operation.member`: code and text of the fault where AWS does not use its generic one. */
export type MissingFaults = Readonly<Record<string, readonly [code: string, message: string]>>

/** The facts of an AWS API model that the codecs and the router need; generated, never written. */
export interface ServiceContract {
  readonly protocol: 'json' | 'query'
  readonly apiVersion: string
  /** Service name in the SigV4 credential scope. */
  readonly signingName: string
  /** JSON protocols only: what stands before the dot in X-Amz-Target. */
  readonly targetPrefix?: string
  /** Query protocol only. */
  readonly xmlNamespace?: string
  readonly operations: Readonly<Record<string, OperationContract>>
  readonly shapes: Readonly<Record<string, Shape>>
}

export interface OperationContract {
  /** Names of shapes; absent where the operation takes or answers nothing. */
  readonly input?: string
  readonly output?: string
  readonly resultWrapper?: string
}

/** One shape of the API model. Bounds are of length for strings and lists, of value for numbers. */
export interface Shape {
  readonly type:
    | 'structure'
    | 'list'
    | 'map'
    | 'string'
    | 'boolean'
    | 'integer'
    | 'long'
    | 'double'
    | 'float'
    | 'timestamp'
    | 'blob'
  readonly members?: Readonly<Record<string, Member>>
  readonly required?: readonly string[]
  readonly member?: Member
  readonly key?: Member
  readonly value?: Member
  readonly enum?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly pattern?: string
  readonly flattened?: boolean
  /** Present on faults. */
  readonly exception?: boolean
  readonly error?: { readonly code: string; readonly httpStatusCode: number }
}

export interface Member {
  readonly shape: string
  /** Wire name where it differs from the member's. */
  readonly locationName?: string
  readonly flattened?: boolean
}
