import type { Buffer } from 'node:buffer'
import { connect } from 'node:net'
import { FAILED, GOOD, type ProbeResult } from './health-state.ts'
import type { Endpoint } from './probe-endpoint.ts'

/** Good is whoever takes a connection, which is closed once `preface` is said. */
export function probeTcp(
  preface: Buffer | undefined,
  { host, port }: Endpoint,
  signal: AbortSignal,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.unref()
    const settle = (result: ProbeResult) => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve(result)
    }
    const onAbort = () => settle(FAILED)
    signal.addEventListener('abort', onAbort)
    socket.once('connect', () => {
      if (preface) socket.write(preface, () => settle(GOOD))
      else settle(GOOD)
    })
    // Stays: a socket that was destroyed may still have an error to tell.
    socket.on('error', () => settle(FAILED))
  })
}
