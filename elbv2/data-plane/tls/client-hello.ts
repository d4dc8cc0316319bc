/**
 * Reads a client's first TLS message before any TLS is spoken. Listeners of several load balancers share
 * a port, each with its own versions, ciphers and trust store; node fixes these before its SNI callback.
 */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import type { Clock } from '../../../gateway/core/clock.ts'

export interface ClientHello {
  /** In lower case. */
  readonly serverName: string | undefined
  /** Whether the client takes certificates with ECDSA keys on P-256, P-384 or P-521. */
  readonly takesEcdsa: boolean
}

export type FirstBytes =
  | { readonly kind: 'hello'; readonly hello: ClientHello }
  /** Not TLS, e.g. plain HTTP. */
  | { readonly kind: 'other' }
  /** Too slow, too large, or gone. */
  | { readonly kind: 'nothing' }

const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1
const RECORD_HEAD = 5
const MESSAGE_HEAD = 4
const RANDOM_BYTES = 32
const SERVER_NAME = 0
const SIGNATURE_ALGORITHMS = 13
const HOST_NAME = 0
const ECDSA_SCHEMES: readonly number[] = [0x0403, 0x0503, 0x0603]
/** Several times what clients send, post-quantum key shares included. */
export const MAX_HELLO_BYTES = 32 * 1024
export const HELLO_MS = 10_000

/** Waits for the whole message and puts the bytes back: the socket is paused then, and as it was. */
export function readClientHello(socket: Socket, clock: Clock): Promise<FirstBytes> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0)
    const timer = clock.after(HELLO_MS, () => done({ kind: 'nothing' }))
    const onData = (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      const parsed = parseClientHello(bytes)
      if (parsed !== 'more') done(parsed)
      else if (bytes.length > MAX_HELLO_BYTES) done({ kind: 'nothing' })
    }
    const onEnd = () => done({ kind: 'nothing' })
    const done = (first: FirstBytes) => {
      timer.cancel()
      socket.off('data', onData).off('end', onEnd).off('close', onEnd)
      socket.pause()
      if (first.kind !== 'nothing') socket.unshift(bytes)
      resolve(first)
    }
    socket.on('data', onData).on('end', onEnd).on('close', onEnd)
  })
}

/** `more` while the message is not whole. */
export function parseClientHello(bytes: Buffer): FirstBytes | 'more' {
  if (bytes.length === 0) return 'more'
  if (bytes[0] !== HANDSHAKE_RECORD) return { kind: 'other' }
  const message = messageOf(bytes)
  if (message === undefined) return 'more'
  try {
    return { kind: 'hello', hello: helloOf(message) }
  } catch {
    // The handshake itself says what is wrong.
    return { kind: 'hello', hello: { serverName: undefined, takesEcdsa: true } }
  }
}

/** The handshake message out of the records that it is cut into; undefined while it is not whole. */
function messageOf(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  let length = 0
  for (let at = 0; at + RECORD_HEAD <= bytes.length && bytes[at] === HANDSHAKE_RECORD; ) {
    const end = at + RECORD_HEAD + bytes.readUInt16BE(at + 3)
    const part = bytes.subarray(at + RECORD_HEAD, end)
    parts.push(part)
    length += part.length
    at = end
  }
  if (length < MESSAGE_HEAD) return undefined
  const message = Buffer.concat(parts)
  // No client hello: whole as it is.
  if (message[0] !== CLIENT_HELLO) return message
  const whole = MESSAGE_HEAD + message.readUIntBE(1, 3)
  return message.length < whole ? undefined : message.subarray(0, whole)
}

function helloOf(message: Buffer): ClientHello {
  let at = MESSAGE_HEAD + 2 + RANDOM_BYTES
  at += 1 + message.readUInt8(at)
  at += 2 + message.readUInt16BE(at)
  at += 1 + message.readUInt8(at)
  const end = at + 2 + message.readUInt16BE(at)
  let serverName: string | undefined
  // A client of TLS 1.2 that names no algorithms takes SHA-1 with any key (RFC 5246, 7.4.1.4.1).
  let takesEcdsa = true
  for (at += 2; at + 4 <= end; ) {
    const type = message.readUInt16BE(at)
    const content = message.subarray(at + 4, at + 4 + message.readUInt16BE(at + 2))
    if (type === SERVER_NAME) serverName = hostNameOf(content)
    if (type === SIGNATURE_ALGORITHMS) takesEcdsa = hasEcdsa(content)
    at += 4 + content.length
  }
  return { serverName, takesEcdsa }
}

function hostNameOf(content: Buffer): string | undefined {
  if (content.length < 5 || content[2] !== HOST_NAME) return undefined
  return content.toString('latin1', 5, 5 + content.readUInt16BE(3)).toLowerCase()
}

function hasEcdsa(content: Buffer): boolean {
  for (let at = 2; at + 2 <= content.length; at += 2) {
    if (ECDSA_SCHEMES.includes(content.readUInt16BE(at))) return true
  }
  return false
}
