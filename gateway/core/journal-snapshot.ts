/** Snapshots: every row at one moment, in place of the journals before it. */
import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import { type AppendFile, type Files, writeAll } from './files.ts'
import { encodeLine, META_COLLECTION } from './journal-lines.ts'
import type { CollectionCut } from './memory-collection.ts'

/** A snapshot is written in pieces of so many bytes, with other work in between. */
const SLICE_BYTES = 256 * 1024
const DIGITS = 6

/** What a snapshot says of itself in its first line. */
export interface SnapshotMeta {
  /** By collection: the number that its next new row gets. */
  readonly nextSeqs: Readonly<Record<string, number>>
  /** How many rows follow. */
  readonly rows: number
}

export interface SnapshotPlace {
  readonly dir: string
  readonly files: Files
  /** Of the journal that begins where the snapshot was cut. */
  readonly segment: number
  readonly tx: number
  readonly atMs: number
}

/** Writes the snapshot, which has its name once it is whole and durable; its length in bytes. */
export async function writeSnapshot(
  place: SnapshotPlace,
  cut: readonly CollectionCut[],
): Promise<number> {
  const { dir, files, segment } = place
  const path = join(dir, snapshotName(segment))
  const temporary = `${path}.tmp`
  try {
    const file = await files.open(temporary)
    let length: number
    try {
      length = await writeRows(file, place, cut)
      await file.datasync()
    } finally {
      await file.close()
    }
    await files.rename(temporary, path)
    await files.syncFolder(dir)
    return length
  } catch (thrown) {
    // A disk that is full gets its room back.
    await files.remove(temporary).catch(() => {})
    throw thrown
  }
}

async function writeRows(
  file: AppendFile,
  { tx, atMs: at }: SnapshotPlace,
  cut: readonly CollectionCut[],
): Promise<number> {
  await file.truncate(0)
  const meta: SnapshotMeta = {
    nextSeqs: Object.fromEntries(cut.map(({ name, nextSeq }) => [name, nextSeq])),
    rows: cut.reduce((sum, { rows }) => sum + rows.length, 0),
  }
  let length = 0
  let text = encodeLine({ tx, at, c: META_COLLECTION, k: 'counters', s: 0, row: meta })
  for (const { name, places, rows } of cut) {
    for (const [index, { key, seq }] of places.entries()) {
      const row = rows[index] ?? null
      text += encodeLine({ tx, at, c: name, k: key, s: seq, row, end: true })
      if (text.length < SLICE_BYTES) continue
      length += await writeAll(file, Buffer.from(text), length)
      text = ''
    }
  }
  return length + (await writeAll(file, Buffer.from(text), length))
}

export function journalName(segment: number): string {
  return `journal-${String(segment).padStart(DIGITS, '0')}.jsonl`
}

export function snapshotName(segment: number): string {
  return `snapshot-${String(segment).padStart(DIGITS, '0')}.jsonl`
}
