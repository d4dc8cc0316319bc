import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { forward, makeGroup, makeListener, makeRule, putBalancer } from './furnish.ts'
import { Elbv2World } from './world.ts'

const HTTP = { Name: 'g', Protocol: 'HTTP', Port: 80, VpcId: 'vpc-1' }
const LAMBDA = { Name: 'g', TargetType: 'lambda' }

test('CreateTargetGroup: answers the group with every default, as AWS does', async () => {
  const world = new Elbv2World()
  const { TargetGroups } = await world.call('CreateTargetGroup', HTTP)
  const [group] = TargetGroups
  assert.match(
    group.TargetGroupArn,
    /^arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup\/g\/[0-9a-f]{16}$/,
  )
  assert.equal(group, {
    TargetGroupArn: group.TargetGroupArn,
    TargetGroupName: 'g',
    Protocol: 'HTTP',
    Port: 80,
    VpcId: 'vpc-1',
    HealthCheckProtocol: 'HTTP',
    HealthCheckPort: 'traffic-port',
    HealthCheckEnabled: true,
    HealthCheckIntervalSeconds: 30,
    HealthCheckTimeoutSeconds: 5,
    HealthyThresholdCount: 5,
    UnhealthyThresholdCount: 2,
    HealthCheckPath: '/',
    Matcher: { HttpCode: '200' },
    LoadBalancerArns: [],
    TargetType: 'instance',
    ProtocolVersion: 'HTTP1',
    IpAddressType: 'ipv4',
  })
})

test('CreateTargetGroup: health checks have defaults by protocol and target type', async () => {
  const cases: [object, unknown[]][] = [
    [
      { ...HTTP, ProtocolVersion: 'GRPC' },
      ['HTTP', 'traffic-port', true, 30, 5, '/AWS.ALB/healthcheck', { GrpcCode: '12' }],
    ],
    [LAMBDA, [undefined, undefined, false, 35, 30, '/', { HttpCode: '200' }]],
    [{ ...HTTP, Protocol: 'TCP' }, ['TCP', 'traffic-port', true, 30, 10, undefined, undefined]],
    [{ ...HTTP, Protocol: 'QUIC' }, ['TCP', 'traffic-port', true, 30, 10, undefined, undefined]],
    [
      { ...HTTP, Protocol: 'UDP', HealthCheckProtocol: 'HTTP' },
      ['HTTP', 'traffic-port', true, 30, 6, '/', { HttpCode: '200-399' }],
    ],
    [
      { ...HTTP, Protocol: 'TCP', TargetType: 'alb' },
      ['HTTP', 'traffic-port', true, 30, 6, '/', { HttpCode: '200-399' }],
    ],
    [{ ...HTTP, Protocol: 'GENEVE', Port: 6081 }, ['TCP', '80', true, 10, 5, undefined, undefined]],
  ]
  for (const [input, expected] of cases) {
    const [group] = (await new Elbv2World().call('CreateTargetGroup', input)).TargetGroups
    assert.equal(
      [
        group.HealthCheckProtocol,
        group.HealthCheckPort,
        group.HealthCheckEnabled,
        group.HealthCheckIntervalSeconds,
        group.HealthCheckTimeoutSeconds,
        group.HealthCheckPath,
        group.Matcher,
      ],
      expected,
    )
  }
})

test('CreateTargetGroup: refuses what AWS refuses', async () => {
  const world = new Elbv2World()
  const cases: [object, string][] = [
    [
      { ...HTTP, Name: 'a'.repeat(33) },
      `Target group name '${'a'.repeat(33)}' cannot be longer than '32' characters`,
    ],
    [
      { ...HTTP, Name: 'a_b' },
      "Target group name 'a_b' can only contain characters that are alphanumeric characters or hyphens(-)",
    ],
    [{ ...HTTP, Name: '-a' }, "Target group name '-a' cannot begin or end with '-'"],
    [{ Name: 'g', Port: 80, VpcId: 'vpc-1' }, 'A protocol must be specified'],
    [{ Name: 'g', Protocol: 'HTTP', VpcId: 'vpc-1' }, 'A port must be specified'],
    [{ Name: 'g', Protocol: 'HTTP', Port: 80 }, 'A VPC ID must be specified'],
    [{ ...HTTP, VpcId: 'nope' }, "The VPC ID 'nope' is not found"],
    [
      { ...LAMBDA, Port: 80 },
      "Port cannot be specified for target groups with target type 'lambda'",
    ],
    [
      { ...LAMBDA, Protocol: 'HTTP' },
      "Protocol cannot be specified for target groups with target type 'lambda'",
    ],
    [
      { ...LAMBDA, VpcId: 'vpc-1' },
      "VPC ID cannot be specified for target groups with target type 'lambda'",
    ],
    [
      { ...HTTP, TargetType: 'alb' },
      "Protocol 'HTTP' is not supported for target groups with target type 'alb'",
    ],
    [{ ...HTTP, Protocol: 'GENEVE' }, "The port must be 6081 for protocol 'GENEVE'"],
    [
      { ...HTTP, ProtocolVersion: 'HTTP3' },
      "Protocol version 'HTTP3' must be one of 'HTTP1, HTTP2, GRPC'",
    ],
    [
      { ...HTTP, Protocol: 'TCP', ProtocolVersion: 'HTTP2' },
      "A protocol version cannot be specified for protocol 'TCP'",
    ],
    [
      { ...HTTP, Protocol: 'TCP', TargetControlPort: 1 },
      "A target control port cannot be specified for protocol 'TCP'",
    ],
    [
      { ...HTTP, HealthCheckProtocol: 'TCP' },
      "Health check protocol 'TCP' must be one of 'HTTP, HTTPS'",
    ],
    [
      { ...HTTP, Protocol: 'TCP', HealthCheckProtocol: 'UDP' },
      "Health check protocol 'UDP' must be one of 'HTTP, HTTPS, TCP'",
    ],
    [
      { ...HTTP, HealthCheckEnabled: false },
      "Health check enabled must be true for target groups with target type 'instance'",
    ],
    [
      { ...HTTP, HealthCheckPort: '0' },
      "Health check port '0' must be 'traffic-port' or a number from 1 to 65535",
    ],
    [
      { ...HTTP, HealthCheckIntervalSeconds: 5 },
      'Health check interval must be greater than the timeout.',
    ],
    [
      { ...HTTP, HealthCheckPath: 'x' },
      "Health check path 'x' must begin with a '/' character, and can only contain printable ASCII characters, without spaces",
    ],
    [
      { ...HTTP, Protocol: 'TCP', HealthCheckPath: '/' },
      "A health check path cannot be specified for health checks with the protocol 'TCP'",
    ],
    [
      { ...HTTP, Protocol: 'TCP', Matcher: { HttpCode: '200' } },
      "A health check matcher cannot be specified for health checks with the protocol 'TCP'",
    ],
  ]
  for (const [input, message] of cases) {
    assert.is(await world.fault('CreateTargetGroup', input), `ValidationError: ${message}`)
  }
  assert.match(
    await world.fault('CreateTargetGroup', { ...HTTP, HealthCheckIntervalSeconds: 4 }),
    /^ValidationError: 1 validation error detected: .*greater than or equal to 5/,
  )
  assert.is(world.rows.targetGroups.size, 0)
})

test('CreateTargetGroup: codes of the matcher are values, lists and ranges within the bounds', async () => {
  const grpc = { ...HTTP, ProtocolVersion: 'GRPC' }
  for (const code of ['200', '200,204', '200-299', '200-299,301,499']) {
    await new Elbv2World().call('CreateTargetGroup', { ...HTTP, Matcher: { HttpCode: code } })
  }
  await new Elbv2World().call('CreateTargetGroup', { ...grpc, Matcher: { GrpcCode: '0-99' } })
  const world = new Elbv2World()
  for (const code of ['', '199', '500', '300-200', '200-', '2xx', '200, 201', '200-299-300']) {
    assert.match(
      await world.fault('CreateTargetGroup', { ...HTTP, Matcher: { HttpCode: code } }),
      /^ValidationError: Health check matcher/,
    )
  }
  for (const input of [
    { ...grpc, Matcher: { HttpCode: '200' } },
    { ...grpc, Matcher: { GrpcCode: '100' } },
    { ...HTTP, Matcher: { GrpcCode: '12' } },
  ]) {
    assert.match(
      await world.fault('CreateTargetGroup', input),
      /^ValidationError: Health check matcher/,
    )
  }
})

test('CreateTargetGroup: the same name again is the same group, or refused where it differs', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world)
  assert.is(await makeGroup(world, { HealthCheckPath: '/' }), arn)
  for (const other of [{ Port: 81 }, { HealthCheckPath: '/h' }, { VpcId: 'vpc-2' }]) {
    assert.is(
      await world.fault('CreateTargetGroup', { ...HTTP, ...other }),
      "DuplicateTargetGroupName: A target group with the same name 'g' exists, but with different settings",
    )
  }
  assert.is(world.rows.targetGroups.size, 1)
})

test('CreateTargetGroup: asks the backend for the VPC where there is one', async () => {
  const world = new Elbv2World()
  const answer = (vpcs: string) => ({
    status: 200,
    headers: {},
    body: Buffer.from(`<DescribeVpcsResponse><vpcSet>${vpcs}</vpcSet></DescribeVpcsResponse>`),
  })
  world.callBackend = async () => answer('')
  assert.is(
    await world.fault('CreateTargetGroup', HTTP),
    "ValidationError: The VPC ID 'vpc-1' is not found",
  )
  world.callBackend = async () => answer('<item><vpcId>vpc-1</vpcId></item>')
  await world.call('CreateTargetGroup', HTTP)
  assert.is(world.rows.targetGroups.size, 1)
})

test('DescribeTargetGroups: by names, ARNs and load balancer, in pages that survive deletions', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const arns: string[] = []
  for (const Name of ['a', 'b', 'c', 'd']) arns.push(await makeGroup(world, { Name }))
  await makeListener(world, balancer, { DefaultActions: [forward(arns[2] ?? '')] })
  const names = async (input: object) => {
    const output = await world.call('DescribeTargetGroups', input)
    return output.TargetGroups.map((group: { TargetGroupName: string }) => group.TargetGroupName)
  }
  assert.equal(await names({}), ['a', 'b', 'c', 'd'])
  assert.equal(await names({ Names: ['d', 'a'] }), ['a', 'd'])
  assert.equal(await names({ TargetGroupArns: [arns[1]] }), ['b'])
  assert.equal(await names({ LoadBalancerArn: balancer }), ['c'])
  const first = await world.call('DescribeTargetGroups', { PageSize: 2 })
  assert.is(first.TargetGroups.length, 2)
  await world.call('DeleteTargetGroup', { TargetGroupArn: arns[1] })
  const second = await world.call('DescribeTargetGroups', { PageSize: 2, Marker: first.NextMarker })
  assert.equal(
    second.TargetGroups.map((group: { TargetGroupName: string }) => group.TargetGroupName),
    ['c', 'd'],
  )
  assert.is(second.NextMarker, undefined)
  assert.equal(second.TargetGroups[0].LoadBalancerArns, [balancer])
  assert.is(
    await world.fault('DescribeTargetGroups', { Names: ['nope'] }),
    'TargetGroupNotFound: One or more target groups not found',
  )
  assert.match(
    await world.fault('DescribeTargetGroups', { TargetGroupArns: [`${arns[0]}0`] }),
    /^TargetGroupNotFound/,
  )
  assert.match(
    await world.fault('DescribeTargetGroups', { TargetGroupArns: ['nope'] }),
    /^ValidationError: 'nope' is not a valid target group ARN/,
  )
  assert.match(
    await world.fault('DescribeTargetGroups', { LoadBalancerArn: `${balancer}0` }),
    /^LoadBalancerNotFound/,
  )
  assert.match(
    await world.fault('DescribeTargetGroups', { LoadBalancerArn: balancer, Names: ['a'] }),
    /^ValidationError/,
  )
  assert.match(await world.fault('DescribeTargetGroups', { Marker: 'forged' }), /^ValidationError/)
})

test('DescribeTargetGroups: accounts and regions do not see one another', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world)
  const other = { account: '111122223333', region: 'us-east-1' }
  assert.equal((await world.call('DescribeTargetGroups', {}, other)).TargetGroups, [])
  assert.match(
    await world.fault('ModifyTargetGroup', { TargetGroupArn: arn }, other),
    /^ValidationError/,
  )
})

test('ModifyTargetGroup: changes what is named, and drops what a check by TCP does not have', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { Protocol: 'TCP', HealthCheckProtocol: 'HTTP' })
  const modify = async (input: object) =>
    (await world.call('ModifyTargetGroup', { TargetGroupArn: arn, ...input })).TargetGroups[0]
  const changed = await modify({ HealthCheckPath: '/h', HealthyThresholdCount: 3 })
  assert.equal(
    [changed.HealthCheckPath, changed.HealthyThresholdCount, changed.UnhealthyThresholdCount],
    ['/h', 3, 2],
  )
  const tcp = await modify({ HealthCheckProtocol: 'TCP', HealthCheckPort: '8080' })
  assert.equal(
    [tcp.HealthCheckPath, tcp.Matcher, tcp.HealthCheckPort],
    [undefined, undefined, '8080'],
  )
  const https = await modify({ HealthCheckProtocol: 'HTTPS' })
  assert.equal([https.HealthCheckPath, https.Matcher.HttpCode], ['/', '200-399'])
  assert.is(
    await world.fault('ModifyTargetGroup', { TargetGroupArn: arn, HealthCheckTimeoutSeconds: 31 }),
    'ValidationError: Health check interval must be greater than the timeout.',
  )
  assert.match(
    await world.fault('ModifyTargetGroup', { TargetGroupArn: `${arn}0` }),
    /^TargetGroupNotFound/,
  )
})

test('DeleteTargetGroup: not while a listener or a rule uses it; twice does no harm', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world)
  const listener = await makeListener(world, putBalancer(world), { DefaultActions: [forward(arn)] })
  const remove = { TargetGroupArn: arn }
  const inUse = `ResourceInUse: Target group '${arn}' is currently in use by a listener or a rule`
  assert.is(await world.fault('DeleteTargetGroup', remove), inUse)
  const rule = await makeRule(world, listener, 1, { Actions: [forward(arn)] })
  await world.call('ModifyListener', {
    ListenerArn: listener,
    DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }],
  })
  assert.is(await world.fault('DeleteTargetGroup', remove), inUse)
  await world.call('DeleteRule', { RuleArn: rule })
  await world.call('RegisterTargets', { ...remove, Targets: [{ Id: 'i-0123456789abcdef0' }] })
  await world.call('DeleteTargetGroup', remove)
  assert.equal([world.rows.targetGroups.size, world.rows.targets.size], [0, 0])
  await world.call('DeleteTargetGroup', remove)
  assert.match(
    await world.fault('DeleteTargetGroup', { TargetGroupArn: 'nope' }),
    /^ValidationError/,
  )
})

test('target group attributes: defaults, changes, unknown keys and what does not go together', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world)
  const attributes = async () => {
    const output = await world.call('DescribeTargetGroupAttributes', { TargetGroupArn: arn })
    const pairs = output.Attributes.map((each: { Key: string; Value: string }) => [
      each.Key,
      each.Value,
    ])
    return Object.fromEntries(pairs)
  }
  const modify = (...Attributes: object[]) => ({ TargetGroupArn: arn, Attributes })
  assert.is((await attributes())['deregistration_delay.timeout_seconds'], '300')
  const key = 'deregistration_delay.timeout_seconds'
  const output = await world.call('ModifyTargetGroupAttributes', modify({ Key: key, Value: '5' }))
  assert.equal(
    output.Attributes,
    (await world.call('DescribeTargetGroupAttributes', { TargetGroupArn: arn })).Attributes,
  )
  assert.is((await attributes())[key], '5')
  const before = await attributes()
  for (const [given, message] of [
    [[{ Key: 'nope', Value: '1' }], /^ValidationError/],
    [[{ Key: 'proxy_protocol_v2.enabled', Value: 'true' }], /^InvalidConfigurationRequest/],
    [[{ Key: key, Value: '3601' }], /^ValidationError/],
    [
      [
        { Key: 'stickiness.enabled', Value: 'true' },
        { Key: 'stickiness.type', Value: 'app_cookie' },
      ],
      /^InvalidConfigurationRequest: You must specify 'stickiness.app_cookie.cookie_name'/,
    ],
    [
      [
        { Key: 'slow_start.duration_seconds', Value: '30' },
        { Key: 'load_balancing.algorithm.type', Value: 'least_outstanding_requests' },
      ],
      /^InvalidConfigurationRequest: Slow start is not supported/,
    ],
    [
      [{ Key: 'load_balancing.algorithm.anomaly_mitigation', Value: 'on' }],
      /^InvalidConfigurationRequest: Anomaly mitigation/,
    ],
  ] as const) {
    assert.match(await world.fault('ModifyTargetGroupAttributes', modify(...given)), message)
  }
  assert.equal(await attributes(), before)
})

test.run()
