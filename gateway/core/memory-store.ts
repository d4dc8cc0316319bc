import type { StoreFault } from './fault.ts'
import type { Bucket, Change, Collection, CollectionOptions, IndexOf, Row, Store } from './store.ts'

/** What makes changes durable; the store hands it every transaction in order. */
export interface ChangeLog {
  /**
   * Calls `done` once the changes are durable, or with the fault for which they are not; in the order
   * of the calls. After a fault every transaction that still waits gets one too, all in one go.
   */
  append(changes: readonly Change[], done: (fault?: StoreFault) => void): void
}

/** All rows and counters at one moment. */
export interface SnapshotCut {
  readonly rows: readonly (readonly [collection: string, key: string, seq: number, row: Row])[]
  /** By collection: the number that its next new row gets. */
  readonly nextSeqs: Readonly<Record<string, number>>
}

/** A row where it stands in the order of its collection; shared by all indexes. */
interface Entry {
  readonly seq: number
  readonly key: string
  row: Row
}

/** Entries by ascending sequence number. */
class Ordered {
  readonly entries: Entry[] = []

  insert(entry: Entry): void {
    const last = this.entries.at(-1)
    if (!last || last.seq < entry.seq) this.entries.push(entry)
    else this.entries.splice(this.firstAfter(entry.seq), 0, entry)
  }

  remove(entry: Entry): void {
    const place = this.firstAfter(entry.seq) - 1
    if (this.entries[place] === entry) this.entries.splice(place, 1)
  }

  /** Index of the first entry whose number is greater than `seq`. */
  firstAfter(seq: number): number {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.entries[middle]?.seq ?? 0) > seq) high = middle
      else low = middle + 1
    }
    return low
  }
}

const EMPTY = new Ordered()

/**
 * A view that stays right while rows come and go under its feet: iteration goes by sequence number,
 * so each row that stays is seen once and a row that left meanwhile is not seen.
 */
class OrderedBucket<R extends Row> implements Bucket<R> {
  readonly #find: () => Ordered

  constructor(find: () => Ordered) {
    this.#find = find
  }

  get size(): number {
    return this.#find().entries.length
  }

  *[Symbol.iterator](): Iterator<R> {
    for (const entry of this.#walk(-1)) yield entry.row as R
  }

  *after(seq: number): Iterable<readonly [seq: number, row: R]> {
    for (const entry of this.#walk(seq)) yield [entry.seq, entry.row as R]
  }

  *#walk(after: number): Iterable<Entry> {
    let place = this.#find().firstAfter(after)
    let last = after
    for (;;) {
      const ordered = this.#find()
      // Something before us may have come or gone: find our place again.
      if (place > 0 && ordered.entries[place - 1]?.seq !== last) place = ordered.firstAfter(last)
      const entry = ordered.entries[place]
      if (!entry) return
      last = entry.seq
      place++
      yield entry
    }
  }
}

class MemoryCollection<R extends Row> implements Collection<R> {
  readonly name: string
  readonly #byKey = new Map<string, Entry>()
  readonly #all = new Ordered()
  readonly #indexes = new Map<string, { of: IndexOf<R>; buckets: Map<string, Ordered> }>()
  readonly #note: (
    key: string,
    seq: number,
    before: Row | undefined,
    after: Row | undefined,
  ) => void
  nextSeq = 1

  constructor(
    name: string,
    options: CollectionOptions<R>,
    note: (key: string, seq: number, before: Row | undefined, after: Row | undefined) => void,
  ) {
    this.name = name
    this.#note = note
    this.setOptions(options)
  }

  /** Gives the collection its indexes; rows that were read from a journal are put into them. */
  setOptions(options: CollectionOptions<R>): void {
    for (const [index, of] of Object.entries(options.indexes ?? {})) {
      if (this.#indexes.has(index)) continue
      const made = { of, buckets: new Map<string, Ordered>() }
      this.#indexes.set(index, made)
      for (const entry of this.#all.entries) insertInto(made.buckets, of(entry.row as R), entry)
    }
  }

  get size(): number {
    return this.#byKey.size
  }

  get(key: string): R | undefined {
    return this.#byKey.get(key)?.row as R | undefined
  }

  put(key: string, row: R): void {
    const entry = this.#byKey.get(key)
    if (entry?.row === row) return
    const seq = entry?.seq ?? this.nextSeq++
    const before = entry?.row
    this.apply(key, seq, row)
    this.#note(key, seq, before, row)
  }

  delete(key: string): boolean {
    const entry = this.#byKey.get(key)
    if (!entry) return false
    const before = entry.row
    this.apply(key, entry.seq, undefined)
    this.#note(key, entry.seq, before, undefined)
    return true
  }

  all(): Bucket<R> {
    return new OrderedBucket<R>(() => this.#all)
  }

  by(index: string, value: string): Bucket<R> {
    const found = this.#indexes.get(index)
    if (!found) throw new Error(`collection ${this.name} has no index ${index}`)
    return new OrderedBucket<R>(() => found.buckets.get(value) ?? EMPTY)
  }

  /** Sets or takes away a row without telling anyone: for replay and for taking back. */
  apply(key: string, seq: number, row: Row | undefined): void {
    if (seq >= this.nextSeq) this.nextSeq = seq + 1
    const entry = this.#byKey.get(key)
    if (!entry) {
      if (row) this.#insert({ key, seq, row })
    } else if (!row) {
      this.#remove(entry)
    } else if (entry.seq !== seq) {
      this.#remove(entry)
      this.#insert({ key, seq, row })
    } else {
      this.#replace(entry, row)
    }
  }

  *entries(): Iterable<readonly [key: string, seq: number, row: Row]> {
    for (const { key, seq, row } of this.#all.entries) yield [key, seq, row]
  }

  #insert(entry: Entry): void {
    this.#byKey.set(entry.key, entry)
    this.#all.insert(entry)
    for (const { of, buckets } of this.#indexes.values()) {
      insertInto(buckets, of(entry.row as R), entry)
    }
  }

  #remove(entry: Entry): void {
    this.#byKey.delete(entry.key)
    this.#all.remove(entry)
    for (const { of, buckets } of this.#indexes.values()) {
      removeFrom(buckets, of(entry.row as R), entry)
    }
  }

  #replace(entry: Entry, row: Row): void {
    for (const { of, buckets } of this.#indexes.values()) {
      const before = of(entry.row as R)
      const after = of(row as R)
      if (before === after) continue
      removeFrom(buckets, before, entry)
      insertInto(buckets, after, entry)
    }
    entry.row = row
  }
}

function insertInto(buckets: Map<string, Ordered>, value: string | undefined, entry: Entry): void {
  if (value === undefined) return
  let bucket = buckets.get(value)
  if (!bucket) {
    bucket = new Ordered()
    buckets.set(value, bucket)
  }
  bucket.insert(entry)
}

function removeFrom(buckets: Map<string, Ordered>, value: string | undefined, entry: Entry): void {
  if (value === undefined) return
  const bucket = buckets.get(value)
  bucket?.remove(entry)
  if (bucket?.entries.length === 0) buckets.delete(value)
}

/** A transaction that is not durable yet. */
interface Pending {
  readonly changes: readonly Change[]
  readonly settled: Promise<void>
}

/** The store in memory, over a log that makes its changes durable (without one they are at once). */
export class MemoryStore implements Store {
  // biome-ignore lint/suspicious/noExplicitAny: collections of every row type side by side
  readonly #collections = new Map<string, MemoryCollection<any>>()
  readonly #listeners = new Set<(changes: readonly Change[]) => void>()
  readonly #log: ChangeLog | undefined
  #open: Map<string, Change> | undefined
  #depth = 0
  #waiting: Pending[] = []

  constructor(log?: ChangeLog) {
    this.#log = log
  }

  collection<R extends Row>(name: string, options: CollectionOptions<R> = {}): Collection<R> {
    return this.#collectionOf<R>(name, options)
  }

  transact<T>(work: () => T): T {
    if (this.#depth > 0) return work()
    this.#depth++
    this.#open = new Map()
    try {
      const result = work()
      this.#depth--
      this.#commit()
      return result
    } catch (thrown) {
      this.#depth = 0
      const changes = [...(this.#open ?? new Map()).values()]
      this.#open = undefined
      this.#takeBack(changes)
      throw thrown
    }
  }

  pending(): Promise<void> | undefined {
    return this.#waiting.at(-1)?.settled
  }

  async durable(): Promise<void> {
    await this.pending()
  }

  onChange(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Applies a change that is durable already: for reading a journal back. */
  replay(collection: string, key: string, seq: number, row: Row | undefined): void {
    this.#collectionOf(collection, {}).apply(key, seq, row)
  }

  /** For reading a journal back: numbers that were given to rows which are gone are not given again. */
  setNextSeqs(nextSeqs: Readonly<Record<string, number>>): void {
    for (const [name, nextSeq] of Object.entries(nextSeqs)) {
      const collection = this.#collectionOf(name, {})
      collection.nextSeq = Math.max(collection.nextSeq, nextSeq)
    }
  }

  cut(): SnapshotCut {
    const rows: (readonly [string, string, number, Row])[] = []
    const nextSeqs: Record<string, number> = {}
    for (const [name, collection] of this.#collections) {
      nextSeqs[name] = collection.nextSeq
      for (const [key, seq, row] of collection.entries()) rows.push([name, key, seq, row])
    }
    return { rows, nextSeqs }
  }

  #collectionOf<R extends Row>(name: string, options: CollectionOptions<R>): MemoryCollection<R> {
    let found = this.#collections.get(name)
    if (found) {
      found.setOptions(options)
      return found
    }
    found = new MemoryCollection<R>(name, options, (key, seq, before, after) =>
      this.#note(name, key, seq, before, after),
    )
    this.#collections.set(name, found)
    return found
  }

  #note(
    collection: string,
    key: string,
    seq: number,
    before: Row | undefined,
    after: Row | undefined,
  ): void {
    const change: Change = { collection, key, seq, before, after }
    if (!this.#open) {
      this.#open = new Map([[`${collection} ${key}`, change]])
      this.#commit()
      return
    }
    const id = `${collection} ${key}`
    const first = this.#open.get(id)
    if (!first) this.#open.set(id, change)
    else if (first.before === undefined && after === undefined) this.#open.delete(id)
    else this.#open.set(id, { ...change, before: first.before })
  }

  #commit(): void {
    const changes = [...(this.#open ?? new Map<string, Change>()).values()]
    this.#open = undefined
    if (changes.length === 0) return
    if (!this.#log) {
      this.#tell(changes)
      return
    }
    let settle = (_fault?: StoreFault) => {}
    const settled = new Promise<void>((resolve, reject) => {
      settle = (fault) => (fault ? reject(fault) : resolve())
    })
    // Whoever must know awaits it; a rejection that nobody awaits is no error of the process.
    settled.catch(() => {})
    const pending: Pending = { changes, settled }
    this.#waiting.push(pending)
    let refused: StoreFault | undefined
    this.#log.append(changes, (fault) => {
      if (fault) {
        refused = fault
        this.#fail(pending)
      } else {
        this.#waiting.shift()
        this.#tell(changes)
      }
      settle(fault)
    })
    if (refused) throw refused
  }

  /** One lost transaction takes along all that were made after it and may have built upon it. */
  #fail(pending: Pending): void {
    if (!this.#waiting.includes(pending)) return
    for (const { changes } of [...this.#waiting].reverse()) this.#takeBack(changes)
    this.#waiting = []
  }

  #takeBack(changes: readonly Change[]): void {
    for (const { collection, key, seq, before } of [...changes].reverse()) {
      this.#collectionOf(collection, {}).apply(key, seq, before)
    }
  }

  #tell(changes: readonly Change[]): void {
    for (const listener of this.#listeners) listener(changes)
  }
}

/** A store that forgets with the process. */
export function createMemoryStore(): Store {
  return new MemoryStore()
}
