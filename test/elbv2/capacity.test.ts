import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Elbv2World } from './world.ts'

const DAY_MS = 86_400_000

async function worldWith(input: object = {}) {
  const world = new Elbv2World()
  const { LoadBalancers } = await world.call('CreateLoadBalancer', {
    Name: 'a',
    Subnets: ['subnet-1', 'subnet-2'],
    ...input,
  })
  const { LoadBalancerArn } = LoadBalancers[0]
  const reserve = (CapacityUnits: number) => ({
    LoadBalancerArn,
    MinimumLoadBalancerCapacity: { CapacityUnits },
  })
  return { world, LoadBalancerArn, reserve }
}

test('ModifyCapacityReservation: reserves for all zones together, and is described', async () => {
  const { world, LoadBalancerArn, reserve } = await worldWith()
  assert.equal(await world.call('DescribeCapacityReservation', { LoadBalancerArn }), {
    LastModifiedTime: world.clock.now() / 1000,
    DecreaseRequestsRemaining: 2,
  })
  world.clock.advance(1000)
  const reserved = await world.call('ModifyCapacityReservation', reserve(300))
  assert.equal(reserved, {
    LastModifiedTime: world.clock.now() / 1000,
    DecreaseRequestsRemaining: 2,
    MinimumLoadBalancerCapacity: { CapacityUnits: 300 },
    CapacityReservationState: ['us-east-1a', 'us-east-1b'].map((AvailabilityZone) => ({
      State: { Code: 'provisioned' },
      AvailabilityZone,
      EffectiveCapacityUnits: 150,
    })),
  })
  assert.equal(await world.call('DescribeCapacityReservation', { LoadBalancerArn }), reserved)
})

test('ModifyCapacityReservation: may be lowered or reset twice a day', async () => {
  const { world, LoadBalancerArn, reserve } = await worldWith()
  await world.call('ModifyCapacityReservation', reserve(300))
  const lowered = await world.call('ModifyCapacityReservation', reserve(200))
  assert.is(lowered.DecreaseRequestsRemaining, 1)
  const reset = { LoadBalancerArn, ResetCapacityReservation: true }
  assert.equal(await world.call('ModifyCapacityReservation', reset), {
    LastModifiedTime: world.clock.now() / 1000,
    DecreaseRequestsRemaining: 0,
  })
  await world.call('ModifyCapacityReservation', reserve(300))
  assert.match(
    await world.fault('ModifyCapacityReservation', reserve(200)),
    /^CapacityDecreaseRequestLimitExceeded: /,
  )
  world.clock.advance(DAY_MS)
  const next = await world.call('ModifyCapacityReservation', reserve(200))
  assert.is(next.DecreaseRequestsRemaining, 1)
})

test('ModifyCapacityReservation: refuses what AWS refuses', async () => {
  const { world, LoadBalancerArn, reserve } = await worldWith()
  const either =
    "ValidationError: Specify either 'MinimumLoadBalancerCapacity' or 'ResetCapacityReservation'"
  assert.is(await world.fault('ModifyCapacityReservation', { LoadBalancerArn }), either)
  const both = { ...reserve(100), ResetCapacityReservation: true }
  assert.is(await world.fault('ModifyCapacityReservation', both), either)
  assert.is(
    await world.fault('ModifyCapacityReservation', reserve(99)),
    'InvalidConfigurationRequest: CapacityUnits must be at least 100, but was 99',
  )
  assert.match(
    await world.fault('ModifyCapacityReservation', reserve(15_001)),
    /^CapacityUnitsLimitExceeded: /,
  )
  const gateway = await worldWith({ Type: 'gateway' })
  assert.match(
    await gateway.world.fault('ModifyCapacityReservation', gateway.reserve(100)),
    /^OperationNotPermitted: /,
  )
})

for (const operation of ['DescribeCapacityReservation', 'ModifyCapacityReservation']) {
  test(`${operation}: tells of a load balancer that is not there`, async () => {
    const LoadBalancerArn =
      'arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/no/50dc6c495c0c9188'
    assert.is(
      await new Elbv2World().fault(operation, { LoadBalancerArn }),
      `LoadBalancerNotFound: Load balancer '${LoadBalancerArn}' not found`,
    )
  })
}

test.run()
