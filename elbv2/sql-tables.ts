/** What ELBv2 shows to SQL: a table a kind of resource, and what health checks find at this moment. */
import { type SqlField, type SqlTable, tableOf } from '../gateway/core/sql-table.ts'
import type { LiveFacts } from './context.ts'
import { dnsNameOf } from './names.ts'
import type {
  Elbv2Rows,
  ListenerRow,
  LoadBalancerRow,
  Owned,
  RuleRow,
  TargetGroupRow,
  TargetRow,
} from './rows.ts'

export interface Elbv2SqlOptions {
  readonly rows: Elbv2Rows
  readonly live: LiveFacts
  readonly dnsSuffix: string
}

const OWNER: readonly SqlField<Owned>[] = [
  ['arn', 'VARCHAR', 'Its ARN', (row) => row.arn],
  ['account', 'VARCHAR', 'Its account', (row) => row.account],
  ['region', 'VARCHAR', 'Its region', (row) => row.region],
]

const LISTENER: readonly SqlField<ListenerRow>[] = [
  ['port', 'BIGINT', 'Its port', (row) => row.port],
  ['protocol', 'VARCHAR', 'HTTP, HTTPS, TCP …', (row) => row.protocol],
  [
    'load_balancer_arn',
    'VARCHAR',
    '`arn` in load_balancers',
    ({ loadBalancerArn }) => loadBalancerArn,
  ],
  ['default_actions', 'VARCHAR', 'JSON list', (row) => listed(row.defaultActions)],
  ['certificates', 'VARCHAR', 'ARNs: a JSON list', (row) => listed(row.certificateArns)],
  ['created_at', 'TIMESTAMP', 'When it was created', (row) => row.createdAtMs],
  ...OWNER,
]

const RULE: readonly SqlField<RuleRow>[] = [
  ['priority', 'BIGINT', 'Lower ones are tried first', (row) => row.priority],
  ['listener_arn', 'VARCHAR', '`arn` in listeners', (row) => row.listenerArn],
  ['conditions', 'VARCHAR', 'JSON list', (row) => listed(row.conditions)],
  ['actions', 'VARCHAR', 'JSON list', (row) => listed(row.actions)],
  ['created_at', 'TIMESTAMP', 'When it was created', (row) => row.createdAtMs],
  ...OWNER,
]

const TARGET_GROUP: readonly SqlField<TargetGroupRow>[] = [
  ['name', 'VARCHAR', 'Its name', (row) => row.name],
  ['protocol', 'VARCHAR', 'Towards its targets', (row) => row.protocol],
  ['port', 'BIGINT', 'Of targets that name none', (row) => row.port],
  ['target_type', 'VARCHAR', 'instance, ip, lambda or alb', (row) => row.targetType],
  ['health_check_path', 'VARCHAR', 'Of HTTP health checks', (row) => row.healthCheck.path],
  ['created_at', 'TIMESTAMP', 'When it was created', (row) => row.createdAtMs],
  ...OWNER,
]

/** The tables over these rows. Scopes are columns: a question sees all of them. */
export function elbv2Tables({ rows, live, dnsSuffix }: Elbv2SqlOptions): SqlTable[] {
  const balancer: readonly SqlField<LoadBalancerRow>[] = [
    ['name', 'VARCHAR', 'Its name', (row) => row.name],
    ['type', 'VARCHAR', 'application, network or gateway', (row) => row.type],
    ['scheme', 'VARCHAR', 'internet-facing or internal', (row) => row.scheme],
    ['state', 'VARCHAR', 'provisioning or active', (row) => row.state],
    ['trouble', 'VARCHAR', 'Why a port of its is not open', ({ arn }) => live.trouble(arn)],
    ['dns_name', 'VARCHAR', 'Its DNS name', (row) => dnsNameOf(row, dnsSuffix)],
    ['created_at', 'TIMESTAMP', 'When it was created', (row) => row.createdAtMs],
    ...OWNER,
  ]
  const target: readonly SqlField<TargetRow>[] = [
    ['id', 'VARCHAR', 'An address, an instance or an ARN', (row) => row.id],
    ['port', 'BIGINT', 'Its port', (row) => row.port],
    ['state', 'VARCHAR', 'healthy, unhealthy …', (row) => stateOf(row, live)],
    ['reason', 'VARCHAR', 'Why it is not healthy', (row) => live.targetHealth(row).description],
    ['target_group_arn', 'VARCHAR', '`arn` in target_groups', (row) => row.targetGroupArn],
    ['owner', 'VARCHAR', 'ARN of the task that it is', (row) => row.owner],
    ['registered_at', 'TIMESTAMP', 'When it was registered', (row) => row.registeredAtMs],
    ['draining_since', 'TIMESTAMP', 'When it was deregistered', (row) => row.drainingSinceMs],
    ['account', 'VARCHAR', 'Its account', (row) => row.account],
    ['region', 'VARCHAR', 'Its region', (row) => row.region],
  ]
  return [
    tableOf(
      'load_balancers',
      'A row a load balancer.',
      () => [...rows.loadBalancers.all()],
      balancer,
    ),
    tableOf('listeners', 'A row a listener.', () => [...rows.listeners.all()], LISTENER),
    tableOf(
      'listener_rules',
      'A row a rule, but for the default ones: theirs are the `default_actions` of listeners.',
      () => [...rows.rules.all()],
      RULE,
    ),
    tableOf(
      'target_groups',
      'A row a target group.',
      () => [...rows.targetGroups.all()],
      TARGET_GROUP,
    ),
    tableOf(
      'targets',
      'A row a target, those that are being drained among them.',
      () => [...rows.targets.all()],
      target,
    ),
  ]
}

function stateOf(row: TargetRow, live: LiveFacts): string {
  return row.drainingSinceMs === undefined ? live.targetHealth(row).state : 'draining'
}

function listed(items: readonly unknown[]): string | undefined {
  return items.length > 0 ? JSON.stringify(items) : undefined
}
