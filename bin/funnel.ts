/** What several sources yield, as one. */

/** Items that wait for the reader before sources are let wait, too. */
const HELD = 100

/** Hands on what sources yield, as it comes; each waits while the reader is behind. */
export class Funnel<T> {
  readonly #items: T[] = []
  readonly #waiting: (() => void)[] = []
  #wake: () => void = () => {}
  #fault: { readonly thrown: unknown } | undefined
  #isClosed = false

  /** Resolves with how many items it had, once the source has ended; its failure becomes the reader's. */
  async add(source: AsyncIterable<T>): Promise<number> {
    let count = 0
    try {
      for await (const item of source) {
        if (this.#isClosed) break
        count++
        this.#items.push(item)
        this.#wake()
        if (this.#items.length >= HELD) await new Promise<void>((go) => this.#waiting.push(go))
      }
    } catch (thrown) {
      this.fail(thrown)
    }
    return count
  }

  /** The reader gets what is there, and then this. */
  fail(thrown: unknown): void {
    this.#fault ??= { thrown }
    this.#wake()
  }

  /** No more is handed on than what is there. */
  close(): void {
    this.#isClosed = true
    this.#wake()
    for (const go of this.#waiting.splice(0)) go()
  }

  async *read(): AsyncGenerator<T> {
    try {
      for (;;) {
        while (this.#items.length > 0) {
          yield this.#items.shift() as T
          this.#waiting.shift()?.()
        }
        if (this.#fault) throw this.#fault.thrown
        if (this.#isClosed) return
        await new Promise<void>((wake) => {
          this.#wake = wake
        })
      }
    } finally {
      this.close()
    }
  }
}

interface Head<T> {
  readonly source: AsyncIterator<T>
  item: T
}

/** Of sources that are in order themselves: all items in order, with one of each in memory. */
export async function* inOrder<T>(
  sources: readonly AsyncIterable<T>[],
  placeOf: (item: T) => number,
): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  try {
    const firsts = await Promise.all(
      iterators.map(async (source) => ({ source, first: await source.next() })),
    )
    const heads: Head<T>[] = firsts.flatMap(({ source, first }) =>
      first.done ? [] : [{ source, item: first.value }],
    )
    while (heads.length > 0) {
      const head = heads.reduce((least, each) =>
        placeOf(each.item) < placeOf(least.item) ? each : least,
      )
      yield head.item
      const next = await head.source.next()
      if (next.done) heads.splice(heads.indexOf(head), 1)
      else head.item = next.value
    }
  } finally {
    await Promise.all(iterators.map((each) => each.return?.()))
  }
}
