import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openRows, type ServiceRow, type TaskRow } from '../../ecs/rows.ts'
import type { HistoryReader } from '../../ecs/sql-history.ts'
import { ecsTables } from '../../ecs/sql-tables.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { createMemoryStore } from '../../gateway/core/memory-store.ts'
import { documentTables } from '../../gateway/core/sql-table.ts'
import { createSqlEngine } from '../../gateway/sql.ts'

const BEGIN_MS = Date.UTC(2026, 0, 1)
const OWNER = { account: '000000000000', region: 'us-east-1' }
const arn = (resource: string) => `arn:aws:ecs:us-east-1:000000000000:${resource}`
const CLUSTER = arn('cluster/shop')
const SERVICE = arn('service/shop/web')
const DEFINITION = arn('task-definition/web:3')
const DEPLOYMENT = 'ecs-svc/1234567890123456789'
const INSTANCE = arn('container-instance/shop/0a')

function taskOf(id: string, lastStatus: TaskRow['lastStatus']): TaskRow {
  return {
    ...OWNER,
    arn: arn(`task/shop/${id}`),
    id,
    clusterArn: CLUSTER,
    taskDefinitionArn: DEFINITION,
    group: 'service:web',
    startedBy: DEPLOYMENT,
    serviceArn: SERVICE,
    deploymentId: DEPLOYMENT,
    launchType: 'EC2',
    containerInstanceArn: INSTANCE,
    availabilityZone: 'us-east-1a',
    cpu: '256',
    memory: '512',
    desiredStatus: lastStatus === 'STOPPED' ? 'STOPPED' : 'RUNNING',
    lastStatus,
    containers: [
      {
        arn: arn(`container/shop/${id}/1`),
        name: 'app',
        image: 'nginx',
        lastStatus: lastStatus === 'STOPPED' ? 'STOPPED' : 'RUNNING',
        exitCode: lastStatus === 'STOPPED' ? 137 : undefined,
        networkBindings: [{ containerPort: 80, hostPort: 32768 }],
        networkInterfaces: [],
        healthStatus: 'UNKNOWN',
      },
    ],
    attachments: [],
    overrides: {},
    enableExecuteCommand: false,
    tags: [{ key: 'team', value: 'a' }],
    healthStatus: 'HEALTHY',
    createdAtMs: BEGIN_MS,
    startedAtMs: lastStatus === 'RUNNING' ? BEGIN_MS + 1500 : undefined,
    version: 1,
  }
}

const launch = { taskDefinitionArn: DEFINITION, launchType: 'EC2' as const }

const service: ServiceRow = {
  ...OWNER,
  arn: SERVICE,
  name: 'web',
  clusterArn: CLUSTER,
  status: 'ACTIVE',
  schedulingStrategy: 'REPLICA',
  deploymentController: 'ECS',
  desiredCount: 3,
  launch,
  deployments: [
    {
      ...launch,
      id: DEPLOYMENT,
      status: 'PRIMARY',
      desiredCount: 3,
      rolloutState: 'IN_PROGRESS',
      rolloutStateReason: 'in progress',
      createdAtMs: BEGIN_MS,
      updatedAtMs: BEGIN_MS,
      failedTasks: 1,
    },
  ],
  deploymentConfiguration: {},
  placementConstraints: [],
  placementStrategy: [],
  availabilityZoneRebalancing: 'DISABLED',
  enableECSManagedTags: false,
  propagateTags: 'NONE',
  enableExecuteCommand: false,
  createdBy: 'arn:aws:iam::000000000000:root',
  tags: [],
  createdAtMs: BEGIN_MS,
  steady: false,
  requestHash: '',
}

const history: HistoryReader = {
  read: (kind: string) =>
    (kind === 'task_event'
      ? [{ atMs: BEGIN_MS, taskArn: arn('task/shop/a'), from: 'PENDING', to: 'RUNNING' }]
      : [
          { atMs: BEGIN_MS, service: 'ecs', operation: 'RunTask', status: 400, code: 'X' },
        ]) as never[],
}

const rows = openRows(createMemoryStore())
rows.clusters.put(CLUSTER, {
  ...OWNER,
  arn: CLUSTER,
  name: 'shop',
  status: 'ACTIVE',
  settings: [],
  capacityProviders: ['FARGATE'],
  defaultCapacityProviderStrategy: [],
  tags: [],
  createdAtMs: BEGIN_MS,
})
rows.taskDefinitions.put(DEFINITION, {
  ...OWNER,
  arn: DEFINITION,
  family: 'web',
  revision: 3,
  status: 'ACTIVE',
  body: { cpu: '256', memory: '512', containerDefinitions: [{ name: 'app', image: 'nginx' }] },
  requiresAttributes: [],
  compatibilities: ['EC2'],
  registeredAtMs: BEGIN_MS,
  registeredBy: 'me',
  tags: [],
})
rows.services.put(SERVICE, service)
rows.serviceEvents.put('e1', {
  ...OWNER,
  arn: SERVICE,
  id: 'e1',
  serviceArn: SERVICE,
  createdAtMs: BEGIN_MS,
  message: '(service web) has started 1 tasks.',
})
rows.containerInstances.put(INSTANCE, {
  ...OWNER,
  arn: INSTANCE,
  id: '0a',
  clusterArn: CLUSTER,
  status: 'ACTIVE',
  implicit: true,
  ec2InstanceId: 'i-0a',
  cpuUnits: 2048,
  memoryMiB: 4096,
  attributes: [],
  tags: [],
  registeredAtMs: BEGIN_MS,
  version: 1,
})
for (const [id, status] of [
  ['a', 'RUNNING'],
  ['b', 'RUNNING'],
  ['c', 'PENDING'],
  ['d', 'STOPPED'],
] as const) {
  const task = taskOf(id, status)
  rows.tasks.put(task.arn, task)
}

const tables = ecsTables(rows, history)
const engine = createSqlEngine({ tables, log: silentLogger })
const rowsOf = async (sql: string) => (await engine.query(sql)).rows

test.after(() => engine.close())

test('ecsTables: each has a row, and each of its columns can be named as it is', async () => {
  for (const { name, columns } of tables) {
    // A keyword such as AT would parse in one place and not in the other.
    const each = columns.map((column) => `max(${column.name}), count(t.${column.name})`)
    const [row] = await rowsOf(`SELECT count(*), ${each.join(', ')} FROM ${name} t`)
    assert.ok(Number(row?.[0]) > 0, name)
  }
})

test('ecsTables: the counts follow from the tasks', async () => {
  const counts = 'running_count, pending_count'
  assert.equal(await rowsOf(`SELECT name, ${counts}, active_services_count FROM clusters`), [
    ['shop', 2, 1, 1],
  ])
  assert.equal(await rowsOf(`SELECT name, desired_count, ${counts} FROM services`), [
    ['web', 3, 2, 1],
  ])
  assert.equal(await rowsOf(`SELECT service, ${counts}, failed_count FROM deployments`), [
    ['web', 2, 1, 1],
  ])
  assert.equal(await rowsOf(`SELECT cluster, ${counts} FROM container_instances`), [['shop', 2, 1]])
})

test('ecsTables: short names join what belongs together', async () => {
  const sql = `SELECT t.id, d.images, c.exit_code, c.host_ports, t.started_at - t.created_at, t.tags
    FROM tasks t JOIN containers c ON c.task_id = t.id JOIN services s ON s.name = t.service
    JOIN task_definitions d ON d.task_definition = t.task_definition WHERE t.id IN ('a', 'd') ORDER BY t.id`
  assert.equal(await rowsOf(sql), [
    ['a', '["nginx"]', null, '[32768]', '00:00:01.5', '{"team":"a"}'],
    ['d', '["nginx"]', 137, '[32768]', null, '{"team":"a"}'],
  ])
})

test('ecsTables: history is asked like everything else', async () => {
  assert.equal(
    await rowsOf('SELECT task_id, from_status, to_status, occurred_at FROM task_events'),
    [['a', 'PENDING', 'RUNNING', '2026-01-01T00:00:00.000Z']],
  )
  assert.equal(await rowsOf('SELECT service, operation, status, code FROM api_calls'), [
    ['ecs', 'RunTask', 400, 'X'],
  ])
})

test('ecsTables: what is read later shows the moment of the question', () => {
  const tasks = tables.find(({ name }) => name === 'tasks')!
  const moment = tasks.rows() as Iterable<readonly unknown[]>
  const added = taskOf('e', 'PENDING')
  rows.tasks.put(added.arn, added)
  assert.is([...moment].length, 4)
  assert.is([...(tasks.rows() as Iterable<unknown>)].length, 5)
  rows.tasks.delete(added.arn)
})

test('documentTables: every table and column is in the Markdown, one line each', () => {
  const text = documentTables(tables)
  for (const { name, columns } of tables) {
    assert.ok(text.includes(`### \`${name}\``), name)
    for (const column of columns) {
      assert.ok(text.includes(`| \`${column.name}\` | ${column.type} | ${column.description} |`))
      assert.not.match(column.description, /[|\n]/)
    }
    assert.is(new Set(columns.map((column) => column.name)).size, columns.length, name)
  }
})

test.run()
