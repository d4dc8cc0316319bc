import { performance } from 'node:perf_hooks'

/** One series' running figure; hold on to it where it is raised often. */
export interface Cell {
  value: number
}

export interface Counter {
  /** The cell of these label values, in the order of the label names. */
  at(...values: readonly string[]): Cell
}

export interface Histogram {
  /** Counts a duration in seconds under these label values. */
  observe(seconds: number, ...values: readonly string[]): void
}

/** Figures that are asked for when somebody looks: label values with their number. */
export type ReadGauge = () => Iterable<readonly [labels: readonly string[], value: number]>

/** A histogram that its owner keeps; `counts` has a figure a bound, those above the last left out. */
export interface DurationCounts {
  /** Upper bounds in seconds, ascending. */
  readonly boundsS: readonly number[]
  readonly counts: ArrayLike<number>
  readonly sumS: number
  readonly count: number
}

export type ReadDurations = () => Iterable<readonly [labels: readonly string[], DurationCounts]>

/** A registry whose `render` is the Prometheus text format, version 0.0.4. */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  histogram(name: string, help: string, labels: readonly string[]): Histogram
  gauge(name: string, help: string, labels: readonly string[], read: ReadGauge): void
  /** A figure that only grows and that its owner counts already. */
  countedElsewhere(name: string, help: string, labels: readonly string[], read: ReadGauge): void
  /** Durations that their owner counts already. */
  durationsElsewhere(
    name: string,
    help: string,
    labels: readonly string[],
    read: ReadDurations,
  ): void
  render(): string
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Upper bounds in seconds: a call here takes some 100 µs, one with tasks to start milliseconds. */
const BUCKETS_S = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10]

export function createMetrics(): Metrics {
  const families: (() => string)[] = []

  return {
    counter(name, help, labels = []) {
      const tree = new Tree<Cell>(() => ({ value: 0 }))
      families.push(() => {
        let text = head(name, 'counter', help)
        for (const [values, cell] of tree) text += sample(name, labels, values, cell.value)
        return text
      })
      if (labels.length === 0) tree.at([])
      return { at: (...values) => tree.at(values) }
    },
    histogram(name, help, labels) {
      const tree = new Tree<Distribution>(() => new Distribution())
      families.push(() => {
        let text = head(name, 'histogram', help)
        for (const [values, found] of tree) text += found.render(name, labels, values)
        return text
      })
      return { observe: (seconds, ...values) => tree.at(values).add(seconds) }
    },
    gauge(name, help, labels, read) {
      families.push(() => rendered(name, 'gauge', help, labels, read))
    },
    countedElsewhere(name, help, labels, read) {
      families.push(() => rendered(name, 'counter', help, labels, read))
    },
    durationsElsewhere(name, help, labels, read) {
      families.push(() => {
        let text = head(name, 'histogram', help)
        for (const [values, found] of read()) text += histogramOf(found, name, labels, values)
        return text
      })
    },
    render: () => families.map((family) => family()).join(''),
  }
}

/** Leaves under label values, one map a label: finding one builds no string. */
class Tree<T> implements Iterable<readonly [readonly string[], T]> {
  readonly #make: () => T
  readonly #root = new Map<string, unknown>()
  #only: T | undefined

  constructor(make: () => T) {
    this.#make = make
  }

  at(values: readonly string[]): T {
    const last = values.at(-1)
    if (last === undefined) {
      this.#only ??= this.#make()
      return this.#only
    }
    let level = this.#root
    for (let i = 0; i < values.length - 1; i++) {
      const key = values[i] as string
      let next = level.get(key) as Map<string, unknown> | undefined
      if (!next) {
        next = new Map()
        level.set(key, next)
      }
      level = next
    }
    let leaf = level.get(last) as T | undefined
    if (leaf === undefined) {
      leaf = this.#make()
      level.set(last, leaf)
    }
    return leaf
  }

  *[Symbol.iterator](): Generator<readonly [readonly string[], T]> {
    if (this.#only !== undefined) yield [[], this.#only]
    yield* this.#leaves(this.#root, [])
  }

  *#leaves(
    level: Map<string, unknown>,
    path: readonly string[],
  ): Generator<readonly [readonly string[], T]> {
    for (const [key, next] of level) {
      if (next instanceof Map) yield* this.#leaves(next, [...path, key])
      else yield [[...path, key], next as T]
    }
  }
}

class Distribution {
  readonly #counts = new Float64Array(BUCKETS_S.length)
  #sum = 0
  #count = 0

  add(seconds: number): void {
    this.#sum += seconds
    this.#count++
    for (let i = 0; i < BUCKETS_S.length; i++) {
      if (seconds <= (BUCKETS_S[i] as number)) {
        this.#counts[i] = (this.#counts[i] as number) + 1
        return
      }
    }
  }

  render(name: string, labels: readonly string[], values: readonly string[]): string {
    const found = {
      boundsS: BUCKETS_S,
      counts: this.#counts,
      sumS: this.#sum,
      count: this.#count,
    }
    return histogramOf(found, name, labels, values)
  }
}

function histogramOf(
  { boundsS, counts, sumS, count }: DurationCounts,
  name: string,
  labels: readonly string[],
  values: readonly string[],
): string {
  const withBound = [...labels, 'le']
  let text = ''
  let below = 0
  for (const [i, bound] of boundsS.entries()) {
    below += counts[i] ?? 0
    text += sample(`${name}_bucket`, withBound, [...values, String(bound)], below)
  }
  text += sample(`${name}_bucket`, withBound, [...values, '+Inf'], count)
  text += sample(`${name}_sum`, labels, values, sumS)
  return text + sample(`${name}_count`, labels, values, count)
}

function rendered(
  name: string,
  type: string,
  help: string,
  labels: readonly string[],
  read: ReadGauge,
): string {
  let text = head(name, type, help)
  for (const [values, value] of read()) text += sample(name, labels, values, value)
  return text
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\n# TYPE ${name} ${type}\n`
}

function sample(
  name: string,
  labels: readonly string[],
  values: readonly string[],
  value: number,
): string {
  if (labels.length === 0) return `${name} ${value}\n`
  const pairs = labels.map((label, i) => `${label}="${escaped(values[i] ?? '')}"`)
  return `${name}{${pairs.join(',')}} ${value}\n`
}

function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}

const LAG_INTERVAL_MS = 500

export interface LoopLag {
  /** Seconds the event loop was late: now, and at worst since the last time this was asked. */
  read(): { readonly lastS: number; readonly worstS: number }
  stop(): void
}

/** Measured by a timer that is late: perf_hooks' histogram measures nothing under Deno. */
export function watchLoopLag(intervalMs: number = LAG_INTERVAL_MS): LoopLag {
  let lastS = 0
  let worstS = 0
  let due = performance.now() + intervalMs
  const timer = setInterval(() => {
    const now = performance.now()
    lastS = Math.max(0, now - due) / 1000
    worstS = Math.max(worstS, lastS)
    due = now + intervalMs
  }, intervalMs)
  timer.unref()
  return {
    read() {
      const lag = { lastS, worstS }
      worstS = lastS
      return lag
    },
    stop: () => clearInterval(timer),
  }
}
