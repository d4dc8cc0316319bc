import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../gateway/core/clock.ts'
import { createHistory, type History } from '../gateway/core/history.ts'
import type { Logger } from '../gateway/core/log.ts'
import { createMemoryStore } from '../gateway/core/memory-store.ts'
import type { Store } from '../gateway/core/store.ts'
import type { ComponentHealth } from '../gateway/health.ts'
import type { PartFigure } from './observe.ts'
import { UserError } from './output.ts'

/** The store with what is told of it. */
export interface Storage {
  readonly store: Store
  readonly history: History
  readonly health: () => ComponentHealth
  readonly counters: readonly PartFigure[]
  close(): Promise<void>
}

/** State in `dir`, or in memory for undefined. */
export async function openStorage(
  dir: string | undefined,
  clock: Clock,
  log: Logger,
): Promise<Storage> {
  if (dir === undefined) {
    return {
      store: createMemoryStore(),
      history: createHistory({ dir, clock, log }),
      health: () => ({ status: 'up', detail: 'in memory: state dies with this process' }),
      counters: [],
      close: async () => {},
    }
  }
  const { openStore } = await import('../gateway/core/open-store.ts')
  const opened = await explained(() => openStore({ dir, clock, log }))
  const figure = (name: keyof ReturnType<typeof opened.stats>, help: string): PartFigure => ({
    name: `kecs_journal_${name}_total`,
    help,
    read: () => opened.stats()[name],
  })
  const history = createHistory({ dir, clock, log })
  return {
    store: opened.store,
    history,
    health: opened.health,
    counters: [
      figure('transactions', 'Transactions made durable.'),
      figure('flushes', 'Groups of transactions written together.'),
      figure('bytes', 'Bytes written.'),
      figure('failures', 'Writes that failed; their transactions were taken back.'),
      figure('snapshots', 'Snapshots written.'),
    ],
    async close() {
      await history.close()
      await opened.close()
    },
  }
}

const OURS = /^(journal-\d+\.jsonl|snapshot-\d+\.jsonl|history.*|format\.json)$/
const RUNTIME_FOLDER = 'runtime'
const BALANCING_FOLDER = 'elbv2'
const FOLDERS: ReadonlySet<string> = new Set([RUNTIME_FOLDER, BALANCING_FOLDER])

/** Where the runtime keeps what it needs, inside a data directory. */
export function runtimeDirOf(dataDir: string): string {
  return join(dataDir, RUNTIME_FOLDER)
}

/** Where load balancers keep their secret and their certificate authority, inside a data directory. */
export function balancingDirOf(dataDir: string): string {
  return join(dataDir, BALANCING_FOLDER)
}

/** Whether a file only says who has a data directory open, be it the one that a pod is held back by. */
export function isLock(name: string): boolean {
  return name === 'flock' || name.startsWith('lock')
}

/** Deletes kecs's own files in a data directory that no kecs uses; how many there were. */
export async function emptyDataDir(dir: string): Promise<number> {
  if (!existsSync(join(dir, 'format.json'))) return 0
  const { takeDataDir } = await import('../gateway/core/data-dir.ts')
  const release = await explained(() => takeDataDir(dir))
  try {
    const names = (await readdir(dir)).filter((name) => OURS.test(name) || FOLDERS.has(name))
    // The format goes last: what is left half way is still known for a data directory.
    names.sort((left, right) => Number(left === 'format.json') - Number(right === 'format.json'))
    for (const name of names) await rm(join(dir, name), { recursive: true, force: true })
    return names.length
  } finally {
    await release()
  }
}

/** A fault of the data directory, told to the user. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  const { DataDirFault } = await import('../gateway/core/data-dir.ts')
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DataDirFault)) throw error
    throw new UserError(error.what, error.why, error.next)
  }
}
