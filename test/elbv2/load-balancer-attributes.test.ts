import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  allAttributes,
  checkedAttributes,
  LISTENER_ATTRIBUTES,
  LOAD_BALANCER_ATTRIBUTES,
  TARGET_GROUP_ATTRIBUTES,
} from '../../elbv2/attributes.ts'
import { FakeBackend } from './fake-backend.ts'
import { Elbv2World } from './world.ts'

async function worldWith(input: object = {}) {
  const world = new Elbv2World()
  const { LoadBalancers } = await world.call('CreateLoadBalancer', {
    Name: 'a',
    Subnets: ['subnet-1'],
    ...input,
  })
  const { LoadBalancerArn } = LoadBalancers[0]
  const modify = (attributes: Record<string, string>) => ({
    LoadBalancerArn,
    Attributes: Object.entries(attributes).map(([Key, Value]) => ({ Key, Value })),
  })
  return { world, LoadBalancerArn, modify }
}

function valuesOf(attributes: { Key: string; Value: string }[]) {
  return Object.fromEntries(attributes.map(({ Key, Value }) => [Key, Value]))
}

test('DescribeLoadBalancerAttributes: answers the documented ones of each type with their defaults', async () => {
  const counts = { application: 23, network: 9, gateway: 2 }
  for (const [Type, count] of Object.entries(counts)) {
    const { world, LoadBalancerArn } = await worldWith({ Type })
    const { Attributes } = await world.call('DescribeLoadBalancerAttributes', { LoadBalancerArn })
    assert.is(Attributes.length, count, Type)
    const values = valuesOf(Attributes)
    assert.is(values['load_balancing.cross_zone.enabled'], String(Type === 'application'))
    assert.is(values['deletion_protection.enabled'], 'false')
  }
})

test('ModifyLoadBalancerAttributes: sets some and answers all', async () => {
  const { world, LoadBalancerArn, modify } = await worldWith()
  await world.call('ModifyLoadBalancerAttributes', modify({ 'routing.http2.enabled': 'false' }))
  const { Attributes } = await world.call(
    'ModifyLoadBalancerAttributes',
    modify({ 'idle_timeout.timeout_seconds': '4000' }),
  )
  const values = valuesOf(Attributes)
  assert.is(values['idle_timeout.timeout_seconds'], '4000')
  assert.is(values['routing.http2.enabled'], 'false')
  assert.equal(await world.call('DescribeLoadBalancerAttributes', { LoadBalancerArn }), {
    Attributes,
  })
})

test('ModifyLoadBalancerAttributes: refuses keys and values, and then changes nothing', async () => {
  const { world, modify } = await worldWith()
  const refusals: [Record<string, string>, string][] = [
    [{ x: '1' }, "ValidationError: Load balancer attribute key 'x' is not recognized"],
    [
      { 'dns_record.client_routing_policy': 'any_availability_zone' },
      "InvalidConfigurationRequest: Load balancer attribute key 'dns_record.client_routing_policy' is not supported on load balancers with type 'application'",
    ],
    [
      { 'deletion_protection.enabled': 'yes' },
      "ValidationError: The value of 'deletion_protection.enabled' must be 'true' or 'false', but was 'yes'",
    ],
    [
      { 'idle_timeout.timeout_seconds': '4001' },
      "ValidationError: The value of 'idle_timeout.timeout_seconds' must be a number from 1 to 4000, but was '4001'",
    ],
    [
      { 'routing.http.xff_header_processing.mode': 'drop' },
      "ValidationError: The value of 'routing.http.xff_header_processing.mode' must be 'append' or 'preserve' or 'remove', but was 'drop'",
    ],
    [
      { 'load_balancing.cross_zone.enabled': 'false' },
      "InvalidConfigurationRequest: The value for 'load_balancing.cross_zone.enabled' must always be 'true' for an Application Load Balancer",
    ],
    [
      { 'access_logs.s3.enabled': 'true' },
      "InvalidConfigurationRequest: The key 'access_logs.s3.bucket' must set in order to enable access logs",
    ],
    [
      { 'access_logs.s3.prefix': 'AWSLogs' },
      "ValidationError: The value of 'access_logs.s3.prefix' must be a prefix without a slash at its ends and without 'AWSLogs', but was 'AWSLogs'",
    ],
  ]
  for (const [attributes, refusal] of refusals) {
    const both = modify({ 'routing.http2.enabled': 'false', ...attributes })
    assert.is(await world.fault('ModifyLoadBalancerAttributes', both), refusal)
  }
  const twice = modify({ 'routing.http2.enabled': 'false' })
  twice.Attributes.push(...twice.Attributes)
  assert.is(
    await world.fault('ModifyLoadBalancerAttributes', twice),
    "ValidationError: Attribute key 'routing.http2.enabled' has been specified more than once",
  )
  assert.equal([...world.rows.loadBalancers.all()][0]?.attributes, {})
})

test('ModifyLoadBalancerAttributes: secondary addresses of a network balancer never decrease', async () => {
  const { world, modify } = await worldWith({ Type: 'network' })
  const key = 'secondary_ips.auto_assigned.per_subnet'
  await world.call('ModifyLoadBalancerAttributes', modify({ [key]: '3' }))
  assert.is(
    await world.fault('ModifyLoadBalancerAttributes', modify({ [key]: '2' })),
    `InvalidConfigurationRequest: The value of '${key}' cannot be decreased`,
  )
})

test('ModifyLoadBalancerAttributes: logs are on when the backend takes a file into the bucket', async () => {
  const { world, modify } = await worldWith()
  const backend = new FakeBackend()
  world.callBackend = backend.call
  const logs = (bucket: string, prefix: string) =>
    modify({
      'access_logs.s3.enabled': 'true',
      'access_logs.s3.bucket': bucket,
      'access_logs.s3.prefix': prefix,
    })
  assert.is(
    await world.fault('ModifyLoadBalancerAttributes', logs('no-bucket', '')),
    'InvalidConfigurationRequest: Access Denied for bucket: no-bucket. Please check S3bucket permission',
  )
  backend.buckets.add('logs')
  await world.call('ModifyLoadBalancerAttributes', logs('logs', 'my app'))
  assert.equal(
    [...backend.objects.keys()],
    ['/logs/my%20app/AWSLogs/000000000000/ELBAccessLogTestFile'],
  )
  // What stays as it is is not tried again.
  const { length } = backend.requests
  await world.call('ModifyLoadBalancerAttributes', modify({ 'routing.http2.enabled': 'false' }))
  assert.is(backend.requests.length, length)
  backend.instead = () => new Error('connect ECONNREFUSED')
  await world.call('ModifyLoadBalancerAttributes', logs('other', ''))
})

test('CreateLoadBalancer: an internal balancer is closed to internet gateways', async () => {
  const { world, LoadBalancerArn } = await worldWith({ Scheme: 'internal' })
  const { Attributes } = await world.call('DescribeLoadBalancerAttributes', { LoadBalancerArn })
  assert.is(valuesOf(Attributes)['ipv6.deny_all_igw_traffic'], 'true')
})

test('checkedAttributes: every default is a value that may be set', () => {
  const tables = [
    ['Load balancer', LOAD_BALANCER_ATTRIBUTES],
    ['Target group', TARGET_GROUP_ATTRIBUTES],
    ['Listener', LISTENER_ATTRIBUTES],
  ] as const
  for (const [noun, rules] of tables) {
    for (const kind of ['application', 'network', 'gateway', 'lambda'] as const) {
      const all = allAttributes(rules, kind, {})
      const given = Object.entries(all).map(([Key, Value]) => ({ Key, Value }))
      assert.equal(checkedAttributes(rules, kind, noun, given), all)
    }
  }
})

test('checkedAttributes: values of target groups and listeners stay within what AWS allows', () => {
  const groups = 'target_group_health.unhealthy_state_routing.minimum_healthy_targets'
  const cases: [string, string, boolean][] = [
    ['slow_start.duration_seconds', '0', true],
    ['slow_start.duration_seconds', '29', false],
    ['slow_start.duration_seconds', '900', true],
    ['slow_start.duration_seconds', '030', false],
    ['stickiness.type', 'app_cookie', true],
    ['stickiness.type', 'source_ip', false],
    ['stickiness.app_cookie.cookie_name', 'MYCOOKIE', true],
    ['stickiness.app_cookie.cookie_name', 'awsalbtg', false],
    ['stickiness.app_cookie.cookie_name', 'a b', false],
    ['deregistration_delay.timeout_seconds', '3601', false],
    [`${groups}.percentage`, 'off', true],
    [`${groups}.percentage`, '101', false],
    [`${groups}.count`, 'off', false],
    ['routing.http.response.x_frame_options.header_value', 'SAMEORIGIN', true],
    ['routing.http.response.x_frame_options.header_value', 'ALLOW-FROM x', false],
    ['routing.http.response.access_control_max_age.header_value', '86401', false],
    ['routing.http.response.content_security_policy.header_value', 'a\r\nb: c', false],
    ['routing.http.request.x_amzn_tls_version.header_name', 'X-Mine', true],
    ['routing.http.request.x_amzn_tls_version.header_name', 'X Mine', false],
  ]
  for (const [Key, Value, allowed] of cases) {
    const [rules, noun] = Key.startsWith('routing.http.re')
      ? ([LISTENER_ATTRIBUTES, 'Listener'] as const)
      : ([TARGET_GROUP_ATTRIBUTES, 'Target group'] as const)
    const check = () => checkedAttributes(rules, 'application', noun, [{ Key, Value }])
    if (allowed) assert.equal(check(), { [Key]: Value })
    else assert.throws(check, new RegExp(`The value of '${Key}' must be`))
  }
  assert.throws(
    () =>
      checkedAttributes(TARGET_GROUP_ATTRIBUTES, 'lambda', 'Target group', [
        { Key: 'slow_start.duration_seconds', Value: '30' },
      ]),
    /is not supported on target groups with target type 'lambda'/,
  )
})

for (const operation of ['DescribeLoadBalancerAttributes', 'ModifyLoadBalancerAttributes']) {
  test(`${operation}: tells of a load balancer that is not there`, async () => {
    const LoadBalancerArn =
      'arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/no/50dc6c495c0c9188'
    const Attributes = [{ Key: 'routing.http2.enabled', Value: 'true' }]
    assert.is(
      await new Elbv2World().fault(operation, { LoadBalancerArn, Attributes }),
      `LoadBalancerNotFound: Load balancer '${LoadBalancerArn}' not found`,
    )
  })
}

test.run()
