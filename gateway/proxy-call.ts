import type { Buffer } from 'node:buffer'
import type { RawHeaders } from './proxy-headers.ts'
import type { ProxyBytes, ProxyLimits } from './proxy-watch.ts'

/** What one proxied request has of its own. */
export interface ProxyCall {
  /** The whole body where it was read already; it is replayed byte for byte. */
  readonly body?: Buffer
  /**
   * Sent in place of the request's own: its end-to-end headers (`endToEnd`). What belongs to the
   * connection, chunks and trailers goes by the client's head all the same.
   */
  readonly head?: { readonly url: string; readonly headers: RawHeaders }
  /** In place of the proxy's own. A WebSocket, too, ends when it is silent for so long. */
  readonly limits?: ProxyLimits
  /** Neither the target's connection nor the client's is used for another request. */
  readonly alone?: boolean
  /** Told of the target's answer: what it returns is sent in place of these end-to-end headers. */
  readonly onAnswer?: (status: number, headers: string[]) => string[]
  readonly watch?: ProxyWatch
}

export interface ProxyWatch {
  /** There is a connection to the target. Twice where a kept one died and another was made. */
  connected(): void
  /** Once, whatever happened: nothing of this request is under way any more. */
  over(bytes: ProxyBytes): void
}
