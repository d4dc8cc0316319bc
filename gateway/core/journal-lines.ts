/** The journal's lines: one JSON object a row change, closed by a checksum of what stands before it. */
import { Buffer } from 'node:buffer'
import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { Row } from './store.ts'

/** One row change, as it stands in a journal or a snapshot. */
export interface LineRecord {
  /** Transaction; its changes stand together, the last one with `end`. */
  readonly tx: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly c: string
  readonly k: string
  /** Sequence number of the row in its collection. */
  readonly s: number
  /** Null for a deletion. */
  readonly row: Row | null
  readonly end?: true
}

export const META_COLLECTION = '$meta'

const CLOSING = ',"crc":"'
/** `,"crc":"01234567"}` */
const CLOSING_BYTES = CLOSING.length + 10
const READ_BYTES = 4 * 1024 * 1024
const LINE_FEED = 0x0a

/** The record as a line, line feed included. */
export function encodeLine(record: LineRecord): string {
  const open = JSON.stringify(record).slice(0, -1)
  return `${open}${CLOSING}${hex(crc32(open))}"}\n`
}

/** The record of a line without its line feed; undefined when it is damaged. */
export function decodeLine(line: Buffer): LineRecord | undefined {
  const length = line.length - CLOSING_BYTES
  if (length <= 0) return undefined
  const closing = line.toString('latin1', length)
  if (closing !== `${CLOSING}${hex(crc32(line.subarray(0, length)))}"}`) return undefined
  try {
    return JSON.parse(`${line.toString('utf8', 0, length)}}`) as LineRecord
  } catch {
    return undefined
  }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}

export interface Line {
  readonly bytes: Buffer
  /** Where it begins in the file. */
  readonly offset: number
  /** Whether its line feed is there. */
  readonly whole: boolean
}

/** The lines of a file, in blocks, without holding the file in memory. */
export async function* readLines(path: string): AsyncGenerator<Line[]> {
  const file = await open(path, 'r')
  try {
    let rest = Buffer.alloc(0)
    let offset = 0
    for (;;) {
      const block = Buffer.allocUnsafe(READ_BYTES)
      const { bytesRead } = await file.read(block, 0, READ_BYTES)
      if (bytesRead === 0) break
      const bytes = Buffer.concat([rest, block.subarray(0, bytesRead)])
      const lines: Line[] = []
      let begin = 0
      for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, begin)) {
        lines.push({ bytes: bytes.subarray(begin, end), offset: offset + begin, whole: true })
        begin = end + 1
      }
      rest = bytes.subarray(begin)
      offset += begin
      yield lines
    }
    if (rest.length > 0) yield [{ bytes: rest, offset, whole: false }]
  } finally {
    await file.close()
  }
}
