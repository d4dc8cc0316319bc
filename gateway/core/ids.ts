import { randomBytes, randomUUID } from 'node:crypto'

/** Randomness as everything in KECS sees it: tests seed it. */
export interface Ids {
  /** 32 lower-case hex digits: ECS task, container and deployment ids. */
  hex(): string
  /** RFC 9562 version 4, e.g. for request ids. */
  uuid(): string
  /** `digits` decimal digits, the first not zero, e.g. `ecs-svc/1234567890123456789`. */
  decimal(digits: number): string
}

export const systemIds: Ids = {
  hex: () => randomBytes(16).toString('hex'),
  uuid: () => randomUUID(),
  decimal: (digits) => decimalOf(randomBytes(digits)),
}

/** One decimal digit a byte; the first is never zero. */
export function decimalOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += text === '' ? (byte % 9) + 1 : byte % 10
  return text
}
