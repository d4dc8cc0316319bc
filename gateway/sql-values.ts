/** Arrow's values as JSON has them. */
import { Buffer } from 'node:buffer'
import type * as Arrow from 'apache-arrow'

/** A value of an answer: text, number, boolean or null. */
export type SqlCell = string | number | boolean | null

// Arrow's type ids; its own enum would load the library here.
const ARROW = {
  NULL: 1,
  INT: 2,
  FLOAT: 3,
  BINARY: 4,
  UTF8: 5,
  BOOL: 6,
  DECIMAL: 7,
  DATE: 8,
  TIME: 9,
  TIMESTAMP: 10,
  INTERVAL: 11,
  LIST: 12,
  STRUCT: 13,
  UNION: 14,
  FIXED_LIST: 16,
  MAP: 17,
  DICTIONARY: -1,
} as const

const INTEGERS: Readonly<Record<number, string>> = {
  8: 'TINYINT',
  16: 'SMALLINT',
  32: 'INTEGER',
  64: 'BIGINT',
}
const HUGEINT_DIGITS = 38

/** DuckDB's name of an Arrow type, e.g. `DECIMAL(4,1)`, `VARCHAR[]`. */
export function typeNameOf(type: Arrow.DataType): string {
  switch (type.typeId) {
    case ARROW.INT: {
      const { bitWidth, isSigned } = type as Arrow.Int
      return `${isSigned ? '' : 'U'}${INTEGERS[bitWidth]}`
    }
    case ARROW.FLOAT:
      return (type as Arrow.Float).precision === 1 ? 'FLOAT' : 'DOUBLE'
    case ARROW.DECIMAL: {
      const { precision, scale } = type as Arrow.Decimal
      if (precision === HUGEINT_DIGITS && scale === 0) return 'HUGEINT'
      return `DECIMAL(${precision},${scale})`
    }
    case ARROW.TIMESTAMP:
      return (type as Arrow.Timestamp).timezone ? 'TIMESTAMP WITH TIME ZONE' : 'TIMESTAMP'
    case ARROW.LIST:
    case ARROW.FIXED_LIST:
      return `${typeNameOf(type.children[0]!.type)}[]`
    case ARROW.STRUCT:
      return 'STRUCT'
    case ARROW.DICTIONARY:
      return 'ENUM'
    default:
      return SIMPLE[type.typeId] ?? String(type)
  }
}

const SIMPLE: Readonly<Record<number, string>> = {
  [ARROW.NULL]: 'NULL',
  [ARROW.BINARY]: 'BLOB',
  [ARROW.UTF8]: 'VARCHAR',
  [ARROW.BOOL]: 'BOOLEAN',
  [ARROW.DATE]: 'DATE',
  [ARROW.TIME]: 'TIME',
  [ARROW.INTERVAL]: 'INTERVAL',
  [ARROW.MAP]: 'MAP',
  [ARROW.UNION]: 'UNION',
}

/** Row `index` of an Arrow array; nested values are JSON text. */
export function cellOf(data: Arrow.Data, index: number): SqlCell {
  const value = plain(data, index)
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as SqlCell)
}

const utf8 = new TextDecoder()

// Reads the buffers: Arrow's own getters lose intervals, infinities and the scale of decimals.
function plain(data: Arrow.Data, index: number): unknown {
  if (!data.getValid(index)) return null
  const { type, values } = data
  switch (type.typeId) {
    case ARROW.NULL:
      return null
    case ARROW.INT:
      return typeof values[index] === 'bigint' ? integer(values[index]) : values[index]
    case ARROW.FLOAT:
      return Number.isFinite(values[index]) ? values[index] : String(values[index])
    case ARROW.BOOL:
      return ((values[index >> 3] >> (index & 7)) & 1) === 1
    case ARROW.UTF8:
      return utf8.decode(bytesOf(data, index))
    case ARROW.BINARY:
      return Buffer.from(bytesOf(data, index)).toString('hex')
    case ARROW.DECIMAL:
      return decimal(values.subarray(4 * index, 4 * index + 4), (type as Arrow.Decimal).scale)
    case ARROW.TIMESTAMP:
      return timestamp(values[index], (type as Arrow.Timestamp).unit)
    case ARROW.DATE:
      return dateText(values[index])
    case ARROW.TIME:
      return timeText(BigInt(values[index]))
    case ARROW.INTERVAL:
      return intervalText(values.subarray(4 * index, 4 * index + 4))
    case ARROW.DICTIONARY:
      return data.dictionary?.get(values[index])
    default:
      return nested(data, index)
  }
}

function nested(data: Arrow.Data, index: number): unknown {
  const { type, children } = data
  switch (type.typeId) {
    case ARROW.STRUCT:
      return Object.fromEntries(type.children.map((f, at) => [f.name, plain(children[at]!, index)]))
    case ARROW.UNION: {
      const child = (type as Arrow.Union).typeIdToChildIndex[data.typeIds[index]!]
      return plain(children[child!]!, index)
    }
    case ARROW.FIXED_LIST: {
      const { listSize } = type as Arrow.FixedSizeList
      return indexes(index * listSize, (index + 1) * listSize).map((at) => plain(children[0]!, at))
    }
    case ARROW.LIST:
      return entriesOf(data, index).map((at) => plain(children[0]!, at))
    case ARROW.MAP: {
      const [keys, values] = children[0]!.children
      const entry = (at: number) => [String(plain(keys!, at)), plain(values!, at)]
      return Object.fromEntries(entriesOf(data, index).map(entry))
    }
    default:
      return `(a value of type ${type})`
  }
}

function entriesOf({ valueOffsets }: Arrow.Data, index: number): number[] {
  return indexes(valueOffsets[index]!, valueOffsets[index + 1]!)
}

function indexes(begin: number, end: number): number[] {
  return Array.from({ length: end - begin }, (_, at) => begin + at)
}

function bytesOf({ values, valueOffsets }: Arrow.Data, index: number): Uint8Array {
  return values.subarray(valueOffsets[index], valueOffsets[index + 1])
}

function integer(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

const MAX_EXACT_DIGITS = 15

// 128 bits, least significant word first.
function decimal(words: Uint32Array, scale: number): number | string {
  const unsigned = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n)
  const value = BigInt.asIntN(128, unsigned)
  if (scale === 0) return integer(value)
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  const text = `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return digits.length <= MAX_EXACT_DIGITS ? Number(text) : text
}

const UNITS_PER_SECOND = [1n, 1_000n, 1_000_000n, 1_000_000_000n]
const INFINITY = 2n ** 63n - 1n

function timestamp(value: bigint, unit: number): string {
  if (value >= INFINITY) return 'infinity'
  if (value <= -INFINITY) return '-infinity'
  const perSecond = UNITS_PER_SECOND[unit]!
  const fraction = ((value % perSecond) + perSecond) % perSecond
  const ms = Number((value - fraction) / perSecond) * 1000 + Number((fraction * 1000n) / perSecond)
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(value) : date.toISOString()
}

const DAY_MS = 86_400_000

function dateText(days: number): string {
  const date = new Date(days * DAY_MS)
  if (Number.isNaN(date.getTime())) return days > 0 ? 'infinity' : '-infinity'
  const text = date.toISOString()
  return text.slice(0, text.indexOf('T'))
}

const MICROS_PER_SECOND = 1_000_000n

function timeText(micros: bigint): string {
  const sign = micros < 0n ? '-' : ''
  const total = micros < 0n ? -micros : micros
  const seconds = total / MICROS_PER_SECOND
  const part = (value: bigint) => String(value).padStart(2, '0')
  const fraction = String(total % MICROS_PER_SECOND)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const clock = `${part(seconds / 3600n)}:${part((seconds / 60n) % 60n)}:${part(seconds % 60n)}`
  return `${sign}${clock}${fraction && `.${fraction}`}`
}

const NANOS_PER_MICRO = 1000n

// Months, days and 64 bits of nanoseconds; as DuckDB writes it: `1 month 2 days 00:00:03`.
function intervalText(words: Int32Array): string {
  const [months = 0, days = 0, low = 0, high = 0] = words
  const nanos = (BigInt(high) << 32n) | BigInt.asUintN(32, BigInt(low))
  const count = (value: number, unit: string) =>
    value ? [`${value} ${unit}${Math.abs(value) === 1 ? '' : 's'}`] : []
  const parts = [
    ...count(Math.trunc(months / 12), 'year'),
    ...count(months % 12, 'month'),
    ...count(days, 'day'),
  ]
  if (nanos || parts.length === 0) parts.push(timeText(nanos / NANOS_PER_MICRO))
  return parts.join(' ')
}
