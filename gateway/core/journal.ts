/**
 * The journal: changes go to the disk in groups, one write and one fdatasync a group, and snapshots
 * are cut on the same queue, so that neither ever begins during the other.
 */
import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import type { Clock } from './clock.ts'
import { messageOf, StoreFault } from './fault.ts'
import { type AppendFile, type Files, writeAll } from './files.ts'
import { encodeLine } from './journal-lines.ts'
import { journalName, snapshotName, writeSnapshot } from './journal-snapshot.ts'
import type { CollectionCut } from './memory-collection.ts'
import type { ChangeLog } from './memory-store.ts'
import type { Change } from './store.ts'

/** A snapshot is made once the journal is so large and so many times as large as the last snapshot. */
export const SNAPSHOT_LEAST_BYTES = 8 * 1024 * 1024
export const SNAPSHOT_RATIO = 2

export interface JournalStats {
  /** Transactions made durable, groups written for them, bytes written, since the start. */
  transactions: number
  flushes: number
  bytes: number
  failures: number
  snapshots: number
}

export interface JournalHealth {
  readonly status: 'up' | 'degraded' | 'down'
  readonly detail: string
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
  readonly cut: () => readonly CollectionCut[]
  readonly onSnapshotFailure: (reason: string) => void
  readonly snapshotLeastBytes?: number
}

/** Where reading left off. */
export interface JournalPlace {
  /** The segment that is written on, and the oldest that is still there. */
  readonly segment: number
  readonly oldest: number
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
  readonly #least: number
  #file: AppendFile
  #segment: number
  #oldest: number
  #length: number
  #tx: number
  #snapshotBytes: number
  #waiting: Waiting[] = []
  #work: Promise<void> | undefined
  #snapshot: Promise<void> | undefined
  /** Why nothing is taken any more, until a restart. */
  #refusal: StoreFault | undefined
  #closing = false
  #writeFailure: string | undefined
  #snapshotFailure: string | undefined
  /** After a failed snapshot the next is not tried before the journal has come to this length. */
  #snapshotNotBefore = 0

  constructor(options: JournalOptions, file: AppendFile, place: JournalPlace) {
    this.#options = options
    this.#least = options.snapshotLeastBytes ?? SNAPSHOT_LEAST_BYTES
    this.#file = file
    this.#segment = place.segment
    this.#oldest = place.oldest
    this.#length = place.length
    this.#tx = place.tx
    this.#snapshotBytes = place.snapshotBytes
  }

  append(changes: readonly Change[], done: (fault?: StoreFault) => void): void {
    if (this.#refusal) {
      done(this.#refusal)
      return
    }
    const tx = this.#tx + 1
    const at = this.#options.clock.now()
    let text = ''
    changes.forEach(({ collection, key, seq, after }, index) => {
      const record = { tx, at, c: collection, k: key, s: seq, row: after ?? null }
      text += encodeLine(index === changes.length - 1 ? { ...record, end: true } : record)
    })
    this.#tx = tx
    this.#waiting.push({ text, done })
    this.#work ??= this.#drain()
  }

  health(): JournalHealth {
    if (this.#refusal) return { status: 'down', detail: this.#refusal.message }
    const failure = this.#writeFailure ?? this.#snapshotFailure
    if (failure !== undefined) return { status: 'degraded', detail: failure }
    return { status: 'up', detail: `journal-${this.#segment} has ${this.#length} bytes` }
  }

  /** Flushes what waits and closes the file; what is changed from now on is refused. */
  async close(): Promise<void> {
    this.#refusal ??= new StoreFault('The store is closed.')
    this.#closing = true
    await this.#work
    await this.#snapshot
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

  /** Whether what waited is durable now. */
  async #flush(): Promise<boolean> {
    const group = this.#waiting
    this.#waiting = []
    const bytes = Buffer.from(group.map(({ text }) => text).join(''))
    try {
      await writeAll(this.#file, bytes, this.#length)
      await this.#file.datasync()
    } catch (thrown) {
      await this.#fail(group, thrown)
      return false
    }
    this.#length += bytes.length
    this.#writeFailure = undefined
    this.stats.transactions += group.length
    this.stats.flushes++
    this.stats.bytes += bytes.length
    for (const { done } of group) done()
    return true
  }

  /** Takes back what was half written. All that wait fail with it: they may build upon what is lost. */
  async #fail(group: readonly Waiting[], thrown: unknown): Promise<void> {
    const reason = `The journal in ${this.#options.dir} could not be written: ${messageOf(thrown)}`
    let fault = new StoreFault(reason, { cause: thrown })
    this.stats.failures++
    this.#writeFailure = reason
    try {
      await this.#file.truncate(this.#length)
      // Else the lines of what was refused could be there again after a loss of power. Where it
      // fails, the next flush makes up for it.
      await this.#file.datasync().catch(() => {})
    } catch (again) {
      fault = new StoreFault(
        `${reason}; and it could not be cut back: ${messageOf(again)}. Nothing is stored until a restart.`,
        { cause: thrown },
      )
      this.#refusal ??= fault
    }
    // Together and at once: nobody can change anything between the first and the last of them.
    const all = [...group, ...this.#waiting]
    this.#waiting = []
    for (const { done } of all) done(fault)
  }

  #wantsSnapshot(): boolean {
    return (
      this.#snapshot === undefined &&
      this.#refusal === undefined &&
      !this.#closing &&
      this.#length >
        Math.max(this.#least, this.#snapshotBytes * SNAPSHOT_RATIO, this.#snapshotNotBefore)
    )
  }

  /**
   * Begins a new segment and a snapshot of what stands before it. Rows changed since the last flush
   * are in the cut already; the next flush writes them to the new segment, and only then the
   * snapshot may take the place of the old one.
   */
  async #rotate(): Promise<void> {
    const { dir, clock } = this.#options
    const segment = this.#segment + 1
    const file = await this.#openSegment(segment)
    if (!file) return
    const old = this.#file
    this.#file = file
    this.#segment = segment
    this.#length = 0
    this.#snapshotNotBefore = 0
    const place = { ...this.#options, dir, segment, tx: this.#tx, atMs: clock.now() }
    const cut = this.#options.cut()
    const durable = this.#waiting.length === 0 || (await this.#flush())
    // All of it is durable: that it cannot be closed takes nothing away.
    await old.close().catch((thrown: unknown) => this.#noteSnapshotFailure(thrown))
    if (!durable) return
    this.#snapshot = writeSnapshot(place, cut)
      .then((length) => this.#replaceBy(segment, length))
      .catch((thrown: unknown) => this.#noteSnapshotFailure(thrown))
      .finally(() => {
        this.#snapshot = undefined
      })
  }

  /** An empty segment; undefined when there can be none, and then the journal goes on in the old one. */
  async #openSegment(segment: number): Promise<AppendFile | undefined> {
    const { dir, files } = this.#options
    const path = join(dir, journalName(segment))
    let file: AppendFile | undefined
    try {
      file = await files.open(path)
      await file.truncate(0)
      await files.syncFolder(dir)
      return file
    } catch (thrown) {
      this.#noteSnapshotFailure(thrown)
      this.#snapshotNotBefore = this.#length + this.#least
      // An empty segment that stays behind is passed over at the next start.
      await file?.close().catch(() => {})
      await files.remove(path).catch(() => {})
      return undefined
    }
  }

  async #replaceBy(segment: number, snapshotBytes: number): Promise<void> {
    const { dir, files } = this.#options
    this.#snapshotBytes = snapshotBytes
    this.#snapshotFailure = undefined
    this.stats.snapshots++
    for (; this.#oldest < segment; this.#oldest++) {
      await files.remove(join(dir, journalName(this.#oldest)))
      await files.remove(join(dir, snapshotName(this.#oldest)))
    }
  }

  #noteSnapshotFailure(thrown: unknown): void {
    this.#snapshotFailure = `The journal could not be folded into a snapshot: ${messageOf(thrown)}`
    this.#options.onSnapshotFailure(this.#snapshotFailure)
  }
}
