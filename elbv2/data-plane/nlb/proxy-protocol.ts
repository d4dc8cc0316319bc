/**
 * The header of PROXY protocol version 2 as network load balancers write it: always 100 bytes, with a
 * checksum (PP2_TYPE_CRC32C) and padding (PP2_TYPE_NOOP).
 */
import { Buffer } from 'node:buffer'
import { isIPv6 } from 'node:net'

/** What tells one flow of clients from another. */
export interface FlowEnds {
  readonly protocol: 'tcp' | 'udp'
  readonly sourceIp: string
  readonly sourcePort: number
  readonly destinationIp: string
  readonly destinationPort: number
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const HEADER_BYTES = 100
/** Of the signature, the version with its command, the family and the length. */
const FIXED_BYTES = 16
const VERSION_LOCAL = 0x20
const VERSION_PROXY = 0x21
const FAMILY_IPV4 = 0x10
const FAMILY_IPV6 = 0x20
const TRANSPORTS = { tcp: 0x1, udp: 0x2 }
const CRC32C = 0x03
const CRC32C_BYTES = 4
const NOOP = 0x04
const TLV_HEAD_BYTES = 3
/** Castagnoli's polynomial, its bits reversed. */
const POLYNOMIAL = 0x82f63b78

/** What a target is told before the bytes of its client; without a flow, what a health check says. */
export function proxyHeader(flow: FlowEnds | undefined): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  SIGNATURE.copy(header)
  header[12] = flow ? VERSION_PROXY : VERSION_LOCAL
  const addresses = flow ? addressesOf(flow) : Buffer.alloc(0)
  const isV6 = flow !== undefined && isIPv6(flow.sourceIp)
  header[13] = (isV6 ? FAMILY_IPV6 : FAMILY_IPV4) | TRANSPORTS[flow?.protocol ?? 'tcp']
  header.writeUInt16BE(HEADER_BYTES - FIXED_BYTES, 14)
  addresses.copy(header, FIXED_BYTES)
  const crcAt = FIXED_BYTES + addresses.length
  header[crcAt] = CRC32C
  header.writeUInt16BE(CRC32C_BYTES, crcAt + 1)
  const noopAt = crcAt + TLV_HEAD_BYTES + CRC32C_BYTES
  header[noopAt] = NOOP
  header.writeUInt16BE(HEADER_BYTES - noopAt - TLV_HEAD_BYTES, noopAt + 1)
  // The checksum counts its own four bytes as zeros.
  header.writeUInt32BE(crc32c(header), crcAt + TLV_HEAD_BYTES)
  return header
}

function addressesOf(flow: FlowEnds): Buffer {
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(flow.sourcePort, 0)
  ports.writeUInt16BE(flow.destinationPort, 2)
  // Both ends of one connection are of one family.
  const bytes = isIPv6(flow.sourceIp) ? ipv6Bytes : ipv4Bytes
  return Buffer.concat([bytes(flow.sourceIp), bytes(flow.destinationIp), ports])
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

/** Of an address in any of its spellings, e.g. `::ffff:127.0.0.1`. */
export function ipv6Bytes(address: string): Buffer {
  const text = (address.split('%')[0] ?? '').replace(/[\d.]+\.[\d.]+$/, (dotted) => {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [left = '', right] = text.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const head = groups(left)
  const tail = right === undefined ? [] : groups(right)
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  const all = [...head, ...gap, ...tail]
  const bytes = Buffer.alloc(16)
  all.forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  })
  return bytes
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc
})

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
