import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LogRing, RING_LINES } from '../../../../elbv2/data-plane/logs/log-ring.ts'

interface Item {
  readonly n: number
  readonly age: string
}

const ring = suite<{ made: number[]; ring: LogRing<Item> }>('LogRing')

ring.before.each((context) => {
  const made: number[] = []
  context.made = made
  context.ring = new LogRing<Item>({
    lineOf: ({ n }) => {
      made.push(n)
      return { atMs: n, line: String(n) }
    },
    ageOf: ({ age }) => age,
  })
})

async function read(log: LogRing<Item>, tail?: number): Promise<string[]> {
  const lines: string[] = []
  const query = { follow: false, signal: new AbortController().signal }
  for await (const { line } of log.read(tail === undefined ? query : { ...query, tail })) {
    lines.push(line)
  }
  return lines
}

ring('makes no line that nobody reads, and each that is read once', async ({ made, ring }) => {
  for (let n = 0; n < 5; n++) ring.push({ n, age: 'a' })
  assert.equal(made, [])
  assert.equal(await read(ring, 2), ['3', '4'])
  assert.equal(made, [3, 4])
  assert.equal(await read(ring), ['0', '1', '2', '3', '4'])
  assert.equal(made, [3, 4, 0, 1, 2])
})

ring('makes lines of all it keeps once records are of another age', async ({ made, ring }) => {
  for (let n = 0; n < 3; n++) ring.push({ n, age: 'a' })
  ring.push({ n: 3, age: 'b' })
  assert.equal(made, [0, 1, 2])
  ring.push({ n: 4, age: 'a' })
  assert.equal(made, [0, 1, 2, 3])
  assert.equal(await read(ring), ['0', '1', '2', '3', '4'])
})

ring('goes on in its order however often it went round', async ({ ring }) => {
  const rounds = 2 * RING_LINES + 7
  for (let n = 0; n < rounds; n++) ring.push({ n, age: 'a' })
  const lines = await read(ring)
  assert.is(lines.length, RING_LINES)
  assert.equal(
    lines.map(Number),
    lines.map((_, i) => rounds - RING_LINES + i),
  )
})

ring('a follower that reads nothing holds a bounded number of lines', async ({ ring }) => {
  const gone = new AbortController()
  const lines = ring.read({ follow: true, signal: gone.signal })[Symbol.asyncIterator]()
  const first = lines.next()
  ring.push({ n: 0, age: 'a' })
  assert.is((await first).value.line, '0')
  for (let n = 1; n <= 20_000; n++) ring.push({ n, age: 'a' })
  ring.end()
  let count = 0
  while (!(await lines.next()).done) count++
  assert.is(count, 10_000)
})

ring.run()
