import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { forward, makeGroup, makeListener, makeRule, OK, putBalancer } from './furnish.ts'
import { Elbv2World } from './world.ts'

const PATH = { Field: 'path-pattern', Values: ['/a/*'] }

async function listenerOf(world: Elbv2World): Promise<string> {
  return makeListener(world, putBalancer(world))
}

async function priorities(world: Elbv2World, ListenerArn: string, more: object = {}) {
  const output = await world.call('DescribeRules', { ListenerArn, ...more })
  return output.Rules.map((rule: { Priority: string }) => rule.Priority)
}

test('CreateRule: answers the rule as AWS does', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  const { Rules } = await world.call('CreateRule', {
    ListenerArn: listener,
    Priority: 10,
    Conditions: [PATH],
    Actions: [OK],
  })
  const arn = Rules[0].RuleArn
  assert.ok(arn.startsWith(listener.replace(':listener/', ':listener-rule/')))
  assert.equal(Rules, [
    {
      RuleArn: arn,
      Priority: '10',
      Conditions: [
        { Field: 'path-pattern', Values: ['/a/*'], PathPatternConfig: { Values: ['/a/*'] } },
      ],
      Actions: [{ Type: 'fixed-response', Order: 1, FixedResponseConfig: { StatusCode: '200' } }],
      IsDefault: false,
      Transforms: [],
    },
  ])
})

test('CreateRule: refuses priorities that are taken or none, and listeners without rules', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  await makeRule(world, listener, 10)
  const rule = (more: object) => ({
    ListenerArn: listener,
    Priority: 11,
    Conditions: [PATH],
    Actions: [OK],
    ...more,
  })
  const group = await makeGroup(world, { Name: 'geneve', Protocol: 'GENEVE', Port: 6081 })
  const gateway = await world.call('CreateListener', {
    LoadBalancerArn: putBalancer(world, 'gateway'),
    DefaultActions: [forward(group)],
  })
  for (const [more, message] of [
    [{ Priority: 10 }, /^PriorityInUse: Priority '10' is currently in use/],
    [{ Priority: 0 }, /^ValidationError: 1 validation error/],
    [{ Priority: 50001 }, /^ValidationError: 1 validation error/],
    [{ Conditions: [] }, /^ValidationError: A condition must be specified/],
    [{ Actions: [] }, /^ValidationError: An action must be specified/],
    [{ ListenerArn: `${listener}0` }, /^ListenerNotFound/],
    [{ ListenerArn: 'nope' }, /^ValidationError: 'nope' is not a valid listener ARN/],
    [{ ListenerArn: gateway.Listeners[0].ListenerArn }, /^UnsupportedProtocol/],
    [{ Tags: [{ Key: 'a' }, { Key: 'a' }] }, /^DuplicateTagKeys/],
  ] as const) {
    assert.match(await world.fault('CreateRule', rule(more)), message)
  }
  assert.is(world.rows.rules.size, 1)
})

test('CreateRule: a hundred rules a load balancer, its default ones not counted', async () => {
  const world = new Elbv2World()
  const balancer = putBalancer(world)
  const listener = await makeListener(world, balancer)
  const other = await makeListener(world, balancer, { Port: 81 })
  for (let priority = 1; priority <= 99; priority++) await makeRule(world, listener, priority)
  await makeRule(world, other, 1)
  const rule = { ListenerArn: other, Priority: 2, Conditions: [PATH], Actions: [OK] }
  assert.match(await world.fault('CreateRule', rule), /^TooManyRules/)
  assert.is((await priorities(world, listener)).length, 100)
})

test('CreateRule: a hundred target groups a load balancer', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  const groups: string[] = []
  for (let index = 0; index <= 100; index++)
    groups.push(await makeGroup(world, { Name: `g${index}` }))
  for (let rule = 0; rule < 20; rule++) {
    const TargetGroups = groups
      .slice(rule * 5, rule * 5 + 5)
      .map((TargetGroupArn) => ({ TargetGroupArn }))
    const Actions = [{ Type: 'forward', ForwardConfig: { TargetGroups } }]
    await makeRule(world, listener, rule + 1, { Actions })
  }
  const more = (arn = '') => ({
    ListenerArn: listener,
    Priority: 21,
    Conditions: [PATH],
    Actions: [forward(arn)],
  })
  assert.is(
    await world.fault('CreateRule', more(groups[100])),
    "TooManyUniqueTargetGroupsPerLoadBalancer: You have reached the maximum number of unique target groups that you can associate with a load balancer of type 'application': [100]",
  )
  await world.call('CreateRule', more(groups[0]))
})

test('CreateRule: network load balancers tell apart IPv4 and IPv6, and nothing else', async () => {
  const world = new Elbv2World()
  const group = await makeGroup(world, { Protocol: 'TCP' })
  const listener = await makeListener(world, putBalancer(world, 'network'), {
    Protocol: 'TCP',
    DefaultActions: [forward(group)],
  })
  const ipv6 = { Field: 'source-ip', SourceIpConfig: { IpAddressType: 'ipv6' } }
  const rule = { ListenerArn: listener, Priority: 1, Conditions: [ipv6], Actions: [forward(group)] }
  const { Rules } = await world.call('CreateRule', rule)
  assert.equal(Rules[0].Conditions, [ipv6])
  for (const more of [
    { Conditions: [PATH] },
    { Conditions: [ipv6, PATH] },
    { Conditions: [{ Field: 'source-ip', SourceIpConfig: { Values: ['10.0.0.0/8'] } }] },
    { Actions: [OK] },
    {
      Transforms: [
        { Type: 'url-rewrite', UrlRewriteConfig: { Rewrites: [{ Regex: 'a', Replace: 'b' }] } },
      ],
    },
  ]) {
    const said = await world.fault('CreateRule', { ...rule, Priority: 2, ...more })
    assert.match(said, /^(ValidationError|InvalidLoadBalancerAction)/)
  }
})

test('DescribeRules: by priority, the default one last, in pages that survive deletions', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  const arns = new Map<number, string>()
  for (const priority of [20, 3, 100, 1])
    arns.set(priority, await makeRule(world, listener, priority))
  assert.equal(await priorities(world, listener), ['1', '3', '20', '100', 'default'])
  const first = await world.call('DescribeRules', { ListenerArn: listener, PageSize: 2 })
  await world.call('DeleteRule', { RuleArn: arns.get(3) })
  await makeRule(world, listener, 2)
  const rest = await world.call('DescribeRules', {
    ListenerArn: listener,
    Marker: first.NextMarker,
  })
  assert.equal(
    rest.Rules.map((rule: { Priority: string; IsDefault: boolean }) => [
      rule.Priority,
      rule.IsDefault,
    ]),
    [
      ['20', false],
      ['100', false],
      ['default', true],
    ],
  )
  const named = await world.call('DescribeRules', {
    RuleArns: [rest.Rules[2].RuleArn, arns.get(100), arns.get(1)],
  })
  assert.equal(
    named.Rules.map((rule: { Priority: string }) => rule.Priority),
    ['1', '100', 'default'],
  )
  for (const [input, message] of [
    [{}, /^ValidationError: You must specify either listener rule ARNs or a listener ARN/],
    [{ ListenerArn: listener, RuleArns: [arns.get(1)] }, /^ValidationError/],
    [{ RuleArns: [arns.get(3)] }, /^RuleNotFound: One or more rules not found/],
    [{ RuleArns: [listener] }, /^ValidationError: .* is not a valid listener rule ARN/],
    [{ ListenerArn: `${listener}0` }, /^ListenerNotFound/],
    [{ ListenerArn: listener, Marker: 'forged' }, /^ValidationError/],
  ] as const) {
    assert.match(await world.fault('DescribeRules', input), message)
  }
})

test('ModifyRule: changes what is named; transforms go when they are reset', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  const Transforms = [
    { Type: 'url-rewrite', UrlRewriteConfig: { Rewrites: [{ Regex: '^/a', Replace: '/b' }] } },
  ]
  const arn = await makeRule(world, listener, 1, { Transforms })
  const modify = async (input: object) =>
    (await world.call('ModifyRule', { RuleArn: arn, ...input })).Rules[0]
  let rule = await modify({ Conditions: [{ Field: 'host-header', Values: ['a.example.com'] }] })
  assert.equal([rule.Conditions[0].Field, rule.Transforms], ['host-header', Transforms])
  const Actions = [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }]
  rule = await modify({ Actions })
  assert.equal(
    [rule.Conditions[0].Field, rule.Actions[0].FixedResponseConfig.StatusCode, rule.Priority],
    ['host-header', '404', '1'],
  )
  assert.match(
    await world.fault('ModifyRule', { RuleArn: arn, Transforms, ResetTransforms: true }),
    /^ValidationError/,
  )
  assert.equal((await modify({ ResetTransforms: true })).Transforms, [])
  assert.match(
    await world.fault('ModifyRule', { RuleArn: arn }),
    /^ValidationError: Either conditions or actions must be specified/,
  )
  assert.match(await world.fault('ModifyRule', { RuleArn: `${arn}0`, Actions }), /^RuleNotFound/)
})

test('default rules: are not changed, moved or deleted', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  const { Rules } = await world.call('DescribeRules', { ListenerArn: listener })
  const [{ RuleArn }] = Rules
  assert.is(
    await world.fault('DeleteRule', { RuleArn }),
    `OperationNotPermitted: Default rule '${RuleArn}' cannot be deleted`,
  )
  const modified = `OperationNotPermitted: Default rule '${RuleArn}' cannot be modified`
  assert.is(await world.fault('ModifyRule', { RuleArn, Actions: [OK] }), modified)
  assert.is(
    await world.fault('SetRulePriorities', { RulePriorities: [{ RuleArn, Priority: 1 }] }),
    modified,
  )
})

test('DeleteRule: frees its priority; twice is RuleNotFound', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  const arn = await makeRule(world, listener, 1)
  await world.call('DeleteRule', { RuleArn: arn })
  assert.match(await world.fault('DeleteRule', { RuleArn: arn }), /^RuleNotFound/)
  await makeRule(world, listener, 1)
})

test('SetRulePriorities: swaps in one step and answers what it was asked for', async () => {
  const world = new Elbv2World()
  const listener = await listenerOf(world)
  const [a, b] = [await makeRule(world, listener, 1), await makeRule(world, listener, 2)]
  const pairs = (...of: [string, number][]) => ({
    RulePriorities: of.map(([RuleArn, Priority]) => ({ RuleArn, Priority })),
  })
  const { Rules } = await world.call('SetRulePriorities', pairs([b, 1], [a, 2]))
  assert.equal(
    Rules.map((rule: { RuleArn: string; Priority: string }) => [rule.RuleArn, rule.Priority]),
    [
      [b, '1'],
      [a, '2'],
    ],
  )
  for (const [input, message] of [
    [pairs([a, 1]), "PriorityInUse: Priority '1' is currently in use"],
    [pairs([a, 3], [b, 3]), "ValidationError: Priority '3' was provided multiple times"],
    [pairs([a, 3], [a, 4]), `ValidationError: Rule '${a}' was provided multiple times`],
    [{ RulePriorities: [{ RuleArn: a }] }, 'ValidationError: A rule priority must be specified'],
    [{ RulePriorities: [] }, 'ValidationError: At least one rule priority must be specified'],
    [pairs([`${a}0`, 3]), `RuleNotFound: Rule '${a}0' not found`],
  ] as const) {
    assert.is(await world.fault('SetRulePriorities', input), message)
  }
  const other = await makeListener(world, putBalancer(world, 'application', { name: 'other' }))
  const c = await makeRule(world, other, 1)
  await world.call('SetRulePriorities', pairs([a, 9], [c, 9]))
  assert.equal(await priorities(world, other), ['9', 'default'])
})

test('SetRulePriorities: all or none, whatever is asked', async () => {
  const move = fc.record({ rule: fc.nat(4), priority: fc.integer({ min: 1, max: 7 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 5 }), async (moves) => {
      const world = new Elbv2World()
      const listener = await listenerOf(world)
      const arns: string[] = []
      // The last one is none: whoever names it is refused as a whole.
      for (const priority of [1, 2, 3, 4]) arns.push(await makeRule(world, listener, priority))
      const unknown = `${arns[0]}0`
      const state = () => [...world.rows.rules.by('listener', listener)]
      const before = state()
      const RulePriorities = moves.map(({ rule, priority }) => ({
        RuleArn: arns[rule] ?? unknown,
        Priority: priority,
      }))
      const wanted = new Map(before.map((row) => [row.arn, row.priority]))
      for (const { RuleArn, Priority } of RulePriorities) wanted.set(RuleArn, Priority)
      const distinctRules = new Set(moves.map(({ rule }) => rule)).size === moves.length
      const possible =
        distinctRules && !wanted.has(unknown) && new Set(wanted.values()).size === wanted.size
      let refused = false
      try {
        await world.call('SetRulePriorities', { RulePriorities })
      } catch {
        refused = true
      }
      assert.is(refused, !possible)
      if (refused) assert.equal(state(), before)
      else for (const row of state()) assert.is(row.priority, wanted.get(row.arn))
    }),
    { numRuns: 60 },
  )
})

test.run()
