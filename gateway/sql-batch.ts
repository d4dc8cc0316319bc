/** Rows as columns in Arrow's memory layout, so that they cross to the engine without being copied. */
import type { SqlColumn, SqlType } from './core/sql-table.ts'

/**
 * One column of a batch. `valid` has a bit for each row, least significant first; 0 is NULL. Bare
 * buffers, no views of them: Deno sends a view element by element, 100 times as slowly.
 */
export interface ColumnBatch {
  readonly type: SqlType
  readonly nulls: number
  readonly valid: ArrayBuffer
  /** UTF-8 of a VARCHAR, bits of a BOOLEAN, 64-bit values of the others. */
  readonly values: ArrayBuffer
  /** Of a VARCHAR: where each row's text begins, and where the last one ends; 32 bits each. */
  readonly offsets?: ArrayBuffer
}

export interface Batch {
  readonly length: number
  readonly columns: readonly ColumnBatch[]
}

/** The batch of these rows; cells that do not fit their column's type become NULL. */
export function batchOf(
  columns: readonly SqlColumn[],
  rows: readonly (readonly unknown[])[],
): Batch {
  return {
    length: rows.length,
    columns: columns.map(({ type }, index) => columnOf(type, index, rows)),
  }
}

/** The buffers of a batch, for the transfer list. */
export function buffersOf(batch: Batch): ArrayBuffer[] {
  return batch.columns.flatMap(({ valid, values, offsets }) => [
    valid,
    values,
    ...(offsets ? [offsets] : []),
  ])
}

function columnOf(
  type: SqlType,
  index: number,
  rows: readonly (readonly unknown[])[],
): ColumnBatch {
  const length = rows.length
  const valid = new Uint8Array((length + 7) >> 3)
  let nulls = 0
  const mark = (row: number, isValid: boolean) => {
    if (isValid) valid[row >> 3]! |= 1 << (row & 7)
    else nulls++
  }
  if (type === 'VARCHAR') {
    const texts = rows.map((row, at) => {
      const text = textOf(row[index])
      mark(at, text !== undefined)
      return text ?? ''
    })
    return { type, valid: valid.buffer, nulls, ...encode(texts) }
  }
  if (type === 'BOOLEAN') {
    const values = new Uint8Array((length + 7) >> 3)
    rows.forEach((row, at) => {
      const value = row[index]
      mark(at, typeof value === 'boolean')
      if (value === true) values[at >> 3]! |= 1 << (at & 7)
    })
    return { type, valid: valid.buffer, nulls, values: values.buffer }
  }
  if (type === 'DOUBLE') {
    const values = new Float64Array(length)
    rows.forEach((row, at) => {
      const value = numberOf(row[index])
      mark(at, value !== undefined)
      values[at] = value ?? 0
    })
    return { type, valid: valid.buffer, nulls, values: values.buffer }
  }
  const read = type === 'BIGINT' ? bigintOf : millisOf
  const values = new BigInt64Array(length)
  rows.forEach((row, at) => {
    const value = read(row[index])
    mark(at, value !== undefined)
    values[at] = value ?? 0n
  })
  return { type, valid: valid.buffer, nulls, values: values.buffer }
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return undefined
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function numberOf(value: unknown): number | undefined {
  const number =
    typeof value === 'string' && value.trim() !== '' ? Number(value) : (value as number | undefined)
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

function bigintOf(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? value : undefined
  const number = numberOf(value)
  return Number.isSafeInteger(number) ? BigInt(number!) : undefined
}

const MAX_DATE_MS = 8.64e15

function millisOf(value: unknown): bigint | undefined {
  const ms =
    value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : value
  if (typeof ms !== 'number' || !(Math.abs(ms) <= MAX_DATE_MS)) return undefined
  return BigInt(Math.trunc(ms))
}

const encoder = new TextEncoder()
const MAX_UTF8_BYTES_PER_UNIT = 3

function encode(texts: readonly string[]): Pick<ColumnBatch, 'values' | 'offsets'> {
  const offsets = new Int32Array(texts.length + 1)
  const joined = texts.join('')
  const ascii = encoder.encode(joined)
  if (ascii.length === joined.length) {
    let end = 0
    texts.forEach((text, index) => {
      end += text.length
      offsets[index + 1] = end
    })
    return { values: ascii.buffer, offsets: offsets.buffer }
  }
  const values = new Uint8Array(joined.length * MAX_UTF8_BYTES_PER_UNIT)
  let end = 0
  texts.forEach((text, index) => {
    end += encoder.encodeInto(text, values.subarray(end)).written
    offsets[index + 1] = end
  })
  return { values: values.buffer.slice(0, end), offsets: offsets.buffer }
}
