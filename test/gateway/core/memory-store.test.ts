import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createMemoryStore } from '../../../gateway/core/memory-store.ts'
import type { Change, Collection, Store } from '../../../gateway/core/store.ts'

const SEED = 20260102

interface Item {
  readonly group: string | undefined
  readonly value: number
}

function items(store: Store): Collection<Item> {
  return store.collection<Item>('items', { indexes: { group: ({ group }) => group } })
}

function world() {
  const store = createMemoryStore({ freeze: true })
  const heard: (readonly Change[])[] = []
  store.onChange((changes) => heard.push(changes))
  return { store, all: items(store), heard }
}

function values(rows: Iterable<Item>): number[] {
  return [...rows].map(({ value }) => value)
}

test('put: a row keeps its place in the order when it is replaced', () => {
  const { all } = world()
  all.put('a', { group: 'g', value: 1 })
  all.put('b', { group: 'g', value: 2 })
  all.put('a', { group: 'g', value: 3 })
  assert.equal(values(all.all()), [3, 2])
  assert.equal(values(all.by('group', 'g')), [3, 2])
  assert.is(all.get('a')?.value, 3)
  assert.is(all.size, 2)
})

test('put: a key that was deleted comes back at the end, with a new number', () => {
  const { all } = world()
  all.put('a', { group: 'g', value: 1 })
  all.put('b', { group: 'g', value: 2 })
  assert.ok(all.delete('a'))
  assert.not(all.delete('a'))
  all.put('a', { group: 'g', value: 3 })
  assert.equal(
    [...all.all().after(-1)],
    [
      [2, { group: 'g', value: 2 }],
      [3, { group: 'g', value: 3 }],
    ],
  )
})

test('put: the same object again is no change', () => {
  const { all, heard } = world()
  const row = { group: 'g', value: 1 }
  all.put('a', row)
  all.put('a', row)
  assert.is(heard.length, 1)
})

test('put: under the option, a row is frozen to its depth', () => {
  const { store } = world()
  const rows = store.collection<{ readonly parts: { name: string }[] }>('rows')
  const row = { parts: [{ name: 'x' }] }
  rows.put('a', row)
  assert.throws(() => {
    row.parts[0]!.name = 'y'
  }, TypeError)
  const loose = createMemoryStore().collection<{ name: string }>('rows')
  const free = { name: 'x' }
  loose.put('a', free)
  assert.not(Object.isFrozen(free))
})

test('by: a row whose index value changes stands in the new bucket in the order of its number', () => {
  const { all } = world()
  all.put('a', { group: 'left', value: 1 })
  all.put('b', { group: 'right', value: 2 })
  all.put('a', { group: 'right', value: 3 })
  assert.equal(values(all.by('group', 'right')), [3, 2])
  assert.is(all.by('group', 'left').size, 0)
  all.put('a', { group: undefined, value: 4 })
  assert.equal(values(all.by('group', 'right')), [2])
  assert.throws(() => all.by('colour', 'red'), /no index colour/)
})

test('by: an index may give a row several values, and each finds it', () => {
  const store = createMemoryStore()
  const all = store.collection<{ readonly tags: readonly string[] }>('tagged', {
    indexes: { tag: ({ tags }) => tags },
  })
  const found = (tag: string) => [...all.by('tag', tag)].map(({ tags }) => tags.join())
  all.put('a', { tags: ['x', 'y'] })
  all.put('b', { tags: ['y'] })
  all.put('c', { tags: [] })
  assert.equal([found('x'), found('y')], [['x,y'], ['x,y', 'y']])
  all.put('a', { tags: ['y', 'z'] })
  assert.equal([found('x'), found('y'), found('z')], [[], ['y,z', 'y'], ['y,z']])
  assert.throws(() =>
    store.transact(() => {
      all.delete('a')
      all.put('b', { tags: ['x'] })
      throw new Error('no')
    }),
  )
  assert.equal([found('x'), found('y'), found('z')], [[], ['y,z', 'y'], ['y,z']])
})

test('after: begins behind the number, be it there, gone or never given', () => {
  const { all } = world()
  for (const value of [1, 2, 3, 4]) all.put(String(value), { group: 'g', value })
  all.delete('2')
  const after = (seq: number) => [...all.by('group', 'g').after(seq)].map(([, row]) => row.value)
  assert.equal(after(-1), [1, 3, 4])
  assert.equal(after(1), [3, 4])
  assert.equal(after(2), [3, 4])
  assert.equal(after(4), [])
  assert.equal(after(99), [])
})

test('collection: the indexes of a later call reach the rows that are there', () => {
  const store = createMemoryStore()
  store.collection<Item>('items').put('a', { group: 'g', value: 1 })
  assert.equal(values(items(store).by('group', 'g')), [1])
})

test('bucket: rows may be replaced, moved and deleted while they are iterated', () => {
  const { all } = world()
  for (let value = 0; value < 10; value++) all.put(String(value), { group: 'from', value })
  const seen: number[] = []
  for (const row of all.by('group', 'from')) {
    seen.push(row.value)
    all.put(String(row.value % 10), { group: 'to', value: row.value })
    if (row.value === 3) all.delete('5')
    if (row.value === 6) all.put('7', { group: 'from', value: 17 })
  }
  assert.equal(seen, [0, 1, 2, 3, 4, 6, 17, 8, 9])
  assert.equal(values(all.by('group', 'to')), seen)
})

test('bucket: a loop that puts a new row for each row it sees comes to an end', () => {
  const { all } = world()
  for (const value of [1, 2, 3]) all.put(String(value), { group: 'g', value })
  for (const row of all.all()) all.put(`${row.value} again`, { group: 'g', value: row.value + 10 })
  assert.equal(values(all.all()), [1, 2, 3, 11, 12, 13])
})

test('transact: a throw takes back everything, also the order and the indexes', () => {
  const { store, all, heard } = world()
  all.put('a', { group: 'g', value: 1 })
  all.put('b', { group: 'g', value: 2 })
  const work = () =>
    store.transact(() => {
      all.delete('a')
      all.put('a', { group: 'other', value: 3 })
      all.put('c', { group: 'g', value: 4 })
      all.put('b', { group: undefined, value: 5 })
      throw new Error('no')
    })
  assert.throws(work, 'no')
  assert.equal(values(all.all()), [1, 2])
  assert.equal(values(all.by('group', 'g')), [1, 2])
  assert.is(all.by('group', 'other').size, 0)
  assert.is(heard.length, 2)
})

test('transact: a nested call that throws takes back its own changes only', () => {
  const { store, all, heard } = world()
  const answer = store.transact(() => {
    all.put('a', { group: 'g', value: 1 })
    assert.throws(() =>
      store.transact(() => {
        all.put('a', { group: 'g', value: 2 })
        all.put('b', { group: 'g', value: 3 })
        throw new Error('inner')
      }),
    )
    store.transact(() => all.put('c', { group: 'g', value: 4 }))
    return 'done'
  })
  assert.is(answer, 'done')
  assert.equal(values(all.all()), [1, 4])
  assert.is(heard.length, 1)
  assert.equal(
    heard[0]?.map(({ key }) => key),
    ['a', 'c'],
  )
})

test('transact: several puts on a key are one change, and a new row that is deleted is none', () => {
  const { store, all, heard } = world()
  all.put('a', { group: 'g', value: 1 })
  store.transact(() => {
    all.put('a', { group: 'g', value: 2 })
    all.put('a', { group: 'g', value: 3 })
    all.put('b', { group: 'g', value: 4 })
    all.delete('b')
  })
  store.transact(() => {
    all.put('c', { group: 'g', value: 5 })
    all.delete('c')
  })
  assert.is(heard.length, 2)
  assert.equal(heard[1], [
    {
      collection: 'items',
      key: 'a',
      seq: 1,
      before: { group: 'g', value: 1 },
      after: { group: 'g', value: 3 },
    },
  ])
})

test('onChange: without a journal a change is durable and told before its call returns', async () => {
  const { store, all, heard } = world()
  store.transact(() => {
    all.put('a', { group: 'g', value: 1 })
    assert.is(heard.length, 0)
  })
  assert.is(heard.length, 1)
  assert.is(store.pending(), undefined)
  await store.durable()
})

test('onChange: what a listener changes is told to all after what it was told of', () => {
  const store = createMemoryStore()
  const all = items(store)
  const told: string[] = []
  const stop = store.onChange(([change]) => {
    if (change?.key === 'a') all.put('b', { group: 'g', value: 2 })
  })
  store.onChange(([change]) => told.push(change?.key ?? ''))
  all.put('a', { group: 'g', value: 1 })
  assert.equal(told, ['a', 'b'])
  stop()
  all.put('a', { group: 'g', value: 3 })
  assert.equal(told, ['a', 'b', 'a'])
})

test('onChange: a listener that throws keeps nothing from the others', () => {
  const failures: unknown[] = []
  for (const options of [{}, { onListenerFailure: (thrown: unknown) => failures.push(thrown) }]) {
    const store = createMemoryStore(options)
    const told: string[] = []
    store.onChange(() => {
      throw new Error('deaf')
    })
    store.onChange(([change]) => told.push(change?.key ?? ''))
    const put = () => items(store).put('a', { group: 'g', value: 1 })
    if ('onListenerFailure' in options) put()
    else assert.throws(put, 'deaf')
    assert.equal(told, ['a'])
    assert.is(items(store).size, 1)
  }
  assert.is(failures.length, 1)
})

type Step =
  | { readonly act: 'put'; readonly key: string; readonly group: string | undefined }
  | { readonly act: 'delete'; readonly key: string }

const KEYS = ['a', 'b', 'c', 'd', 'e']
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    act: fc.constant('put' as const),
    key: fc.constantFrom(...KEYS),
    group: fc.constantFrom('x', 'y', undefined),
  }),
  fc.record({ act: fc.constant('delete' as const), key: fc.constantFrom(...KEYS) }),
)
const transactionArbitrary = fc.record({
  steps: fc.array(stepArbitrary, { maxLength: 6 }),
  fails: fc.boolean(),
})

test('store: does what a plain list does, whatever is put, deleted and taken back', () => {
  fc.assert(
    fc.property(fc.array(transactionArbitrary, { maxLength: 12 }), (transactions) => {
      const { store, all, heard } = world()
      let model: [key: string, row: Item][] = []
      let value = 0
      for (const { steps, fails } of transactions) {
        const draft = [...model]
        try {
          store.transact(() => {
            for (const step of steps) {
              const place = draft.findIndex(([key]) => key === step.key)
              if (step.act === 'delete') {
                all.delete(step.key)
                if (place !== -1) draft.splice(place, 1)
                continue
              }
              const row = { group: step.group, value: ++value }
              all.put(step.key, row)
              draft.splice(place === -1 ? draft.length : place, 1, [step.key, row])
            }
            if (fails) throw new Error('taken back')
          })
          model = draft
        } catch {
          // As the model has it.
        }
        assert.equal(
          [...all.all()],
          model.map(([, row]) => row),
        )
        for (const group of ['x', 'y']) {
          const wanted = model.filter(([, row]) => row.group === group).map(([, row]) => row)
          assert.equal([...all.by('group', group)], wanted)
          assert.is(all.by('group', group).size, wanted.length)
        }
      }
      assert.equal(retold(heard), Object.fromEntries(model))
    }),
    { seed: SEED, numRuns: 300 },
  )
})

/** The rows by key, as a listener knows them that never read the store. */
function retold(heard: readonly (readonly Change[])[]): Record<string, unknown> {
  const rows: Record<string, unknown> = {}
  for (const { key, before, after } of heard.flat()) {
    assert.is(rows[key], before)
    if (after) rows[key] = after
    else delete rows[key]
  }
  return rows
}

test.run()
