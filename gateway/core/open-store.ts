import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from './clock.ts'
import { DataDirFault, takeDataDir } from './data-dir.ts'
import { type Files, systemFiles } from './files.ts'
import {
  Journal,
  type JournalPlace,
  type JournalStats,
  journalName,
  snapshotName,
} from './journal.ts'
import {
  decodeLine,
  type Line,
  type LineRecord,
  META_COLLECTION,
  readLines,
} from './journal-lines.ts'
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
  health(): { readonly status: 'up' | 'degraded' | 'down'; readonly detail: string }
  stats(): Readonly<JournalStats>
}

/** The store of a data directory, with all that was ever acknowledged; DataDirFaults otherwise. */
export async function openStore(options: OpenStoreOptions): Promise<OpenStore> {
  const { dir, clock, log, files = systemFiles, snapshotLeastBytes } = options
  const release = await takeDataDir(dir)
  try {
    const cutter = { cut: () => store.cut() }
    const { place, replay } = await readDataDir(dir, files, log)
    const file = await files.open(join(dir, journalName(place.segment)))
    await file.truncate(place.length)
    await files.syncFolder(dir)
    const journal = new Journal(
      {
        dir,
        files,
        clock,
        cut: () => cutter.cut(),
        onSnapshotFailure: (reason) =>
          log.error('a snapshot failed; the journal goes on', { reason }),
        ...(snapshotLeastBytes !== undefined && { snapshotLeastBytes }),
      },
      file,
      place,
    )
    const store = new MemoryStore(journal)
    for (const { c, k, s, row } of replay.records) store.replay(c, k, s, row ?? undefined)
    store.setNextSeqs(replay.nextSeqs)
    return {
      store,
      health: () => journal.health(),
      stats: () => journal.stats,
      async close() {
        await journal.close()
        await release()
      },
    }
  } catch (thrown) {
    await release()
    throw thrown
  }
}

interface Replay {
  readonly records: LineRecord[]
  nextSeqs: Readonly<Record<string, number>>
}

async function readDataDir(
  dir: string,
  files: Files,
  log: Logger,
): Promise<{ place: JournalPlace; replay: Replay }> {
  const names = await readdir(dir)
  const numbers = (pattern: RegExp) =>
    names
      .flatMap((name) => pattern.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((left, right) => left - right)
  for (const name of names) if (name.endsWith('.jsonl.tmp')) await files.remove(join(dir, name))
  const snapshot = numbers(/^snapshot-(\d+)\.jsonl$/).at(-1)
  const segments = numbers(/^journal-(\d+)\.jsonl$/)
  const replay: Replay = { records: [], nextSeqs: {} }
  const snapshotBytes =
    snapshot === undefined ? 0 : await readSnapshot(join(dir, snapshotName(snapshot)), replay)
  const first = snapshot ?? 1
  const wanted = segments.filter((segment) => segment >= first)
  wanted.forEach((segment, index) => {
    if (segment === first + index) return
    throw damaged(join(dir, journalName(first + index)), 'is missing', 'Later ones are there.')
  })
  if (snapshot !== undefined && wanted.length === 0) {
    throw damaged(join(dir, journalName(snapshot)), 'is missing', 'Its snapshot is there.')
  }
  let length = 0
  for (const segment of wanted) {
    const path = join(dir, journalName(segment))
    length = await readSegment(path, segment === wanted.at(-1), replay, log)
  }
  for (const segment of segments) {
    if (segment < first) await files.remove(join(dir, journalName(segment)))
  }
  const tx = replay.records.at(-1)?.tx ?? 0
  return { place: { segment: wanted.at(-1) ?? first, length, tx, snapshotBytes }, replay }
}

/** All or nothing: a snapshot was complete before it got its name. Its length in bytes. */
async function readSnapshot(path: string, replay: Replay): Promise<number> {
  let number = 0
  let rows = -1
  let bytes = 0
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      number++
      const record = line.whole ? decodeLine(line.bytes) : undefined
      if (!record) throw damaged(path, `is damaged in line ${number}`, 'Its checksum is wrong.')
      bytes = line.offset + line.bytes.length + 1
      if (record.c === META_COLLECTION) {
        const meta = record.row as { nextSeqs: Record<string, number>; rows: number }
        replay.nextSeqs = meta.nextSeqs
        rows = meta.rows
      } else replay.records.push(record)
    }
  }
  if (rows !== replay.records.length) {
    throw damaged(path, 'is not whole', `It has ${replay.records.length} rows of ${rows}.`)
  }
  return bytes
}

/** Reads a segment; how many of its bytes hold whole transactions. Only the last may have a torn tail. */
async function readSegment(
  path: string,
  last: boolean,
  replay: Replay,
  log: Logger,
): Promise<number> {
  let number = 0
  let length = 0
  let open: LineRecord[] = []
  let torn: { line: number; offset: number } | undefined
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      number++
      const record = line.whole ? decodeLine(line.bytes) : undefined
      if (torn && record) throw corrupt(path, torn.line)
      if (torn) continue
      if (!record) {
        torn = { line: number, offset: line.offset }
        continue
      }
      open.push(record)
      if (!record.end) continue
      for (const each of open) replay.records.push(each)
      open = []
      length = endOf(line)
    }
  }
  const whole = !torn && open.length === 0
  if (whole) return length
  if (!last) throw corrupt(path, torn?.line ?? number)
  log.warn('the journal had a torn tail, of a change that nobody was told of; it is cut', {
    file: path,
    line: torn?.line ?? number,
  })
  return length
}

function endOf({ offset, bytes }: Line): number {
  return offset + bytes.length + 1
}

function corrupt(path: string, line: number): DataDirFault {
  return damaged(
    path,
    `is damaged in line ${line}`,
    'Changes stand after it that were acknowledged.',
  )
}

function damaged(path: string, what: string, why: string): DataDirFault {
  return new DataDirFault(
    `${path} ${what}.`,
    why,
    'Nothing was changed. Restore the file from a copy, or begin anew with another --data-dir.',
  )
}
