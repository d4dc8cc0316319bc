import { Buffer } from 'node:buffer'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pemBlocks, revokedSerials } from '../../elbv2/certificates.ts'
import { answer, FakeBackend } from './fake-backend.ts'
import { CA_PEM, CRL_PEM, EMPTY_CRL_PEM, OTHER_CA_PEM } from './pem-fixtures.ts'
import { listenerRow, SCOPE } from './row-fixtures.ts'
import { Elbv2World } from './world.ts'

const PREFIX = 'arn:aws:elasticloadbalancing:us-east-1:000000000000'
const NOBODY = `${PREFIX}:truststore/no/73e2d6bc24d8a067`

function worldWithS3() {
  const world = new Elbv2World()
  const backend = new FakeBackend()
  backend.objects.set('/certs/ca.pem', `a comment\n${CA_PEM}`)
  backend.objects.set('/certs/two.pem', CA_PEM + OTHER_CA_PEM)
  backend.objects.set('/certs/revoked/list%201.pem', CRL_PEM)
  backend.objects.set('/certs/revoked/empty.pem', EMPTY_CRL_PEM)
  backend.objects.set('/certs/revoked/list.der', derOf(CRL_PEM))
  world.callBackend = backend.call
  return { world, backend }
}

function derOf(pem: string): Buffer {
  return pemBlocks(pem, 'X509 CRL')[0] ?? Buffer.alloc(0)
}

function bundleAt(CaCertificatesBundleS3Key: string) {
  return { CaCertificatesBundleS3Bucket: 'certs', CaCertificatesBundleS3Key }
}

async function created(world: Elbv2World, Name = 't', input = bundleAt('ca.pem')) {
  const { TrustStores } = await world.call('CreateTrustStore', { Name, ...input })
  return TrustStores[0]
}

async function worldWithStore() {
  const { world, backend } = worldWithS3()
  const { TrustStoreArn } = await created(world)
  return { world, backend, TrustStoreArn: TrustStoreArn as string }
}

test('CreateTrustStore: reads the bundle from the backend and counts its certificates', async () => {
  const { world, backend } = worldWithS3()
  const { TrustStoreArn, ...rest } = await created(world, 't', bundleAt('two.pem'))
  assert.match(TrustStoreArn, /:truststore\/t\/[0-9a-f]{16}$/)
  assert.equal(rest, {
    Name: 't',
    Status: 'ACTIVE',
    NumberOfCaCertificates: 2,
    TotalRevokedEntries: 0,
  })
  const [request] = backend.requests
  assert.equal(
    [request?.service, request?.method, request?.path, request?.scope],
    ['s3', 'GET', '/certs/two.pem', SCOPE],
  )
  assert.is(world.rows.trustStores.get(TrustStoreArn)?.bundle, CA_PEM + OTHER_CA_PEM)
})

test('CreateTrustStore: refuses bundles that are not there or are none', async () => {
  const { world, backend } = worldWithS3()
  const fault = (key: string) => world.fault('CreateTrustStore', { Name: 't', ...bundleAt(key) })
  const missing =
    "CaCertificatesBundleNotFound: The CA certificates bundle 's3://certs/no.pem' was not found"
  assert.is(await fault('no.pem'), missing)
  const broken = CA_PEM.replace('MIIBhTCC', 'MIIBhTCD')
  for (const text of ['', 'hello', broken, CA_PEM + broken, CA_PEM + CRL_PEM]) {
    backend.objects.set('/certs/bad.pem', text)
    assert.is(
      await fault('bad.pem'),
      'InvalidCaCertificatesBundle: The CA certificates bundle is in an invalid format, or corrupt',
    )
  }
  backend.objects.set('/certs/many.pem', CA_PEM.repeat(26))
  assert.is(
    await fault('many.pem'),
    'InvalidCaCertificatesBundle: The CA certificates bundle has more than 25 certificates',
  )
  backend.instead = () => new Error('connect ECONNREFUSED')
  assert.is(await fault('no.pem'), missing)
  world.callBackend = () => undefined
  assert.is(await fault('no.pem'), missing)
  assert.is(world.rows.trustStores.size, 0)
})

test('CreateTrustStore: refuses a name twice, bad names, and more than 20', async () => {
  const { world } = worldWithS3()
  await created(world)
  assert.is(
    await world.fault('CreateTrustStore', { Name: 't', ...bundleAt('ca.pem') }),
    "DuplicateTrustStoreName: A trust store with the same name 't' exists",
  )
  assert.match(
    await world.fault('CreateTrustStore', { Name: 't-', ...bundleAt('ca.pem') }),
    /^ValidationError: 1 validation error detected: Value 't-' at 'name'/,
  )
  for (let index = 1; index < 20; index++) await created(world, `t${index}`)
  assert.match(
    await world.fault('CreateTrustStore', { Name: 'u', ...bundleAt('ca.pem') }),
    /^TooManyTrustStores: /,
  )
})

test('ModifyTrustStore: puts another bundle in place, and keeps the old one where it cannot', async () => {
  const { world, TrustStoreArn } = await worldWithStore()
  assert.match(
    await world.fault('ModifyTrustStore', { TrustStoreArn, ...bundleAt('no.pem') }),
    /^CaCertificatesBundleNotFound: /,
  )
  assert.is(world.rows.trustStores.get(TrustStoreArn)?.numberOfCaCertificates, 1)
  const { TrustStores } = await world.call('ModifyTrustStore', {
    TrustStoreArn,
    ...bundleAt('two.pem'),
  })
  assert.equal(TrustStores, [
    {
      Name: 't',
      TrustStoreArn,
      Status: 'ACTIVE',
      NumberOfCaCertificates: 2,
      TotalRevokedEntries: 0,
    },
  ])
})

test('DescribeTrustStores: pages, finds by name and ARN, tells of those that are not there', async () => {
  const { world } = worldWithS3()
  for (const name of ['c', 'a', 'b']) await created(world, name)
  const first = await world.call('DescribeTrustStores', { PageSize: 2 })
  const second = await world.call('DescribeTrustStores', { Marker: first.NextMarker })
  const names = [...first.TrustStores, ...second.TrustStores].map(({ Name }) => Name)
  assert.equal(names, ['c', 'a', 'b'])
  const { TrustStores } = await world.call('DescribeTrustStores', { Names: ['a'] })
  assert.equal(TrustStores, [first.TrustStores[1]])
  assert.is(
    await world.fault('DescribeTrustStores', { Names: ['z'] }),
    "TrustStoreNotFound: Trust stores '[z]' not found",
  )
  assert.is(
    await world.fault('DescribeTrustStores', { TrustStoreArns: [NOBODY] }),
    'TrustStoreNotFound: One or more trust stores not found',
  )
})

test('DeleteTrustStore: is refused while a listener uses the store', async () => {
  const { world, TrustStoreArn } = await worldWithStore()
  const listeners = ['1', '2', '3'].map((id) => `${PREFIX}:listener/app/a/50dc6c495c0c9188/${id}`)
  for (const [index, arn] of listeners.entries()) {
    const mutualAuthentication = {
      Mode: 'verify',
      TrustStoreArn: index === 1 ? NOBODY : TrustStoreArn,
    }
    world.rows.listeners.put(arn, { ...listenerRow(arn, 'b'), mutualAuthentication })
  }
  const first = await world.call('DescribeTrustStoreAssociations', { TrustStoreArn, PageSize: 1 })
  const rest = await world.call('DescribeTrustStoreAssociations', {
    TrustStoreArn,
    Marker: first.NextMarker,
  })
  assert.equal(
    [...first.TrustStoreAssociations, ...rest.TrustStoreAssociations],
    [{ ResourceArn: listeners[0] }, { ResourceArn: listeners[2] }],
  )
  assert.is(
    await world.fault('DeleteTrustStore', { TrustStoreArn }),
    `TrustStoreInUse: Trust store '${TrustStoreArn}' is currently in use by listener '${listeners[0]}'`,
  )
  const shared = (ResourceArn: string | undefined) =>
    world.fault('DeleteSharedTrustStoreAssociation', { TrustStoreArn, ResourceArn })
  assert.match(await shared(listeners[0]), /^DeleteAssociationSameAccount: /)
  assert.match(await shared(listeners[1]), /^AssociationNotFound: /)
  for (const arn of listeners) world.rows.listeners.delete(arn)
  assert.equal(await world.call('DeleteTrustStore', { TrustStoreArn }), {})
  assert.is(
    await world.fault('DeleteTrustStore', { TrustStoreArn }),
    `TrustStoreNotFound: Trust store '${TrustStoreArn}' not found`,
  )
})

test('AddTrustStoreRevocations: reads lists, PEM and DER, and numbers them for good', async () => {
  const { world, TrustStoreArn } = await worldWithStore()
  const added = await world.call('AddTrustStoreRevocations', {
    TrustStoreArn,
    RevocationContents: [
      { S3Bucket: 'certs', S3Key: 'revoked/list 1.pem', RevocationType: 'CRL' },
      { S3Bucket: 'certs', S3Key: 'revoked/empty.pem' },
      { S3Bucket: 'certs', S3Key: 'revoked/list.der' },
    ],
  })
  const revocation = (RevocationId: number, NumberOfRevokedEntries: number) => ({
    TrustStoreArn,
    RevocationId,
    RevocationType: 'CRL',
    NumberOfRevokedEntries,
  })
  assert.equal(added.TrustStoreRevocations, [revocation(1, 3), revocation(2, 0), revocation(3, 3)])
  const row = world.rows.trustStores.get(TrustStoreArn)
  assert.equal(row?.revocations[0]?.serials, ['0A', 'F1', 'ABCDEF0123456789'].map(withoutZeros))
  const { TrustStores } = await world.call('DescribeTrustStores')
  assert.is(TrustStores[0].TotalRevokedEntries, 6)
  await world.call('RemoveTrustStoreRevocations', { TrustStoreArn, RevocationIds: [3, 1] })
  const again = await world.call('AddTrustStoreRevocations', {
    TrustStoreArn,
    RevocationContents: [{ S3Bucket: 'certs', S3Key: 'revoked/empty.pem' }],
  })
  assert.is(again.TrustStoreRevocations[0].RevocationId, 4)
})

const withoutZeros = (serial: string) => serial.replace(/^0+/, '')

test('AddTrustStoreRevocations: refuses what is not there or is no list, and then adds none', async () => {
  const { world, backend, TrustStoreArn } = await worldWithStore()
  const add = (keys: string[]) =>
    world.fault('AddTrustStoreRevocations', {
      TrustStoreArn,
      RevocationContents: keys.map((S3Key) => ({ S3Bucket: 'certs', S3Key })),
    })
  assert.is(
    await add(['revoked/empty.pem', 'no.pem']),
    "RevocationContentNotFound: The revocation content 's3://certs/no.pem' was not found",
  )
  for (const content of [CA_PEM, 'hello', '', derOf(CRL_PEM).subarray(0, 100)]) {
    backend.objects.set('/certs/bad', content)
    assert.is(
      await add(['revoked/empty.pem', 'bad']),
      "InvalidRevocationContent: The revocation content 's3://certs/bad' is in an invalid format, or corrupt",
    )
  }
  assert.match(await add([]), /^ValidationError: At least one revocation/)
  assert.equal(world.rows.trustStores.get(TrustStoreArn)?.revocations, [])
})

test('DescribeTrustStoreRevocations: pages in order, finds by id, tells of unknown ids', async () => {
  const { world, TrustStoreArn } = await worldWithStore()
  const one = { S3Bucket: 'certs', S3Key: 'revoked/empty.pem' }
  const RevocationContents = Array.from({ length: 11 }, () => one)
  await world.call('AddTrustStoreRevocations', { TrustStoreArn, RevocationContents })
  const ids: number[] = []
  let Marker: string | undefined
  do {
    const page = await world.call('DescribeTrustStoreRevocations', {
      TrustStoreArn,
      PageSize: 4,
      Marker,
    })
    for (const { RevocationId } of page.TrustStoreRevocations) ids.push(RevocationId)
    Marker = page.NextMarker
  } while (Marker !== undefined)
  assert.equal(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  const found = await world.call('DescribeTrustStoreRevocations', {
    TrustStoreArn,
    RevocationIds: [10, 2],
  })
  assert.equal(
    found.TrustStoreRevocations.map((each: { RevocationId: number }) => each.RevocationId),
    [2, 10],
  )
  const unknown = { TrustStoreArn, RevocationIds: [2, 12] }
  for (const operation of ['DescribeTrustStoreRevocations', 'RemoveTrustStoreRevocations']) {
    assert.is(
      await world.fault(operation, unknown),
      "RevocationIdNotFound: Revocation ID '12' not found",
    )
  }
  assert.is(world.rows.trustStores.get(TrustStoreArn)?.revocations.length, 11)
})

test('GetTrustStore…: answers where the content is read through our own port', async () => {
  const { world, backend, TrustStoreArn } = await worldWithStore()
  backend.instead = () => answer(200, CRL_PEM, { 'x-amz-version-id': 'v 1' })
  await world.call('AddTrustStoreRevocations', {
    TrustStoreArn,
    RevocationContents: [{ S3Bucket: 'certs', S3Key: 'revoked/list 1.pem' }],
  })
  const bundle = await world.call('GetTrustStoreCaCertificatesBundle', { TrustStoreArn })
  const url = new URL(bundle.Location)
  assert.is(url.origin + url.pathname, 'http://localhost:4566/certs/ca.pem')
  assert.is(
    url.searchParams.get('X-Amz-Credential'),
    '000000000000/20260101/us-east-1/s3/aws4_request',
  )
  assert.is(url.searchParams.get('X-Amz-Date'), '20260101T000000Z')
  // The version that was read is the one that is given, where the bucket keeps versions.
  const list = await world.call('GetTrustStoreRevocationContent', {
    TrustStoreArn,
    RevocationId: 1,
  })
  assert.match(
    list.Location,
    'http://localhost:4566/certs/revoked/list%201.pem?versionId=v%201&X-Amz-Algorithm=AWS4-HMAC-SHA256&',
  )
  assert.is(
    await world.fault('GetTrustStoreRevocationContent', { TrustStoreArn, RevocationId: 2 }),
    "RevocationIdNotFound: Revocation ID '2' not found",
  )
})

for (const [operation, input] of Object.entries({
  ModifyTrustStore: bundleAt('ca.pem'),
  DescribeTrustStoreAssociations: {},
  DeleteSharedTrustStoreAssociation: { ResourceArn: 'x' },
  AddTrustStoreRevocations: {},
  RemoveTrustStoreRevocations: { RevocationIds: [1] },
  DescribeTrustStoreRevocations: {},
  GetTrustStoreCaCertificatesBundle: {},
  GetTrustStoreRevocationContent: { RevocationId: 1 },
})) {
  test(`${operation}: tells of a trust store that is not there`, async () => {
    const { world } = worldWithS3()
    assert.is(
      await world.fault(operation, { TrustStoreArn: NOBODY, ...input }),
      `TrustStoreNotFound: Trust store '${NOBODY}' not found`,
    )
    assert.is(
      await world.fault(operation, { TrustStoreArn: 't', ...input }),
      "ValidationError: 't' is not a valid trust store ARN",
    )
  })
}

test('revokedSerials: no cut and no flipped bit of a list is worse than refused', () => {
  const der = derOf(CRL_PEM)
  for (let end = 0; end < der.length; end++) {
    assert.is(revokedSerials(der.subarray(0, end)), undefined, `cut at ${end}`)
  }
  assert.is(revokedSerials(Buffer.concat([der, Buffer.from([0])])), undefined)
  for (let bit = 0; bit < der.length * 8; bit++) {
    const flipped = Buffer.from(der)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    const serials = revokedSerials(flipped)
    assert.ok(serials === undefined || serials.length <= der.length)
  }
})

test.run()
