import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { forward, makeGroup, makeListener, putBalancer } from './furnish.ts'
import { Elbv2World } from './world.ts'

const INSTANCE = 'i-0123456789abcdef0'
const FUNCTION = 'arn:aws:lambda:us-east-1:000000000000:function:f'

/** What DescribeTargetHealth answers, a line a target. */
async function health(world: Elbv2World, TargetGroupArn: string, more: object = {}) {
  const output = await world.call('DescribeTargetHealth', { TargetGroupArn, ...more })
  return output.TargetHealthDescriptions.map(
    (each: {
      Target: { Id: string; Port?: number }
      HealthCheckPort?: string
      TargetHealth: { State: string; Reason?: string }
    }) =>
      [
        `${each.Target.Id}:${each.Target.Port ?? ''}`,
        each.HealthCheckPort ?? '-',
        each.TargetHealth.State,
        each.TargetHealth.Reason ?? '-',
      ].join(' '),
  )
}

function targets(TargetGroupArn: string, ...Targets: object[]) {
  return { TargetGroupArn, Targets }
}

test("RegisterTargets: the port is the group's where none is named; the same again changes nothing", async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { TargetType: 'ip' })
  const both = targets(arn, { Id: '10.0.0.1' }, { Id: '10.0.0.1', Port: 81 }, { Id: '127.0.0.1' })
  await world.call('RegisterTargets', both)
  const before = [...world.rows.targets.by('group', arn)]
  await world.clock.advance(1000)
  await world.call('RegisterTargets', both)
  assert.equal([...world.rows.targets.by('group', arn)], before)
  assert.equal(await health(world, arn), [
    '10.0.0.1:80 80 unused Target.NotInUse',
    '10.0.0.1:81 81 unused Target.NotInUse',
    '127.0.0.1:80 80 unused Target.NotInUse',
  ])
})

test('RegisterTargets: refuses what cannot be a target of the group, and then registers none', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const group = (Name: string, more: object) => makeGroup(world, { Name, ...more })
  const instance = await group('instance', {})
  const ip = await group('ip', { TargetType: 'ip' })
  const ip6 = await group('ip6', { TargetType: 'ip', IpAddressType: 'ipv6' })
  const lambda = (await world.call('CreateTargetGroup', { Name: 'l', TargetType: 'lambda' }))
    .TargetGroups[0].TargetGroupArn
  const alb = await group('alb', { TargetType: 'alb', Protocol: 'TCP' })
  const quic = await group('quic', { Protocol: 'QUIC' })
  const tcp = await group('tcp', { Protocol: 'TCP' })
  const geneve = await group('geneve', { Protocol: 'GENEVE', Port: 6081 })
  const cases: [string, object, RegExp][] = [
    [instance, { Id: '10.0.0.1' }, /^ValidationError: Instance ID '10.0.0.1' is not valid/],
    [instance, { Id: 'i-xyz' }, /^ValidationError/],
    [
      instance,
      { Id: INSTANCE, AvailabilityZone: 'all' },
      /^ValidationError: You cannot specify an Availability Zone/,
    ],
    [instance, { Id: INSTANCE, Port: 0 }, /^ValidationError: 1 validation error/],
    [
      instance,
      { Id: INSTANCE, QuicServerId: '0x0123456789abcdef' },
      /^ValidationError: A QUIC server ID/,
    ],
    [
      ip,
      { Id: INSTANCE },
      /^ValidationError: The IP address 'i-0123456789abcdef0' is not a valid IPv4 address$/,
    ],
    [
      ip,
      { Id: '10.0.0.1', AvailabilityZone: 'everywhere' },
      /^ValidationError: The Availability Zone/,
    ],
    [ip, { Id: '::1' }, /^ValidationError: The IP address '::1' is not a valid IPv4 address$/],
    [ip6, { Id: '10.0.0.1' }, /^ValidationError/],
    [ip6, { Id: 'fe80::1' }, /^ValidationError/],
    [ip6, { Id: 'fe80::1%eth0' }, /^ValidationError/],
    [ip6, { Id: '::ffff:8.8.8.8' }, /^ValidationError/],
    [lambda, { Id: 'f' }, /^ValidationError: 'f' is not a valid Lambda function ARN/],
    [lambda, { Id: FUNCTION, Port: 80 }, /^ValidationError: Port cannot be specified/],
    [
      lambda,
      { Id: FUNCTION, AvailabilityZone: 'us-east-1a' },
      /^ValidationError: The Availability Zone/,
    ],
    [alb, { Id: `${balancer}0` }, /^InvalidTarget/],
    [
      alb,
      { Id: balancer },
      /^ValidationError: If the target type is ALB, the target must have at least one listener/,
    ],
    [quic, { Id: INSTANCE }, /^ValidationError: The QUIC server ID ''/],
    [
      quic,
      { Id: INSTANCE, QuicServerId: '0x0123456789ABCDEF' },
      /^ValidationError: The QUIC server ID/,
    ],
    [tcp, { Id: 'i-1' }, /^ValidationError/],
    [geneve, { Id: INSTANCE, Port: 80 }, /^ValidationError: The port must be 6081/],
  ]
  for (const address of [
    '8.8.8.8',
    '0.0.0.0',
    '169.254.169.254',
    '172.32.0.1',
    '224.0.0.1',
    '100.128.0.1',
  ]) {
    cases.push([ip, { Id: address }, /^ValidationError: The IP address .* publicly routable/])
  }
  for (const [arn, target, message] of cases) {
    assert.match(await world.fault('RegisterTargets', targets(arn, target)), message)
  }
  await world.fault('RegisterTargets', targets(ip, { Id: '10.0.0.1' }, { Id: '8.8.8.8' }))
  assert.is(world.rows.targets.size, 0)
})

test('RegisterTargets: one function and one balancer a group, a thousand addresses', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  await makeListener(world, balancer)
  const alb = await makeGroup(world, { Name: 'alb', TargetType: 'alb', Protocol: 'TCP' })
  await world.call('RegisterTargets', targets(alb, { Id: balancer }))
  const other = putBalancer(world, 'application', { name: 'other' })
  await makeListener(world, other)
  assert.match(
    await world.fault('RegisterTargets', targets(alb, { Id: other })),
    /^TooManyTargets: You can register up to '1' targets/,
  )
  const lambda = (await world.call('CreateTargetGroup', { Name: 'l', TargetType: 'lambda' }))
    .TargetGroups[0].TargetGroupArn
  await world.call('RegisterTargets', targets(lambda, { Id: FUNCTION }))
  assert.match(
    await world.fault('RegisterTargets', targets(lambda, { Id: `${FUNCTION}2` })),
    /^TooManyTargets/,
  )
  const ip = await makeGroup(world, { Name: 'ip', TargetType: 'ip' })
  const many = Array.from({ length: 1000 }, (_, index) => ({ Id: '10.0.0.1', Port: index + 1 }))
  await world.call('RegisterTargets', targets(ip, ...many))
  assert.match(
    await world.fault('RegisterTargets', targets(ip, { Id: '10.0.0.2' })),
    /^TooManyTargets: You can register up to '1000' targets/,
  )
  assert.is(world.rows.targets.by('group', ip).size, 1000)
})

test('RegisterTargets: what drains takes no place', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { TargetType: 'ip' })
  await makeListener(world, putBalancer(world), { DefaultActions: [forward(arn)] })
  const many = Array.from({ length: 1000 }, (_, index) => ({ Id: '10.0.0.1', Port: index + 1 }))
  await world.call('RegisterTargets', targets(arn, ...many))
  await world.call('DeregisterTargets', targets(arn, { Id: '10.0.0.1', Port: 1 }))
  await world.call('RegisterTargets', targets(arn, { Id: '10.0.0.2' }))
  assert.is(world.rows.targets.by('group', arn).size, 1001)
})

test("RegisterTargets: a QUIC server id is one target's, and stays", async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { Protocol: 'QUIC' })
  const target = { Id: INSTANCE, QuicServerId: '0x0000000000000001' }
  await world.call('RegisterTargets', targets(arn, target))
  assert.match(
    await world.fault('RegisterTargets', targets(arn, { ...target, Id: 'i-0123456789abcdef1' })),
    /^ValidationError: The QUIC server ID '0x0000000000000001' is in use/,
  )
  assert.match(
    await world.fault(
      'RegisterTargets',
      targets(arn, { ...target, QuicServerId: '0x0000000000000002' }),
    ),
    /^ValidationError: The QUIC server ID of a registered target cannot be changed/,
  )
})

test('DeregisterTargets: what is used drains until its row goes; registering it again ends that', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { TargetType: 'ip' })
  await makeListener(world, putBalancer(world), { DefaultActions: [forward(arn)] })
  await world.call('RegisterTargets', targets(arn, { Id: '10.0.0.1' }, { Id: '10.0.0.2' }))
  world.targetHealth = () => ({ state: 'healthy' })
  await world.clock.advance(5000)
  await world.call('DeregisterTargets', targets(arn, { Id: '10.0.0.1' }))
  assert.equal(await health(world, arn), [
    '10.0.0.1:80 80 draining Target.DeregistrationInProgress',
    '10.0.0.2:80 80 healthy -',
  ])
  const { TargetHealthDescriptions } = await world.call('DescribeTargetHealth', {
    TargetGroupArn: arn,
  })
  assert.is(
    TargetHealthDescriptions[0].TargetHealth.Description,
    'Target deregistration is in progress',
  )
  const drainingSince = () => [...world.rows.targets.by('group', arn)][0]?.drainingSinceMs
  const since = drainingSince()
  assert.is(since, world.clock.now())
  await world.clock.advance(5000)
  await world.call('DeregisterTargets', targets(arn, { Id: '10.0.0.1' }))
  assert.is(drainingSince(), since)
  await world.call('RegisterTargets', targets(arn, { Id: '10.0.0.1' }))
  assert.is(drainingSince(), undefined)
  assert.is((await health(world, arn))[0], '10.0.0.1:80 80 healthy -')
})

test('DeregisterTargets: goes at once for functions, without a delay, and where nothing uses the group', async () => {
  const world = new Elbv2World()
  const group = async (input: object) =>
    (await world.call('CreateTargetGroup', input)).TargetGroups[0].TargetGroupArn
  const lambda = await group({ Name: 'l', TargetType: 'lambda' })
  const quick = await makeGroup(world, { Name: 'quick' })
  const unused = await makeGroup(world, { Name: 'unused' })
  const Attributes = [{ Key: 'deregistration_delay.timeout_seconds', Value: '0' }]
  await world.call('ModifyTargetGroupAttributes', { TargetGroupArn: quick, Attributes })
  const ForwardConfig = { TargetGroups: [{ TargetGroupArn: lambda }, { TargetGroupArn: quick }] }
  await makeListener(world, putBalancer(world), {
    DefaultActions: [{ Type: 'forward', ForwardConfig }],
  })
  for (const [arn, Id] of [
    [lambda, FUNCTION],
    [quick, INSTANCE],
    [unused, INSTANCE],
  ] as const) {
    await world.call('RegisterTargets', targets(arn, { Id }))
    await world.call('DeregisterTargets', targets(arn, { Id }))
  }
  assert.is(world.rows.targets.size, 0)
})

test('DeregisterTargets: what is not registered is as good as deregistered, as AWS documents', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world)
  await world.call('RegisterTargets', targets(arn, { Id: INSTANCE, Port: 81 }))
  await world.call(
    'DeregisterTargets',
    targets(arn, { Id: INSTANCE }, { Id: 'i-0123456789abcdef9' }),
  )
  assert.is(world.rows.targets.size, 1)
  assert.match(
    await world.fault('DeregisterTargets', targets(`${arn}0`, { Id: INSTANCE })),
    /^TargetGroupNotFound/,
  )
})

test('DescribeTargetHealth: tells what the data plane found, with reasons and descriptions', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { HealthCheckPort: '8080' })
  await makeListener(world, putBalancer(world), { DefaultActions: [forward(arn)] })
  await world.call('RegisterTargets', targets(arn, { Id: INSTANCE }))
  world.targetHealth = (row) => ({
    state: 'unhealthy',
    reason: 'Target.ResponseCodeMismatch',
    description: `Health checks of ${row.id} failed with these codes: [500]`,
  })
  const { TargetHealthDescriptions } = await world.call('DescribeTargetHealth', {
    TargetGroupArn: arn,
  })
  assert.equal(TargetHealthDescriptions, [
    {
      Target: { Id: INSTANCE, Port: 80 },
      HealthCheckPort: '8080',
      TargetHealth: {
        State: 'unhealthy',
        Reason: 'Target.ResponseCodeMismatch',
        Description: `Health checks of ${INSTANCE} failed with these codes: [500]`,
      },
    },
  ])
})

test('DescribeTargetHealth: asked targets alone, those that are not registered too', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world, { TargetType: 'ip' })
  await makeListener(world, putBalancer(world), { DefaultActions: [forward(arn)] })
  await world.call('RegisterTargets', targets(arn, { Id: '10.0.0.1' }, { Id: '10.0.0.2' }))
  const Targets = [{ Id: '10.0.0.2' }, { Id: '10.0.0.1', Port: 81 }]
  assert.equal(await health(world, arn, { Targets }), [
    '10.0.0.2:80 80 initial -',
    '10.0.0.1:81 81 unused Target.NotRegistered',
  ])
})

test('DescribeTargetHealth: anomalies are told of only where they are asked for', async () => {
  const world = new Elbv2World()
  const arn = await makeGroup(world)
  const lambda = (await world.call('CreateTargetGroup', { Name: 'l', TargetType: 'lambda' }))
    .TargetGroups[0].TargetGroupArn
  await world.call('RegisterTargets', targets(arn, { Id: INSTANCE }))
  await world.call('RegisterTargets', targets(lambda, { Id: FUNCTION, AvailabilityZone: 'all' }))
  const describe = async (TargetGroupArn: string, Include?: string[]) =>
    (await world.call('DescribeTargetHealth', { TargetGroupArn, Include }))
      .TargetHealthDescriptions[0]
  const anomaly = { Result: 'normal', MitigationInEffect: 'no' }
  assert.is((await describe(arn)).AnomalyDetection, undefined)
  assert.equal((await describe(arn, ['AnomalyDetection'])).AnomalyDetection, anomaly)
  assert.equal((await describe(arn, ['All'])).AnomalyDetection, anomaly)
  world.anomaly = () => ({ Result: 'anomalous', MitigationInEffect: 'yes' })
  const found = { Result: 'anomalous', MitigationInEffect: 'yes' }
  assert.equal((await describe(arn, ['AnomalyDetection'])).AnomalyDetection, found)
  assert.is((await describe(lambda, ['All'])).AnomalyDetection, undefined)
  assert.equal((await describe(lambda)).Target, { Id: FUNCTION, AvailabilityZone: 'all' })
})

test('targets: registering and deregistering in any order leaves what a slow model says', async () => {
  const step = fc.record({
    register: fc.boolean(),
    targets: fc.array(
      fc.record({ Id: fc.constantFrom('10.0.0.1', '10.0.0.2'), Port: fc.constantFrom(80, 81) }),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const world = new Elbv2World()
      const arn = await makeGroup(world, { TargetType: 'ip' })
      await makeListener(world, putBalancer(world), { DefaultActions: [forward(arn)] })
      const model = new Map<string, string>()
      for (const { register, targets: Targets } of steps) {
        for (const { Id, Port } of Targets) {
          const key = `${Id}:${Port}`
          if (register) model.set(key, 'initial')
          else if (model.has(key)) model.set(key, 'draining')
        }
        const operation = register ? 'RegisterTargets' : 'DeregisterTargets'
        await world.call(operation, { TargetGroupArn: arn, Targets })
      }
      const found = (await health(world, arn)).map((line: string) => line.split(' '))
      const states = found.map(([key = '', , state = '']: string[]) => `${key} ${state}`)
      assert.equal(states.sort(), [...model].map((pair) => pair.join(' ')).sort())
    }),
    { numRuns: 30 },
  )
})

test.run()
