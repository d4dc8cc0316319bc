/** A gRPC target of the tests of load balancers; gRPC's own library serves. */
import { Buffer } from 'node:buffer'
import process from 'node:process'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { ECHO } from './grpc-echo.ts'

const { PORT, KECS_BIND_HOST } = process.env
const server = new Server()
server.addService(ECHO, {
  unary: (
    call: { request: Buffer },
    answer: (error: null | { code: number; details: string }, value?: Buffer) => void,
  ) => {
    const text = call.request.toString()
    if (text === 'refuse') answer({ code: 9, details: 'refused by the target' })
    else answer(null, Buffer.from(`echo ${text}`))
  },
  both: (call: NodeJS.ReadWriteStream) => {
    call.on('data', (chunk: Buffer) => call.write(Buffer.from(`echo ${chunk}`)))
    call.on('end', () => call.end())
  },
})
server.bindAsync(`${KECS_BIND_HOST}:${PORT}`, ServerCredentials.createInsecure(), () => {})
process.on('SIGTERM', () => process.exit(0))
// Whatever becomes of the test and of KECS: it does not stay.
setTimeout(() => process.exit(1), 180_000).unref()
