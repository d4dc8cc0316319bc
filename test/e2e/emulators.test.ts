/** The real SDKs of DynamoDB and S3 through the gateway, in front of emulators nobody here wrote. */
import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import * as dynamodb from '@aws-sdk/client-dynamodb'
import { CreateClusterCommand, ListClustersCommand } from '@aws-sdk/client-ecs'
import * as s3 from '@aws-sdk/client-s3'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startTestGateway, type TestGateway } from '../harness.ts'
import { type EmulatedBackend, startBackend } from './backend.ts'
import { presign, sha256 } from './sigv4.ts'

interface Fixture {
  readonly backend: EmulatedBackend
  readonly gateway: TestGateway
  readonly host: string
  readonly table: dynamodb.DynamoDBClient
  readonly bucket: s3.S3Client
}

const REGION = 'us-east-1'
const S3_KEYS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
const MIB = 1024 * 1024
/** More than the buffers of all connections on the way can hold. */
const BIG_BYTES = 48 * MIB
/** The least that S3 takes as a part that is not the last. */
const PART_BYTES = 5 * MIB
const ODD_KEYS = [
  'a b/c+d',
  'ünï/日本語/🪣',
  '100%/%20/%2F',
  "q?&=;:@,$!*'()~",
  'a/../b/./c',
  '[x]{y}|^`"<>#\\',
]

const emulators = suite<Fixture>('emulators')

emulators.before(async (context) => {
  const backend = await startBackend()
  const gateway = await startTestGateway({ settings: { backend: backend.url } })
  const host = `127.0.0.1:${gateway.apiPort}`
  const common = { endpoint: `http://${host}`, region: REGION, maxAttempts: 1 }
  const keys = { accessKeyId: 'test', secretAccessKey: 'test' }
  const table = new dynamodb.DynamoDBClient({ ...common, credentials: keys })
  Object.assign(context, { backend, gateway, host, table, bucket: s3Client(common.endpoint) })
})
emulators.before.each(async (context) => {
  await context.bucket.send(new s3.CreateBucketCommand({ Bucket: 'files' })).catch((error) => {
    if (error.name !== 'BucketAlreadyExists') throw error
  })
})
emulators.after(async ({ backend, gateway, table, bucket }) => {
  table.destroy()
  bucket.destroy()
  await gateway.close()
  await backend.close()
})

function s3Client(endpoint: string, more: s3.S3ClientConfig = {}): s3.S3Client {
  return new s3.S3Client({
    endpoint,
    region: REGION,
    maxAttempts: 1,
    credentials: S3_KEYS,
    forcePathStyle: true,
    // s3rver knows none of the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...more,
  })
}

/** Bytes in which nothing repeats at the size of a chunk, so that what is lost or doubled shows. */
function bytesOf(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at)
  return bytes
}

function streamOf(bytes: Buffer): Readable {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 64 * 1024) {
    chunks.push(bytes.subarray(at, at + 64 * 1024))
  }
  return Readable.from(chunks)
}

async function bodyOf(bucket: s3.S3Client, Key: string): Promise<Buffer> {
  const { Body } = await bucket.send(new s3.GetObjectCommand({ Bucket: 'files', Key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

async function failureOf(call: Promise<unknown>): Promise<s3.S3ServiceException> {
  try {
    await call
  } catch (error) {
    return error as s3.S3ServiceException
  }
  throw new Error('it did not fail')
}

function item(id: string, at: number) {
  return { id: { S: id }, at: { N: String(at) }, text: { S: `é🚢 ${at}` } }
}

emulators('DynamoDB: tables and items, and its errors as the SDK types them', async ({ table }) => {
  const TableName = 'things'
  await table.send(
    new dynamodb.CreateTableCommand({
      TableName,
      AttributeDefinitions: [
        { AttributeName: 'id', AttributeType: 'S' },
        { AttributeName: 'at', AttributeType: 'N' },
      ],
      KeySchema: [
        { AttributeName: 'id', KeyType: 'HASH' },
        { AttributeName: 'at', KeyType: 'RANGE' },
      ],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  )
  await dynamodb.waitUntilTableExists({ client: table, maxWaitTime: 30 }, { TableName })
  for (const at of [1, 2, 3]) {
    await table.send(new dynamodb.PutItemCommand({ TableName, Item: item('a', at) }))
  }
  const Key = { id: { S: 'a' }, at: { N: '2' } }
  const got = await table.send(new dynamodb.GetItemCommand({ TableName, Key }))
  assert.equal(got.Item, item('a', 2))

  await table.send(new dynamodb.DeleteItemCommand({ TableName, Key }))
  const found = await table.send(
    new dynamodb.QueryCommand({
      TableName,
      KeyConditionExpression: '#id = :id',
      ExpressionAttributeNames: { '#id': 'id' },
      ExpressionAttributeValues: { ':id': { S: 'a' } },
    }),
  )
  assert.equal(found.Items, [item('a', 1), item('a', 3)])

  const again = new dynamodb.PutItemCommand({
    TableName,
    Item: item('a', 1),
    ConditionExpression: 'attribute_not_exists(id)',
  })
  const refused = await failureOf(table.send(again))
  assert.instance(refused, dynamodb.ConditionalCheckFailedException)
  assert.is(refused.$metadata.httpStatusCode, 400)
  const nowhere = new dynamodb.GetItemCommand({ TableName: 'nowhere', Key })
  assert.instance(await failureOf(table.send(nowhere)), dynamodb.ResourceNotFoundException)
})

emulators('S3: objects of odd names are put, found, copied and deleted', async ({ bucket }) => {
  for (const [index, Key] of ODD_KEYS.entries()) {
    const sent = { Bucket: 'files', Key, Body: `of ${Key}`, ContentType: 'text/x-odd' }
    await bucket.send(new s3.PutObjectCommand({ ...sent, Metadata: { number: `${index}` } }))
    assert.is(String(await bodyOf(bucket, Key)), `of ${Key}`, Key)
    const head = await bucket.send(new s3.HeadObjectCommand({ Bucket: 'files', Key }))
    assert.is(head.ContentLength, Buffer.byteLength(`of ${Key}`))
    assert.is(head.ContentType, 'text/x-odd')
    assert.equal(head.Metadata, { number: `${index}` })
  }
  const Prefix = 'a b/'
  const listed = await bucket.send(new s3.ListObjectsV2Command({ Bucket: 'files', Prefix }))
  assert.equal(
    listed.Contents?.map(({ Key }) => Key),
    ['a b/c+d'],
  )
  const CopySource = `files/${encodeURI('ünï/日本語/🪣')}`
  await bucket.send(new s3.CopyObjectCommand({ Bucket: 'files', Key: 'copy', CopySource }))
  assert.is(String(await bodyOf(bucket, 'copy')), 'of ünï/日本語/🪣')
  for (const Key of ['a b/c+d', 'copy']) {
    await bucket.send(new s3.DeleteObjectCommand({ Bucket: 'files', Key }))
    const failure = await failureOf(bodyOf(bucket, Key))
    assert.instance(failure, s3.NoSuchKey)
  }
})

emulators('S3: a HEAD of nothing is the SDK’s NotFound', async ({ bucket }) => {
  const head = new s3.HeadObjectCommand({ Bucket: 'files', Key: 'nothing' })
  const failure = await failureOf(bucket.send(head))
  assert.instance(failure, s3.NotFound)
  assert.is(failure.$metadata.httpStatusCode, 404)
  // The connection is none the worse for an answer without a body.
  assert.is((await failureOf(bucket.send(head))).name, 'NotFound')
})

emulators('S3: a streamed body arrives whole, and a range of it comes back', async ({ bucket }) => {
  const bytes = bytesOf(8 * MIB + 13)
  const Key = 'streamed'
  const sent = { Bucket: 'files', Key, Body: streamOf(bytes), ContentLength: bytes.length }
  await bucket.send(new s3.PutObjectCommand(sent))
  assert.is(sha256(await bodyOf(bucket, Key)), sha256(bytes))

  const Range = 'bytes=5000000-5000099'
  const part = await bucket.send(new s3.GetObjectCommand({ Bucket: 'files', Key, Range }))
  assert.is(part.$metadata.httpStatusCode, 206)
  assert.is(part.ContentRange, `bytes 5000000-5000099/${bytes.length}`)
  const got = Buffer.from((await part.Body?.transformToByteArray()) ?? [])
  assert.ok(got.equals(bytes.subarray(5_000_000, 5_000_100)))
})

emulators(
  'S3: aws-chunked with a trailing checksum reaches the backend framed',
  async ({ host }) => {
    const bucket = s3Client(`http://${host}`, { requestChecksumCalculation: 'WHEN_SUPPORTED' })
    const bytes = bytesOf(300_000)
    const sent = { Bucket: 'files', Key: 'framed', Body: streamOf(bytes) }
    await bucket.send(new s3.PutObjectCommand({ ...sent, ContentLength: bytes.length }))
    // s3rver stores what it is sent: it does not know this framing.
    const stored = (await bodyOf(bucket, 'framed')).toString('latin1')
    let data = ''
    let at = 0
    for (;;) {
      const end = stored.indexOf('\r\n', at)
      const size = Number.parseInt(stored.slice(at, end), 16)
      at = end + 2
      if (!(size > 0)) break
      data += stored.slice(at, at + size)
      at += size + 2
    }
    assert.is(sha256(Buffer.from(data, 'latin1')), sha256(bytes))
    assert.match(stored.slice(at), /^x-amz-checksum-crc32:[\w+/=]+\r\n/)
    bucket.destroy()
  },
)

emulators('S3: a multipart upload becomes one object', async ({ bucket }) => {
  const bytes = bytesOf(2 * PART_BYTES + 4_000)
  const target = { Bucket: 'files', Key: 'multi part/+' }
  const { UploadId } = await bucket.send(new s3.CreateMultipartUploadCommand(target))
  const Parts: s3.CompletedPart[] = []
  for (let PartNumber = 1; (PartNumber - 1) * PART_BYTES < bytes.length; PartNumber++) {
    const Body = bytes.subarray((PartNumber - 1) * PART_BYTES, PartNumber * PART_BYTES)
    const part = { ...target, UploadId, PartNumber, Body }
    const { ETag } = await bucket.send(new s3.UploadPartCommand(part))
    Parts.push({ ETag, PartNumber })
  }
  const MultipartUpload = { Parts }
  await bucket.send(new s3.CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload }))
  assert.is(Parts.length, 3)
  assert.is(sha256(await bodyOf(bucket, target.Key)), sha256(bytes))
})

emulators('S3: presigned URLs put and get, and are worthless when touched', async ({ host }) => {
  const path = '/files/pre%20signed/%2B%C3%BC'
  const keys = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
  const url = (method: string) => presign({ ...keys, method, host, path, at: new Date() })
  const put = await fetch(url('PUT'), { method: 'PUT', body: 'by its URL alone' })
  assert.is(put.status, 200, await put.text())
  const got = await fetch(url('GET'))
  assert.is(await got.text(), 'by its URL alone')
  const touched = await fetch(url('GET').replace('%2B', '-'))
  assert.is(touched.status, 403)
  assert.match(await touched.text(), /SignatureDoesNotMatch/)
})

emulators('S3: a bucket in the host name', async ({ bucket, gateway }) => {
  const virtual = s3Client(`http://s3.localhost:${gateway.apiPort}`, { forcePathStyle: false })
  const hosts = new Set<string>()
  // To the loopback address whatever names resolve to here; Host says what was signed.
  virtual.middlewareStack.add(
    (next) => (args) => {
      const call = args.request as { hostname: string; headers: Record<string, string> }
      hosts.add(call.headers.host ?? '')
      call.hostname = '127.0.0.1'
      return next(args)
    },
    { step: 'finalizeRequest', priority: 'low' },
  )
  const Key = 'by host/ü +'
  await virtual.send(new s3.PutObjectCommand({ Bucket: 'files', Key, Body: 'virtual' }))
  assert.equal([...hosts], [`files.s3.localhost:${gateway.apiPort}`])
  assert.is(String(await bodyOf(virtual, Key)), 'virtual')
  assert.is(String(await bodyOf(bucket, Key)), 'virtual')
  virtual.destroy()
})

emulators('backend: while it is gone S3 and DynamoDB say so and ECS goes on', async (context) => {
  const { backend, bucket, table, gateway } = context
  const ecs = gateway.ecs()
  await bucket.send(new s3.PutObjectCommand({ Bucket: 'files', Key: 'kept', Body: 'kept' }))
  await ecs.send(new CreateClusterCommand({ clusterName: 'between' }))
  await table.send(new dynamodb.ListTablesCommand({}))

  await backend.stop()
  const ofS3 = await failureOf(bodyOf(bucket, 'kept'))
  const ofTable = await failureOf(table.send(new dynamodb.ListTablesCommand({})))
  for (const failure of [ofS3, ofTable]) {
    assert.is(failure.name, 'ServiceUnavailable')
    assert.is(failure.$metadata.httpStatusCode, 502)
    assert.ok(failure.$metadata.requestId)
    assert.ok(failure.message.includes(`The backend ${backend.url} cannot be reached`))
  }
  const head = new s3.HeadObjectCommand({ Bucket: 'files', Key: 'kept' })
  assert.is((await failureOf(bucket.send(head))).$metadata.httpStatusCode, 502)
  const { clusterArns } = await ecs.send(new ListClustersCommand({}))
  assert.match(clusterArns?.join() ?? '', /cluster\/between$/)

  await backend.start()
  assert.is(String(await bodyOf(bucket, 'kept')), 'kept')
  await table.send(new dynamodb.ListTablesCommand({}))
})

emulators('backend: what it dies in the middle of never passes for whole', async (context) => {
  const { backend, bucket } = context
  const Key = 'cut'
  const body = { Body: streamOf(bytesOf(BIG_BYTES)), ContentLength: BIG_BYTES }
  await bucket.send(new s3.PutObjectCommand({ Bucket: 'files', Key, ...body }))
  const { Body } = await bucket.send(new s3.GetObjectCommand({ Bucket: 'files', Key }))
  await backend.stop()
  const failure = await failureOf(Body?.transformToByteArray() ?? Promise.resolve())
  assert.instance(failure, Error)
  await backend.start()
  assert.is((await bodyOf(bucket, Key)).length, BIG_BYTES)
})

emulators.run()
