import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CERTIFICATE,
  HTTPS,
  makeGroup,
  makeListener,
  makeRule,
  OK,
  putBalancer,
} from './furnish.ts'
import { Elbv2World } from './world.ts'

test('CreateListener: the same again is the same listener', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const arn = await makeListener(world, balancer, HTTPS)
  assert.is(await makeListener(world, balancer, HTTPS), arn)
  const SslPolicy = 'ELBSecurityPolicy-TLS13-1-2-2021-06'
  const other = { LoadBalancerArn: balancer, ...HTTPS, SslPolicy, DefaultActions: [OK] }
  assert.match(await world.fault('CreateListener', other), /^DuplicateListener/)
  assert.is(world.rows.listeners.size, 1)
})

test('DescribeListeners: by balancer or ARNs, in pages that survive deletions', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const arns: string[] = []
  for (const Port of [1, 2, 3, 4]) arns.push(await makeListener(world, balancer, { Port }))
  const other = putBalancer(world, 'application', { name: 'other' })
  await makeListener(world, other)
  const ports = (output: { Listeners: { Port: number }[] }) =>
    output.Listeners.map((each) => each.Port)
  const describe = (input: object) => world.call('DescribeListeners', input)
  const first = await describe({ LoadBalancerArn: balancer, PageSize: 2 })
  assert.equal(ports(first), [1, 2])
  await world.call('DeleteListener', { ListenerArn: arns[1] })
  const second = await describe({
    LoadBalancerArn: balancer,
    PageSize: 2,
    Marker: first.NextMarker,
  })
  assert.equal(ports(second), [3, 4])
  assert.is(second.NextMarker, undefined)
  assert.equal(ports(await describe({ ListenerArns: [arns[3], arns[0]] })), [1, 4])
  for (const [input, message] of [
    [{}, /^ValidationError: You must specify either listener ARNs or a load balancer ARN/],
    [{ LoadBalancerArn: balancer, ListenerArns: arns }, /^ValidationError/],
    [{ ListenerArns: [arns[1]] }, /^ListenerNotFound: One or more listeners not found/],
    [{ ListenerArns: [balancer] }, /^ValidationError: .* is not a valid listener ARN/],
    [{ LoadBalancerArn: `${balancer}0` }, /^LoadBalancerNotFound/],
  ] as const) {
    assert.match(await world.fault('DescribeListeners', input), message)
  }
})

test('ModifyListener: keeps what is not named; what ended TLS goes with it', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const arn = await makeListener(world, balancer, HTTPS)
  await makeListener(world, balancer, { Port: 8080 })
  const modify = async (input: object) =>
    (await world.call('ModifyListener', { ListenerArn: arn, ...input })).Listeners[0]
  const policy = 'ELBSecurityPolicy-TLS13-1-2-2021-06'
  let row = await modify({ SslPolicy: policy })
  assert.equal([row.SslPolicy, row.Port, row.Certificates], [policy, 443, HTTPS.Certificates])
  row = await modify({ Port: 444, Certificates: [{ CertificateArn: `${CERTIFICATE}2` }] })
  assert.equal(
    [row.SslPolicy, row.Port, row.Certificates],
    [policy, 444, [{ CertificateArn: `${CERTIFICATE}2` }]],
  )
  row = await modify({ Protocol: 'HTTP' })
  assert.equal(
    [row.Protocol, row.SslPolicy, row.Certificates, row.MutualAuthentication],
    ['HTTP', undefined, undefined, undefined],
  )
  for (const [input, message] of [
    [
      { Protocol: 'HTTPS' },
      /^ValidationError: A certificate must be specified for HTTPS listeners/,
    ],
    [{ Port: 8080 }, /^ValidationError: Listener port '8080' is already in use/],
    [{ DefaultActions: [] }, /^ValidationError: An action must be specified/],
    [{ Protocol: 'UDP' }, /^ValidationError/],
    [{ ListenerArn: `${arn}0` }, /^ListenerNotFound/],
  ] as const) {
    assert.match(await world.fault('ModifyListener', { ListenerArn: arn, ...input }), message)
  }
  row = await modify({
    ...HTTPS,
    DefaultActions: [{ ...OK, FixedResponseConfig: { StatusCode: '404' } }],
  })
  assert.equal([row.SslPolicy, row.Port], ['ELBSecurityPolicy-2016-08', 443])
  assert.is(row.DefaultActions[0].FixedResponseConfig.StatusCode, '404')
})

test('ModifyListener: rules must suit the new protocol, too', async () => {
  const world = new Elbv2World()
  const arn = await makeListener(world, putBalancer(world), HTTPS)
  const JwtValidationConfig = {
    JwksEndpoint: 'https://idp.example.com/jwks',
    Issuer: 'https://idp.example.com',
  }
  await makeRule(world, arn, 1, {
    Actions: [
      { Type: 'jwt-validation', Order: 1, JwtValidationConfig },
      { ...OK, Order: 2 },
    ],
  })
  assert.is(
    await world.fault('ModifyListener', { ListenerArn: arn, Protocol: 'HTTP' }),
    "InvalidLoadBalancerAction: The action type 'jwt-validation' is not valid with listener protocol 'HTTP'",
  )
})

test('DeleteListener: takes its rules along; not while a network load balancer sends to its port', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const arn = await makeListener(world, balancer)
  for (const priority of [1, 2]) await makeRule(world, arn, priority)
  const alb = await makeGroup(world, { TargetType: 'alb', Protocol: 'TCP' })
  const targets = { TargetGroupArn: alb, Targets: [{ Id: balancer }] }
  await world.call('RegisterTargets', targets)
  assert.is(
    await world.fault('DeleteListener', { ListenerArn: arn }),
    `ResourceInUse: Listener port '80' is in use by registered target '${balancer}' and cannot be removed.`,
  )
  assert.match(
    await world.fault('ModifyListener', { ListenerArn: arn, Port: 81 }),
    /^ResourceInUse/,
  )
  await world.call('DeregisterTargets', targets)
  await world.call('DeleteListener', { ListenerArn: arn })
  assert.equal([world.rows.listeners.size, world.rows.rules.size], [0, 0])
  assert.match(await world.fault('DeleteListener', { ListenerArn: arn }), /^ListenerNotFound/)
})

test('listener attributes: defaults, changes, and keys of other balancers', async () => {
  const world = new Elbv2World()
  const arn = await makeListener(world, putBalancer(world))
  const key = 'routing.http.response.server.enabled'
  const value = (output: { Attributes: { Key: string; Value: string }[] }) =>
    output.Attributes.find(({ Key }) => Key === key)?.Value
  assert.is(value(await world.call('DescribeListenerAttributes', { ListenerArn: arn })), 'true')
  const modify = (Key: string, Value: string) => ({
    ListenerArn: arn,
    Attributes: [{ Key, Value }],
  })
  assert.is(value(await world.call('ModifyListenerAttributes', modify(key, 'false'))), 'false')
  assert.is(value(await world.call('DescribeListenerAttributes', { ListenerArn: arn })), 'false')
  assert.match(
    await world.fault('ModifyListenerAttributes', modify('tcp.idle_timeout.seconds', '60')),
    /^InvalidConfigurationRequest/,
  )
  assert.match(
    await world.fault('ModifyListenerAttributes', modify('nope', '60')),
    /^ValidationError/,
  )
})

test.run()
