import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Funnel, inOrder } from '../../bin/funnel.ts'

const funnel = suite('Funnel, inOrder')

async function* of<T>(...items: T[]): AsyncGenerator<T> {
  for (const item of items) yield item
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

funnel('hands on what each source has, and ends when it is closed', async () => {
  const into = new Funnel<number>()
  const read = all(into.read())
  assert.equal(await Promise.all([into.add(of(1, 2)), into.add(of(3))]), [2, 1])
  into.close()
  assert.equal((await read).sort(), [1, 2, 3])
})

funnel('a source waits while nobody reads, and is let go when the reader leaves', async () => {
  const into = new Funnel<number>()
  let made = 0
  let isLeft = false
  async function* endless(): AsyncGenerator<number> {
    try {
      for (;;) yield made++
    } finally {
      isLeft = true
    }
  }
  const added = into.add(endless())
  const reader = into.read()
  assert.is((await reader.next()).value, 0)
  const most = 200
  for (let turn = 0; turn < 10 * most; turn++) await Promise.resolve()
  assert.ok(made <= most, `${made} were made for a reader of one`)
  await reader.return(undefined)
  await added
  assert.ok(isLeft)
})

funnel('a source that fails: what is there comes first, then its failure', async () => {
  const into = new Funnel<number>()
  async function* failing(): AsyncGenerator<number> {
    yield 1
    throw new Error('broken')
  }
  await into.add(failing())
  const reader = into.read()
  assert.is((await reader.next()).value, 1)
  try {
    await reader.next()
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).message, 'broken')
  }
})

funnel(
  'inOrder: sources that are in order become one that is, equals as they were given',
  async () => {
    const items = inOrder([of(1, 4, 4), of<number>(), of(2, 3, 9)], (item) => item)
    assert.equal(await all(items), [1, 2, 3, 4, 4, 9])
    const named = [of('b1', 'b2'), of('a1')]
    assert.equal(await all(inOrder(named, (item) => Number(item[1]))), ['b1', 'a1', 'b2'])
  },
)

funnel('inOrder: sources are let go when the reader leaves', async () => {
  let left = 0
  async function* endless(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) yield i
    } finally {
      left++
    }
  }
  for await (const item of inOrder([endless(), endless()], (each) => each)) if (item > 2) break
  assert.is(left, 2)
})

funnel.run()
