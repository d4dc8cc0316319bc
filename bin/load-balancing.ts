/** ELBv2 put together: its API, its traffic, and what ECS is given of both. */
import { mkdir } from 'node:fs/promises'
import type { TaskRuntime } from '../cluster/runtime.ts'
import type { ContainerInstanceRow, EcsRows } from '../ecs/rows.ts'
import type { TargetRegistrar } from '../ecs/targets.ts'
import type { Elbv2Context, LiveFacts } from '../elbv2/context.ts'
import { createHealthMonitor } from '../elbv2/data-plane/health/health-monitor.ts'
import { createEdge } from '../elbv2/data-plane/http/edge.ts'
import { createLambdaForwarder } from '../elbv2/data-plane/lambda/lambda.ts'
import { createListeners, type Listeners } from '../elbv2/data-plane/listeners.ts'
import { type AccessLogs, createAccessLogs } from '../elbv2/data-plane/logs/access-log.ts'
import { createConnectionWatch } from '../elbv2/data-plane/logs/connection-watch.ts'
import { createFigures, type Figures } from '../elbv2/data-plane/logs/figures.ts'
import type {
  LiveGroup,
  OpenListener,
  RequestRecord,
  RoutingTable,
} from '../elbv2/data-plane/model.ts'
import { createRoutingTable } from '../elbv2/data-plane/table.ts'
import { type Anomalies, createAnomalies } from '../elbv2/data-plane/targets/anomalies.ts'
import { createLiveTargets, type LiveTargets } from '../elbv2/data-plane/targets/live-targets.ts'
import { createGroupUsage } from '../elbv2/data-plane/targets/usage.ts'
import { createLifecycle } from '../elbv2/lifecycle.ts'
import { createElbv2Provider } from '../elbv2/provider.ts'
import { type Elbv2Rows, openElbv2Rows, type TargetRow } from '../elbv2/rows.ts'
import type { Edge } from '../gateway/app.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { Ids } from '../gateway/core/ids.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { Provider } from '../gateway/core/provider.ts'
import type { Store } from '../gateway/core/store.ts'
import type { ComponentHealth } from '../gateway/health.ts'
import { createBackendCaller } from './backend-caller.ts'
import type { Closers } from './closers.ts'
import { createFront } from './http-front.ts'
import { openersOf } from './listener-ports.ts'
import { createScriptedTargets, noScripts } from './scripted-targets.ts'
import { secretKey } from './secret.ts'
import type { Settings } from './settings.ts'
import { balancingDirOf } from './storage.ts'
import { createTargetRegistrar, targetAddress, type Whereabouts } from './target-registrar.ts'

export interface LoadBalancingOptions {
  readonly settings: Settings
  readonly store: Store
  readonly ecs: EcsRows
  readonly runtime: TaskRuntime
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
}

export interface LoadBalancing {
  readonly provider: Provider
  readonly rows: Elbv2Rows
  readonly context: Elbv2Context
  /** On the API port, by Host. */
  readonly edges: readonly Edge[]
  readonly registrar: TargetRegistrar
  readonly figures: Figures
  readonly accessLogs: AccessLogs
  readonly table: () => RoutingTable
  readonly live: LiveTargets
  /** Degraded while a listener's own port cannot be opened. */
  readonly health: () => ComponentHealth
  /** Opens the listeners' own ports, once it is known where KECS itself is reached. */
  open(endpoint: string, reserved: ReadonlyMap<number, string>): void
}

/** How long requests on the listeners' own ports may take after all is told to close. */
const CLOSE_GRACE_MS = 5_000

export async function openLoadBalancing(
  options: LoadBalancingOptions,
  closers: Closers,
): Promise<LoadBalancing> {
  const { settings, store, clock, ids, log } = options
  const dnsSuffix = settings.elbDomain
  const rows = openElbv2Rows(store)
  let listeners: Listeners | undefined
  const parts = trafficOf(options, rows, (...port) => listeners?.reachedAt(...port), closers)
  const { live, monitor, scripts, anomalies } = parts
  let endpoint = ''
  const facts: LiveFacts = {
    targetHealth: (target) => scripts.healthOf(target) ?? monitor.healthOf(target),
    anomaly: anomalies.detection,
    trouble: (arn) => listeners?.trouble(arn),
  }
  const context: Elbv2Context = {
    ...{ store, rows, clock, ids, log, dnsSuffix, callBackend: parts.callBackend, live: facts },
    get endpoint() {
      return endpoint
    },
  }
  const { accessLogs, figures, watch, onRequest } = recordersOf(context, anomalies, closers)
  const dir = await folderOf(settings)
  const made = { ...options, ...parts, key: await secretKey(dir), dnsSuffix, closers }
  const { front, publicKeys } = createFront(made, onRequest)
  const tables = createRoutingTable({ rows, dnsSuffix, log })
  closers.push(
    store.onChange((changes) => {
      if (tables.update(changes)) listeners?.update()
    }),
  )
  startLifecycle(context, closers)
  const { ecs } = options
  const targets = { ecs, elbv2: rows, live, healthOf: facts.targetHealth, scripts, clock }
  return {
    provider: createElbv2Provider(context),
    rows,
    context,
    edges: [createEdge({ table: tables.current, front, watch, clock }), publicKeys],
    registrar: createTargetRegistrar(targets),
    figures,
    accessLogs,
    table: tables.current,
    live,
    health: () => healthOf(tables.current(), facts),
    open(reachedAt, reserved) {
      endpoint = reachedAt
      const openers = openersOf({ context, front, watch, live, dir, closers })
      listeners = openListeners(options, openers, tables.current, reserved)
      closers.push(() => listeners?.close(CLOSE_GRACE_MS))
    },
  }
}

/** What hears of each request and each connection. */
function recordersOf(context: Elbv2Context, anomalies: Anomalies, closers: Closers) {
  const accessLogs = createAccessLogs(context)
  closers.push(() => accessLogs.close())
  const figures = createFigures()
  return {
    accessLogs,
    figures,
    watch: createConnectionWatch(figures, accessLogs),
    onRequest(record: RequestRecord) {
      figures.onRequest(record)
      anomalies.onRequest(record)
      accessLogs.onRequest(record)
    },
  }
}

function healthOf({ byArn }: RoutingTable, { trouble }: LiveFacts): ComponentHealth {
  for (const [arn, { row }] of byArn) {
    const detail = trouble(arn)
    if (detail !== undefined) return { status: 'degraded', detail: `${row.name}: ${detail}` }
  }
  return { status: 'up', detail: `${byArn.size} load balancers` }
}

function startLifecycle(context: Elbv2Context, closers: Closers): void {
  const lifecycle = createLifecycle({ context })
  lifecycle.start()
  closers.push(() => lifecycle.close())
}

/** Targets and what health checks find of them, both at work. */
function trafficOf(
  options: LoadBalancingOptions,
  rows: Elbv2Rows,
  balancerAddress: Whereabouts['balancerAddress'],
  closers: Closers,
) {
  const { settings, store, clock, log, ecs, runtime } = options
  const callBackend = createBackendCaller(settings.backend)
  const lambda = createLambdaForwarder({ callBackend, log })
  // Every machine is this one where the runtime tells of no others.
  const nodeAddress = ({ node }: ContainerInstanceRow) => {
    const nodes = runtime.nodes()
    return (nodes.find(({ name }) => name === node) ?? nodes[0])?.address
  }
  const where = { ecs, nodeAddress, balancerAddress }
  const live = createLiveTargets({
    rows,
    store,
    clock,
    log,
    addressOf: (row: TargetRow, group) => targetAddress(where, row, group),
  })
  const usage = createGroupUsage(rows, store)
  const monitor = createHealthMonitor({
    live,
    clock,
    log,
    random: Math.random,
    inUse: usage.inUse,
    probeLambda: async (target, group) => {
      const { status } = await lambda.probe(group, target, probeTimeoutMs(group))
      return status
    },
  })
  live.start()
  closers.push(() => live.close())
  monitor.start()
  closers.push(() => monitor.close())
  usage.start((groupArn) => monitor.lookAgain(groupArn))
  closers.push(() => usage.close())
  const simulated = runtime.name === 'simulated'
  const scripts = simulated ? createScriptedTargets(ecs, clock) : noScripts
  return {
    callBackend,
    lambda,
    live,
    monitor,
    scripts,
    anomalies: createAnomalies({ live, clock }),
  }
}

function probeTimeoutMs({ row }: LiveGroup): number {
  return row.healthCheck.timeoutSeconds * 1000
}

function openListeners(
  { settings, clock, log }: LoadBalancingOptions,
  openers: Readonly<Record<string, OpenListener>>,
  table: () => RoutingTable,
  reserved: ReadonlyMap<number, string>,
): Listeners {
  const { listenerHost: host = '' } = settings
  const enabled = host !== ''
  const listeners = createListeners({ table, openers, host, reserved, clock, log, enabled })
  listeners.update()
  return listeners
}

/** Where the secret and the certificate authority are kept; undefined: they die with the process. */
async function folderOf({ dataDir }: Settings): Promise<string | undefined> {
  if (dataDir === undefined) return undefined
  const dir = balancingDirOf(dataDir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  return dir
}
