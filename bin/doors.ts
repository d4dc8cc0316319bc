import process from 'node:process'
import { createEcsProvider } from '../ecs/provider.ts'
import { createAdmin } from '../gateway/admin.ts'
import type { LogQuery } from '../gateway/admin-logs.ts'
import { type App, createApp } from '../gateway/app.ts'
import type { Backend } from '../gateway/backend.ts'
import { type CallRecord, createDispatcher } from '../gateway/dispatch.ts'
import { createGuard } from '../gateway/guard.ts'
import { watchLoopLag } from '../gateway/metrics.ts'
import { createOwnPages } from '../gateway/own-pages.ts'
import { createHttpServer, type HttpServer } from '../gateway/server.ts'
import type { BannerFacts } from './banner.ts'
import type { Closers } from './closers.ts'
import { type Observation, observe, type PartFigure } from './observe.ts'
import type { Parts } from './parts.ts'
import { recordCall } from './record.ts'
import { resetState } from './reset-state.ts'
import { serviceLogs } from './service-logs.ts'
import { engineOf, versionOf } from './version.ts'

export interface Doors {
  readonly api: HttpServer
  readonly admin: HttpServer
}

/** The servers of both ports, not listening yet. */
export function createDoors(parts: Parts, facts: () => Facts, closers: Closers): Doors {
  const { log, ids } = parts
  const lag = watchLoopLag()
  closers.push(() => lag.stop())
  const observation = observe({
    version: versionOf(),
    runtime: parts.runtime.name,
    startedAtMs: parts.startedAtMs,
    tasks: parts.rows.tasks,
    lag,
    health: parts.health.report,
    connections: () => ({ api: api.connections, admin: admin.connections }),
    counters: [passesOf(parts), ...parts.storage.counters],
    more: (metrics) => {
      const { figures, table, live } = parts.balancing
      figures.register(metrics, { table, group: (arn) => live.group(arn) })
    },
  })
  const api = createHttpServer(apiOf(parts, observation), { log, ids })
  const admin = createHttpServer(adminOf(parts, observation, facts), { log, ids })
  return { api, admin }
}

function apiOf(parts: Parts, observation: Observation): App {
  const { settings, store, clock, ids, log, health, ready } = parts
  const providers = [createEcsProvider(parts.context), parts.balancing.provider]
  const onCall = (record: CallRecord) => {
    observation.onCall(record)
    recordCall(parts.storage.history, record)
  }
  return createApp({
    dispatcher: createDispatcher({ providers, store, clock, log, onCall }),
    backend: counted(parts.backend, observation.onProxied),
    guard: guardOf(parts),
    edges: parts.balancing.edges,
    own: createOwnPages({ health: health.report, ready, version: versionOf(), log }),
    clock,
    ids,
    log,
    defaultAccount: settings.account,
  })
}

function adminOf(parts: Parts, observation: Observation, facts: () => Facts): App {
  const { clock, log, startedAtMs, health } = parts
  return createAdmin({
    guard: guardOf(parts),
    clock,
    log,
    health: health.report,
    metrics: observation.render,
    info: () => ({
      ...infoOf(facts()),
      pid: process.pid,
      engine: engineOf(),
      startedAt: new Date(startedAtMs).toISOString(),
    }),
    sql: parts.sql,
    logs: {
      task: (id, query) => taskLogs(parts, id, query),
      service: (name, query) => serviceLogs(parts, name, query),
      lb: (name, query) => parts.balancing.accessLogs.source(name, query),
    },
    reset: () => resetState(parts),
  })
}

/** Of a task by its id or ARN, as long as ECS describes it. */
function taskLogs({ rows, runtime }: Parts, name: string, query: LogQuery) {
  const id = name.slice(name.lastIndexOf('/') + 1)
  for (const row of rows.tasks.all()) if (row.id === id) return runtime.logs(id, query)
  return undefined
}

type Facts = Omit<BannerFacts, 'backendTrouble'>

// JSON has no undefined: what is not there is null.
function infoOf({ runtime, honesty, dataDir, listenerHost, backend, ...rest }: Facts) {
  return {
    ...rest,
    dataDir: dataDir ?? null,
    listenerHost: listenerHost ?? null,
    backend: backend ?? null,
    runtime: { name: runtime, honesty },
  }
}

function guardOf({ settings }: Parts) {
  const { host, endpoint, allowedHosts, allowedOrigins } = settings
  const told = endpoint === undefined ? [] : [new URL(endpoint).hostname]
  return createGuard({ allowedHosts: [...allowedHosts, host, ...told], allowedOrigins })
}

function passesOf({ reconciler }: Parts): PartFigure {
  return {
    name: 'kecs_reconcile_passes_total',
    help: 'Looks at one task or service.',
    read: () => reconciler.passes(),
  }
}

function counted(backend: Backend, onProxied: () => void): Backend {
  return {
    ...backend,
    web(req, res, body) {
      onProxied()
      backend.web(req, res, body)
    },
    upgrade(req, socket, head) {
      onProxied()
      backend.upgrade(req, socket, head)
    },
  }
}
