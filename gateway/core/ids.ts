import { Buffer } from 'node:buffer'
import { randomBytes, randomFillSync, randomUUID } from 'node:crypto'

/** Randomness as everything in KECS sees it: tests seed it. */
export interface Ids {
  /** 32 lower-case hex digits: ECS task, container and deployment ids. */
  hex(): string
  /** RFC 9562 version 4, e.g. for request ids. */
  uuid(): string
  /** `digits` decimal digits, the first not zero, e.g. `ecs-svc/1234567890123456789`. */
  decimal(digits: number): string
}

const HEX_BYTES = 16
/** Randomness costs by the call, not by the byte: it is fetched for many ids at once. */
const pool = Buffer.alloc(HEX_BYTES * 1024)
let used = pool.length

function hex(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += HEX_BYTES
  return pool.toString('hex', used - HEX_BYTES, used)
}

export const systemIds: Ids = {
  hex,
  uuid: () => randomUUID(),
  decimal: (digits) => decimalOf(randomBytes(digits)),
}

/** One decimal digit a byte; the first is never zero. */
export function decimalOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += text === '' ? (byte % 9) + 1 : byte % 10
  return text
}
