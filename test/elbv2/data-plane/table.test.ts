import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRoutingTable, type Tables } from '../../../elbv2/data-plane/table.ts'
import {
  type ListenerRow,
  type LoadBalancerRow,
  openElbv2Rows,
  type RuleRow,
} from '../../../elbv2/rows.ts'
import { StoreFault } from '../../../gateway/core/fault.ts'
import { type Logger, silentLogger } from '../../../gateway/core/log.ts'
import { MemoryStore } from '../../../gateway/core/memory-store.ts'
import { requestFacts } from './requests.ts'

const test = suite('elbv2 table')

const SCOPE = { account: '000000000000', region: 'us-east-1' }
const GROUP = 'arn:tg/one'

function balancerRow(name: string, more: Partial<LoadBalancerRow> = {}): LoadBalancerRow {
  return {
    ...SCOPE,
    arn: `lb/${name}`,
    name,
    type: 'application',
    dnsLabel: `${name}-1.us-east-1`,
    vpcId: 'vpc-1',
    state: 'active',
    availabilityZones: [],
    securityGroups: [],
    ipAddressType: 'ipv4',
    attributes: {},
    tags: [],
    createdAtMs: 0,
    ...more,
  }
}

function listenerRow(balancer: string, port: number, more: Partial<ListenerRow> = {}): ListenerRow {
  const arn = `listener/${balancer}/${port}`
  return {
    ...SCOPE,
    arn,
    loadBalancerArn: `lb/${balancer}`,
    port,
    protocol: 'HTTP',
    certificateArns: [],
    defaultActions: [{ Type: 'forward', TargetGroupArn: GROUP }],
    defaultRule: { arn: `${arn}/default`, tags: [] },
    attributes: {},
    tags: [],
    createdAtMs: 0,
    ...more,
  }
}

function ruleRow(listenerArn: string, priority: number, more: Partial<RuleRow> = {}): RuleRow {
  return {
    ...SCOPE,
    arn: `${listenerArn}/rule-${priority}`,
    listenerArn,
    priority,
    conditions: [{ Field: 'path-pattern', Values: [`/${priority}/*`] }],
    actions: [{ Type: 'forward', TargetGroupArn: GROUP }],
    transforms: [],
    tags: [],
    createdAtMs: 0,
    ...more,
  }
}

class TableWorld {
  readonly store = new MemoryStore({ freeze: true })
  readonly rows = openElbv2Rows(this.store)
  readonly logged: string[] = []
  swaps = 0
  readonly tables: Tables

  constructor(fill: (world: TableWorld) => void = () => {}) {
    this.store.transact(() => fill(this))
    const log: Logger = {
      ...silentLogger,
      error: (message, fields) => this.logged.push(`${message} ${JSON.stringify(fields)}`),
    }
    this.tables = createRoutingTable({ rows: this.rows, dnsSuffix: 'elb.localhost', log })
    this.store.onChange((changes) => {
      if (this.tables.update(changes)) this.swaps++
    })
  }

  async change(work: () => void): Promise<void> {
    this.store.transact(work)
    await this.store.durable()
  }

  balancer(name: string, ...ports: readonly number[]): void {
    this.put(balancerRow(name), ...ports.map((port) => listenerRow(name, port)))
  }

  put(...all: readonly (LoadBalancerRow | ListenerRow | RuleRow)[]): void {
    for (const row of all) {
      if ('listenerArn' in row) this.rows.rules.put(row.arn, row)
      else if ('loadBalancerArn' in row) this.rows.listeners.put(row.arn, row)
      else this.rows.loadBalancers.put(row.arn, row)
    }
  }

  live(name: string) {
    return this.tables.current().byArn.get(`lb/${name}`)
  }

  rules(name: string): string[] | undefined {
    return this.live(name)?.listeners[0]?.rules.map(({ priority }) => String(priority))
  }
}

test('createRoutingTable: begins with what is stored', () => {
  const world = new TableWorld((it) => {
    it.balancer('Web', 80)
    it.put(balancerRow('new', { state: 'provisioning' }))
  })
  const { byDnsName, byArn, byPort } = world.tables.current()
  assert.equal(
    [...byDnsName.keys()],
    ['web-1.us-east-1.elb.localhost', 'new-1.us-east-1.elb.localhost'],
  )
  assert.equal([...byArn.keys()], ['lb/Web', 'lb/new'])
  const [listener] = byPort.get(80) ?? []
  assert.is(listener?.balancer, world.live('Web'))
  assert.is(listener, world.live('Web')?.listeners[0])
  assert.is(listener?.settings.serverHeader, true)
  assert.is(listener?.balancer.settings.idleTimeoutMs, 60_000)
})

test('createRoutingTable: knows only what is durable, also when a later change is taken back', async () => {
  const world = new TableWorld((it) => it.balancer('web', 80))
  const waiting: ((fault?: StoreFault) => void)[] = []
  world.store.attach({ append: (_changes, done) => waiting.push(done) })
  const change = (more: Partial<LoadBalancerRow>) => {
    world.store.transact(() => world.put(balancerRow('web', more)))
    return world.store.durable().then(
      () => 'durable',
      () => 'taken back',
    )
  }
  const attributes = () => world.live('web')?.row.attributes
  const first = change({ attributes: { first: 'true' } })
  const second = change({ attributes: { second: 'true' } })
  const rule = ruleRow('listener/web/80', 1)
  world.store.transact(() => world.put(rule))
  assert.equal(attributes(), {})
  waiting[0]?.()
  assert.is(await first, 'durable')
  assert.equal(attributes(), { first: 'true' })
  assert.equal(world.rules('web'), ['0'])
  for (const done of waiting.slice(1)) done(new StoreFault('the disk is full'))
  assert.is(await second, 'taken back')
  assert.equal(world.rows.loadBalancers.get('lb/web')?.attributes, { first: 'true' })
  assert.equal(attributes(), { first: 'true' })
  assert.equal(world.rules('web'), ['0'])
})

test('createRoutingTable: rules are in the order of their priorities, the default one last', async () => {
  const listener = listenerRow('web', 80)
  const world = new TableWorld((it) => {
    it.put(balancerRow('web'), listener)
    for (const priority of [30, 4, 100]) it.put(ruleRow(listener.arn, priority))
  })
  assert.equal(world.rules('web'), ['4', '30', '100', '0'])
  const rules = world.live('web')?.listeners[0]?.rules ?? []
  const first = (url: string) =>
    rules.find(({ matches }) => matches(requestFacts({ url })))?.priority
  assert.equal(['/30/x', '/4/', '/other'].map(first), [30, 4, 0])
  assert.is(rules.at(-1)?.arn, `${listener.arn}/default`)

  await world.change(() => world.put(ruleRow(listener.arn, 4, { arn: 'moved', priority: 50 })))
  await world.change(() => world.rows.rules.delete(`${listener.arn}/rule-4`))
  assert.equal(world.rules('web'), ['30', '50', '100', '0'])
})

test('createRoutingTable: a change makes a new table and leaves the old one as it was', async () => {
  const world = new TableWorld((it) => it.balancer('web', 80))
  const old = world.tables.current()
  await world.change(() => world.put(listenerRow('web', 81), ruleRow('listener/web/81', 1)))
  const now = world.tables.current()
  assert.is(world.swaps, 1)
  assert.is.not(now, old)
  assert.equal([...old.byPort.keys()], [80])
  assert.is(old.byArn.get('lb/web')?.listeners.length, 1)
  assert.equal([...now.byPort.keys()], [80, 81])
  assert.is(now.byArn.get('lb/web')?.listeners.length, 2)

  await world.change(() => {
    world.rows.listeners.delete('listener/web/81')
    world.rows.rules.delete('listener/web/81/rule-1')
  })
  assert.equal([...world.tables.current().byPort.keys()], [80])
  await world.change(() => {
    world.rows.listeners.delete('listener/web/80')
    world.rows.loadBalancers.delete('lb/web')
  })
  const { byDnsName, byArn, byPort } = world.tables.current()
  assert.equal([byDnsName.size, byArn.size, byPort.size], [0, 0, 0])
})

test('createRoutingTable: rows that do not route make no new table', async () => {
  const world = new TableWorld((it) => it.balancer('web', 80))
  const old = world.tables.current()
  await world.change(() =>
    world.rows.targets.put('t', {
      ...SCOPE,
      arn: 't',
      targetGroupArn: GROUP,
      id: 'i',
      registeredAtMs: 0,
    }),
  )
  assert.is(world.swaps, 0)
  assert.is(world.tables.current(), old)
})

test('createRoutingTable: one change among a thousand load balancers touches that one', async () => {
  const world = new TableWorld((it) => {
    for (let at = 0; at < 1000; at++) {
      it.balancer(`lb${at}`, 80)
      it.put(ruleRow(`listener/lb${at}/80`, 1), ruleRow(`listener/lb${at}/80`, 2))
    }
  })
  const old = world.tables.current()
  await world.change(() => world.put(ruleRow('listener/lb500/80', 3)))
  const now = world.tables.current()
  for (const [arn, balancer] of old.byArn) {
    if (arn !== 'lb/lb500') assert.is(now.byArn.get(arn), balancer)
  }
  const before = old.byArn.get('lb/lb500')?.listeners[0]
  const after = now.byArn.get('lb/lb500')?.listeners[0]
  assert.equal(
    after?.rules.map(({ priority }) => priority),
    [1, 2, 3, 0],
  )
  assert.is(after?.rules[0], before?.rules[0], 'a rule whose row is the same is not compiled again')
  assert.is(after?.rules.at(-1), before?.rules.at(-1))
  const [onPort, onPortBefore] = [now.byPort.get(80) ?? [], old.byPort.get(80) ?? []]
  assert.is(onPort.length, 1000)
  assert.is(onPort.filter((listener) => !onPortBefore.includes(listener)).length, 1)
})

test('createRoutingTable: listeners of a port are in the order of their age', async () => {
  const at = (name: string, createdAtMs: number) => [
    balancerRow(name),
    listenerRow(name, 80, { createdAtMs }),
  ]
  const world = new TableWorld((it) => it.put(...at('b', 2), ...at('c', 3), ...at('a', 3)))
  const names = () =>
    world.tables
      .current()
      .byPort.get(80)
      ?.map(({ balancer }) => balancer.row.name)
  assert.equal(names(), ['b', 'a', 'c'])
  await world.change(() => world.put(...at('z', 1)))
  assert.equal(names(), ['z', 'b', 'a', 'c'])
  await world.change(() => world.put(balancerRow('b', { tags: [{ Key: 'a', Value: 'b' }] })))
  assert.equal(names(), ['z', 'b', 'a', 'c'])
  await world.change(() => world.put(listenerRow('b', 80, { port: 81 })))
  assert.equal(names(), ['z', 'a', 'c'])
})

test('createRoutingTable: a rule that cannot be compiled is left out, and told once', async () => {
  const bad = {
    conditions: [{ Field: 'path-pattern', PathPatternConfig: { RegexValues: ['(a'] } }],
  }
  const world = new TableWorld((it) => {
    it.balancer('web', 80)
    it.put(ruleRow('listener/web/80', 1, bad), ruleRow('listener/web/80', 2))
  })
  assert.equal(world.rules('web'), ['2', '0'])
  await world.change(() => world.put(ruleRow('listener/web/80', 3)))
  assert.equal(world.rules('web'), ['2', '3', '0'])
  assert.is(world.logged.length, 1)
  assert.match(world.logged[0] ?? '', /listener\/web\/80\/rule-1.*missing closing/)
})

test('createRoutingTable: default actions that cannot be compiled answer 500', () => {
  const world = new TableWorld((it) => {
    it.put(balancerRow('web'), listenerRow('web', 80, { defaultActions: [] }))
  })
  const rule = world.live('web')?.listeners[0]?.rules[0]
  assert.is(rule?.final.kind === 'fixed-response' && rule.final.answer.status, 500)
  assert.is(world.logged.length, 1)
})

test('createRoutingTable: network load balancers have rules, gateway ones no port', () => {
  const world = new TableWorld((it) => {
    const conditions = [{ Field: 'source-ip', SourceIpConfig: { IpAddressType: 'ipv6' as const } }]
    const tcp = listenerRow('net', 53, { protocol: 'TCP_UDP' })
    it.put(balancerRow('net', { type: 'network' }), tcp, ruleRow(tcp.arn, 1, { conditions }))
    const { port: _, protocol: __, ...geneve } = listenerRow('gwy', 0)
    it.put(balancerRow('gwy', { type: 'gateway' }), geneve)
  })
  assert.equal(world.rules('net'), ['1', '0'])
  assert.equal([...world.tables.current().byPort.keys()], [53])
  assert.is(world.live('gwy')?.listeners.length, 1)
})

test('createRoutingTable: actions become plans and answers', () => {
  const oidc = { Type: 'authenticate-oidc' as const, Order: 1 }
  const weighted = {
    TargetGroups: [
      { TargetGroupArn: 'a', Weight: 8 },
      { TargetGroupArn: 'b', Weight: 0 },
      { TargetGroupArn: 'c' },
    ],
    TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 },
  }
  const listener = 'listener/web/80'
  const world = new TableWorld((it) => {
    it.balancer('web', 80)
    it.put(
      ruleRow(listener, 1, {
        actions: [{ Type: 'forward', Order: 2, ForwardConfig: weighted }, oidc],
      }),
      ruleRow(listener, 2, {
        actions: [{ Type: 'redirect', RedirectConfig: { Path: '/x', StatusCode: 'HTTP_302' } }],
      }),
      ruleRow(listener, 3, {
        actions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '418' } }],
        transforms: [
          { Type: 'url-rewrite', UrlRewriteConfig: { Rewrites: [{ Regex: '^/3', Replace: '' }] } },
        ],
      }),
      ruleRow(listener, 4, { actions: [{ Type: 'forward' }] }),
      ruleRow(listener, 5, { actions: [{ Type: 'forward', TargetGroupArn: 'a' }, oidc] }),
      ruleRow(listener, 6, { actions: [oidc] }),
    )
  })
  const [one, two, three, last, ...more] = world.live('web')?.listeners[0]?.rules ?? []
  assert.equal(one?.authenticate, [oidc])
  const groups = [
    { arn: 'a', weight: 8 },
    { arn: 'b', weight: 0 },
    { arn: 'c', weight: 1 },
  ]
  assert.equal(one?.final, { kind: 'forward', plan: { groups, stickinessMs: 60_000 } })
  assert.is(two?.final.kind === 'redirect' && two.final.answer(requestFacts()).status, 302)
  assert.is(three?.final.kind === 'fixed-response' && three.final.answer.status, 418)
  assert.equal(three?.rewrite?.(requestFacts({ url: '/3/a' })), { url: '/a' })
  assert.equal(last?.final, { kind: 'forward', plan: { groups: [{ arn: GROUP, weight: 1 }] } })
  assert.equal(more, [], 'rules without an answer at their end are left out')
  assert.is(world.logged.length, 3)
})

test.run()
