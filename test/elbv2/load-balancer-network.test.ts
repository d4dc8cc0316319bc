import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defaultVpcId, vpcExists } from '../../elbv2/network.ts'
import { answer, FakeBackend } from './fake-backend.ts'
import { SCOPE } from './row-fixtures.ts'
import { Elbv2World } from './world.ts'

/** A world whose backend has EC2 with two VPCs. */
function worldWithEc2() {
  const world = new Elbv2World()
  const backend = new FakeBackend()
  backend.vpcs.push({ id: 'vpc-1' }, { id: 'vpc-0', isDefault: true })
  backend.subnets.push(
    { id: 'subnet-1a', vpc: 'vpc-1', zone: 'us-east-1c', ipv6: true },
    { id: 'subnet-1b', vpc: 'vpc-1', zone: 'us-east-1a' },
    { id: 'subnet-1c', vpc: 'vpc-1', zone: 'us-east-1a' },
    { id: 'subnet-0a', vpc: 'vpc-0', zone: 'us-east-1a' },
  )
  backend.groups.push(
    { id: 'sg-1', vpc: 'vpc-1' },
    { id: 'sg-d1', vpc: 'vpc-1', name: 'default' },
    { id: 'sg-d0', vpc: 'vpc-0', name: 'default' },
  )
  backend.addresses.push({ id: 'eipalloc-1', ip: '203.0.113.7' })
  world.callBackend = backend.call
  return { world, backend }
}

async function created(world: Elbv2World, input: object) {
  const { LoadBalancers } = await world.call('CreateLoadBalancer', { Name: 'a', ...input })
  return LoadBalancers[0]
}

const zonesOf = (balancer: { AvailabilityZones: { ZoneName: string }[] }) =>
  balancer.AvailabilityZones.map(({ ZoneName }) => ZoneName)

test('CreateLoadBalancer: takes VPC, zones and security groups from the backend', async () => {
  const { world, backend } = worldWithEc2()
  const given = { Subnets: ['subnet-1a', 'subnet-1b'], SecurityGroups: ['sg-1'] }
  const balancer = await created(world, given)
  assert.is(balancer.VpcId, 'vpc-1')
  assert.equal(zonesOf(balancer), ['us-east-1c', 'us-east-1a'])
  assert.equal(balancer.SecurityGroups, ['sg-1'])
  const [request] = backend.requests
  assert.equal([request?.service, request?.method, request?.scope], ['ec2', 'POST', SCOPE])
  const other = await created(world, { Name: 'b', Subnets: ['subnet-1b'] })
  assert.equal(other.SecurityGroups, ['sg-d1'])
})

test('CreateLoadBalancer: a subnet that EC2 does not know is one of its default VPC', async () => {
  const { world, backend } = worldWithEc2()
  const alone = await created(world, { Subnets: ['subnet-12345'] })
  assert.equal(
    [alone.VpcId, zonesOf(alone), alone.SecurityGroups],
    ['vpc-0', ['us-east-1a'], ['sg-d0']],
  )
  // Its zone is one that no known subnet has.
  const both = await created(world, { Name: 'b', Subnets: ['subnet-12345', 'subnet-0a'] })
  assert.equal(zonesOf(both), ['us-east-1b', 'us-east-1a'])
  assert.is(
    await world.fault('CreateLoadBalancer', { Name: 'c', Subnets: ['subnet-12345', 'subnet-1a'] }),
    'InvalidSubnet: All subnets must belong to the same VPC',
  )
  // Nothing is kept: the subnet appears, and the next call knows it.
  backend.subnets.push({ id: 'subnet-12345', vpc: 'vpc-1', zone: 'us-east-1f' })
  assert.equal(zonesOf(await created(world, { Name: 'c', Subnets: ['subnet-12345'] })), [
    'us-east-1f',
  ])
})

test('CreateLoadBalancer: refuses what EC2 knows better', async () => {
  const { world } = worldWithEc2()
  const refusals: [object, string][] = [
    [
      { Subnets: ['subnet-1b', 'subnet-1c'] },
      'InvalidConfigurationRequest: A load balancer cannot be attached to multiple subnets in the same Availability Zone',
    ],
    [
      { Subnets: ['subnet-1a'], SecurityGroups: ['sg-1', 'sg-2'] },
      "InvalidSecurityGroup: Security group 'sg-2' is not valid",
    ],
    [
      { Subnets: ['subnet-1a'], SecurityGroups: ['sg-d0'] },
      'InvalidConfigurationRequest: One or more security groups are invalid',
    ],
    [
      { Subnets: ['subnet-1b'], IpAddressType: 'dualstack' },
      'InvalidSubnet: You must specify subnets with an associated IPv6 CIDR block.',
    ],
    [
      {
        Type: 'network',
        SubnetMappings: [{ SubnetId: 'subnet-1a', AllocationId: 'eipalloc-2' }],
      },
      "AllocationIdNotFound: The allocation IDs 'eipalloc-2' are not available for use",
    ],
  ]
  for (const [input, refusal] of refusals) {
    assert.is(await world.fault('CreateLoadBalancer', { Name: 'a', ...input }), refusal)
  }
  const network = await created(world, {
    Type: 'network',
    IpAddressType: 'dualstack',
    SubnetMappings: [{ SubnetId: 'subnet-1a', AllocationId: 'eipalloc-1' }],
  })
  assert.equal(network.AvailabilityZones[0].LoadBalancerAddresses, [
    { IpAddress: '203.0.113.7', AllocationId: 'eipalloc-1' },
  ])
})

test('CreateLoadBalancer: a backend without EC2, or none that answers, leaves ids as given', async () => {
  const { world, backend } = worldWithEc2()
  const refuse = () => answer(501, '<Response/>')
  for (const instead of [
    refuse,
    () => new Error('connect ECONNREFUSED'),
    () => answer(200, '{}'),
  ]) {
    backend.instead = instead
    const Name = `a${world.rows.loadBalancers.size}`
    const balancer = await created(world, {
      Name,
      Subnets: ['subnet-1a'],
      SecurityGroups: ['sg-9'],
    })
    assert.is(balancer.VpcId, defaultVpcId(SCOPE))
    assert.equal([zonesOf(balancer), balancer.SecurityGroups], [['us-east-1a'], ['sg-9']])
  }
})

test('CreateLoadBalancer: one call warns once of an EC2 that does not answer', async () => {
  const { world, backend } = worldWithEc2()
  const warnings: string[] = []
  const { log } = world.context
  const context = { ...world.context, log: { ...log, warn: (text: string) => warnings.push(text) } }
  backend.instead = () => new Error('connect ECONNREFUSED')
  const { lookUpNetwork } = await import('../../elbv2/network.ts')
  const asked = { subnetIds: ['subnet-1'], allocationIds: ['eipalloc-1'], securityGroups: ['sg-1'] }
  await lookUpNetwork(context, SCOPE, asked)
  assert.is(warnings.length, 1)
})

test('vpcExists: asks EC2, and nobody where there is none', async () => {
  const { world, backend } = worldWithEc2()
  assert.is(await vpcExists(world.context, SCOPE, 'vpc-1'), true)
  assert.is(await vpcExists(world.context, SCOPE, 'vpc-7'), false)
  assert.is(await vpcExists(world.context, SCOPE, 'my-vpc'), false)
  backend.instead = () => answer(500, '')
  assert.is(await vpcExists(world.context, SCOPE, 'vpc-7'), true)
  world.callBackend = () => undefined
  assert.is(vpcExists(world.context, SCOPE, 'vpc-7'), undefined)
})

test('SetSubnets: puts other subnets in place, in the same VPC', async () => {
  const { world } = worldWithEc2()
  const { LoadBalancerArn } = await created(world, { Subnets: ['subnet-1b'] })
  assert.equal(
    await world.call('SetSubnets', { LoadBalancerArn, Subnets: ['subnet-1a', 'subnet-1c'] }),
    {
      AvailabilityZones: [
        { ZoneName: 'us-east-1c', SubnetId: 'subnet-1a', LoadBalancerAddresses: [] },
        { ZoneName: 'us-east-1a', SubnetId: 'subnet-1c', LoadBalancerAddresses: [] },
      ],
      IpAddressType: 'ipv4',
    },
  )
  assert.is(
    await world.fault('SetSubnets', { LoadBalancerArn, Subnets: ['subnet-0a'] }),
    "InvalidSubnet: All subnets must belong to the VPC of the load balancer, 'vpc-1'",
  )
  assert.is(
    await world.fault('SetSubnets', { LoadBalancerArn, Subnets: ['nope'] }),
    "InvalidSubnet: The subnet ID 'nope' is not valid",
  )
  // Without a backend nobody says that the VPC is another.
  world.callBackend = () => undefined
  await world.call('SetSubnets', { LoadBalancerArn, Subnets: ['subnet-9'] })
  const { LoadBalancers } = await world.call('DescribeLoadBalancers')
  assert.equal([LoadBalancers[0].VpcId, zonesOf(LoadBalancers[0])], ['vpc-1', ['us-east-1a']])
})

test('SetSubnets: a gateway load balancer keeps the subnets that it has', async () => {
  const world = new Elbv2World()
  const { LoadBalancerArn } = await created(world, { Type: 'gateway', Subnets: ['subnet-1'] })
  assert.is(
    await world.fault('SetSubnets', { LoadBalancerArn, Subnets: ['subnet-2'] }),
    'InvalidConfigurationRequest: You must include all subnets that were enabled previously for Gateway Load Balancers',
  )
  await world.call('SetSubnets', { LoadBalancerArn, Subnets: ['subnet-2', 'subnet-1'] })
})

test('SetSecurityGroups: sets them by the rules of the type', async () => {
  const { world } = worldWithEc2()
  const { LoadBalancerArn } = await created(world, { Subnets: ['subnet-1b'] })
  const set = (input: object) => ({ LoadBalancerArn, SecurityGroups: ['sg-1'], ...input })
  assert.equal(await world.call('SetSecurityGroups', set({})), { SecurityGroupIds: ['sg-1'] })
  assert.is(
    await world.fault('SetSecurityGroups', set({ SecurityGroups: ['sg-7'] })),
    "InvalidSecurityGroup: Security group 'sg-7' is not valid",
  )
  assert.is(
    await world.fault('SetSecurityGroups', set({ SecurityGroups: ['sg-d0'] })),
    'InvalidConfigurationRequest: One or more security groups are invalid',
  )
  assert.match(
    await world.fault(
      'SetSecurityGroups',
      set({ EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: 'off' }),
    ),
    /^InvalidConfigurationRequest: .* can only be specified for LoadBalancer type 'network'/,
  )
  const bare = await created(world, { Name: 'n', Type: 'network', Subnets: ['subnet-1b'] })
  assert.match(
    await world.fault('SetSecurityGroups', {
      LoadBalancerArn: bare.LoadBalancerArn,
      SecurityGroups: ['sg-1'],
    }),
    /^InvalidConfigurationRequest: Security groups cannot be set on a Network Load Balancer/,
  )
  const guarded = await created(world, {
    Name: 'g',
    Type: 'network',
    Subnets: ['subnet-1b'],
    SecurityGroups: ['sg-1'],
  })
  assert.equal(
    await world.call('SetSecurityGroups', {
      LoadBalancerArn: guarded.LoadBalancerArn,
      SecurityGroups: ['sg-d1'],
      EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: 'off',
    }),
    {
      SecurityGroupIds: ['sg-d1'],
      EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: 'off',
    },
  )
})

test('SetIpAddressType: needs subnets with IPv6, where EC2 knows them', async () => {
  const { world } = worldWithEc2()
  const a = await created(world, { Subnets: ['subnet-1a'] })
  const b = await created(world, { Name: 'b', Subnets: ['subnet-1b'] })
  const set = (balancer: { LoadBalancerArn: string }, IpAddressType: string) => ({
    LoadBalancerArn: balancer.LoadBalancerArn,
    IpAddressType,
  })
  assert.equal(await world.call('SetIpAddressType', set(a, 'dualstack')), {
    IpAddressType: 'dualstack',
  })
  assert.match(await world.fault('SetIpAddressType', set(b, 'dualstack')), /^InvalidSubnet: /)
  assert.equal(await world.call('SetIpAddressType', set(a, 'ipv4')), { IpAddressType: 'ipv4' })
  const { LoadBalancers } = await world.call('DescribeLoadBalancers', { Names: ['a'] })
  assert.is(LoadBalancers[0].IpAddressType, 'ipv4')
})

test('ModifyIpPools: sets and removes the pool of an application load balancer', async () => {
  const world = new Elbv2World()
  const { LoadBalancerArn } = await created(world, { Subnets: ['subnet-1'] })
  const IpamPools = { Ipv4IpamPoolId: 'ipam-pool-1' }
  assert.equal(await world.call('ModifyIpPools', { LoadBalancerArn, IpamPools }), { IpamPools })
  assert.match(
    await world.fault('ModifyIpPools', { LoadBalancerArn, IpamPools, RemoveIpamPools: ['ipv4'] }),
    /^ValidationError: An IPAM pool cannot be set and removed/,
  )
  assert.equal(
    await world.call('ModifyIpPools', { LoadBalancerArn, RemoveIpamPools: ['ipv4'] }),
    {},
  )
  assert.is(world.rows.loadBalancers.get(LoadBalancerArn)?.ipamPools, undefined)
})

for (const operation of ['SetSubnets', 'SetSecurityGroups', 'SetIpAddressType', 'ModifyIpPools']) {
  test(`${operation}: tells of a load balancer that is not there`, async () => {
    const world = new Elbv2World()
    const LoadBalancerArn =
      'arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/no/50dc6c495c0c9188'
    const input = { Subnets: ['subnet-1'], SecurityGroups: ['sg-1'], IpAddressType: 'ipv4' }
    assert.is(
      await world.fault(operation, { LoadBalancerArn, ...input }),
      `LoadBalancerNotFound: Load balancer '${LoadBalancerArn}' not found`,
    )
  })
}

test.run()
