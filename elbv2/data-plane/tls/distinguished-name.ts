import type { Buffer } from 'node:buffer'
import { type DerValue, objectIdOf, readDer } from './der.ts'

/** Keywords of RFC 2253, and those that OpenSSL adds. */
const KEYWORDS: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.42': 'GN',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
}
const BMP_STRING = 0x1e

/**
 * A name of a certificate as RFC 2253 writes it, the most specific part first: printable ASCII, whatever
 * the certificate says. (What node and Deno say of names differs, and is no RFC's.)
 */
export function distinguishedName({ content }: DerValue): string {
  const parts = readDer(content).map((part) =>
    readDer(part.content).map(pairOf).reverse().join('+'),
  )
  return parts.reverse().join(',')
}

function pairOf({ content }: DerValue): string {
  const [type, value] = readDer(content)
  if (!type || !value) throw new Error('a name without a value')
  const oid = objectIdOf(type.content)
  const keyword = KEYWORDS[oid]
  if (keyword === undefined) return `${oid}=#${value.content.toString('hex').toUpperCase()}`
  return `${keyword}=${escaped(textBytes(value))}`
}

function textBytes({ tag, content }: DerValue): Uint8Array {
  if (tag !== BMP_STRING) return content
  return new TextEncoder().encode(utf16(content))
}

function utf16(content: Buffer): string {
  let text = ''
  for (let at = 0; at + 1 < content.length; at += 2) {
    text += String.fromCharCode(content.readUInt16BE(at))
  }
  return text
}

function escaped(bytes: Uint8Array): string {
  let text = ''
  bytes.forEach((byte, index) => {
    const character = String.fromCharCode(byte)
    const isLast = index === bytes.length - 1
    if (byte < 0x20 || byte > 0x7e) {
      text += `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`
    } else if (
      ',+"\\<>;'.includes(character) ||
      (index === 0 && ' #'.includes(character)) ||
      (isLast && character === ' ')
    ) {
      text += `\\${character}`
    } else text += character
  })
  return text
}
