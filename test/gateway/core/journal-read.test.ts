import { Buffer } from 'node:buffer'
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DataDirFault } from '../../../gateway/core/data-dir.ts'
import { decodeLine, encodeLine } from '../../../gateway/core/journal-lines.ts'
import { withTempDir } from '../../temp-dir.ts'
import { contentsOf, openWorld, put, rejectionOf, rowsOf } from './store-world.ts'

const SEED = 20260103
const FIRST = 'journal-000001.jsonl'
const SECOND = 'journal-000002.jsonl'
const SNAPSHOT = 'snapshot-000002.jsonl'

/** A closed data directory with transactions of two rows each: k1 and k2, k3 and k4 … */
async function withPairs(pairs: number, work: (dir: string) => Promise<void>): Promise<void> {
  await withTempDir(async (dir) => {
    const world = await openWorld(dir)
    for (let pair = 0; pair < pairs; pair++) {
      world.store.transact(() => {
        put(world, pair * 2 + 1)
        put(world, pair * 2 + 2)
      })
    }
    await world.close()
    await work(dir)
  })
}

/** A closed data directory with a snapshot of k1 … k20 and a journal of k21 behind it. */
async function withSnapshot(work: (dir: string) => Promise<void>): Promise<void> {
  await withTempDir(async (dir) => {
    const world = await openWorld(dir, { snapshotLeastBytes: 1000 })
    const swept = world.files.hold('remove', /^snapshot-000001/)
    world.store.transact(() => {
      for (let value = 1; value <= 20; value++) put(world, value)
    })
    await swept.reached
    swept.open()
    put(world, 21)
    await world.close()
    assert.is(world.stats().snapshots, 1)
    await work(dir)
  })
}

function imageOf(dir: string): Record<string, string> {
  const names = readdirSync(dir).filter((name) => name.endsWith('.jsonl'))
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name), 'utf8')]))
}

/** Opens the directory, which must refuse; nothing may have changed in it. */
async function refusalOf(dir: string): Promise<DataDirFault> {
  const before = imageOf(dir)
  const fault = await rejectionOf(openWorld(dir))
  assert.instance(fault, DataDirFault)
  assert.equal(imageOf(dir), before)
  return fault as DataDirFault
}

test('decodeLine: gives back what encodeLine was given, and nothing when a byte is another', () => {
  const record = fc.record({
    tx: fc.nat(),
    at: fc.nat(),
    c: fc.string(),
    k: fc.string({ unit: 'binary' }),
    s: fc.nat(),
    row: fc.option(fc.dictionary(fc.string(), fc.oneof(fc.string({ unit: 'grapheme' }), fc.nat()))),
  })
  fc.assert(
    fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, place, flip) => {
      const line = Buffer.from(encodeLine(given)).subarray(0, -1)
      assert.equal(decodeLine(line), JSON.parse(JSON.stringify(given)))
      const at = place % line.length
      line[at] = (line[at] ?? 0) ^ flip
      assert.is(decodeLine(line), undefined)
    }),
    { seed: SEED, numRuns: 300 },
  )
})

test('readDataDir: cut at any byte, whole transactions stay and no half of one', async () => {
  await withPairs(3, async (dir) => {
    const path = join(dir, FIRST)
    const whole = readFileSync(path)
    const ends = [0]
    for (let at = whole.indexOf('"end"'); at !== -1; at = whole.indexOf('"end"', at + 1)) {
      ends.push(whole.indexOf('\n', at) + 1)
    }
    assert.is(ends.length, 4)
    for (let length = whole.length; length >= 0; length -= 7) {
      writeFileSync(path, whole.subarray(0, length))
      const pairs = ends.filter((end) => end > 0 && end <= length).length
      const world = await openWorld(dir)
      assert.is(rowsOf(world).length, pairs * 2, `cut at ${length}`)
      assert.is(readFileSync(path).length, ends[pairs], `cut at ${length}`)
      put(world, 99)
      await world.close()
      assert.is(Object.keys(await contentsOf(dir)).length, pairs * 2 + 1, `cut at ${length}`)
    }
  })
})

test('readDataDir: a tail of bytes that never were a line is cut', async () => {
  await withPairs(1, async (dir) => {
    appendFileSync(join(dir, FIRST), `${'\0'.repeat(5000)}\n\n{"tx":9`)
    assert.equal(await contentsOf(dir), { k1: 1, k2: 2 })
    assert.not(readFileSync(join(dir, FIRST), 'utf8').includes('\0'))
  })
})

test('readDataDir: a damaged line with whole ones behind it is refused by file and line', async () => {
  await withPairs(3, async (dir) => {
    const path = join(dir, FIRST)
    writeFileSync(path, readFileSync(path, 'utf8').replace('"value":3', '"value":7'))
    const { message } = await refusalOf(dir)
    assert.match(message, `${path} is damaged in line 3`)
    assert.match(message, '--data-dir')
  })
})

test('readDataDir: a transaction without its end, with another one behind it, is refused', async () => {
  await withPairs(3, async (dir) => {
    const path = join(dir, FIRST)
    const lines = readFileSync(path, 'utf8').split('\n')
    lines.splice(3, 1)
    writeFileSync(path, lines.join('\n'))
    assert.match((await refusalOf(dir)).message, `${path} is damaged in line 4`)
  })
})

test('readDataDir: a torn tail in a journal that another one follows is refused', async () => {
  await withPairs(2, async (dir) => {
    const path = join(dir, FIRST)
    const text = readFileSync(path, 'utf8')
    writeFileSync(join(dir, SECOND), text)
    truncateSync(path, text.length - 5)
    assert.match((await refusalOf(dir)).message, `${path} is damaged in line 4`)
  })
})

test('readDataDir: behind an empty journal, begun for a snapshot that failed, a torn tail is cut', async () => {
  await withPairs(2, async (dir) => {
    const path = join(dir, FIRST)
    truncateSync(path, readFileSync(path).length - 5)
    writeFileSync(join(dir, SECOND), '')
    assert.equal(await contentsOf(dir), { k1: 1, k2: 2 })
    assert.equal(Object.keys(imageOf(dir)), [FIRST])
  })
})

test('readDataDir: a journal that is missing between others is refused by its name', async () => {
  await withPairs(1, async (dir) => {
    writeFileSync(join(dir, 'journal-000003.jsonl'), readFileSync(join(dir, FIRST)))
    assert.match((await refusalOf(dir)).message, `${join(dir, SECOND)} is missing`)
  })
})

test('readDataDir: a snapshot and the journal behind it are read together', async () => {
  await withSnapshot(async (dir) => {
    assert.equal(Object.keys(imageOf(dir)), [SECOND, SNAPSHOT])
    assert.is(Object.keys(await contentsOf(dir)).length, 21)
  })
})

test('readDataDir: a snapshot with a damaged line, cut short or empty is refused by file and line', async () => {
  await withSnapshot(async (dir) => {
    const path = join(dir, SNAPSHOT)
    const whole = readFileSync(path, 'utf8')
    const cases: [text: string, line: number][] = [
      [whole.replace('"value":3}', '"value":7}'), 4],
      [whole.split('\n').slice(0, 10).join('\n'), 10],
      [`${whole.split('\n').slice(0, 10).join('\n')}\n`, 11],
      ['', 1],
    ]
    for (const [text, line] of cases) {
      writeFileSync(path, text)
      assert.match((await refusalOf(dir)).message, `${path} is damaged in line ${line}`)
    }
  })
})

test('readDataDir: a snapshot without its journal is refused', async () => {
  await withSnapshot(async (dir) => {
    rmSync(join(dir, SECOND))
    assert.match((await refusalOf(dir)).message, `${join(dir, SECOND)} is missing`)
  })
})

test('readDataDir: what a killed process left of a snapshot, before or after its name, is swept', async () => {
  await withSnapshot(async (dir) => {
    writeFileSync(join(dir, 'snapshot-000003.jsonl.tmp'), 'half')
    writeFileSync(join(dir, FIRST), 'older than the snapshot')
    writeFileSync(join(dir, 'snapshot-000001.jsonl'), 'older than the snapshot')
    assert.is(Object.keys(await contentsOf(dir)).length, 21)
    assert.equal(
      readdirSync(dir).filter((name) => name.includes('jsonl')),
      [SECOND, SNAPSHOT],
    )
  })
})

test.run()
