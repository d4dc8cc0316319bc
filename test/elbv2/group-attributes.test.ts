import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeGroup } from './furnish.ts'
import { Elbv2World } from './world.ts'

const PRESERVES = 'preserve_client_ip.enabled'
const TERMINATES = 'deregistration_delay.connection_termination.enabled'

async function attributesOf(world: Elbv2World, TargetGroupArn: string) {
  const { Attributes } = await world.call('DescribeTargetGroupAttributes', { TargetGroupArn })
  const all = Attributes.map(({ Key, Value }: { Key: string; Value: string }) => [Key, Value])
  return new Map<string, string>(all)
}

test('DescribeTargetGroupAttributes: client addresses and ends of connections by protocol and target type', async () => {
  const world = new Elbv2World()
  const cases: [object, preserves: string | undefined, terminates: string | undefined][] = [
    [{ Protocol: 'TCP' }, 'true', 'false'],
    [{ Protocol: 'TLS' }, 'true', 'false'],
    [{ Protocol: 'UDP' }, 'true', 'true'],
    [{ Protocol: 'TCP_UDP' }, 'true', 'true'],
    [{ Protocol: 'TCP', TargetType: 'ip' }, 'false', 'false'],
    [{ Protocol: 'TLS', TargetType: 'ip' }, 'false', 'false'],
    [{ Protocol: 'UDP', TargetType: 'ip' }, 'true', 'true'],
    [{ Protocol: 'TCP_UDP', TargetType: 'ip' }, 'true', 'true'],
    [{ Protocol: 'TCP', TargetType: 'alb' }, 'true', 'false'],
    [{ Protocol: 'HTTP', TargetType: 'ip' }, undefined, undefined],
  ]
  for (const [at, [input, preserves, terminates]] of cases.entries()) {
    const all = await attributesOf(world, await makeGroup(world, { Name: `g${at}`, ...input }))
    const found = [all.get(PRESERVES), all.get(TERMINATES)]
    assert.equal(found, [preserves, terminates], JSON.stringify(input))
  }
})

test('ModifyTargetGroupAttributes: what is set holds, and UDP always tells who its client is', async () => {
  const world = new Elbv2World()
  const tcp = await makeGroup(world, { Name: 'tcp', Protocol: 'TCP', TargetType: 'ip' })
  const set = (TargetGroupArn: string, Key: string, Value: string) => ({
    TargetGroupArn,
    Attributes: [{ Key, Value }],
  })
  await world.call('ModifyTargetGroupAttributes', set(tcp, PRESERVES, 'true'))
  assert.is((await attributesOf(world, tcp)).get(PRESERVES), 'true')
  const udp = await makeGroup(world, { Name: 'udp', Protocol: 'UDP' })
  assert.is(
    await world.fault('ModifyTargetGroupAttributes', set(udp, PRESERVES, 'false')),
    'InvalidConfigurationRequest: preserve_client_ip.enabled cannot be false if the target group protocol is UDP or TCP_UDP',
  )
  await world.call('ModifyTargetGroupAttributes', set(udp, TERMINATES, 'false'))
  assert.is((await attributesOf(world, udp)).get(TERMINATES), 'false')
})

test.run()
