import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeGroup } from './furnish.ts'
import { Elbv2World } from './world.ts'

/** An attribute as it is described. */
async function attribute(world: Elbv2World, arn: string, key: string) {
  const { Attributes } = await world.call('DescribeTargetGroupAttributes', { TargetGroupArn: arn })
  return Attributes.find(({ Key }: { Key: string }) => Key === key)?.Value
}

function setting(arn: string, Key: string, Value: string) {
  return { TargetGroupArn: arn, Attributes: [{ Key, Value }] }
}

test('CreateTargetGroup: network balancers may check for as long as an interval, others not', async () => {
  const world = new Elbv2World()
  // What Kubernetes asks for, and what is left of it with the default timeout.
  await makeGroup(world, {
    Name: 'k8s',
    Protocol: 'TCP',
    HealthCheckIntervalSeconds: 10,
    HealthCheckTimeoutSeconds: 10,
  })
  const arn = await makeGroup(world, {
    Name: 'udp',
    Protocol: 'UDP',
    HealthCheckIntervalSeconds: 10,
  })
  const { TargetGroups } = await world.call('DescribeTargetGroups', { TargetGroupArns: [arn] })
  assert.is(TargetGroups[0].HealthCheckTimeoutSeconds, 10)
  const refused = 'ValidationError: Health check interval must be greater than the timeout.'
  assert.is(
    await world.fault('ModifyTargetGroup', {
      TargetGroupArn: arn,
      HealthCheckIntervalSeconds: 9,
    }),
    refused,
  )
  const http = { Name: 'h', Protocol: 'HTTP', Port: 80, VpcId: 'vpc-1' }
  assert.is(
    await world.fault('CreateTargetGroup', { ...http, HealthCheckIntervalSeconds: 5 }),
    refused,
  )
})

test('ModifyTargetGroupAttributes: tells of a type of stickiness that other protocols have', async () => {
  const world = new Elbv2World()
  for (const [Protocol, Port, type] of [
    ['TCP', 80, 'lb_cookie'],
    ['HTTP', 80, 'source_ip'],
    ['GENEVE', 6081, 'app_cookie'],
  ] as const) {
    const arn = await makeGroup(world, { Name: Protocol, Protocol, Port })
    const change = setting(arn, 'stickiness.type', type)
    assert.is(
      await world.fault('ModifyTargetGroupAttributes', change),
      `InvalidConfigurationRequest: Stickiness type '${type}' is not supported for target groups with the ${Protocol} protocol`,
    )
    const unknown = setting(arn, 'stickiness.type', 'x')
    assert.match(await world.fault('ModifyTargetGroupAttributes', unknown), /^ValidationError/)
  }
})

test('target group attributes: only addresses reached by TCP or TLS hide their clients by themselves', async () => {
  const world = new Elbv2World()
  const key = 'preserve_client_ip.enabled'
  for (const [Protocol, TargetType, expected] of [
    ['TCP', 'ip', 'false'],
    ['TLS', 'ip', 'false'],
    ['UDP', 'ip', 'true'],
    ['TCP_UDP', 'instance', 'true'],
    ['TCP', 'instance', 'true'],
    ['HTTP', 'ip', undefined],
  ] as const) {
    const Name = `${Protocol}-${TargetType}`.replace('_', '-')
    const arn = await makeGroup(world, { Name, Protocol, TargetType })
    assert.is(await attribute(world, arn, key), expected, Name)
    if (Protocol.includes('UDP')) {
      assert.is(
        await world.fault('ModifyTargetGroupAttributes', setting(arn, key, 'false')),
        'InvalidConfigurationRequest: preserve_client_ip.enabled cannot be false if the target group protocol is UDP or TCP_UDP',
      )
    }
  }
})

test('ModifyTargetGroupAttributes: a gateway’s flows move alike when targets leave and when they fail', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { Protocol: 'GENEVE', Port: 6081 })
  const left = 'target_failover.on_deregistration'
  const failed = 'target_failover.on_unhealthy'
  assert.is(
    await world.fault('ModifyTargetGroupAttributes', setting(arn, failed, 'rebalance')),
    "ValidationError: Target group attribute keys 'target_failover.on_unhealthy' and 'target_failover.on_deregistration' must both be set to the same value for this target group",
  )
  const both = [left, failed].map((Key) => ({ Key, Value: 'rebalance' }))
  await world.call('ModifyTargetGroupAttributes', { TargetGroupArn: arn, Attributes: both })
  assert.is(await attribute(world, arn, failed), 'rebalance')
})

test.run()
