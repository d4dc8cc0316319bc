import type { Buffer } from 'node:buffer'
import { AwsFault } from '../core/fault.ts'
import type { Codec, CodecOptions } from './codec.ts'
import { shorten } from './constraints.ts'
import { decodeInput } from './shapes.ts'
import { strictUtf8 } from './utf8.ts'

const CONTENT_TYPE = 'application/x-amz-json-1.1'

/** AWS JSON 1.1: the operation in X-Amz-Target, epoch-second timestamps, `__type` in faults. */
export function createJsonCodec(options: CodecOptions): Codec {
  function decode(body: Buffer, contentType: string | undefined, operation: string): object {
    const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase()
    if (type !== CONTENT_TYPE) {
      const given = contentType === undefined ? 'missing' : JSON.stringify(shorten(contentType))
      const message = `Content-Type has to be ${CONTENT_TYPE}; it is ${given}.`
      throw new AwsFault('UnknownOperationException', message)
    }
    return decodeInput(parse(body), operation, options)
  }

  function parse(body: Buffer): unknown {
    let value: unknown
    try {
      value = JSON.parse(strictUtf8(body))
    } catch {
      throw new AwsFault('SerializationException', 'The request body is not valid JSON in UTF-8.')
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new AwsFault('SerializationException', 'The request body is not a JSON object.')
    }
    return value
  }

  return {
    decode,
    encode: (_operation, output) => ({ contentType: CONTENT_TYPE, body: JSON.stringify(output) }),
    fault: (fault) => ({
      status: fault.status,
      contentType: CONTENT_TYPE,
      body: JSON.stringify({ __type: fault.code, message: fault.message, ...fault.members }),
    }),
  }
}
