import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defaultVpcId } from '../../elbv2/network.ts'
import { listenerRow, ruleRow } from './row-fixtures.ts'
import { Elbv2World } from './world.ts'

const SCOPE = { account: '000000000000', region: 'us-east-1' }
const ARN =
  /^arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer\/app\/a\/[0-9a-f]{16}$/
const NOBODY =
  'arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/no/50dc6c495c0c9188'

async function created(world: Elbv2World, input: object = {}) {
  const { LoadBalancers } = await world.call('CreateLoadBalancer', {
    Name: 'a',
    Subnets: ['subnet-12345'],
    ...input,
  })
  return LoadBalancers[0]
}

test('CreateLoadBalancer: works with one subnet that nobody knows and no backend', async () => {
  const world = new Elbv2World()
  const balancer = await created(world)
  assert.match(balancer.LoadBalancerArn, ARN)
  assert.match(balancer.DNSName, /^a-\d{10}\.us-east-1\.elb\.localhost$/)
  const { LoadBalancerArn: _, DNSName: __, SecurityGroups, ...rest } = balancer
  assert.match(SecurityGroups[0], /^sg-[0-9a-f]{17}$/)
  assert.equal(rest, {
    CanonicalHostedZoneId: 'Z35SXDOTRQ7X7K',
    CreatedTime: world.clock.now() / 1000,
    LoadBalancerName: 'a',
    Scheme: 'internet-facing',
    VpcId: defaultVpcId(SCOPE),
    State: { Code: 'provisioning' },
    Type: 'application',
    AvailabilityZones: [
      { ZoneName: 'us-east-1a', SubnetId: 'subnet-12345', LoadBalancerAddresses: [] },
    ],
    IpAddressType: 'ipv4',
  })
})

test('CreateLoadBalancer: the default VPC is one for an account and region, always', async () => {
  const first = await created(new Elbv2World())
  const again = await created(new Elbv2World(), { Subnets: ['subnet-abc', 'subnet-def'] })
  assert.is(first.VpcId, again.VpcId)
  assert.equal(
    again.AvailabilityZones.map((zone: { ZoneName: string }) => zone.ZoneName),
    ['us-east-1a', 'us-east-1b'],
  )
  assert.is.not(defaultVpcId({ ...SCOPE, region: 'eu-west-1' }), first.VpcId)
  assert.is.not(defaultVpcId({ ...SCOPE, account: '111111111111' }), first.VpcId)
})

test('CreateLoadBalancer: refuses names that AWS refuses', async () => {
  const world = new Elbv2World()
  const refusals: Record<string, string> = {
    ['n'.repeat(33)]: "cannot be longer than '32' characters",
    a_b: 'can only contain characters that are alphanumeric characters and hyphens(-)',
    '-a': 'cannot begin with a hyphen(-)',
    'a-': 'cannot end with a hyphen(-)',
    'internal-a': "cannot begin with 'internal-'",
  }
  for (const [Name, why] of Object.entries(refusals)) {
    assert.is(
      await world.fault('CreateLoadBalancer', { Name, Subnets: ['subnet-1'] }),
      `ValidationError: The load balancer name '${Name}' ${why}`,
    )
  }
  await created(world, { Name: 'n'.repeat(32) })
})

test('CreateLoadBalancer: answers what is there for the same settings, and refuses others', async () => {
  const world = new Elbv2World()
  const Tags = [{ Key: 'a', Value: '1' }]
  const first = await created(world, { Subnets: ['subnet-1', 'subnet-2'], Tags })
  assert.equal(await created(world, { Subnets: ['subnet-2', 'subnet-1'], Tags }), first)
  const differing = [
    { Subnets: ['subnet-1'], Tags },
    { Subnets: ['subnet-1', 'subnet-2'] },
    { Subnets: ['subnet-1', 'subnet-2'], Tags, Scheme: 'internal' },
    { Subnets: ['subnet-1', 'subnet-2'], Tags, Type: 'network' },
    { Subnets: ['subnet-1', 'subnet-2'], Tags, SecurityGroups: ['sg-1'] },
  ]
  for (const input of differing) {
    assert.is(
      await world.fault('CreateLoadBalancer', { Name: 'a', ...input }),
      "DuplicateLoadBalancerName: A load balancer with the same name 'a' exists, but with different settings",
    )
  }
  assert.is((await world.call('DescribeLoadBalancers')).LoadBalancers.length, 1)
  // Another account's balancer of that name is none of ours.
  await world.call(
    'CreateLoadBalancer',
    { Name: 'a', Subnets: ['subnet-9'] },
    {
      ...SCOPE,
      account: '111111111111',
    },
  )
})

test('CreateLoadBalancer: refuses more than the account may have, counted by type', async () => {
  const world = new Elbv2World()
  for (let index = 0; index < 50; index++) await created(world, { Name: `a${index}` })
  assert.match(
    await world.fault('CreateLoadBalancer', { Name: 'b', Subnets: ['subnet-1'] }),
    /^TooManyLoadBalancers: The maximum number of application load balancers has been reached/,
  )
  await created(world, { Name: 'b', Type: 'network' })
})

test('CreateLoadBalancer: network and gateway balancers have what is theirs', async () => {
  const world = new Elbv2World()
  const network = await created(world, { Name: 'n', Type: 'network', Scheme: 'internal' })
  assert.match(network.LoadBalancerArn, /loadbalancer\/net\/n\//)
  assert.match(network.DNSName, /^internal-n-\d{10}\./)
  assert.is(network.SecurityGroups, undefined)
  assert.is(network.EnablePrefixForIpv6SourceNat, 'off')
  assert.is(network.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic, undefined)
  const guarded = await created(world, { Name: 'g', Type: 'network', SecurityGroups: ['sg-1'] })
  assert.equal(guarded.SecurityGroups, ['sg-1'])
  assert.is(guarded.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic, 'on')
  const gateway = await created(world, { Name: 'w', Type: 'gateway' })
  assert.match(gateway.LoadBalancerArn, /loadbalancer\/gwy\/w\//)
  assert.equal([gateway.DNSName, gateway.Scheme], [undefined, undefined])
})

test('CreateLoadBalancer: refuses settings that do not belong together', async () => {
  const world = new Elbv2World()
  const mapped = (mapping: object) => ({ SubnetMappings: [{ SubnetId: 'subnet-1', ...mapping }] })
  const one = { Subnets: ['subnet-1'] }
  const refusals: [object, string][] = [
    [{}, 'ValidationError: You must specify either subnets or subnet mappings'],
    [
      { ...one, ...mapped({}) },
      'ValidationError: You can specify either subnets or subnet mappings, but not both',
    ],
    [
      { SubnetMappings: [{ AllocationId: 'eipalloc-1' }] },
      'ValidationError: Each subnet mapping must have a subnet ID',
    ],
    [
      { ...one, Type: 'gateway', Scheme: 'internal' },
      'InvalidScheme: Scheme is not supported for Gateway Load Balancers',
    ],
    [
      { ...one, Type: 'gateway', SecurityGroups: ['sg-1'] },
      'InvalidConfigurationRequest: Security Groups are not supported for Gateway Load Balancers.',
    ],
    [
      { ...one, Type: 'network', IpAddressType: 'dualstack-without-public-ipv4' },
      "InvalidConfigurationRequest: The specified IP address type is not supported on load balancers with type 'network'.",
    ],
    [
      mapped({ AllocationId: 'eipalloc-1' }),
      "InvalidConfigurationRequest: Elastic IPs are not supported for load balancers with type 'application'",
    ],
    [
      { ...mapped({ PrivateIPv4Address: '10.0.0.1' }), Type: 'network' },
      "InvalidConfigurationRequest: You can only specify private IPv4 addresses for Network Load Balancers with scheme 'internal'.",
    ],
    [
      { ...one, EnablePrefixForIpv6SourceNat: 'on' },
      "InvalidConfigurationRequest: 'EnablePrefixForIpv6SourceNat' can only be specified for LoadBalancer type 'network'.",
    ],
    [
      { ...one, Type: 'network', EnablePrefixForIpv6SourceNat: 'on' },
      "InvalidConfigurationRequest: 'EnablePrefixForIpv6SourceNat' can only be specified when using IpAddressType 'dualstack'.",
    ],
    [
      { ...one, Type: 'network', IpamPools: { Ipv4IpamPoolId: 'ipam-pool-1' } },
      "InvalidConfigurationRequest: 'IpamPools' can only be specified for LoadBalancer type 'application'.",
    ],
    [
      { Subnets: ['subnet-1', 'subnet-1'] },
      'InvalidConfigurationRequest: A load balancer cannot be attached to multiple subnets in the same Availability Zone',
    ],
    [{ Subnets: ['my_subnet'] }, "InvalidSubnet: The subnet ID 'my_subnet' is not valid"],
    [
      { ...one, SecurityGroups: ['default'] },
      "InvalidSecurityGroup: Security group 'default' is not valid",
    ],
    [
      { ...one, Tags: [{ Key: 'a' }, { Key: 'a' }] },
      "DuplicateTagKeys: Tag key 'a' was specified more than once",
    ],
  ]
  for (const [input, refusal] of refusals) {
    assert.is(await world.fault('CreateLoadBalancer', { Name: 'a', ...input }), refusal)
  }
  assert.is(world.rows.loadBalancers.size, 0)
})

test('CreateLoadBalancer: addresses of a network balancer are shown in their zones', async () => {
  const world = new Elbv2World()
  const balancer = await created(world, {
    Type: 'network',
    Scheme: 'internal',
    IpAddressType: 'dualstack',
    EnablePrefixForIpv6SourceNat: 'on',
    Subnets: undefined,
    SubnetMappings: [
      {
        SubnetId: 'subnet-1',
        PrivateIPv4Address: '10.0.0.7',
        IPv6Address: '2001:db8::7',
        SourceNatIpv6Prefix: 'auto_assigned',
      },
    ],
  })
  assert.equal(balancer.AvailabilityZones, [
    {
      ZoneName: 'us-east-1a',
      SubnetId: 'subnet-1',
      LoadBalancerAddresses: [{ PrivateIPv4Address: '10.0.0.7', IPv6Address: '2001:db8::7' }],
      SourceNatIpv6Prefixes: ['auto_assigned'],
    },
  ])
})

test('DescribeLoadBalancers: pages in the order of creation, past what is deleted meanwhile', async () => {
  const world = new Elbv2World()
  const arns: string[] = []
  for (const Name of ['c', 'a', 'd', 'b']) {
    arns.push((await created(world, { Name })).LoadBalancerArn)
  }
  const first = await world.call('DescribeLoadBalancers', { PageSize: 2 })
  await world.call('DeleteLoadBalancer', { LoadBalancerArn: arns[1] })
  const second = await world.call('DescribeLoadBalancers', {
    PageSize: 2,
    Marker: first.NextMarker,
  })
  const names = [...first.LoadBalancers, ...second.LoadBalancers].map(
    (each) => each.LoadBalancerName,
  )
  assert.equal(names, ['c', 'a', 'd', 'b'])
  assert.is(second.NextMarker, undefined)
  assert.is(
    await world.fault('DescribeLoadBalancers', { Marker: 'forged' }),
    "ValidationError: The marker 'forged' is not valid",
  )
})

test('DescribeLoadBalancers: finds by name and by ARN, and tells of those that are not there', async () => {
  const world = new Elbv2World()
  const a = await created(world)
  const b = await created(world, { Name: 'b' })
  const named = await world.call('DescribeLoadBalancers', { Names: ['b', 'a'] })
  assert.equal(named.LoadBalancers, [a, b])
  const one = await world.call('DescribeLoadBalancers', { LoadBalancerArns: [b.LoadBalancerArn] })
  assert.equal(one.LoadBalancers, [b])
  assert.is(
    await world.fault('DescribeLoadBalancers', { Names: ['a', 'x', 'y'] }),
    "LoadBalancerNotFound: Load balancers '[x, y]' not found",
  )
  assert.is(
    await world.fault('DescribeLoadBalancers', { LoadBalancerArns: [NOBODY] }),
    'LoadBalancerNotFound: One or more load balancers not found',
  )
  assert.is(
    await world.fault('DescribeLoadBalancers', { LoadBalancerArns: ['a'] }),
    "ValidationError: 'a' is not a valid load balancer ARN",
  )
  assert.is(
    await world.fault('DescribeLoadBalancers', {
      Names: ['a'],
      LoadBalancerArns: [a.LoadBalancerArn],
    }),
    'ValidationError: Names and ARNs of load balancers cannot be specified at the same time',
  )
  // Other regions and accounts see nothing of it.
  const elsewhere = { ...SCOPE, region: 'eu-west-1' }
  assert.equal(await world.call('DescribeLoadBalancers', {}, elsewhere), { LoadBalancers: [] })
  assert.is(
    await world.fault(
      'DescribeLoadBalancers',
      { LoadBalancerArns: [a.LoadBalancerArn] },
      elsewhere,
    ),
    `ValidationError: '${a.LoadBalancerArn}' is not a valid load balancer ARN`,
  )
})

test('DescribeLoadBalancers: trouble with a port is a reason, while the balancer stays active', async () => {
  const world = new Elbv2World()
  const { LoadBalancerArn } = await created(world)
  const row = world.rows.loadBalancers.get(LoadBalancerArn)
  assert.ok(row)
  world.rows.loadBalancers.put(LoadBalancerArn, { ...row, state: 'active' })
  world.trouble = (arn) => (arn === LoadBalancerArn ? 'port 80 is taken' : undefined)
  const { LoadBalancers } = await world.call('DescribeLoadBalancers')
  assert.equal(LoadBalancers[0].State, { Code: 'active', Reason: 'port 80 is taken' })
})

test('DeleteLoadBalancer: takes listeners and rules along, leaves the rest, and may be repeated', async () => {
  const world = new Elbv2World()
  const { LoadBalancerArn } = await created(world)
  const other = await created(world, { Name: 'b' })
  for (const arn of [LoadBalancerArn, other.LoadBalancerArn]) {
    const listener = arn.replace(':loadbalancer/', ':listener/')
    world.rows.listeners.put(`${listener}/1`, listenerRow(`${listener}/1`, arn))
    const rule = `${listener.replace(':listener/', ':listener-rule/')}/1/2`
    world.rows.rules.put(rule, ruleRow(rule, `${listener}/1`))
  }
  assert.equal(await world.call('DeleteLoadBalancer', { LoadBalancerArn }), {})
  assert.equal(
    [...world.rows.listeners.all()].map((row) => row.loadBalancerArn),
    [other.LoadBalancerArn],
  )
  assert.is(world.rows.rules.size, 1)
  assert.equal(await world.call('DeleteLoadBalancer', { LoadBalancerArn }), {})
  assert.equal(await world.call('DeleteLoadBalancer', { LoadBalancerArn: NOBODY }), {})
  assert.is(
    await world.fault('DeleteLoadBalancer', { LoadBalancerArn: 'a' }),
    "ValidationError: 'a' is not a valid load balancer ARN",
  )
})

test('DeleteLoadBalancer: is refused while deletion protection is on', async () => {
  const world = new Elbv2World()
  const { LoadBalancerArn } = await created(world)
  const protect = (Value: string) =>
    world.call('ModifyLoadBalancerAttributes', {
      LoadBalancerArn,
      Attributes: [{ Key: 'deletion_protection.enabled', Value }],
    })
  await protect('true')
  assert.is(
    await world.fault('DeleteLoadBalancer', { LoadBalancerArn }),
    `OperationNotPermitted: Load balancer '${LoadBalancerArn}' cannot be deleted because deletion protection is enabled`,
  )
  await protect('false')
  await world.call('DeleteLoadBalancer', { LoadBalancerArn })
  assert.is(world.rows.loadBalancers.size, 0)
})

test.run()
