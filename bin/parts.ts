import type { TaskRuntime } from '../cluster/runtime.ts'
import type { EcsContext } from '../ecs/context.ts'
import type { Reconciler } from '../ecs/reconcile.ts'
import type { EcsRows } from '../ecs/rows.ts'
import type { Backend } from '../gateway/backend.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { Ids } from '../gateway/core/ids.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { Store } from '../gateway/core/store.ts'
import type { HealthWatch } from '../gateway/health.ts'
import type { SqlAnswer } from '../gateway/sql-worker.ts'
import type { LoadBalancing } from './load-balancing.ts'
import type { Settings } from './settings.ts'
import type { Storage } from './storage.ts'

/** What a gateway is made of before anybody can call. */
export interface Parts {
  readonly settings: Settings
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
  readonly startedAtMs: number
  readonly runtime: TaskRuntime
  readonly storage: Storage
  readonly store: Store
  readonly rows: EcsRows
  readonly context: EcsContext
  readonly balancing: LoadBalancing
  readonly reconciler: Reconciler
  readonly backend: Backend
  readonly health: HealthWatch
  readonly ready: () => boolean
  readonly sql: (statement: string) => Promise<SqlAnswer>
}
