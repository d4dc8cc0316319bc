import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listenerRow, ruleRow, SCOPE, targetGroupRow } from './row-fixtures.ts'
import { Elbv2World } from './world.ts'

const PREFIX = 'arn:aws:elasticloadbalancing:us-east-1:000000000000'
const LISTENER = `${PREFIX}:listener/app/a/50dc6c495c0c9188/f2f7dc8efc522ab2`
const RULE = `${PREFIX}:listener-rule/app/a/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee`
const GROUP = `${PREFIX}:targetgroup/g/73e2d6bc24d8a067`
const STORE = `${PREFIX}:truststore/t/73e2d6bc24d8a067`

/** A world with one of everything that has tags; their ARNs. */
async function worldOfAll() {
  const world = new Elbv2World()
  const { LoadBalancers } = await world.call('CreateLoadBalancer', {
    Name: 'a',
    Subnets: ['subnet-1'],
    Tags: [{ Key: 'first', Value: 'x' }],
  })
  const balancer: string = LoadBalancers[0].LoadBalancerArn
  const listener = listenerRow(LISTENER, balancer)
  world.rows.listeners.put(LISTENER, listener)
  world.rows.rules.put(RULE, ruleRow(RULE, LISTENER))
  world.rows.targetGroups.put(GROUP, targetGroupRow(GROUP))
  world.rows.trustStores.put(STORE, {
    ...SCOPE,
    arn: STORE,
    name: 't',
    status: 'ACTIVE',
    source: { bucket: 'b', key: 'k' },
    bundle: '',
    numberOfCaCertificates: 1,
    revocations: [],
    nextRevocationId: 1,
    tags: [],
    createdAtMs: 0,
  })
  return {
    world,
    balancer,
    all: [balancer, LISTENER, listener.defaultRule.arn, RULE, GROUP, STORE],
  }
}

test('AddTags: tags everything that has tags, in one call', async () => {
  const { world, balancer, all } = await worldOfAll()
  const Tags = [
    { Key: 'team', Value: 'a' },
    { Key: 'empty', Value: '' },
  ]
  assert.equal(await world.call('AddTags', { ResourceArns: all, Tags }), {})
  const { TagDescriptions } = await world.call('DescribeTags', { ResourceArns: all })
  assert.equal(
    TagDescriptions,
    all.map((ResourceArn) => ({
      ResourceArn,
      Tags: ResourceArn === balancer ? [{ Key: 'first', Value: 'x' }, ...Tags] : Tags,
    })),
  )
  // The default rule's tags are not the listener's.
  await world.call('AddTags', { ResourceArns: [LISTENER], Tags: [{ Key: 'own', Value: '1' }] })
  const listener = world.rows.listeners.get(LISTENER)
  assert.is(listener?.tags.length, 3)
  assert.is(listener?.defaultRule.tags.length, 2)
})

test('AddTags: puts a new value over an old one', async () => {
  const { world, balancer } = await worldOfAll()
  const Tags = [{ Key: 'first', Value: 'y' }]
  await world.call('AddTags', { ResourceArns: [balancer], Tags })
  const { TagDescriptions } = await world.call('DescribeTags', { ResourceArns: [balancer] })
  assert.equal(TagDescriptions[0].Tags, Tags)
})

test('AddTags: refuses bad tags and unknown resources, and then tags nothing', async () => {
  const { world, balancer, all } = await worldOfAll()
  const add = (tags: object[], arns = [balancer]) =>
    world.fault('AddTags', { ResourceArns: arns, Tags: tags })
  assert.is(
    await add([{ Key: 'a' }, { Key: 'a' }]),
    "DuplicateTagKeys: Tag key 'a' was specified more than once",
  )
  assert.is(
    await add([{ Key: 'AWS:x' }]),
    'ValidationError: Tag keys that begin with "aws:" are reserved for system use',
  )
  assert.match(await add([{ Key: 'a#' }]), /^ValidationError: 1 validation error detected/)
  const many = (count: number) => Array.from({ length: count }, (_, at) => ({ Key: `k${at}` }))
  assert.is(await add(many(51)), 'TooManyTags: A resource can have up to 50 tags')
  assert.is(await add(many(50)), 'TooManyTags: A resource can have up to 50 tags')
  const unknown = `${PREFIX}:targetgroup/no/73e2d6bc24d8a067`
  assert.is(
    await add([{ Key: 'a' }], [...all, unknown]),
    `TargetGroupNotFound: Target group '${unknown}' not found`,
  )
  const { TagDescriptions } = await world.call('DescribeTags', { ResourceArns: all })
  const count = TagDescriptions.flatMap(({ Tags = [] }: { Tags?: object[] }) => Tags).length
  assert.is(count, 1)
})

test('RemoveTags: takes keys away, also those that are not there', async () => {
  const { world, all } = await worldOfAll()
  await world.call('AddTags', { ResourceArns: all, Tags: [{ Key: 'a' }, { Key: 'b' }] })
  await world.call('RemoveTags', { ResourceArns: all, TagKeys: ['a', 'first', 'none'] })
  const { TagDescriptions } = await world.call('DescribeTags', { ResourceArns: all })
  for (const { Tags } of TagDescriptions) assert.equal(Tags, [{ Key: 'b', Value: '' }])
})

test('DescribeTags: each kind that is not there has its own fault', async () => {
  const world = new Elbv2World()
  const id = '50dc6c495c0c9188'
  const faults: Record<string, string> = {
    [`loadbalancer/app/x/${id}`]: 'LoadBalancerNotFound: Load balancer',
    [`targetgroup/x/${id}`]: 'TargetGroupNotFound: Target group',
    [`listener/app/x/${id}/${id}`]: 'ListenerNotFound: Listener',
    [`listener-rule/app/x/${id}/${id}/${id}`]: 'RuleNotFound: Rule',
    [`truststore/x/${id}`]: 'TrustStoreNotFound: Trust store',
  }
  for (const [resource, start] of Object.entries(faults)) {
    const arn = `${PREFIX}:${resource}`
    assert.is(
      await world.fault('DescribeTags', { ResourceArns: [arn] }),
      `${start} '${arn}' not found`,
    )
  }
})

test('DescribeTags: refuses more than 20 resources, and what is no ARN of the account', async () => {
  const { world, balancer } = await worldOfAll()
  const arns = Array.from({ length: 21 }, () => balancer)
  assert.is(
    await world.fault('DescribeTags', { ResourceArns: arns }),
    'ValidationError: No more than 20 resource ARNs can be specified',
  )
  for (const arn of ['x', balancer.replace('us-east-1', 'eu-west-1'), `${balancer}/more`]) {
    assert.is(
      await world.fault('DescribeTags', { ResourceArns: [arn] }),
      `ValidationError: '${arn}' is not a valid ARN of a resource that has tags`,
    )
  }
})

test.run()
