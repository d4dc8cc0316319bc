import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { contract } from '../../elbv2/contract.gen.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createDispatcher } from '../../gateway/dispatch.ts'
import { samplesOf } from '../gateway/wire/shape-arbitrary.ts'
import { FakeBackend } from './fake-backend.ts'
import { CA_PEM, CRL_PEM } from './pem-fixtures.ts'
import { listenerRow, ruleRow, SCOPE, targetGroupRow } from './row-fixtures.ts'
import { Elbv2World } from './world.ts'

const PREFIX = 'arn:aws:elasticloadbalancing:us-east-1:000000000000'
const LISTENER = `${PREFIX}:listener/app/a/50dc6c495c0c9188/f2f7dc8efc522ab2`
const RULE = `${PREFIX}:listener-rule/app/a/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee`
const GROUP = `${PREFIX}:targetgroup/g/73e2d6bc24d8a067`

/** A world with one of everything and a backend; its ARNs. */
async function furnished() {
  const world = new Elbv2World()
  const backend = new FakeBackend()
  world.callBackend = backend.call
  backend.objects.set('/certs/ca.pem', CA_PEM)
  backend.objects.set('/certs/list.pem', CRL_PEM)
  const { LoadBalancers } = await world.call('CreateLoadBalancer', {
    Name: 'a',
    Subnets: ['subnet-1'],
  })
  const balancer: string = LoadBalancers[0].LoadBalancerArn
  world.rows.listeners.put(LISTENER, listenerRow(LISTENER, balancer))
  world.rows.rules.put(RULE, ruleRow(RULE, LISTENER))
  world.rows.targetGroups.put(GROUP, targetGroupRow(GROUP))
  const { TrustStores } = await world.call('CreateTrustStore', {
    Name: 't',
    CaCertificatesBundleS3Bucket: 'certs',
    CaCertificatesBundleS3Key: 'ca.pem',
  })
  const store: string = TrustStores[0].TrustStoreArn
  await world.call('AddTrustStoreRevocations', {
    TrustStoreArn: store,
    RevocationContents: [{ S3Bucket: 'certs', S3Key: 'list.pem' }],
  })
  return { world, arns: [balancer, LISTENER, RULE, GROUP, store] }
}

/** As the query protocol writes it: `Names.member.1=a`. */
function formOf(value: unknown, name = ''): [string, string][] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => formOf(item, `${name}.member.${index + 1}`))
  }
  if (typeof value !== 'object' || value === null) return [[name, String(value)]]
  return Object.entries(value).flatMap(([key, member]) =>
    formOf(member, name === '' ? key : `${name}.${key}`),
  )
}

for (const operation of Object.keys(new Elbv2World().provider.handlers)) {
  test(`${operation}: whatever fits its shapes is answered or refused, never a bug`, async () => {
    const { world, arns } = await furnished()
    const dispatcher = createDispatcher({
      providers: [world.provider],
      store: world.store,
      clock: world.clock,
      log: silentLogger,
      onCall: () => {},
    })
    const text = fc.oneof(
      fc.constantFrom(...arns, 'a', 't', 'g', 'certs', 'ca.pem', 'list.pem', 'subnet-1', 'sg-1'),
      fc.constantFrom(
        '__proto__',
        'constructor',
        '\0',
        '\ud800',
        '-1',
        '1e9',
        '*',
        '',
        ' ',
        '/../',
      ),
      fc.constantFrom('deletion_protection.enabled', 'true', 'eipalloc-1', `${PREFIX}:x/y`),
      fc.string({ unit: 'binary', maxLength: 8 }),
    )
    const filling = { contract, text, timestamp: fc.constant(0), empties: false }
    const inputs = samplesOf(filling, contract.operations[operation]?.input ?? '')
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const { status, body } = await dispatcher.call({
          ...SCOPE,
          provider: 'elbv2',
          operation,
          requestId: 'test',
          contentType: 'application/x-www-form-urlencoded; charset=utf-8',
          body: Buffer.from(new URLSearchParams(formOf(input)).toString()),
        })
        assert.ok(status < 500 || status === 501, `${status} ${body}`)
      }),
      { seed: 20260807, numRuns: 100 },
    )
  })
}

test.run()
