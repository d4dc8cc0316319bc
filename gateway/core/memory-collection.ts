import type { Bucket, Collection, CollectionOptions, IndexOf, IndexValue, Row } from './store.ts'

/** A row where it stands in the order of its collection; shared by all indexes. */
export interface Entry {
  readonly seq: number
  readonly key: string
  row: Row
}

/** A collection at one moment: each row of `rows` under the key and the number in `places`. */
export interface CollectionCut {
  readonly name: string
  /** What the next new row gets. */
  readonly nextSeq: number
  readonly places: readonly { readonly key: string; readonly seq: number }[]
  readonly rows: readonly Row[]
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
 * so each row that stays is seen once, as it is by then; a row that left meanwhile is not seen, and
 * neither is one that came after the last of the rows there were at the start.
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
    let ordered = this.#find()
    // Whoever puts a new row for each row it sees must come to an end.
    const end = ordered.entries.at(-1)?.seq ?? -1
    let place = ordered.firstAfter(after)
    let last = after
    while (last < end) {
      // Something before us may have come or gone: find our place again.
      if (place > 0 && ordered.entries[place - 1]?.seq !== last) place = ordered.firstAfter(last)
      const entry = ordered.entries[place]
      if (!entry || entry.seq > end) return
      last = entry.seq
      place++
      yield entry
      ordered = this.#find()
    }
  }
}

type Note = (key: string, seq: number, before: Row | undefined, after: Row | undefined) => void

/** A collection whose changes `note` hears of, after they were made. */
export class MemoryCollection<R extends Row> implements Collection<R> {
  readonly name: string
  readonly #byKey = new Map<string, Entry>()
  readonly #all = new Ordered()
  readonly #indexes = new Map<string, { of: IndexOf<R>; buckets: Map<string, Ordered> }>()
  readonly #note: Note
  nextSeq = 1

  constructor(name: string, options: CollectionOptions<R>, note: Note) {
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

  /** The collection at this moment, by ascending sequence number; a shallow copy. */
  cut(): CollectionCut {
    const entries = this.#all.entries.slice()
    return {
      name: this.name,
      nextSeq: this.nextSeq,
      places: entries,
      rows: entries.map(({ row }) => row),
    }
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

function insertInto(buckets: Map<string, Ordered>, values: IndexValue, entry: Entry): void {
  for (const value of listOf(values)) {
    let bucket = buckets.get(value)
    if (!bucket) {
      bucket = new Ordered()
      buckets.set(value, bucket)
    }
    bucket.insert(entry)
  }
}

function removeFrom(buckets: Map<string, Ordered>, values: IndexValue, entry: Entry): void {
  for (const value of listOf(values)) {
    const bucket = buckets.get(value)
    bucket?.remove(entry)
    if (bucket?.entries.length === 0) buckets.delete(value)
  }
}

const NONE: readonly string[] = []

function listOf(values: IndexValue): readonly string[] {
  if (values === undefined) return NONE
  return typeof values === 'string' ? [values] : values
}
