import type { Buffer } from 'node:buffer'
import type { ServerResponse } from 'node:http'
import type { Clock } from './core/clock.ts'

/** What is still taken of a request that was answered before it was read. */
export const LINGER_BYTES = 64 * 1024 * 1024
export const LINGER_MS = 2_000

/**
 * Ends an answer (its head is written, with a length) to a request that was not read to its end. A
 * connection closed over unread bytes is reset, and a client still sending would lose the answer.
 */
export function endUnread(res: ServerResponse, body: Buffer, clock: Clock): void {
  const { req } = res
  let taken = 0
  const end = () => {
    timer.cancel()
    req.off('data', onData).off('end', end).off('close', end)
    res.end()
  }
  const onData = (chunk: Buffer) => {
    taken += chunk.length
    if (taken > LINGER_BYTES) end()
  }
  const timer = clock.after(LINGER_MS, end)
  res.write(body)
  req.on('error', () => {})
  if (req.readableEnded || req.destroyed) end()
  else req.on('data', onData).on('end', end).on('close', end).resume()
}
