/** Access logs in an S3 that nobody here wrote, read back by the real SDK. */
import { Buffer } from 'node:buffer'
import * as s3 from '@aws-sdk/client-s3'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CallBackend } from '../../../../elbv2/context.ts'
import { type EmulatedBackend, startBackend } from '../../../e2e/backend.ts'
import { BUCKET, LogWorld, linesOf, logsTo, pathOf } from './log-world.ts'

const delivery = suite<{ backend: EmulatedBackend; client: s3.S3Client }>('log delivery to S3')

delivery.before(async (context) => {
  context.backend = await startBackend()
  context.client = new s3.S3Client({
    endpoint: context.backend.url,
    region: 'us-east-2',
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  })
})
delivery.after(async ({ backend, client }) => {
  client.destroy()
  await backend.close()
})

function callTo(backend: EmulatedBackend): CallBackend {
  return async ({ method, path, headers = {}, body }) => {
    const answer = await fetch(backend.url + path, { method, headers, body: body ?? null })
    const found = Buffer.from(await answer.arrayBuffer())
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body: found }
  }
}

delivery(
  'test file and lines are there; before there was a bucket they waited',
  async (context) => {
    const { backend, client } = context
    const world = new LogWorld()
    world.answer = callTo(backend)
    const row = world.put({ attributes: logsTo(BUCKET, "odd prefix/it's+100%") })
    while (world.said.length === 0) await world.delivered(1)
    assert.match(world.said[0] ?? '', /cannot be written to bucket logs-bucket .*NoSuchBucket/)
    await client.send(new s3.CreateBucketCommand({ Bucket: BUCKET }))
    world.put()
    world.put(row)
    world.request(row, 3)
    await world.logs.close()
    const { Contents = [] } = await client.send(new s3.ListObjectsV2Command({ Bucket: BUCKET }))
    const folder = "odd prefix/it's+100%/AWSLogs/123456789012/"
    const keys = Contents.map(({ Key }) => Key ?? '')
    assert.is(keys.length, 2)
    assert.ok(keys.every((key) => key.startsWith(folder)))
    assert.ok(keys.includes(`${folder}ELBAccessLogTestFile`))
    const Key = keys.find((key) => key.endsWith('.log.gz'))
    const { Body } = await client.send(new s3.GetObjectCommand({ Bucket: BUCKET, Key }))
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? [])
    assert.equal(linesOf(bytes).map(pathOf), ['/1', '/2', '/3'])
  },
)

delivery.run()
