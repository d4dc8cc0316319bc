/** Addresses and the blocks that source-ip conditions name. */
import { isIPv4, isIPv6 } from 'node:net'

interface Address {
  readonly family: 4 | 6
  /** Unsigned, 32 bits each: one for IPv4, four for IPv6. */
  readonly words: readonly number[]
}

const WORD_BITS = 32
const MAPPED_PREFIX_BITS = 96
const MAPPED_MARK = 0xffff

/**
 * Whether an address lies in one of the CIDR blocks; throws an Error for a block that is none. An
 * IPv4 address that came in IPv6's clothes (`::ffff:192.0.2.1`) is the IPv4 address.
 */
export function compileCidrs(blocks: readonly string[]): (address: string) => boolean {
  const parsed = blocks.map(parseCidr)
  return (text) => {
    const address = parseOnce(text)
    return address !== undefined && parsed.some((block) => holds(block, address))
  }
}

interface Block extends Address {
  readonly bits: number
}

function parseCidr(text: string): Block {
  const [, ip = '', length = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const v6 = isIPv6(ip)
  const address = parseAddress(ip)
  let bits = Number(length)
  if (address === undefined || ip.includes('%') || bits > (v6 ? 128 : WORD_BITS)) {
    throw new Error(`not a CIDR block: ${text}`)
  }
  if (v6 && address.family === 4) {
    if (bits < MAPPED_PREFIX_BITS) return { family: 6, words: wordsOfIPv6(ip), bits }
    bits -= MAPPED_PREFIX_BITS
  }
  return { ...address, bits }
}

function holds(block: Block, address: Address): boolean {
  if (block.family !== address.family) return false
  let left = block.bits
  for (let at = 0; left > 0; at++, left -= WORD_BITS) {
    // A shift by 32 would be one by 0, so whole words are compared whole.
    const shift = left >= WORD_BITS ? 0 : WORD_BITS - left
    if ((block.words[at] ?? 0) >>> shift !== (address.words[at] ?? 0) >>> shift) return false
  }
  return true
}

let lastText = ''
let lastAddress: Address | undefined

/** Every rule asks about the same address: that of the request under way. */
function parseOnce(text: string): Address | undefined {
  if (text !== lastText) {
    lastAddress = parseAddress(text)
    lastText = text
  }
  return lastAddress
}

function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, words: [wordOfIPv4(text)] }
  if (!isIPv6(text)) return undefined
  const words = wordsOfIPv6(text)
  const [first, second, third, last = 0] = words
  if (first === 0 && second === 0 && third === MAPPED_MARK) return { family: 4, words: [last] }
  return { family: 6, words }
}

function wordOfIPv4(text: string): number {
  return text.split('.').reduce((word, byte) => word * 256 + Number(byte), 0)
}

function wordsOfIPv6(text: string): number[] {
  const [plain = ''] = text.split('%')
  const dotted = /\d+\.\d+\.\d+\.\d+$/.exec(plain)?.[0]
  let hex = plain
  if (dotted !== undefined) {
    const word = wordOfIPv4(dotted)
    hex = `${plain.slice(0, -dotted.length)}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`
  }
  const [head = '', tail] = hex.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(8 - front.length - back.length).fill('0')
  const groups = [...front, ...zeros, ...back].map((group) => Number.parseInt(group, 16))
  return [0, 2, 4, 6].map((at) => (groups[at] ?? 0) * 0x10000 + (groups[at + 1] ?? 0))
}
