import {
  CreateClusterCommand,
  type ECSClient,
  ListClustersCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UserError } from '../../bin/output.ts'
import { startGateway } from '../../bin/serve.ts'
import { createSimulatedRuntime } from '../../cluster/local/simulated.ts'
import type { TaskRuntime } from '../../cluster/runtime.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { FakeClock } from '../fake-clock.ts'
import { startTestGateway, TEST_SETTINGS, type TestGateway } from '../harness.ts'

const gateway = suite<{
  kecs: TestGateway
  clock: FakeClock
  /** What the runtime said last of each task. */
  phases: () => string[]
}>('startGateway')

gateway.before.each(async (context) => {
  context.clock = new FakeClock()
  const simulated = createSimulatedRuntime({ clock: context.clock })
  const last = new Map<string, string>()
  const runtime: TaskRuntime = {
    ...simulated,
    start: (believed, onState) =>
      simulated.start(believed, (state) => {
        last.set(state.id, state.phase)
        onState(state)
      }),
  }
  context.phases = () => [...last.values()]
  context.kecs = await startTestGateway({ clock: context.clock, runtime })
})
gateway.after.each(({ kecs }) => kecs.close())

const local = (url: string) => url.replace('localhost', '127.0.0.1')

async function admin(kecs: TestGateway, path: string, body?: object): Promise<Response> {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const init = body && { ...post, body: JSON.stringify(body) }
  return fetch(local(kecs.adminEndpoint) + path, init)
}

async function runTasks(ecs: ECSClient, count: number): Promise<void> {
  await ecs.send(new CreateClusterCommand({}))
  const container = { name: 'app', image: 'nginx', memory: 64 }
  const definition = { family: 'web', containerDefinitions: [container] }
  await ecs.send(new RegisterTaskDefinitionCommand(definition))
  await ecs.send(new RunTaskCommand({ taskDefinition: 'web', count }))
}

/** Turns the clock until nothing is left to do for the next ten seconds. */
async function settle(kecs: TestGateway, clock: FakeClock): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await kecs.reconciler.idle()
    clock.advance(500)
  }
  await kecs.reconciler.idle()
}

gateway('scope: two regions and two accounts never see one another', async ({ kecs }) => {
  await kecs.ecs().send(new CreateClusterCommand({ clusterName: 'here' }))
  const others = [kecs.ecs({ region: 'eu-west-1' }), kecs.ecs({ accessKeyId: '123456789012' })]
  for (const other of others) {
    assert.equal((await other.send(new ListClustersCommand({}))).clusterArns, [])
  }
  const { clusterArns } = await kecs.ecs().send(new ListClustersCommand({}))
  assert.equal(clusterArns, ['arn:aws:ecs:us-east-1:000000000000:cluster/here'])
})

gateway('/ready: true once tasks are looked after', async ({ kecs }) => {
  const answer = await fetch(`${local(kecs.endpoint)}/ready`)
  assert.is(answer.status, 200)
  assert.equal(await answer.json(), { ready: true })
})

gateway('/health/detailed: every component', async ({ kecs }) => {
  const report = (await (await admin(kecs, '/health/detailed')).json()) as {
    status: string
    components: { name: string; status: string; detail: string; since: string }[]
  }
  assert.is(report.status, 'up')
  assert.equal(
    report.components.map(({ name, status }) => `${name} ${status}`),
    ['store up', 'runtime up', 'reconciler up', 'listeners up', 'backend up'],
  )
  for (const { detail, since } of report.components) {
    assert.ok(detail)
    assert.is(new Date(since).toISOString(), since)
  }
})

gateway('/metrics: calls, faults, tasks, passes and the loop', async ({ kecs, clock }) => {
  const ecs = kecs.ecs()
  await runTasks(ecs, 2)
  await ecs.send(new RunTaskCommand({ taskDefinition: 'none' })).catch(() => {})
  await fetch(`${local(kecs.endpoint)}/bucket`)
  await settle(kecs, clock)
  const text = await (await admin(kecs, '/metrics')).text()
  const series = (operation: string, outcome: string) =>
    `kecs_requests_total{service="ecs",operation="${operation}",outcome="${outcome}"} 1\n`
  assert.match(text, series('RunTask', 'ok'))
  assert.match(text, series('RunTask', 'ClientException'))
  assert.match(
    text,
    'kecs_request_duration_seconds_count{service="ecs",operation="CreateCluster"} 1\n',
  )
  assert.match(text, 'kecs_tasks{status="RUNNING"} 2\n')
  assert.match(text, /^kecs_reconcile_passes_total [1-9]/m)
  assert.match(text, 'kecs_proxied_requests_total 1\n')
  assert.match(text, /^kecs_event_loop_lag_seconds\{kind="worst"\} [\d.e-]+$/m)
  assert.match(text, 'kecs_component_up{component="reconciler"} 1\n')
  assert.match(text, /^process_resident_memory_bytes \d+$/m)
})

gateway('/reset: rows go, tasks stop, and nothing comes back', async ({ kecs, clock, phases }) => {
  const ecs = kecs.ecs()
  await runTasks(ecs, 3)
  await settle(kecs, clock)
  const answer = await admin(kecs, '/reset', {})
  assert.is(answer.status, 200)
  assert.is(((await answer.json()) as { tasks: number }).tasks, 3)
  await settle(kecs, clock)
  assert.equal(phases(), ['stopped', 'stopped', 'stopped'])
  for (const collection of Object.values(kecs.rows)) assert.is(collection.size, 0, collection.name)
  await ecs.send(new CreateClusterCommand({}))
  assert.equal((await ecs.send(new ListTasksCommand({}))).taskArns, [])
})

gateway('/sql: history has the calls and what became of tasks', async ({ kecs, clock }) => {
  await runTasks(kecs.ecs(), 1)
  await settle(kecs, clock)
  const ask = async (sql: string) =>
    ((await (await admin(kecs, '/sql', { sql })).json()) as { rows: unknown[][] }).rows
  const events = await ask('SELECT to_status FROM task_events ORDER BY occurred_at')
  assert.is(events.at(-1)?.[0], 'RUNNING')
  const calls = await ask('SELECT operation, status FROM api_calls ORDER BY occurred_at')
  assert.equal(calls, [
    ['CreateCluster', 200],
    ['RegisterTaskDefinition', 200],
    ['RunTask', 200],
  ])
})

gateway('startGateway: processes are refused where others can call', async () => {
  const settings = { ...TEST_SETTINGS, runtime: 'process', host: '0.0.0.0' } as const
  try {
    await (await startGateway({ settings, log: silentLogger })).close()
    assert.unreachable()
  } catch (error) {
    assert.instance(error, UserError)
    assert.is((error as UserError).exitCode, 2)
  }
})

gateway('close: twice is once, and the ports are free again', async ({ kecs }) => {
  await Promise.all([kecs.close(), kecs.close()])
  const settings = { apiPort: kecs.apiPort, adminPort: kecs.adminPort }
  const next = await startTestGateway({ settings })
  await next.close()
})

gateway.run()
