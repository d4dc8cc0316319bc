import { join } from 'node:path'
import type { Clock } from './clock.ts'
import { DataDirFault, takeDataDir } from './data-dir.ts'
import { messageOf } from './fault.ts'
import { type AppendFile, type Files, systemFiles } from './files.ts'
import { Journal, type JournalHealth, type JournalStats } from './journal.ts'
import { readDataDir } from './journal-read.ts'
import { journalName } from './journal-snapshot.ts'
import type { Logger } from './log.ts'
import { MemoryStore } from './memory-store.ts'
import type { Store } from './store.ts'

export interface OpenStoreOptions {
  readonly dir: string
  readonly clock: Clock
  readonly log: Logger
  readonly files?: Files
  /** Journals of fewer bytes are never folded into a snapshot. */
  readonly snapshotLeastBytes?: number
}

export interface OpenStore {
  readonly store: Store
  /** Makes what waits durable and gives the directory back. */
  close(): Promise<void>
  health(): JournalHealth
  stats(): Readonly<JournalStats>
}

/** The store of a data directory, with all that was ever acknowledged; DataDirFaults otherwise. */
export async function openStore(options: OpenStoreOptions): Promise<OpenStore> {
  const release = await takeDataDir(options.dir)
  try {
    const { store, journal } = await readStore(options)
    let closed: Promise<void> | undefined
    return {
      store,
      health: () => journal.health(),
      stats: () => journal.stats,
      close: () => {
        closed ??= journal.close().finally(release)
        return closed
      },
    }
  } catch (thrown) {
    await release()
    throw thrown
  }
}

async function readStore({
  dir,
  clock,
  log,
  files = systemFiles,
  snapshotLeastBytes,
}: OpenStoreOptions): Promise<{ store: Store; journal: Journal }> {
  const store = new MemoryStore({
    onListenerFailure: (thrown) =>
      log.error('a listener of the store failed', {
        reason: thrown instanceof Error ? thrown.stack : messageOf(thrown),
      }),
  })
  const place = await readable(dir, () =>
    readDataDir(dir, files, log, {
      change: ({ c, k, s, row }) => store.replay(c, k, s, row ?? undefined),
      nextSeqs: (nextSeqs) => store.setNextSeqs(nextSeqs),
    }),
  )
  const path = join(dir, journalName(place.segment))
  const file = await readable(dir, () => openAt(path, place.length, dir, files))
  const journal = new Journal(
    {
      dir,
      files,
      clock,
      cut: () => store.cut(),
      onSnapshotFailure: (reason) =>
        log.error('a snapshot failed; the journal goes on', { reason }),
      ...(snapshotLeastBytes !== undefined && { snapshotLeastBytes }),
    },
    file,
    place,
  )
  store.attach(journal)
  return { store, journal }
}

async function openAt(
  path: string,
  length: number,
  dir: string,
  files: Files,
): Promise<AppendFile> {
  const file = await files.open(path)
  try {
    await file.truncate(length)
    await files.syncFolder(dir)
    return file
  } catch (thrown) {
    await file.close().catch(() => {})
    throw thrown
  }
}

/** What the system refuses, told as a fault of the directory. */
async function readable<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof DataDirFault || !(thrown as NodeJS.ErrnoException).code) throw thrown
    throw new DataDirFault(
      `The data directory ${dir} cannot be used.`,
      messageOf(thrown),
      'Nothing was lost. Mend the directory, or give another one with --data-dir.',
    )
  }
}
