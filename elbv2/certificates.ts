/** Certificates and revocation lists as trust stores read them. */
import { Buffer } from 'node:buffer'
import { X509Certificate } from 'node:crypto'

/** The blocks of one kind in PEM text, e.g. `CERTIFICATE`, each as its DER bytes. */
export function pemBlocks(text: string, label: string): Buffer[] {
  const begin = `-----BEGIN ${label}-----`
  const end = `-----END ${label}-----`
  const blocks: Buffer[] = []
  for (const part of text.split(begin).slice(1)) {
    const stop = part.indexOf(end)
    if (stop !== -1) blocks.push(Buffer.from(part.slice(0, stop), 'base64'))
  }
  return blocks
}

/** How many certificates a bundle (PEM) has; undefined where it has none or one that is no certificate. */
export function countCertificates(bundle: string): number | undefined {
  const blocks = pemBlocks(bundle, 'CERTIFICATE')
  const begun = bundle.split('-----BEGIN ').length - 1
  if (blocks.length === 0 || begun !== blocks.length) return undefined
  return blocks.every(isCertificate) ? blocks.length : undefined
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).fingerprint256 !== ''
  } catch {
    return false
  }
}

/**
 * Serial numbers of the certificates that a revocation list (RFC 5280, PEM or DER) revokes, in
 * upper-case hex without leading zeros; undefined where the bytes are no such list.
 */
export function revokedSerials(content: Buffer): string[] | undefined {
  const text = content.toString('latin1')
  const lists = text.includes('-----BEGIN ') ? pemBlocks(text, 'X509 CRL') : [content]
  if (lists.length === 0) return undefined
  try {
    return lists.flatMap(serialsOf)
  } catch (thrown) {
    if (thrown instanceof DerError) return undefined
    throw thrown
  }
}

class DerError extends Error {}

const INTEGER = 0x02
const BIT_STRING = 0x03
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const EXTENSIONS = 0xa0
const MAX_LENGTH_BYTES = 4

interface Element {
  readonly tag: number
  /** Of its content. */
  readonly start: number
  readonly end: number
}

/** CertificateList: what is signed, the algorithm, the signature. */
function serialsOf(der: Buffer): string[] {
  const list = read(der, 0, der.length)
  expect(list, SEQUENCE)
  const [signed, algorithm, signature, ...rest] = children(der, list)
  expect(signed, SEQUENCE)
  expect(algorithm, SEQUENCE)
  expect(signature, BIT_STRING)
  if (rest.length > 0 || list.end !== der.length) throw new DerError('something follows the list')
  return revokedIn(der, children(der, signed))
}

/** TBSCertList: version?, algorithm, issuer, thisUpdate, nextUpdate?, revoked?, extensions? */
function revokedIn(der: Buffer, parts: Element[]): string[] {
  if (parts[0]?.tag === INTEGER) parts.shift()
  expect(parts.shift(), SEQUENCE)
  expect(parts.shift(), SEQUENCE)
  expect(parts.shift(), UTC_TIME, GENERALIZED_TIME)
  if (parts[0]?.tag === UTC_TIME || parts[0]?.tag === GENERALIZED_TIME) parts.shift()
  const revoked = parts[0]?.tag === SEQUENCE ? parts.shift() : undefined
  if (parts[0]?.tag === EXTENSIONS) parts.shift()
  if (parts.length > 0) throw new DerError('the list has an unknown part')
  return revoked === undefined ? [] : children(der, revoked).map((entry) => serialOf(der, entry))
}

function serialOf(der: Buffer, entry: Element): string {
  expect(entry, SEQUENCE)
  const serial = read(der, entry.start, entry.end)
  expect(serial, INTEGER)
  if (serial.start === serial.end) throw new DerError('an integer is empty')
  const hex = der.toString('hex', serial.start, serial.end).toUpperCase()
  return hex.replace(/^0+(?=.)/, '')
}

function expect(element: Element | undefined, ...tags: number[]): asserts element is Element {
  if (!element || !tags.includes(element.tag)) throw new DerError('another element was expected')
}

function children(der: Buffer, parent: Element): Element[] {
  const found: Element[] = []
  for (let at = parent.start; at < parent.end; ) {
    const child = read(der, at, parent.end)
    found.push(child)
    at = child.end
  }
  return found
}

/** The element at `at`, which must end by `limit`. */
function read(der: Buffer, at: number, limit: number): Element {
  const tag = der[at]
  const first = der[at + 1]
  if (tag === undefined || first === undefined || at + 2 > limit) throw new DerError('too short')
  const bytes = first < 0x80 ? 0 : first - 0x80
  // 0x80 alone is a length that only the end tells, which DER has not.
  if (first === 0x80 || bytes > MAX_LENGTH_BYTES) throw new DerError('a bad length')
  const start = at + 2 + bytes
  if (start > limit) throw new DerError('too short')
  const length = bytes === 0 ? first : der.readUIntBE(at + 2, bytes)
  if (start + length > limit) throw new DerError('too short')
  return { tag, start, end: start + length }
}
