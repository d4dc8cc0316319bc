/**
 * The journal: changes go to the disk in groups, one write and one fdatasync a group, and snapshots
 * are cut on the same queue, so that neither ever runs during the other.
 */
import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import type { Clock } from './clock.ts'
import { messageOf, StoreFault } from './fault.ts'
import type { AppendFile, Files } from './files.ts'
import { encodeLine, META_COLLECTION } from './journal-lines.ts'
import type { ChangeLog, SnapshotCut } from './memory-store.ts'
import type { Change } from './store.ts'

/** A snapshot is made once the journal is so large and so many times as large as the last snapshot. */
export const SNAPSHOT_LEAST_BYTES = 8 * 1024 * 1024
export const SNAPSHOT_RATIO = 2
/** A snapshot is written in pieces of so many bytes, with other work in between. */
const SLICE_BYTES = 256 * 1024

export interface JournalStats {
  /** Transactions made durable, groups written for them, bytes written, since the start. */
  transactions: number
  flushes: number
  bytes: number
  failures: number
  snapshots: number
}

interface Waiting {
  readonly text: string
  readonly done: (fault?: StoreFault) => void
}

export interface JournalOptions {
  readonly dir: string
  readonly files: Files
  readonly clock: Clock
  /** Every row and counter as they are now. */
  readonly cut: () => SnapshotCut
  readonly onSnapshotFailure: (reason: string) => void
  readonly snapshotLeastBytes?: number
}

/** Where reading left off. */
export interface JournalPlace {
  readonly segment: number
  /** Length of the segment without its torn tail. */
  readonly length: number
  readonly tx: number
  readonly snapshotBytes: number
}

export class Journal implements ChangeLog {
  readonly stats: JournalStats = {
    transactions: 0,
    flushes: 0,
    bytes: 0,
    failures: 0,
    snapshots: 0,
  }
  readonly #options: JournalOptions
  #file: AppendFile
  #segment: number
  #length: number
  #tx: number
  #snapshotBytes: number
  #waiting: Waiting[] = []
  #work: Promise<void> | undefined
  #broken: StoreFault | undefined
  #lastFailure: string | undefined
  #snapshot: Promise<void> | undefined

  constructor(options: JournalOptions, file: AppendFile, place: JournalPlace) {
    this.#options = options
    this.#file = file
    this.#segment = place.segment
    this.#length = place.length
    this.#tx = place.tx
    this.#snapshotBytes = place.snapshotBytes
  }

  append(changes: readonly Change[], done: (fault?: StoreFault) => void): void {
    if (this.#broken) {
      done(this.#broken)
      return
    }
    const tx = ++this.#tx
    const at = this.#options.clock.now()
    let text = ''
    changes.forEach(({ collection, key, seq, after }, index) => {
      const record = { tx, at, c: collection, k: key, s: seq, row: after ?? null }
      text += encodeLine(index === changes.length - 1 ? { ...record, end: true } : record)
    })
    this.#waiting.push({ text, done })
    this.#work ??= this.#drain()
  }

  health(): { readonly status: 'up' | 'degraded' | 'down'; readonly detail: string } {
    if (this.#broken) return { status: 'down', detail: this.#broken.message }
    if (this.#lastFailure) return { status: 'degraded', detail: this.#lastFailure }
    return { status: 'up', detail: `journal-${this.#segment} has ${this.#length} bytes` }
  }

  /** Flushes what waits and closes the file. */
  async close(): Promise<void> {
    await this.#work
    await this.#snapshot
    this.#broken ??= new StoreFault('The store is closed.')
    await this.#file.close()
  }

  async #drain(): Promise<void> {
    // A turn later: what one tick of the event loop changes goes out together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      await this.#flush()
      if (this.#wantsSnapshot()) await this.#rotate()
    }
    this.#work = undefined
  }

  async #flush(): Promise<void> {
    const group = this.#waiting
    this.#waiting = []
    const bytes = Buffer.from(group.map(({ text }) => text).join(''))
    try {
      await writeAll(this.#file, bytes, this.#length)
      await this.#file.datasync()
    } catch (thrown) {
      return this.#fail(group, thrown)
    }
    this.#length += bytes.length
    this.#lastFailure = undefined
    this.stats.transactions += group.length
    this.stats.flushes++
    this.stats.bytes += bytes.length
    for (const { done } of group) done()
  }

  /** Takes back what was half written. All that wait fail with it: they may build upon what is lost. */
  async #fail(group: readonly Waiting[], thrown: unknown): Promise<void> {
    const reason = `The journal in ${this.#options.dir} could not be written: ${messageOf(thrown)}`
    const fault = new StoreFault(reason, { cause: thrown })
    this.stats.failures++
    this.#lastFailure = reason
    try {
      await this.#file.truncate(this.#length)
    } catch (again) {
      this.#broken = new StoreFault(
        `${reason}; and it could not be cut back: ${messageOf(again)}. Nothing is stored until a restart.`,
      )
    }
    // Together and at once: nobody can change anything between the first and the last of them.
    const all = [...group, ...this.#waiting]
    this.#waiting = []
    for (const { done } of all) done(fault)
  }

  #wantsSnapshot(): boolean {
    const least = this.#options.snapshotLeastBytes ?? SNAPSHOT_LEAST_BYTES
    return (
      this.#snapshot === undefined &&
      this.#broken === undefined &&
      this.#length > Math.max(least, this.#snapshotBytes * SNAPSHOT_RATIO)
    )
  }

  /**
   * Begins a new segment and a snapshot of what stands before it. Rows changed since the last flush
   * are in the cut already; the next flush writes them to the new segment, and only then the
   * snapshot may take the place of the old one.
   */
  async #rotate(): Promise<void> {
    const { dir, files } = this.#options
    const segment = this.#segment + 1
    let file: AppendFile
    try {
      file = await files.open(join(dir, journalName(segment)))
      await file.truncate(0)
      await files.syncFolder(dir)
    } catch (thrown) {
      this.#options.onSnapshotFailure(messageOf(thrown))
      return
    }
    await this.#file.close()
    this.#file = file
    this.#segment = segment
    this.#length = 0
    const cut = this.#options.cut()
    const tx = this.#tx
    const failures = this.stats.failures
    if (this.#waiting.length > 0) await this.#flush()
    if (this.stats.failures !== failures) return
    this.#snapshot = this.#writeSnapshot(segment, tx, cut)
      .catch((thrown: unknown) => this.#options.onSnapshotFailure(messageOf(thrown)))
      .finally(() => {
        this.#snapshot = undefined
      })
  }

  async #writeSnapshot(segment: number, tx: number, cut: SnapshotCut): Promise<void> {
    const { dir, files, clock } = this.#options
    const path = join(dir, snapshotName(segment))
    const temporary = `${path}.tmp`
    const file = await files.open(temporary)
    let length = 0
    try {
      await file.truncate(0)
      const at = clock.now()
      const meta = { nextSeqs: cut.nextSeqs, rows: cut.rows.length }
      let text = encodeLine({ tx, at, c: META_COLLECTION, k: 'counters', s: 0, row: meta })
      for (const [c, k, s, row] of cut.rows) {
        text += encodeLine({ tx, at, c, k, s, row, end: true })
        if (text.length < SLICE_BYTES) continue
        length += await writeAll(file, Buffer.from(text), length)
        text = ''
      }
      length += await writeAll(file, Buffer.from(text), length)
      await file.datasync()
    } finally {
      await file.close()
    }
    await files.rename(temporary, path)
    await files.syncFolder(dir)
    this.#snapshotBytes = length
    this.stats.snapshots++
    await removeBefore(dir, files, segment)
  }
}

async function writeAll(file: AppendFile, bytes: Buffer, position: number): Promise<number> {
  let written = 0
  while (written < bytes.length) {
    const count = await file.write(bytes.subarray(written), position + written)
    if (count === 0) throw new Error('the file takes no more bytes')
    written += count
  }
  return written
}

async function removeBefore(dir: string, files: Files, segment: number): Promise<void> {
  for (let old = segment - 1; old >= Math.max(0, segment - MOST_OLD_SEGMENTS); old--) {
    await files.remove(join(dir, journalName(old)))
    await files.remove(join(dir, snapshotName(old)))
  }
}

/** Segments pile up only while snapshots fail; the next start removes what is older still. */
const MOST_OLD_SEGMENTS = 64
const DIGITS = 6

export function journalName(segment: number): string {
  return `journal-${String(segment).padStart(DIGITS, '0')}.jsonl`
}

export function snapshotName(segment: number): string {
  return `snapshot-${String(segment).padStart(DIGITS, '0')}.jsonl`
}
