import type { TaskRuntime } from '../cluster/runtime.ts'
import type { EcsContext } from '../ecs/context.ts'
import { createReconciler, type Reconciler } from '../ecs/reconcile.ts'
import { type EcsRows, openRows } from '../ecs/rows.ts'
import { createBackend } from '../gateway/backend.ts'
import { type Clock, systemClock } from '../gateway/core/clock.ts'
import { messageOf } from '../gateway/core/fault.ts'
import { type Ids, systemIds } from '../gateway/core/ids.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { Store } from '../gateway/core/store.ts'
import { watchHealth } from '../gateway/health.ts'
import type { BannerFacts } from './banner.ts'
import type { Closers } from './closers.ts'
import { createDoors } from './doors.ts'
import { listenOrExplain, urlOf } from './listen.ts'
import { openLoadBalancing } from './load-balancing.ts'
import { createNetworkLookup } from './network-lookup.ts'
import { UserError } from './output.ts'
import type { Parts } from './parts.ts'
import { recordTasks } from './record.ts'
import { createRuntime, refuseOpenProcesses } from './runtime.ts'
import type { Settings } from './settings.ts'
import { lazySql } from './sql.ts'
import { openStorage } from './storage.ts'
import { createTaskEnvironment } from './task-environment.ts'
import { versionOf } from './version.ts'

export interface GatewayOptions {
  readonly settings: Settings
  readonly log: Logger
  readonly clock?: Clock
  readonly ids?: Ids
  /** In place of the one that the settings name. */
  readonly runtime?: TaskRuntime
}

/** A gateway that answers. */
export interface Running {
  readonly endpoint: string
  readonly adminEndpoint: string
  readonly banner: BannerFacts
  readonly apiPort: number
  readonly adminPort: number
  readonly store: Store
  readonly rows: EcsRows
  readonly reconciler: Reconciler
  /** Stops accepting, finishes what is under way, flushes and leaves. */
  close(): Promise<void>
}

/** How long requests under way may take after close() was called. */
const CLOSE_GRACE_MS = 5_000

/** Builds the gateway and listens; UserErrors for whatever of its surroundings is in the way. */
export async function startGateway(options: GatewayOptions): Promise<Running> {
  const closers: Closers = []
  async function close(): Promise<void> {
    for (let last = closers.pop(); last; last = closers.pop()) await last()
  }
  try {
    const running = await build(options, closers)
    let closing: Promise<void> | undefined
    return {
      ...running,
      close() {
        closing ??= close()
        return closing
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function build(options: GatewayOptions, closers: Closers): Promise<Omit<Running, 'close'>> {
  const parts = await openParts(options, closers)
  const { settings, runtime, store, rows, backend } = parts
  const { host, apiPort, adminPort } = settings
  const ports = { api: apiPort, admin: adminPort }
  const facts = () => ({
    version: versionOf(),
    endpoint: settings.endpoint ?? urlOf(host, ports.api),
    adminEndpoint: urlOf(host, ports.admin),
    dataDir: settings.dataDir,
    runtime: runtime.name,
    honesty: runtime.honesty,
    listenerHost: settings.listenerHost,
    backend: settings.backend,
  })
  const { api, admin } = createDoors(parts, facts, closers)
  closers.push(async () => {
    await Promise.all([api.close(CLOSE_GRACE_MS), admin.close(CLOSE_GRACE_MS)])
  })
  ports.api = await listenOrExplain(api, apiPort, host, '--api-port')
  ports.admin = await listenOrExplain(admin, adminPort, host, '--admin-port')
  parts.balancing.open(
    settings.endpoint ?? urlOf(host, ports.api),
    new Map([
      [ports.api, 'the AWS endpoint of kecs'],
      [ports.admin, 'the admin port of kecs'],
    ]),
  )
  // Calls are answered meanwhile; /ready says when tasks are looked after, too.
  await takeOver(parts)
  const { status, detail } = await backend.check()
  const banner = { ...facts(), backendTrouble: status === 'up' ? undefined : detail }
  return {
    endpoint: banner.endpoint,
    adminEndpoint: banner.adminEndpoint,
    banner,
    apiPort: ports.api,
    adminPort: ports.admin,
    store,
    rows,
    reconciler: parts.reconciler,
  }
}

async function takeOver({ reconciler, runtime, health }: Parts): Promise<void> {
  try {
    await reconciler.start()
    health.report()
  } catch (error) {
    throw new UserError(
      `the ${runtime.name} runtime could not be started.`,
      messageOf(error),
      'See that what it needs is there, or use --runtime simulated.',
    )
  }
}

async function openParts(options: GatewayOptions, closers: Closers): Promise<Parts> {
  const { settings, log, clock = systemClock, ids = systemIds } = options
  refuseOpenProcesses(settings)
  const startedAtMs = clock.now()
  const storage = await openStorage(settings.dataDir, clock, log)
  closers.push(() => storage.close())
  const { store } = storage
  const rows = openRows(store)
  closers.push(recordTasks(store, storage.history, clock))
  // Behind the store's lock: what a runtime keeps in the data directory is this process's alone.
  const runtime = options.runtime ?? (await createRuntime(settings, clock, closers, log))
  closers.push(() => runtime.close())
  const balancing = await openLoadBalancing(
    { settings, store, ecs: rows, runtime, clock, ids, log },
    closers,
  )
  const context: EcsContext = {
    store,
    rows,
    clock,
    ids,
    log,
    lookUpNetwork: createNetworkLookup(settings.backend, log),
    describeTargetGroup: balancing.registrar.describe,
    nodes: () => runtime.nodes(),
    runtimeAttributes: runtime.attributes,
    taskEnvironment: createTaskEnvironment(settings),
  }
  const reconciler = createReconciler({ context, runtime, targets: balancing.registrar })
  closers.push(() => reconciler.close())
  const backend = createBackend({ url: settings.backend, log, clock, ids })
  closers.push(() => backend.close())
  const made = { settings, log, clock, ids, startedAtMs, runtime, storage, store, rows }
  return watched({ ...made, context, balancing, reconciler, backend }, closers)
}

type Made = Omit<Parts, 'health' | 'ready' | 'sql'>

/** The parts with what looks at them from outside. */
function watched(made: Made, closers: Closers): Parts {
  const { clock, log, storage, rows, runtime, reconciler, backend, balancing } = made
  const health = watchHealth(clock, [
    { name: 'store', essential: true, check: storage.health },
    { name: 'runtime', essential: false, check: () => runtime.health() },
    { name: 'reconciler', essential: true, check: () => reconciler.health() },
    { name: 'listeners', essential: false, check: () => balancing.health() },
    { name: 'backend', essential: false, check: () => backend.health() },
  ])
  closers.push(() => health.stop())
  const sql = lazySql(rows, storage.history, balancing.context, log)
  closers.push(() => sql.close())
  return {
    ...made,
    health,
    ready: () => reconciler.health().status !== 'down' && storage.health().status !== 'down',
    sql: sql.query,
  }
}
