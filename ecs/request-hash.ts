import { createHash } from 'node:crypto'

/** SHA-256 of a request's parameters: the same request again has the same hash, in whatever order. */
export function requestHash(input: object): string {
  const entries = Object.entries(input).sort(([left], [right]) => (left < right ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(entries)).digest('base64url')
}
