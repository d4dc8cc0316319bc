/** `kill -9` in the middle of writes: whatever was acknowledged is there after the next start. */
import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answerOf, type Banner, Workshop } from '../bin/program.ts'

const ROUNDS = process.env.KECS_SLOW_TESTS ? 25 : 4
const WRITERS = 8
const LEAST_WRITES = 40
const MOST_WRITES = 240

const kill = suite<{ shop: Workshop }>('kill -9')
kill.before.each((context) => {
  context.shop = new Workshop()
})
kill.after.each(({ shop }) => shop.clean())

/** Creates clusters until the gateway is gone; calls `onAck` with the name of each that was acknowledged. */
async function write(banner: Banner, prefix: string, onAck: (name: string) => void) {
  for (let i = 0; ; i++) {
    const name = `${prefix}-${i}`
    try {
      await answerOf(banner, 'CreateCluster', { clusterName: name })
    } catch {
      return
    }
    onAck(name)
  }
}

async function namesIn(banner: Banner): Promise<Set<string>> {
  const names = new Set<string>()
  let nextToken: string | undefined
  do {
    const page = await answerOf(banner, 'ListClusters', { nextToken })
    for (const arn of page.clusterArns) names.add(arn.slice(arn.lastIndexOf('/') + 1))
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  return names
}

/** Writes from several clients, kills the gateway after `writes` acknowledgements, and says which those were. */
async function round(shop: Workshop, dir: string, prefix: string, writes: number) {
  const { program, banner } = await shop.serve('--data-dir', dir)
  const acknowledged: string[] = []
  const writers = Array.from({ length: WRITERS }, (_, i) =>
    write(banner, `${prefix}-${i}`, (name) => {
      if (acknowledged.push(name) === writes) program.kill('SIGKILL')
    }),
  )
  await Promise.all(writers)
  await program.ended
  return acknowledged
}

async function missingAfter(shop: Workshop, dir: string, acknowledged: readonly string[]) {
  const { program, banner } = await shop.serve('--data-dir', dir)
  const there = await namesIn(banner)
  program.kill('SIGKILL')
  await program.ended
  return acknowledged.filter((name) => !there.has(name))
}

kill('nothing that was acknowledged is missing, over many kills', async ({ shop }) => {
  const dir = shop.folder()
  const acknowledged: string[] = []
  let state = 4
  for (let i = 0; i < ROUNDS; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const writes = LEAST_WRITES + (state % (MOST_WRITES - LEAST_WRITES))
    acknowledged.push(...(await round(shop, dir, `r${i}`, writes)))
    assert.equal(await missingAfter(shop, dir, acknowledged), [])
  }
  assert.ok(acknowledged.length >= ROUNDS * LEAST_WRITES)
})

kill('the check above sees a store that loses its last writes', async ({ shop }) => {
  const dir = shop.folder()
  const acknowledged = await round(shop, dir, 'lost', LEAST_WRITES)
  const journal = readdirSync(dir).find((name) => name.startsWith('journal-')) ?? ''
  const path = join(dir, journal)
  // As if the last half had been answered for and never written.
  truncateSync(path, Math.floor(statSync(path).size / 2))
  assert.ok((await missingAfter(shop, dir, acknowledged)).length > 0)
})

kill.run()
