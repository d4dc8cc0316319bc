import type { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2'
import {
  waitUntilLoadBalancerAvailable,
  waitUntilLoadBalancersDeleted,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createLifecycle, PROVISIONING_MS } from '../../elbv2/lifecycle.ts'
import type { Store } from '../../gateway/core/store.ts'
import { Elbv2World } from './world.ts'

async function create(world: Elbv2World, Name: string): Promise<string> {
  const { LoadBalancers } = await world.call('CreateLoadBalancer', { Name, Subnets: ['subnet-1'] })
  return LoadBalancers[0].LoadBalancerArn
}

async function stateOf(world: Elbv2World, LoadBalancerArn: string): Promise<string> {
  const { LoadBalancers } = await world.call('DescribeLoadBalancers', {
    LoadBalancerArns: [LoadBalancerArn],
  })
  return LoadBalancers[0].State.Code
}

test('lifecycle: a new load balancer is provisioning for a while, then active', async () => {
  const world = new Elbv2World()
  const lifecycle = createLifecycle({ context: world.context })
  lifecycle.start()
  const arn = await create(world, 'a')
  world.clock.advance(PROVISIONING_MS - 1)
  assert.is(await stateOf(world, arn), 'provisioning')
  world.clock.advance(1)
  assert.is(await stateOf(world, arn), 'active')
  assert.is(world.clock.waiting, 0)
  lifecycle.close()
})

test('lifecycle: balancers that are there at the start become active as well, late ones at once', async () => {
  const world = new Elbv2World()
  const late = await create(world, 'late')
  world.clock.advance(PROVISIONING_MS * 10)
  const fresh = await create(world, 'fresh')
  const lifecycle = createLifecycle({ context: world.context })
  lifecycle.start()
  lifecycle.start()
  assert.is(world.clock.waiting, 2)
  world.clock.advance(0)
  assert.is(await stateOf(world, late), 'active')
  assert.is(await stateOf(world, fresh), 'provisioning')
  world.clock.advance(PROVISIONING_MS)
  assert.is(await stateOf(world, fresh), 'active')
  lifecycle.close()
})

test('lifecycle: what changes meanwhile stays changed, and what is deleted stays deleted', async () => {
  const world = new Elbv2World()
  const lifecycle = createLifecycle({ context: world.context })
  lifecycle.start()
  const kept = await create(world, 'kept')
  const gone = await create(world, 'gone')
  await world.call('AddTags', { ResourceArns: [kept], Tags: [{ Key: 'a', Value: '1' }] })
  await world.call('DeleteLoadBalancer', { LoadBalancerArn: gone })
  assert.is(world.clock.waiting, 1)
  world.clock.advance(PROVISIONING_MS)
  assert.is(await stateOf(world, kept), 'active')
  assert.equal(world.rows.loadBalancers.get(kept)?.tags, [{ Key: 'a', Value: '1' }])
  assert.is(world.rows.loadBalancers.size, 1)
  lifecycle.close()
})

test('lifecycle: when closed it changes nothing more', async () => {
  const world = new Elbv2World()
  const lifecycle = createLifecycle({ context: world.context })
  lifecycle.start()
  const before = await create(world, 'before')
  lifecycle.close()
  const after = await create(world, 'after')
  assert.is(world.clock.waiting, 0)
  world.clock.advance(PROVISIONING_MS)
  assert.is(await stateOf(world, before), 'provisioning')
  assert.is(await stateOf(world, after), 'provisioning')
})

test('lifecycle: a balancer whose change was taken back is tried again', async () => {
  const world = new Elbv2World()
  const { store } = world
  let failures = 1
  const failing: Store = {
    collection: (name, options) => store.collection(name, options),
    transact: (work) => store.transact(work),
    pending: () => (failures-- > 0 ? Promise.reject(new Error('the disk is full')) : undefined),
    durable: () => store.durable(),
    onChange: (listener) => store.onChange(listener),
  }
  await create(world, 'a')
  const lifecycle = createLifecycle({ context: { ...world.context, store: failing } })
  lifecycle.start()
  world.clock.advance(PROVISIONING_MS)
  assert.is(world.clock.waiting, 0)
  await new Promise(setImmediate)
  assert.is(world.clock.waiting, 1)
  world.clock.advance(PROVISIONING_MS)
  await new Promise(setImmediate)
  assert.is(world.clock.waiting, 0)
  lifecycle.close()
})

test("lifecycle: the SDK's waiters finish", async () => {
  const world = new Elbv2World()
  const lifecycle = createLifecycle({ context: world.context })
  lifecycle.start()
  const arn = await create(world, 'a')
  let polls = 0
  const client = {
    async send({ input }: { input: object }) {
      polls++
      try {
        return await world.call('DescribeLoadBalancers', input)
      } finally {
        world.clock.advance(PROVISIONING_MS)
      }
    },
  } as unknown as ElasticLoadBalancingV2Client
  const options = { client, maxWaitTime: 10, minDelay: 0.001, maxDelay: 0.002 }
  const input = { LoadBalancerArns: [arn] }
  assert.is((await waitUntilLoadBalancerAvailable(options, input)).state, 'SUCCESS')
  assert.is(polls, 2)
  await world.call('DeleteLoadBalancer', { LoadBalancerArn: arn })
  assert.is((await waitUntilLoadBalancersDeleted(options, input)).state, 'SUCCESS')
  lifecycle.close()
})

test.run()
