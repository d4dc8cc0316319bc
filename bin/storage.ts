import type { HistoryReader } from '../ecs/sql-history.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { Logger } from '../gateway/core/log.ts'
import { createMemoryStore } from '../gateway/core/memory-store.ts'
import type { Store } from '../gateway/core/store.ts'
import type { ComponentHealth } from '../gateway/health.ts'
import type { PartFigure } from './observe.ts'

/** The store with what is told of it. */
export interface Storage {
  readonly store: Store
  readonly history: HistoryReader
  readonly health: () => ComponentHealth
  readonly counters: readonly PartFigure[]
  readonly gauges: readonly PartFigure[]
  close(): Promise<void>
}

/** State in `dir`, or in memory for undefined. */
export async function openStorage(
  dir: string | undefined,
  _clock: Clock,
  _log: Logger,
): Promise<Storage> {
  if (dir !== undefined) throw new Error('unreachable until the journal is there')
  return {
    store: createMemoryStore(),
    history: { read: () => [] },
    health: () => ({ status: 'up', detail: 'In memory: state dies with this process.' }),
    counters: [],
    gauges: [],
    close: async () => {},
  }
}
