/** The gRPC service of `grpc-app.ts`, whose messages are plain bytes. */
import type { Buffer } from 'node:buffer'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'

const same = (bytes: Buffer): Buffer => bytes

function method(name: string, streams: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/kecs.Echo/${name}`,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
}

export const ECHO = {
  unary: method('Unary', false),
  both: method('Both', true),
} satisfies ServiceDefinition
