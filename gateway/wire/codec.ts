import type { Buffer } from 'node:buffer'
import type { AwsFault } from '../core/fault.ts'
import type { MissingFaults, ServiceContract } from '../core/provider.ts'

export interface EncodedAnswer {
  readonly contentType: string
  readonly body: string
}

export interface EncodedFault extends EncodedAnswer {
  readonly status: number
}

/** One AWS protocol over one service's contract: plain objects on one side, bytes on the other. */
export interface Codec {
  /** The operation's checked input; an AwsFault for whatever is wrong with it. */
  decode(body: Buffer, contentType: string | undefined, operation: string): object
  encode(operation: string, output: object, requestId: string): EncodedAnswer
  fault(fault: AwsFault, requestId: string): EncodedFault
}

export interface CodecOptions {
  readonly contract: ServiceContract
  /** Code of the fault for input that breaks a constraint. */
  readonly validationCode: string
  /** Faults for missing members that the service tells in its own words. */
  readonly missing?: MissingFaults | undefined
}
