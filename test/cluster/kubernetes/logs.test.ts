import type { RequestListener } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type LogSource, readLogs } from '../../../cluster/kubernetes/logs.ts'
import { taskOf } from '../../runtime-watch.ts'
import { against } from './api-server.ts'

const logs = suite('logs of pods')

/** Of a container that has begun, and ends once its log was read to that end. */
function sourceOf(ended: () => boolean): LogSource {
  return {
    task: taskOf('t1', {}),
    namespace: 'n',
    pod: 't1',
    begun: () => true,
    ended,
    changed: () => new Promise((resolve) => setImmediate(resolve)),
  }
}

const lineOf = (second: number) => `2026-01-01T00:00:0${second}Z line ${second}\n`

/** What a follower reads where the first of its streams breaks; `breaks` is how many do. */
async function followed(breaks: number): Promise<string[]> {
  const all: string[] = []
  let streams = 0
  let isOver = false
  const answer: RequestListener = (request, response) => {
    if (!request.url?.includes('follow')) return response.end(lineOf(1))
    streams++
    if (streams > breaks) {
      isOver = true
      return response.end(lineOf(1) + lineOf(2) + lineOf(3))
    }
    response.write(lineOf(1) + lineOf(2), () => request.socket.destroy())
  }
  await against(answer, async (client) => {
    for await (const { line } of readLogs(
      client,
      sourceOf(() => isOver),
      { follow: true },
    )) {
      all.push(line)
    }
  })
  return all
}

logs('a follower asks again for a stream that broke, and tells no line twice', async () => {
  assert.equal(await followed(1), ['line 1', 'line 2', 'line 3'])
})

logs('a follower whose streams always break says so in the end', async () => {
  try {
    await followed(Number.POSITIVE_INFINITY)
  } catch {
    return
  }
  assert.unreachable()
})

logs.run()
