import { statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { StoreFault } from '../../../gateway/core/fault.ts'
import type { FileAction } from '../../fake-files.ts'
import { withTempDir } from '../../temp-dir.ts'
import {
  contentsOf,
  itemsOf,
  namesIn,
  openWorld,
  put,
  rejectionOf,
  type StoreWorld,
  withStore,
} from './store-world.ts'

const SEED = 20260104
/** The journal of one transaction of twenty rows is longer. */
const SMALL = { snapshotLeastBytes: 1000 }
const FILES = /\.jsonl/

function putTwenty(world: StoreWorld, from = 1): void {
  world.store.transact(() => {
    for (let value = from; value < from + 20; value++) put(world, value)
  })
}

/** Once the store has swept what its next snapshot replaces. */
async function sweptOf(world: StoreWorld, segment: number, work: () => void): Promise<void> {
  const swept = world.files.hold('remove', new RegExp(`^snapshot-00000${segment}`))
  work()
  await swept.reached
  swept.open()
}

test('snapshot: takes the place of the journals before it', async () => {
  await withStore(async (world) => {
    await sweptOf(world, 1, () => putTwenty(world))
    put(world, 21)
    await world.close()
    assert.equal(namesIn(world.dir, FILES), ['journal-000002.jsonl', 'snapshot-000002.jsonl'])
    assert.is(world.stats().snapshots, 1)
    const found = await contentsOf(world.dir)
    assert.is(Object.keys(found).length, 21)
  }, SMALL)
})

test('snapshot: numbers that were given to rows which are gone are not given again', async () => {
  await withStore(async (world) => {
    putTwenty(world)
    await world.store.durable()
    await sweptOf(world, 1, () => {
      world.store.transact(() => {
        for (let value = 1; value <= 20; value++) world.items.delete(`k${value}`)
      })
      putTwenty({ ...world, items: itemsOf(world.store) }, 30)
      for (let value = 30; value < 50; value++) world.items.delete(`k${value}`)
    })
    await world.close()
    const again = await openWorld(world.dir)
    assert.is(again.items.size, 0)
    put(again, 1)
    const [[seq] = []] = again.items.all().after(-1)
    assert.is(seq, 41)
    await again.close()
  }, SMALL)
})

test('snapshot: while it is written changes become durable without waiting for it', async () => {
  await withStore(async (world) => {
    const write = world.files.hold('write', /^snapshot.*tmp$/)
    putTwenty(world)
    await write.reached
    world.items.put('k1', { value: 100 })
    world.items.delete('k2')
    await world.store.durable()
    write.open()
    await world.close()
    assert.is(world.stats().snapshots, 1)
    const found = await contentsOf(world.dir)
    assert.equal([found.k1, found.k2, found.k100], [undefined, undefined, 100])
  }, SMALL)
})

test('snapshot: what was cut but did not become durable never gets into the state', async () => {
  await withStore(async (world) => {
    const begun = world.files.hold('open', /^journal-000002/)
    putTwenty(world)
    await begun.reached
    put(world, 99)
    const durable = world.store.durable()
    world.files.fail('datasync', 'EIO', { match: /^journal-000002/, times: 1 })
    begun.open()
    assert.instance(await rejectionOf(durable), StoreFault)
    await world.close()
    assert.equal(namesIn(world.dir, /^snapshot/), [])
    const found = await contentsOf(world.dir)
    assert.is(found.k99, undefined)
    assert.is(Object.keys(found).length, 20)
  }, SMALL)
})

test('snapshot: what waits while the journal changes segments is durable in the new one', async () => {
  await withStore(async (world) => {
    const begun = world.files.hold('open', /^journal-000002/)
    putTwenty(world)
    await begun.reached
    put(world, 99)
    begun.open()
    await world.store.durable()
    assert.ok(statSync(join(world.dir, 'journal-000002.jsonl')).size > 0)
    await world.close()
    assert.is((await contentsOf(world.dir)).k99, 99)
  }, SMALL)
})

for (const [action, code] of [
  ['write', 'ENOSPC'],
  ['datasync', 'EIO'],
  ['rename', 'EACCES'],
] as const) {
  test(`snapshot: ${code} of its ${action} is told, leaves no file, and a later one makes up for it`, async () => {
    await withStore(async (world) => {
      world.files.fail(action, code, { match: /^snapshot/, times: 1 })
      const removed = world.files.hold('remove', /tmp$/)
      putTwenty(world)
      await removed.reached
      removed.open()
      await world.told()
      put(world, 21)
      await world.store.durable()
      assert.is(world.health().status, 'degraded')
      assert.match(world.health().detail, code)
      assert.is(world.errors.length, 1)
      assert.equal(namesIn(world.dir, /^snapshot/), [])
      await sweptOf(world, 2, () => putTwenty(world, 30))
      await world.close()
      assert.is(world.stats().snapshots, 1)
      assert.equal(namesIn(world.dir, FILES), ['journal-000003.jsonl', 'snapshot-000003.jsonl'])
      assert.is(Object.keys(await contentsOf(world.dir)).length, 41)
    }, SMALL)
  })
}

test('snapshot: without room for a new journal the old one goes on, and not every flush tries again', async () => {
  await withStore(async (world) => {
    world.files.fail('open', 'EMFILE', { match: /^journal-000002/ })
    putTwenty(world)
    await world.store.durable()
    for (let value = 30; value < 33; value++) {
      put(world, value)
      await world.store.durable()
    }
    const tries = world.files.seen.filter((seen) => seen === 'open journal-000002.jsonl')
    assert.is(tries.length, 1)
    assert.is(world.health().status, 'degraded')
    world.files.heal()
    await sweptOf(world, 1, () => putTwenty(world, 40))
    assert.is(Object.keys(rowsBy(world)).length, 43)
    await world.close()
    assert.is(Object.keys(await contentsOf(world.dir)).length, 43)
  }, SMALL)
})

test('snapshot: is written in pieces, so that other work comes in between', async () => {
  await withStore(async (world) => {
    const text = 'x'.repeat(10_000)
    world.store.transact(() => {
      for (let value = 0; value < 100; value++) world.items.put(`k${value}`, { value, text })
    })
    await world.store.durable()
    await world.close()
    const pieces = world.files.seen.filter((seen) => /^write snapshot/.test(seen))
    assert.ok(pieces.length >= 4, `${pieces.length} pieces for a megabyte`)
  }, SMALL)
})

function rowsBy(world: StoreWorld): Record<string, number> {
  return Object.fromEntries([...world.items.all()].map(({ value }) => [`k${value}`, value]))
}

type Step =
  | { readonly act: 'put' | 'delete'; readonly keys: readonly number[]; readonly wait: boolean }
  | { readonly act: 'fail'; readonly on: FileAction; readonly skip: number }

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constantFrom('put' as const, 'delete' as const),
      keys: fc.array(fc.nat(12), { minLength: 1, maxLength: 5 }),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('fail' as const),
      on: fc.constantFrom<FileAction>(
        'open',
        'write',
        'datasync',
        'rename',
        'remove',
        'syncFolder',
      ),
      skip: fc.nat(3),
    }),
  },
)

/** Takes the steps; what the listeners heard of is what must be there at the next start. */
async function take(dir: string, steps: readonly Step[]): Promise<void> {
  const world = await openWorld(dir, { snapshotLeastBytes: 300 })
  const told = new Map<number, string>()
  world.store.onChange((changes) => {
    for (const { seq, after } of changes) {
      if (after) told.set(seq, JSON.stringify(after))
      else told.delete(seq)
    }
  })
  let value = 0
  for (const step of steps) {
    if (step.act === 'fail') {
      world.files.fail(step.on, 'EIO', { skip: step.skip, times: 1 })
      continue
    }
    world.store.transact(() => {
      for (const key of step.keys) {
        if (step.act === 'delete') world.items.delete(`k${key}`)
        else world.items.put(`k${key}`, { value: ++value })
      }
    })
    if (step.wait) await rejectionOf(world.store.durable())
  }
  await world.close()
  const inMemory = [...world.items.all().after(-1)]
  assert.equal(asTold(inMemory), [...told].sort(bySeq))
  const again = await openWorld(dir)
  assert.equal([...again.items.all().after(-1)], inMemory)
  await again.close()
}

function asTold(rows: readonly (readonly [number, object])[]): [number, string][] {
  return rows.map(([seq, row]) => [seq, JSON.stringify(row)])
}

function bySeq([left]: readonly [number, string], [right]: readonly [number, string]): number {
  return left - right
}

test('store: whatever fails, memory, listeners and the next start agree', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 40 }), (steps) =>
      withTempDir((dir) => take(dir, steps)),
    ),
    { seed: SEED, numRuns: 60 },
  )
})

test.run()
