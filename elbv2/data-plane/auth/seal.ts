import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv } from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
export const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
/** What every sealed text begins with: its IV, which no other has. */
export const SEAL_ID_CHARACTERS = (IV_BYTES * 4) / 3

/** Texts that only this process (or one with the same key) makes and reads: AES-256-GCM, base64url. */
export interface Sealer {
  /** What is sealed for one purpose does not open for another. */
  seal(purpose: string, value: unknown): string
  /** Undefined for anything that `seal` did not make for this purpose. */
  open(purpose: string, text: string): unknown
}

export function createSealer(key: Buffer, randomBytes: (count: number) => Buffer): Sealer {
  if (key.length !== KEY_BYTES) throw new Error(`the key must have ${KEY_BYTES} bytes`)
  return {
    seal(purpose, value) {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv(ALGORITHM, key, iv)
      cipher.setAAD(Buffer.from(purpose))
      const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()])
      return Buffer.concat([iv, text, cipher.getAuthTag()]).toString('base64url')
    },
    open(purpose, sealed) {
      const bytes = Buffer.from(sealed, 'base64url')
      if (bytes.length < IV_BYTES + TAG_BYTES) return undefined
      // Node's decoder skips what is not base64url: one sealed text must have one spelling.
      if (bytes.toString('base64url') !== sealed) return undefined
      try {
        const cipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), {
          authTagLength: TAG_BYTES,
        })
        cipher.setAAD(Buffer.from(purpose))
        cipher.setAuthTag(bytes.subarray(-TAG_BYTES))
        const text = cipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES))
        return JSON.parse(Buffer.concat([text, cipher.final()]).toString('utf8'))
      } catch {
        return undefined
      }
    },
  }
}
