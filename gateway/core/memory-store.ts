import type { StoreFault } from './fault.ts'
import { type CollectionCut, MemoryCollection } from './memory-collection.ts'
import type { Change, Collection, CollectionOptions, Row, Store } from './store.ts'

/** What makes changes durable; the store hands it every transaction in order. */
export interface ChangeLog {
  /**
   * Calls `done` once the changes are durable, or with the fault for which they are not; in the order
   * of the calls. After a fault every transaction that still waits gets one too, all in one go.
   * Throws, and calls nothing, when the changes are such that they cannot be written at all.
   */
  append(changes: readonly Change[], done: (fault?: StoreFault) => void): void
}

export interface MemoryStoreOptions {
  /** Freezes every row that is put, to its depth: for tests, which so catch who changes one. */
  readonly freeze?: boolean
  /**
   * Takes what a listener throws; without it a throw of a listener comes out of the transaction that
   * it was told of, which holds nevertheless.
   */
  readonly onListenerFailure?: (thrown: unknown) => void
}

/** A transaction that is not durable yet. */
interface Pending {
  /** Every single change: put and deleted and put again, a key has had two sequence numbers. */
  readonly steps: readonly Change[]
  readonly settled: Promise<void>
}

/** The store in memory, over a log that makes its changes durable (without one they are at once). */
export class MemoryStore implements Store {
  // biome-ignore lint/suspicious/noExplicitAny: collections of every row type side by side
  readonly #collections = new Map<string, MemoryCollection<any>>()
  readonly #listeners = new Set<(changes: readonly Change[]) => void>()
  readonly #options: MemoryStoreOptions
  #log: ChangeLog | undefined
  /** Each single change of the transaction that is under way, in order. */
  #open: Change[] | undefined
  #waiting: Pending[] = []
  #untold: (readonly Change[])[] = []
  #telling = false

  constructor(options: MemoryStoreOptions = {}) {
    this.#options = options
  }

  /** From now on changes wait for `log`; before, they were durable at once. */
  attach(log: ChangeLog): void {
    this.#log = log
  }

  collection<R extends Row>(name: string, options: CollectionOptions<R> = {}): Collection<R> {
    return this.#collectionOf<R>(name, options)
  }

  transact<T>(work: () => T): T {
    const outermost = this.#open === undefined
    this.#open ??= []
    const open = this.#open
    const begin = open.length
    let result: T
    try {
      result = work()
    } catch (thrown) {
      // Of a nested call that the outer one survives, only its own changes.
      this.#takeBack(open.splice(begin))
      if (outermost) this.#open = undefined
      throw thrown
    }
    if (outermost) {
      this.#open = undefined
      this.#commit(open)
    }
    return result
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

  /** All rows and counters at this moment. */
  cut(): readonly CollectionCut[] {
    return [...this.#collections.values()].map((collection) => collection.cut())
  }

  #collectionOf<R extends Row>(name: string, options: CollectionOptions<R>): MemoryCollection<R> {
    let found = this.#collections.get(name)
    if (found) {
      found.setOptions(options)
      return found
    }
    found = new MemoryCollection<R>(name, options, (key, seq, before, after) =>
      this.#note({ collection: name, key, seq, before, after }),
    )
    this.#collections.set(name, found)
    return found
  }

  #note(change: Change): void {
    if (this.#options.freeze && change.after) freezeAll(change.after)
    if (this.#open) this.#open.push(change)
    else this.#commit([change])
  }

  #commit(steps: readonly Change[]): void {
    const changes = collapsed(steps)
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
    const pending: Pending = { steps, settled }
    this.#waiting.push(pending)
    let refused: StoreFault | undefined
    try {
      this.#log.append(changes, (fault) => {
        refused = fault
        if (fault) this.#fail(pending)
        else this.#waiting.shift()
        settle(fault)
        if (!fault) this.#tell(changes)
      })
    } catch (thrown) {
      this.#waiting.pop()
      this.#takeBack(steps)
      throw thrown
    }
    if (refused) throw refused
  }

  /** One lost transaction takes along all that were made after it and may have built upon it. */
  #fail(pending: Pending): void {
    if (!this.#waiting.includes(pending)) return
    for (const { steps } of this.#waiting.reverse()) this.#takeBack(steps)
    this.#waiting = []
  }

  #takeBack(changes: readonly Change[]): void {
    for (const { collection, key, seq, before } of [...changes].reverse()) {
      this.#collectionOf(collection, {}).apply(key, seq, before)
    }
  }

  /** What a listener changes is told after what it was told of: all hear the same order. */
  #tell(changes: readonly Change[]): void {
    this.#untold.push(changes)
    if (this.#telling) return
    const failures: unknown[] = []
    this.#telling = true
    for (let next = this.#untold.shift(); next; next = this.#untold.shift()) {
      for (const listener of [...this.#listeners]) {
        try {
          listener(next)
        } catch (thrown) {
          failures.push(thrown)
        }
      }
    }
    this.#telling = false
    const { onListenerFailure } = this.#options
    if (onListenerFailure) for (const thrown of failures) onListenerFailure(thrown)
    else if (failures.length > 0) throw failures[0]
  }
}

/** One change a key, from what was before the first to what is after the last. */
function collapsed(changes: readonly Change[]): readonly Change[] {
  if (changes.length < 2) return changes
  const byKey = new Map<string, Change>()
  for (const change of changes) {
    const id = `${change.collection} ${change.key}`
    const first = byKey.get(id)
    if (first) byKey.set(id, { ...change, before: first.before })
    else byKey.set(id, change)
  }
  return [...byKey.values()].filter(({ before, after }) => before !== after)
}

function freezeAll(value: object): void {
  if (Object.isFrozen(value)) return
  Object.freeze(value)
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) freezeAll(part)
  }
}

/** A store that forgets with the process; listeners hear of a change before its call returns. */
export function createMemoryStore(options?: MemoryStoreOptions): Store {
  return new MemoryStore(options)
}
