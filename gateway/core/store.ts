/** Rows are plain JSON, immutable: replaced whole, never changed in place. */
export type Row = object

/** Rows that share an index value, in the order in which their keys were first put. */
export interface Bucket<R> extends Iterable<R> {
  readonly size: number
  /** Rows with their sequence numbers, from the first whose number is greater than `seq`. */
  after(seq: number): Iterable<readonly [seq: number, row: R]>
}

/** Rows of one kind under string keys (for AWS resources: their ARN). */
export interface Collection<R extends Row> {
  readonly name: string
  readonly size: number
  get(key: string): R | undefined
  /** Puts the row at its key; a new key takes the next sequence number and keeps it while it lives. */
  put(key: string, row: R): void
  /** Whether there was such a row. */
  delete(key: string): boolean
  /** Every row of the collection. */
  all(): Bucket<R>
  /** Rows for which index `index` gives `value`, be it among others. Costs nothing but the rows that are read. */
  by(index: string, value: string): Bucket<R>
}

/** What an index finds a row by: one value, several that all differ, or none. */
export type IndexValue = string | readonly string[] | undefined

/** From a row to what it is found by; must depend on the row alone. */
export type IndexOf<R extends Row> = (row: R) => IndexValue

export interface CollectionOptions<R extends Row> {
  readonly indexes?: Readonly<Record<string, IndexOf<R>>>
}

/** One row's replacement. `before` is absent for a new row, `after` for a deleted one. */
export interface Change {
  readonly collection: string
  readonly key: string
  readonly seq: number
  readonly before: Row | undefined
  readonly after: Row | undefined
}

/**
 * What KECS knows. Reads come from memory; changes are visible to reads at once, but an answer that
 * saw them must await `durable()`, and listeners hear of them only once they are durable.
 */
export interface Store {
  /** The collection of that name; made on the first call, whose options hold. */
  collection<R extends Row>(name: string, options?: CollectionOptions<R>): Collection<R>
  /** Runs synchronous `work`: all of its changes happen or, when it throws, none. Calls nest. */
  transact<T>(work: () => T): T
  /** Undefined when nothing waits to become durable. */
  pending(): Promise<void> | undefined
  /** Settles when all changes made so far are durable; rejects with StoreFault if they were taken back. */
  durable(): Promise<void>
  /** Called after a transaction became durable, in order; returns how to stop listening. */
  onChange(listener: (changes: readonly Change[]) => void): () => void
}
