/** Reads a data directory back: its newest snapshot and every journal since. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DataDirFault } from './data-dir.ts'
import type { Files } from './files.ts'
import type { JournalPlace } from './journal.ts'
import { decodeLine, type LineRecord, META_COLLECTION, readLines } from './journal-lines.ts'
import { journalName, type SnapshotMeta, snapshotName } from './journal-snapshot.ts'
import type { Logger } from './log.ts'

/** Takes what is read, in order. */
export interface Replay {
  change(record: LineRecord): void
  nextSeqs(nextSeqs: Readonly<Record<string, number>>): void
}

/**
 * Where the journal goes on. DataDirFault names file and line of what is damaged, and then no file
 * was changed; what a newer snapshot has made superfluous is removed.
 */
export async function readDataDir(
  dir: string,
  files: Files,
  log: Logger,
  replay: Replay,
): Promise<JournalPlace> {
  const names = await readdir(dir)
  const snapshots = numbersIn(names, /^snapshot-(\d+)\.jsonl$/)
  const journals = numbersIn(names, /^journal-(\d+)\.jsonl$/)
  const snapshot = snapshots.at(-1)
  const first = snapshot ?? 1
  const segments = await segmentsFrom(dir, first, journals, snapshot !== undefined)
  const read: Reading = { tx: 0, replay }
  const snapshotBytes =
    snapshot === undefined ? 0 : await readSnapshot(join(dir, snapshotName(snapshot)), read)
  const last = segments.at(-1) ?? first
  let length = 0
  for (const segment of segments) {
    length = await readSegment(join(dir, journalName(segment)), segment === last, read, log)
  }
  for (const name of names) {
    const [, number] = /^(?:snapshot|journal)-(\d+)\.jsonl$/.exec(name) ?? []
    const stays = number === undefined || (Number(number) >= first && Number(number) <= last)
    if (stays && !name.endsWith('.jsonl.tmp')) continue
    await files.remove(join(dir, name))
  }
  return { segment: last, oldest: first, length, tx: read.tx, snapshotBytes }
}

function numbersIn(names: readonly string[], pattern: RegExp): number[] {
  return names
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => left - right)
}

/** The journals to read. Empty ones at the end were begun for a snapshot that came to nothing. */
async function segmentsFrom(
  dir: string,
  first: number,
  journals: readonly number[],
  hasSnapshot: boolean,
): Promise<number[]> {
  const segments = journals.filter((segment) => segment >= first)
  segments.forEach((segment, index) => {
    if (segment === first + index) return
    throw damaged(join(dir, journalName(first + index)), 'is missing', 'Later ones are there.')
  })
  if (hasSnapshot && segments.length === 0) {
    throw damaged(join(dir, journalName(first)), 'is missing', 'Its snapshot is there.')
  }
  while (segments.length > 1) {
    const { size } = await stat(join(dir, journalName(segments.at(-1) ?? first)))
    if (size > 0) break
    segments.pop()
  }
  return segments
}

interface Reading {
  tx: number
  readonly replay: Replay
}

/** All or nothing: a snapshot was complete before it got its name. Its length in bytes. */
async function readSnapshot(path: string, read: Reading): Promise<number> {
  let number = 0
  let wanted = -1
  let rows = 0
  let bytes = 0
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      number++
      const record = line.whole ? decodeLine(line.bytes) : undefined
      if (!record) throw damaged(path, `is damaged in line ${number}`, 'Its checksum is wrong.')
      bytes = line.offset + line.bytes.length + 1
      read.tx = Math.max(read.tx, record.tx)
      if (record.c === META_COLLECTION) {
        const meta = record.row as SnapshotMeta
        read.replay.nextSeqs(meta.nextSeqs)
        wanted = meta.rows
      } else {
        rows++
        read.replay.change(record)
      }
    }
  }
  if (rows === wanted) return bytes
  const found = wanted === -1 ? 'It is empty.' : `It ends after ${rows} rows of ${wanted}.`
  throw damaged(path, `is damaged in line ${number + 1}`, found)
}

/** Reads a segment; how many of its bytes hold whole transactions. Only the last may have a torn tail. */
async function readSegment(
  path: string,
  last: boolean,
  read: Reading,
  log: Logger,
): Promise<number> {
  let number = 0
  let length = 0
  let open: LineRecord[] = []
  let torn: number | undefined
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      number++
      const record = line.whole ? decodeLine(line.bytes) : undefined
      if (record && torn !== undefined) throw corrupt(path, torn)
      if (!record) {
        torn ??= number
        continue
      }
      // A transaction that has no end although another one follows.
      if (open[0] && open[0].tx !== record.tx) throw corrupt(path, number)
      open.push(record)
      if (!record.end) continue
      for (const each of open) read.replay.change(each)
      read.tx = Math.max(read.tx, record.tx)
      open = []
      length = line.offset + line.bytes.length + 1
    }
  }
  if (torn === undefined && open.length === 0) return length
  if (!last) throw corrupt(path, torn ?? number)
  log.warn('the journal had a torn tail, of a change that nobody was told of; it is cut', {
    file: path,
    line: torn ?? number,
  })
  return length
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
