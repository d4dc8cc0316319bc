/** The journal alone: writers that wait for the disk, and how long a directory takes to open. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { systemClock } from '../../gateway/core/clock.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { openStore } from '../../gateway/core/open-store.ts'
import type { Collection, Store } from '../../gateway/core/store.ts'
import type { Figure } from './figure.ts'

const WRITES = 4_096
const WRITERS = [1, 16, 256]
const SIZES = [10_000, 100_000, 1_000_000]
const BATCH = 1_000

interface Plain {
  readonly arn: string
  readonly text: string
}

export async function* run(): AsyncIterable<Figure> {
  for (const writers of WRITERS) {
    const perS = await inFolder((dir) => writesPerSecond(dir, writers))
    yield { name: `durable writes by ${writers} writers`, value: perS, unit: 'writes/s' }
  }
  for (const records of SIZES) yield* await inFolder((dir) => reopened(dir, records))
}

async function inFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'kecs-bench-'))
  try {
    return await work(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function open(dir: string) {
  return openStore({ dir, clock: systemClock, log: silentLogger })
}

function rowsOf(store: Store): Collection<Plain> {
  return store.collection<Plain>('rows')
}

function put(rows: Collection<Plain>, i: number): void {
  rows.put(`row-${i}`, { arn: `row-${i}`, text: 'what a small row says' })
}

/** Each writer waits until its write is durable before the next one. */
async function writesPerSecond(dir: string, writers: number): Promise<number> {
  const { store, close } = await open(dir)
  const rows = rowsOf(store)
  const each = Math.ceil(WRITES / Math.max(4, writers))
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let i = 0; i < each; i++) {
        store.transact(() => put(rows, writer * each + i))
        await store.durable()
      }
    }),
  )
  const seconds = (performance.now() - begun) / 1_000
  await close()
  return (writers * each) / seconds
}

async function reopened(dir: string, records: number): Promise<Figure[]> {
  const first = await open(dir)
  const rows = rowsOf(first.store)
  for (let i = 0; i < records; i += BATCH) {
    first.store.transact(() => {
      for (let k = i; k < i + BATCH; k++) put(rows, k)
    })
    await first.store.durable()
  }
  await first.close()
  const begun = performance.now()
  const again = await open(dir)
  const ms = performance.now() - begun
  if (rowsOf(again.store).size !== records) throw new Error('rows are missing')
  const rssMb = process.memoryUsage.rss() / 2 ** 20
  await again.close()
  return [
    { name: `reopen with ${records} records`, value: ms, unit: 'ms' },
    { name: `memory after that with ${records} records`, value: rssMb, unit: 'MB' },
  ]
}
