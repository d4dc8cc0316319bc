/** As much of ASN.1's distinguished encoding (X.690) as X.509 certificates need. */
import { Buffer } from 'node:buffer'

const SEQUENCE = 0x30
const SET = 0x31
/** From this year on times are written with four digits (RFC 5280, 4.1.2.5). */
const GENERALIZED_FROM = 2050

function encoded(tag: number, parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes = lengthBytes(length)
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content])
}

function lengthBytes(length: number): number[] {
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff)
  return bytes
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return encoded(SEQUENCE, parts)
}

export function setOf(...parts: readonly Uint8Array[]): Buffer {
  return encoded(SET, parts)
}

/** `[number]`; a constructed one holds whole values, a primitive one bare content. */
export function tagged(number: number, constructed: boolean, ...parts: Uint8Array[]): Buffer {
  return encoded(0x80 | (constructed ? 0x20 : 0) | number, parts)
}

/** A positive number, from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  let first = 0
  while (first < bytes.length - 1 && bytes[first] === 0) first++
  const digits = bytes.subarray(first)
  const sign = (digits[0] ?? 0) & 0x80 ? [Buffer.from([0])] : []
  return encoded(0x02, [...sign, digits])
}

export function boolean(value: boolean): Buffer {
  return encoded(0x01, [Buffer.from([value ? 0xff : 0])])
}

/** Whole bytes, or with the last bits of the last byte unused. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return encoded(0x03, [Buffer.from([unusedBits]), bytes])
}

export function octetString(bytes: Uint8Array): Buffer {
  return encoded(0x04, [bytes])
}

export function utf8String(text: string): Buffer {
  return encoded(0x0c, [Buffer.from(text)])
}

/** From its dotted form, e.g. `2.5.4.3`. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const digits = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f))
    bytes.push(...digits)
  }
  return encoded(0x06, [Buffer.from(bytes)])
}

export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  const isShort = new Date(ms).getUTCFullYear() < GENERALIZED_FROM
  return encoded(isShort ? 0x17 : 0x18, [Buffer.from(isShort ? digits.slice(2) : digits)])
}

/** One value as it was read. */
export interface DerValue {
  readonly tag: number
  readonly content: Buffer
}

/** The values that follow one another in `bytes`; throws where they are no DER. */
export function readDer(bytes: Buffer): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = byteAt(bytes, at)
    let length = byteAt(bytes, at + 1)
    let begin = at + 2
    if (length & 0x80) {
      const count = length & 0x7f
      if (count === 0 || count > 4) throw new Error('a length that DER does not have')
      length = 0
      for (const end = begin + count; begin < end; begin++) {
        length = length * 256 + byteAt(bytes, begin)
      }
    }
    at = begin + length
    if (at > bytes.length) throw new Error('a value that ends too early')
    values.push({ tag, content: bytes.subarray(begin, at) })
  }
  return values
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw new Error('a value that ends too early')
  return byte
}

/** The dotted form of an object identifier's content. */
export function objectIdOf(content: Uint8Array): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte & 0x80) continue
    if (arcs.length > 0) arcs.push(arc)
    else {
      const first = Math.min(2, Math.floor(arc / 40))
      arcs.push(first, arc - first * 40)
    }
    arc = 0
  }
  return arcs.join('.')
}
