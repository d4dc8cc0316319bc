import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TaskLog } from '../../../cluster/local/task-log.ts'
import type { LogQuery } from '../../../cluster/runtime.ts'

const test = suite('task log')
const folder = mkdtempSync(join(tmpdir(), 'kecs-task-log-'))
test.before.each(() => rmSync(folder, { recursive: true, force: true }))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const line = (text: string) => ({
  atMs: 1,
  container: 'c0',
  stream: 'stdout' as const,
  line: text,
})

async function textsOf(log: TaskLog, query: LogQuery = {}): Promise<string[]> {
  const texts: string[] = []
  for await (const { line: text } of log.read(query)) texts.push(text)
  return texts
}

test('TaskLog: a line written while a follower reads what is there comes once', async () => {
  const log = new TaskLog(folder, 1_000_000)
  await log.append(line('a'))
  const following = textsOf(log, { follow: true })
  await log.append(line('b'))
  await log.end()
  assert.equal(await following, ['a', 'b'])
})

test('TaskLog: the oldest lines go first, and what is left is in order', async () => {
  const log = new TaskLog(folder, 1_000)
  for (let number = 0; number < 200; number++) {
    await log.append(line(String(number)))
    await textsOf(log, { tail: 0 })
  }
  const texts = await textsOf(log)
  const first = Number(texts[0])
  assert.ok(first > 100 && texts.length > 10, `${texts.length} lines from ${first} on`)
  assert.equal(
    texts,
    Array.from({ length: 200 - first }, (_, index) => String(first + index)),
  )
})

test('TaskLog: another object reads what is on the disk, but for a torn last line', async () => {
  const log = new TaskLog(folder, 1_000_000)
  await log.append(line('a'))
  await log.end()
  appendFileSync(join(folder, 'log.jsonl'), '[1,1,"c0",0,"to')
  const left = new TaskLog(folder, 1_000_000)
  await left.end()
  assert.equal(await textsOf(left, { follow: true }), ['a'])
})

test.run()
