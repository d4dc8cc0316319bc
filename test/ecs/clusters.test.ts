import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { World } from './world.ts'

const ARN = 'arn:aws:ecs:us-east-1:000000000000:cluster/c'

test('CreateCluster: answers the cluster as AWS does, and again for the same name', async () => {
  const world = new World()
  const { cluster } = await world.call('CreateCluster', { clusterName: 'c' })
  assert.equal(cluster, {
    clusterArn: ARN,
    clusterName: 'c',
    status: 'ACTIVE',
    registeredContainerInstancesCount: 0,
    runningTasksCount: 0,
    pendingTasksCount: 0,
    activeServicesCount: 0,
    statistics: [],
    tags: [],
    settings: [{ name: 'containerInsights', value: 'disabled' }],
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
  })
  assert.equal((await world.call('CreateCluster', { clusterName: 'c' })).cluster, cluster)
  assert.is((await world.call('CreateCluster', {})).cluster.clusterName, 'default')
})

test('CreateCluster: refuses names that are none, bad settings, unknown capacity providers', async () => {
  const world = new World()
  assert.is(
    await world.fault('CreateCluster', { clusterName: 'a b' }),
    'InvalidParameterException: Cluster must match ^[a-zA-Z0-9\\-_]{1,255}$, but was a b',
  )
  assert.match(
    await world.fault('CreateCluster', {
      settings: [{ name: 'containerInsights', value: 'maybe' }],
    }),
    /^InvalidParameterException: Invalid value for setting containerInsights/,
  )
  assert.is(
    await world.fault('CreateCluster', { capacityProviders: ['mine'] }),
    'InvalidParameterException: The specified capacity provider was not found.',
  )
})

test('DescribeClusters: shows what include asks for, and failures for what is not there', async () => {
  const world = new World()
  const tags = [{ key: 'team', value: 'a' }]
  await world.call('CreateCluster', {
    clusterName: 'c',
    tags,
    configuration: { executeCommandConfiguration: { logging: 'DEFAULT' } },
  })
  const plain = (await world.call('DescribeClusters', { clusters: ['c'] })).clusters[0]
  assert.equal([plain.tags, plain.settings, plain.statistics], [[], [], []])
  assert.is(plain.configuration, undefined)
  const { clusters, failures } = await world.call('DescribeClusters', {
    clusters: [ARN, 'nope'],
    include: ['TAGS', 'SETTINGS', 'STATISTICS', 'CONFIGURATIONS'],
  })
  assert.equal(clusters[0].tags, tags)
  assert.is(clusters[0].statistics.length, 8)
  assert.is(clusters[0].configuration.executeCommandConfiguration.logging, 'DEFAULT')
  assert.equal(failures, [
    { arn: 'arn:aws:ecs:us-east-1:000000000000:cluster/nope', reason: 'MISSING' },
  ])
})

test('ListClusters: pages survive the deletion of the cluster they ended with', async () => {
  const world = new World()
  for (const name of ['a', 'b', 'c', 'd']) await world.call('CreateCluster', { clusterName: name })
  const first = await world.call('ListClusters', { maxResults: 2 })
  await world.call('DeleteCluster', { cluster: 'b' })
  const second = await world.call('ListClusters', { maxResults: 2, nextToken: first.nextToken })
  const names = [...first.clusterArns, ...second.clusterArns].map((arn) => arn.split('/')[1])
  assert.equal(names, ['a', 'b', 'c', 'd'])
  assert.is(second.nextToken, undefined)
  assert.is(
    await world.fault('ListClusters', { nextToken: 'forged' }),
    'InvalidParameterException: Invalid token.',
  )
})

test('clusters: accounts and regions do not see one another', async () => {
  const world = new World()
  await world.call('CreateCluster', { clusterName: 'c' })
  for (const scope of [
    { account: '000000000000', region: 'eu-west-1' },
    { account: '111122223333', region: 'us-east-1' },
  ]) {
    assert.equal((await world.send('ListClusters', {}, scope)).body.clusterArns, [])
    const { body } = await world.send('DescribeClusters', { clusters: [ARN] }, scope)
    assert.equal(body.failures, [{ arn: ARN, reason: 'MISSING' }])
    assert.is((await world.send('DeleteCluster', { cluster: ARN }, scope)).status, 400)
  }
})

test('clusters: counters are derived from tasks and services', async () => {
  const world = new World()
  await world.furnish()
  await world.start()
  await world.call('RunTask', { cluster: 'c', taskDefinition: 'web', count: 2 })
  const counts = async () => {
    const { clusters } = await world.call('DescribeClusters', { clusters: ['c'] })
    const { runningTasksCount, pendingTasksCount, activeServicesCount } = clusters[0]
    return [runningTasksCount, pendingTasksCount, activeServicesCount]
  }
  assert.equal(await counts(), [0, 2, 0])
  await world.settle()
  assert.equal(await counts(), [2, 0, 0])
  await world.close()
})

test('DeleteCluster: is refused while services or tasks are there; then it stays describable', async () => {
  const world = new World()
  await world.furnish()
  await world.start()
  await world.call('CreateService', {
    cluster: 'c',
    serviceName: 's',
    taskDefinition: 'web',
    desiredCount: 1,
  })
  await world.settle()
  assert.match(
    await world.fault('DeleteCluster', { cluster: 'c' }),
    /^ClusterContainsServicesException/,
  )
  await world.call('DeleteService', { cluster: 'c', service: 's', force: true })
  assert.match(
    await world.fault('DeleteCluster', { cluster: 'c' }),
    /^ClusterContainsTasksException/,
  )
  await world.settle(3000)
  assert.is((await world.call('DeleteCluster', { cluster: 'c' })).cluster.status, 'INACTIVE')
  assert.equal((await world.call('ListClusters', {})).clusterArns, [])
  const { clusters } = await world.call('DescribeClusters', { clusters: ['c'] })
  assert.is(clusters[0].status, 'INACTIVE')
  assert.is(
    await world.fault('RunTask', { cluster: 'c', taskDefinition: 'web' }),
    'ClusterNotFoundException: The referenced cluster was inactive.',
  )
  assert.is((await world.call('CreateCluster', { clusterName: 'c' })).cluster.status, 'ACTIVE')
  await world.close()
})

test('clusters: a cluster that never was is ClusterNotFoundException', async () => {
  const world = new World()
  for (const [operation, input] of [
    ['ListTasks', { cluster: 'nope' }],
    ['ListServices', { cluster: 'nope' }],
    ['DeleteCluster', { cluster: 'nope' }],
    ['UpdateClusterSettings', { cluster: 'nope', settings: [] }],
    ['ListTasks', {}],
  ] as const) {
    assert.is(await world.fault(operation, input), 'ClusterNotFoundException: Cluster not found.')
  }
})

test('UpdateCluster, UpdateClusterSettings, PutClusterCapacityProviders: change what they name', async () => {
  const world = new World()
  await world.call('CreateCluster', { clusterName: 'c' })
  const settings = [{ name: 'containerInsights', value: 'enhanced' }]
  const updated = await world.call('UpdateClusterSettings', { cluster: 'c', settings })
  assert.equal(updated.cluster.settings, settings)
  const put = await world.call('PutClusterCapacityProviders', {
    cluster: 'c',
    capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
    defaultCapacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1, base: 1 }],
  })
  assert.equal(put.cluster.capacityProviders, ['FARGATE', 'FARGATE_SPOT'])
  assert.match(
    await world.fault('PutClusterCapacityProviders', {
      cluster: 'c',
      capacityProviders: ['FARGATE'],
      defaultCapacityProviderStrategy: [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }],
    }),
    /^InvalidParameterException: The specified capacity provider strategy contains/,
  )
  const namespace = 'arn:aws:servicediscovery:us-east-1:000000000000:namespace/ns-1'
  const connect = await world.call('UpdateCluster', {
    cluster: 'c',
    serviceConnectDefaults: { namespace },
  })
  assert.equal(connect.cluster.serviceConnectDefaults, { namespace })
})

test('capacity providers: AWS’s own are there; others are created, listed, updated, deleted', async () => {
  const world = new World()
  const all = await world.call('DescribeCapacityProviders', {})
  assert.equal(
    all.capacityProviders.map((each: { name: string }) => each.name),
    ['FARGATE', 'FARGATE_SPOT'],
  )
  const autoScalingGroupProvider = { autoScalingGroupArn: 'arn:aws:autoscaling:us-east-1:0:g' }
  const created = await world.call('CreateCapacityProvider', {
    name: 'mine',
    autoScalingGroupProvider,
  })
  assert.is(created.capacityProvider.autoScalingGroupProvider.managedScaling.targetCapacity, 100)
  await world.call('CreateCluster', { clusterName: 'c', capacityProviders: ['mine'] })
  assert.match(
    await world.fault('DeleteCapacityProvider', { capacityProvider: 'mine' }),
    /^ClientException: The capacity provider cannot be deleted/,
  )
  await world.call('PutClusterCapacityProviders', {
    cluster: 'c',
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
  })
  await world.call('DeleteCapacityProvider', { capacityProvider: 'mine' })
  const { failures } = await world.call('DescribeCapacityProviders', {
    capacityProviders: ['mine'],
  })
  assert.is(failures[0].reason, 'MISSING')
  assert.match(
    await world.fault('CreateCapacityProvider', { name: 'aws-x', autoScalingGroupProvider }),
    /^InvalidParameterException/,
  )
})

test('tags: are put, merged and taken away on every kind of resource', async () => {
  const world = new World()
  await world.furnish()
  const { tasks } = await world.call('RunTask', { cluster: 'c', taskDefinition: 'web' })
  const arns = [
    ARN,
    tasks[0].taskArn,
    tasks[0].containerInstanceArn,
    'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
  ]
  for (const resourceArn of arns) {
    const tags = [
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
    ]
    await world.call('TagResource', { resourceArn, tags })
    await world.call('TagResource', { resourceArn, tags: [{ key: 'a', value: '3' }] })
    await world.call('UntagResource', { resourceArn, tagKeys: ['b'] })
    const listed = await world.call('ListTagsForResource', { resourceArn })
    assert.equal(listed.tags, [{ key: 'a', value: '3' }], resourceArn)
  }
})

test('TagResource: refuses what AWS refuses', async () => {
  const world = new World()
  await world.furnish()
  const tag = (tags: object[], resourceArn = ARN) =>
    world.fault('TagResource', { resourceArn, tags })
  assert.match(await tag([{ key: 'aws:x', value: '1' }]), /reserved prefix/)
  assert.match(await tag([{ key: 'a' }, { key: 'a' }]), /Duplicate tag key/)
  assert.match(
    await tag(Array.from({ length: 51 }, (_, i) => ({ key: `k${i}` }))),
    /InvalidParameter/,
  )
  assert.match(await tag([], 'nonsense'), /^InvalidParameterException/)
  assert.match(await tag([], `${ARN}x`), /^ClusterNotFoundException/)
  await world.call('DeleteCluster', { cluster: 'c' })
  assert.is(
    await tag([{ key: 'a' }]),
    'InvalidParameterException: The specified cluster is inactive. Specify an active cluster and try again.',
  )
})

test('provider: an operation without a handler answers a fault that names it', async () => {
  const world = new World()
  for (const operation of Object.keys(world.provider.contract.operations)) {
    if (Object.hasOwn(world.provider.handlers, operation)) continue
    const { status, body } = await world.send(operation, {})
    // Whoever leaves out what is required hears of that first.
    if (body.__type === 'InvalidParameterException') continue
    assert.is(status, 501, operation)
    assert.match(body.message, operation)
  }
  assert.match(await world.fault('MakeCoffee', {}), /^UnknownOperationException: .*MakeCoffee/)
})

test.run()
