import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  DELIVERY_INTERVAL_MS,
  MAX_FILE_BYTES,
  MAX_WAITING_BYTES,
  RETRY_MS,
} from '../../../../elbv2/data-plane/logs/log-delivery.ts'
import { recordOf } from '../live.ts'
import { answerOf, BUCKET, LogWorld, linesOf, logsTo, pathOf, turn } from './log-world.ts'

const delivery = suite('log delivery')

const ON = { attributes: logsTo(BUCKET, 'my/prefix') }

/** A world whose load balancer's logs are on, the test file written and put out of the way. */
async function switchedOn(changes: { attributes: Record<string, string> } = ON) {
  const world = new LogWorld()
  const row = world.put(changes)
  await world.delivered(1)
  world.puts.length = 0
  return { world, row }
}

delivery(
  'writes the test file of ELB when access logs are switched on, and only then',
  async () => {
    const world = new LogWorld()
    world.put()
    world.put(ON)
    world.put({ ...ON, state: 'active', tags: [{ Key: 'a' }] })
    const [put, ...others] = await world.delivered(1)
    assert.is(others.length, 0)
    assert.is(put?.method, 'PUT')
    assert.is(put?.service, 's3')
    assert.is(put?.path, '/logs-bucket/my/prefix/AWSLogs/123456789012/ELBAccessLogTestFile')
    assert.is(put?.scope.region, 'us-east-2')
    assert.is(
      String(put?.body),
      'Enable AccessLog for ELB: my-loadbalancer at 2026-01-02T23:34:30.000Z',
    )
    world.put({ attributes: logsTo('other') })
    assert.is(
      (await world.delivered(2))[1]?.path,
      '/other/AWSLogs/123456789012/ELBAccessLogTestFile',
    )
  },
)

delivery("delivers at the end of the clock's five minutes, under ELB's key, gzipped", async () => {
  const { world, row } = await switchedOn()
  world.request(row, 2)
  world.clock.advance(29_999)
  await turn()
  assert.is(world.puts.length, 0)
  world.clock.advance(1)
  const [put] = await world.delivered(1)
  assert.match(
    put?.path ?? '',
    /^\/logs-bucket\/my\/prefix\/AWSLogs\/123456789012\/elasticloadbalancing\/us-east-2\/2026\/01\/02\/123456789012_elasticloadbalancing_us-east-2_app\.my-loadbalancer\.50dc6c495c0c9188_20260102T2335Z_127\.0\.0\.1_[0-9a-f]{8}\.log\.gz$/,
  )
  assert.equal(linesOf(put?.body).map(pathOf), ['/1', '/2'])
  world.request(row)
  world.clock.advance(DELIVERY_INTERVAL_MS)
  const puts = await world.delivered(2)
  assert.match(puts[1]?.path ?? '', '_20260102T2340Z_')
  assert.equal(linesOf(puts[1]?.body).map(pathOf), ['/3'])
})

delivery('delivers at once what has grown to the size of a file', async () => {
  const { world, row } = await switchedOn()
  const listener = world.listener(row)
  const userAgent = 'x'.repeat(8_000)
  for (let bytes = 0; bytes < MAX_FILE_BYTES; bytes += userAgent.length) {
    world.logs.onRequest(recordOf({ listener, userAgent }))
  }
  const [put] = await world.delivered(1)
  assert.ok(linesOf(put?.body).join('\n').length >= MAX_FILE_BYTES - 1)
})

delivery('nothing is made for S3 while access logs are off', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.request(row, 3)
  world.clock.advance(DELIVERY_INTERVAL_MS)
  await world.logs.close()
  assert.is(world.puts.length, 0)
})

delivery('keeps what S3 refuses, says it once, tries again and says that it goes on', async () => {
  const { world, row } = await switchedOn()
  world.answer = () =>
    Promise.resolve(answerOf(404, '<Error><Code>NoSuchBucket</Code><Message/></Error>'))
  world.request(row)
  world.clock.advance(30_000)
  await world.delivered(1)
  world.answer = () => Promise.reject(new Error('connect ECONNREFUSED'))
  world.clock.advance(RETRY_MS)
  await world.delivered(2)
  assert.equal(world.said, [
    'warn: the access log does not reach S3; it is kept and tried again (S3 answered 404 NoSuchBucket)',
  ])
  world.answer = () => Promise.resolve(answerOf(200))
  world.request(row)
  world.clock.advance(DELIVERY_INTERVAL_MS)
  const puts = await world.delivered(4)
  assert.equal(
    puts.slice(-2).map(({ body }) => linesOf(body).map(pathOf)),
    [['/1'], ['/2']],
  )
  assert.is(world.said.at(-1), 'info: the access log reaches S3 again')
  assert.is(world.said.length, 2)
  assert.is(world.clock.waiting, 0)
})

delivery('holds a bounded amount of what S3 does not take, and says each loss', async () => {
  const { world, row } = await switchedOn()
  const listener = world.listener(row)
  world.answer = () => Promise.reject(new Error('connect ECONNREFUSED'))
  // Noise as hex: gzip leaves a little more than half of it.
  const noiseBytes = 4_000
  const total = Math.ceil((1.5 * MAX_WAITING_BYTES) / noiseBytes)
  for (let line = 0; line < total; line++) {
    const userAgent = randomBytes(noiseBytes).toString('hex')
    world.logs.onRequest(recordOf({ listener, userAgent }))
  }
  await world.logs.close()
  const losses = world.said.flatMap((text) => /^warn: (\d+) lines of/.exec(text)?.slice(1) ?? [])
  assert.is(
    losses.reduce((sum, lines) => sum + Number(lines), 0),
    total,
  )
  const kept = Number(losses.at(-1)) * noiseBytes
  assert.ok(kept <= MAX_WAITING_BYTES && kept > MAX_WAITING_BYTES / 2, String(kept))
})

delivery('says once that there is no backend, and makes no lines any more', async () => {
  const world = new LogWorld()
  world.answer = () => undefined
  const row = world.put(ON)
  await world.delivered(1)
  world.request(row)
  world.clock.advance(DELIVERY_INTERVAL_MS)
  await world.logs.close()
  assert.is(world.puts.length, 1)
  assert.equal(world.said, [
    'warn: the access log cannot be written to bucket logs-bucket (there is no backend with an S3)',
  ])
})

delivery('says that there is no backend where logs were on before this process began', async () => {
  const world = new LogWorld()
  const row = world.put()
  world.answer = () => undefined
  const listener = world.listener({ ...row, ...ON })
  world.request(row, 1, listener)
  world.clock.advance(30_000)
  await world.delivered(1)
  world.request(row, 1, listener)
  world.clock.advance(DELIVERY_INTERVAL_MS)
  await world.logs.close()
  assert.is(world.puts.length, 1)
  assert.equal(world.said, [
    'warn: the access log is not written to S3 (there is no backend with an S3)',
  ])
})

delivery('close and deletion deliver what is left, and say what they could not', async () => {
  const { world, row } = await switchedOn()
  world.request(row)
  world.delete(row)
  const [put] = await world.delivered(1)
  assert.equal(linesOf(put?.body).map(pathOf), ['/1'])
  const again = world.put(ON)
  await world.delivered(2)
  world.answer = () => Promise.reject(new Error('connect ECONNREFUSED'))
  world.request(again, 2)
  await world.logs.close()
  assert.is(world.puts.length, 3)
  assert.is(world.said.at(-1), 'warn: 2 lines of the access log are lost (connect ECONNREFUSED)')
  assert.is(world.clock.waiting, 0)
})

delivery('another bucket begins another file', async () => {
  const { world, row } = await switchedOn()
  world.request(row)
  const moved = world.put({ attributes: logsTo('other') })
  world.request(moved)
  await world.logs.close()
  const files = world.puts.filter(({ path }) => path.endsWith('.log.gz'))
  assert.equal(
    files.map(({ path, body }) => [path.split('/')[1], linesOf(body).map(pathOf)]),
    [
      [BUCKET, ['/1']],
      ['other', ['/2']],
    ],
  )
})

delivery.run()
