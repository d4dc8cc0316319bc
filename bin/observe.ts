import process from 'node:process'
import type { TaskRow } from '../ecs/rows.ts'
import { TASK_STATUSES } from '../ecs/task-state.ts'
import type { Collection } from '../gateway/core/store.ts'
import type { CallRecord } from '../gateway/dispatch.ts'
import type { HealthReport } from '../gateway/health.ts'
import { createMetrics, type LoopLag, type Metrics, type ReadGauge } from '../gateway/metrics.ts'

export interface ObserveOptions {
  readonly version: string
  readonly runtime: string
  readonly startedAtMs: number
  readonly tasks: Collection<TaskRow>
  readonly lag: LoopLag
  readonly health: () => HealthReport
  /** Open connections of both ports. */
  readonly connections: () => { readonly api: number; readonly admin: number }
  /** What the parts count by themselves, e.g. `kecs_journal_bytes_total`. */
  readonly counters: readonly PartFigure[]
  /** Puts the figures of load balancers beside ours. */
  readonly more: (metrics: Metrics) => void
}

export interface PartFigure {
  readonly name: string
  readonly help: string
  readonly read: () => number
}

export interface Observation {
  readonly onCall: (record: CallRecord) => void
  readonly onProxied: () => void
  readonly render: () => string
}

const LEVELS = { up: 1, degraded: 0.5, down: 0 } as const

/** Everything /metrics tells; what is counted is counted by cells, what is asked is asked then. */
export function observe(options: ObserveOptions): Observation {
  const { tasks, lag, health, connections } = options
  const metrics = createMetrics()
  const calls = metrics.counter('kecs_requests_total', 'API calls answered here.', [
    'service',
    'operation',
    'outcome',
  ])
  const latency = metrics.histogram(
    'kecs_request_duration_seconds',
    'From the whole request to its answer.',
    ['service', 'operation'],
  )
  const proxied = metrics
    .counter('kecs_proxied_requests_total', 'Requests handed to the backend.')
    .at()
  metrics.gauge('kecs_tasks', 'Tasks by last status.', ['status'], () => byStatus(tasks))
  for (const figure of options.counters) {
    metrics.countedElsewhere(figure.name, figure.help, [], only(figure.read))
  }
  metrics.gauge('kecs_component_up', '1 up, 0.5 degraded, 0 down.', ['component'], () =>
    health().components.map(({ name, status }) => [[name], LEVELS[status]] as const),
  )
  metrics.gauge('kecs_connections', 'Open connections.', ['port'], () =>
    Object.entries(connections()).map(([port, count]) => [[port], count] as const),
  )
  metrics.gauge('kecs_event_loop_lag_seconds', 'How late the event loop is.', ['kind'], () => {
    const { lastS, worstS } = lag.read()
    return [
      [['last'], lastS],
      [['worst'], worstS],
    ]
  })
  metrics.gauge(
    'process_resident_memory_bytes',
    'Memory of this process.',
    [],
    only(() => process.memoryUsage.rss()),
  )
  metrics.gauge(
    'process_start_time_seconds',
    'When this process began.',
    [],
    only(() => options.startedAtMs / 1000),
  )
  metrics.gauge('kecs_info', 'Always 1.', ['version', 'runtime'], () => [
    [[options.version, options.runtime], 1],
  ])
  options.more(metrics)
  return {
    onCall(record) {
      calls.at(record.service, record.operation, record.outcome).value++
      latency.observe(record.durationMs / 1000, record.service, record.operation)
    },
    onProxied: () => proxied.value++,
    render: () => metrics.render(),
  }
}

function only(read: () => number): ReadGauge {
  return () => [[[], read()]]
}

function* byStatus(tasks: Collection<TaskRow>): Generator<readonly [readonly string[], number]> {
  const counts = new Map<string, number>(TASK_STATUSES.map((status) => [status, 0]))
  for (const { lastStatus } of tasks.all()) {
    counts.set(lastStatus, (counts.get(lastStatus) ?? 0) + 1)
  }
  for (const [status, count] of counts) yield [[status], count]
}
