import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { SqlType } from '../../gateway/core/sql-table.ts'
import { batchOf, buffersOf, type ColumnBatch } from '../../gateway/sql-batch.ts'

const SEED = 20260101

function columnOf(type: SqlType, cells: readonly unknown[]): ColumnBatch {
  const columns = [{ name: 'cell', type, description: '' }]
  return batchOf(
    columns,
    cells.map((cell) => [cell]),
  ).columns[0]!
}

function isValid({ valid }: ColumnBatch, row: number): boolean {
  return ((new Uint8Array(valid)[row >> 3]! >> (row & 7)) & 1) === 1
}

function textsOf(column: ColumnBatch, length: number): (string | null)[] {
  const offsets = new Int32Array(column.offsets!)
  return Array.from({ length }, (_, row) => {
    const bytes = column.values.slice(offsets[row]!, offsets[row + 1]!)
    return isValid(column, row) ? Buffer.from(bytes).toString('utf8') : null
  })
}

test('batchOf: any text comes back as it was, NULL where there was none', () => {
  const cell = fc.option(fc.oneof(fc.string(), fc.string({ unit: 'binary' })))
  fc.assert(
    fc.property(fc.array(cell, { maxLength: 40 }), (cells) => {
      const column = columnOf('VARCHAR', cells)
      assert.equal(textsOf(column, cells.length), cells)
      assert.is(column.nulls, cells.filter((text) => text === null).length)
    }),
    { seed: SEED },
  )
})

test('batchOf: half a character is a replacement, and does not join that of the next row', () => {
  const column = columnOf('VARCHAR', ['\ud83d', '\ude00', '😀'])
  assert.equal(textsOf(column, 3), ['\ufffd', '\ufffd', '😀'])
})

test('batchOf: objects become JSON text', () => {
  assert.equal(textsOf(columnOf('VARCHAR', [['a'], { b: 1 }, 7]), 3), ['["a"]', '{"b":1}', '7'])
})

test('batchOf: cells that do not fit their column are NULL', () => {
  const wrong: [SqlType, unknown[], unknown[]][] = [
    ['BIGINT', [7, 8n, '9'], [1.5, Number.NaN, 'x', '', 2 ** 53, 2n ** 63n, true, null, {}]],
    ['DOUBLE', [7, 0.5, '0.5'], [Number.NaN, Number.POSITIVE_INFINITY, 'x', '', undefined]],
    ['BOOLEAN', [true, false], ['true', 1, 0, null]],
    ['TIMESTAMP', [0, '2026-01-01', new Date(0)], ['x', Number.NaN, 9e15, true, null]],
  ]
  for (const [type, good, bad] of wrong) {
    const column = columnOf(type, [...good, ...bad])
    const valid = [...good, ...bad].map((_, row) => isValid(column, row))
    assert.equal(valid, [...good.map(() => true), ...bad.map(() => false)], type)
    assert.is(column.nulls, bad.length)
  }
})

test('buffersOf: every buffer is named once, so that all can be transferred', () => {
  const columns = [
    { name: 'a', type: 'VARCHAR', description: '' },
    { name: 'b', type: 'BOOLEAN', description: '' },
  ] as const
  const buffers = buffersOf(batchOf(columns, [['x', true]]))
  assert.is(buffers.length, 5)
  assert.is(new Set(buffers).size, 5)
})

test.run()
