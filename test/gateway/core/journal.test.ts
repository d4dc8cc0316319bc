import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { StoreFault } from '../../../gateway/core/fault.ts'
import { decodeLine } from '../../../gateway/core/journal-lines.ts'
import type { Change } from '../../../gateway/core/store.ts'
import { contentsOf, openWorld, put, rejectionOf, rowsOf, withStore } from './store-world.ts'

const SEGMENT = 'journal-000001.jsonl'

test('openStore: what is durable is there again, with its order, numbers and indexes', async () => {
  await withStore(async (world) => {
    for (const value of [1, 2, 3, 4]) put(world, value)
    world.items.delete('k2')
    world.items.put('k1', { value: 5 })
    await world.store.durable()
    await world.close()
    const again = await openWorld(world.dir)
    assert.equal(
      [...again.items.all().after(-1)],
      [
        [1, { value: 5 }],
        [3, { value: 3 }],
        [4, { value: 4 }],
      ],
    )
    assert.equal([...again.items.by('parity', '1')], [{ value: 5 }, { value: 3 }])
    await again.close()
  })
})

test('openStore: a number that a deleted row had is not given again after a start', async () => {
  await withStore(async (world) => {
    for (const value of [1, 2, 3]) put(world, value)
    world.items.delete('k3')
    await world.close()
    const again = await openWorld(world.dir)
    put(again, 9)
    assert.equal([...again.items.all().after(2)], [[4, { value: 9 }]])
    await again.close()
  })
})

test('journal: a line a change, the last of a transaction marked, each with its checksum', async () => {
  await withStore(async (world) => {
    world.store.transact(() => {
      put(world, 1)
      put(world, 2)
    })
    world.items.delete('k1')
    await world.store.durable()
    const lines = readFileSync(join(world.dir, SEGMENT), 'utf8').trimEnd().split('\n')
    const at = Date.UTC(2026, 0, 1)
    const wanted = [
      { tx: 1, at, c: 'items', k: 'k1', s: 1, row: { value: 1 } },
      { tx: 1, at, c: 'items', k: 'k2', s: 2, row: { value: 2 }, end: true },
      { tx: 2, at, c: 'items', k: 'k1', s: 1, row: null, end: true },
    ]
    assert.equal(
      lines.map((line) => decodeLine(Buffer.from(line))),
      wanted,
    )
    for (const line of lines) assert.match(JSON.parse(line).crc, /^[0-9a-f]{8}$/)
  })
})

test('journal: reads see a change at once, listeners once it is durable, then nothing is pending', async () => {
  await withStore(async (world) => {
    const heard: (readonly Change[])[] = []
    world.store.onChange((changes) => heard.push(changes))
    assert.is(world.store.pending(), undefined)
    const sync = world.files.hold('datasync')
    put(world, 1)
    assert.is(world.items.get('k1')?.value, 1)
    await sync.reached
    assert.is(heard.length, 0)
    const pending = world.store.pending()
    assert.ok(pending)
    sync.open()
    await pending
    assert.is(heard.length, 1)
    assert.is(world.store.pending(), undefined)
  })
})

test('journal: all that queue while a flush is under way are written and synced together', async () => {
  await withStore(async (world) => {
    const sync = world.files.hold('datasync')
    put(world, 0)
    await sync.reached
    const order: number[] = []
    world.store.onChange((changes) => order.push(...changes.map(({ seq }) => seq)))
    for (let value = 1; value <= 50; value++) put(world, value)
    sync.open()
    await world.store.durable()
    assert.is(world.stats().flushes, 2)
    assert.is(world.stats().transactions, 51)
    assert.is(world.files.seen.filter((seen) => seen === `datasync ${SEGMENT}`).length, 2)
    assert.equal(
      order,
      Array.from({ length: 51 }, (_, index) => index + 1),
    )
  })
})

test('journal: a short write is finished by another one', async () => {
  await withStore(async (world) => {
    world.files.shortWrites(3)
    put(world, 1)
    await world.store.durable()
    await world.close()
    assert.equal(await contentsOf(world.dir), { k1: 1 })
  })
})

for (const [action, code] of [
  ['write', 'ENOSPC'],
  ['datasync', 'EIO'],
] as const) {
  test(`journal: ${code} of a ${action} takes the change back, tells nobody, and the next one is tried`, async () => {
    await withStore(async (world) => {
      put(world, 1)
      await world.store.durable()
      const heard: (readonly Change[])[] = []
      world.store.onChange((changes) => heard.push(changes))
      world.files.fail(action, code, { times: 1 })
      put(world, 2)
      const fault = await rejectionOf(world.store.durable())
      assert.instance(fault, StoreFault)
      assert.match((fault as StoreFault).message, code)
      assert.equal(rowsOf(world), [['k1', 1]])
      assert.is(heard.length, 0)
      assert.is(world.health().status, 'degraded')
      assert.match(world.health().detail, code)
      assert.is(world.store.pending(), undefined)
      put(world, 3)
      await world.store.durable()
      assert.is(world.health().status, 'up')
      assert.is(heard.length, 1)
      await world.close()
      assert.equal(await contentsOf(world.dir), { k1: 1, k3: 3 })
    })
  })
}

test('journal: a half-written group is cut away', async () => {
  await withStore(async (world) => {
    put(world, 1)
    await world.store.durable()
    const before = readFileSync(join(world.dir, SEGMENT))
    world.files.shortWrites(1)
    world.files.fail('write', 'ENOSPC', { skip: 1, times: 1 })
    const cut = world.files.hold('truncate')
    put(world, 2)
    const durable = world.store.durable()
    await cut.reached
    assert.ok(readFileSync(join(world.dir, SEGMENT)).length > before.length)
    cut.open()
    assert.instance(await rejectionOf(durable), StoreFault)
    assert.equal(readFileSync(join(world.dir, SEGMENT)), before)
  })
})

test('journal: a lost group takes along what was built upon it meanwhile, in the reverse order', async () => {
  await withStore(async (world) => {
    world.items.put('k1', { value: 1 })
    await world.store.durable()
    const sync = world.files.hold('datasync')
    world.items.put('k1', { value: 2 })
    const first = world.store.durable()
    await sync.reached
    world.items.put('k1', { value: 3 })
    world.items.delete('k1')
    world.items.put('k1', { value: 4 })
    put(world, 5)
    const second = world.store.durable()
    world.files.fail('datasync', 'EIO', { times: 1 })
    // Held back before the fault was set, it meets it once it goes on.
    sync.open()
    assert.instance(await rejectionOf(first), StoreFault)
    assert.instance(await rejectionOf(second), StoreFault)
    assert.equal([...world.items.all().after(-1)], [[1, { value: 1 }]])
    put(world, 6)
    await world.store.durable()
    await world.close()
    assert.equal(await contentsOf(world.dir), { k1: 1, k6: 6 })
  })
})

test('journal: when it cannot be cut back either, the store refuses until a restart', async () => {
  await withStore(async (world) => {
    put(world, 1)
    await world.store.durable()
    world.files.fail('truncate', 'EIO')
    world.files.fail('datasync', 'EIO', { times: 1 })
    put(world, 2)
    assert.instance(await rejectionOf(world.store.durable()), StoreFault)
    world.files.heal()
    assert.is(world.health().status, 'down')
    assert.throws(
      () => put(world, 3),
      (thrown: unknown) => thrown instanceof StoreFault,
    )
    assert.throws(
      () => world.store.transact(() => put(world, 4)),
      (thrown: unknown) => thrown instanceof StoreFault,
    )
    assert.equal(rowsOf(world), [['k1', 1]])
    assert.is(world.store.pending(), undefined)
  })
})

test('journal: a row that is no JSON is refused and leaves nothing behind', async () => {
  await withStore(async (world) => {
    const odd = world.store.collection<{ readonly value: bigint }>('odd')
    assert.throws(() => odd.put('a', { value: 1n }), TypeError)
    assert.is(odd.size, 0)
    assert.is(world.store.pending(), undefined)
    put(world, 1)
    await world.store.durable()
  })
})

test('journal: a listener that throws is logged and stops nothing', async () => {
  await withStore(async (world) => {
    world.store.onChange(() => {
      throw new Error('deaf')
    })
    put(world, 1)
    await world.store.durable()
    put(world, 2)
    await world.store.durable()
    assert.is(world.errors.length, 2)
    assert.is(world.health().status, 'up')
  })
})

test('close: flushes what waits, refuses what comes after, and may be called twice', async () => {
  await withStore(async (world) => {
    put(world, 1)
    const closed = world.close()
    assert.throws(() => put(world, 2), /closed/)
    await closed
    await world.close()
    assert.equal(await contentsOf(world.dir), { k1: 1 })
  })
})

test.run()
