/** One measured figure; ratios hold within one run, absolute figures are this machine's mood. */
export interface Figure {
  readonly name: string
  readonly value: number
  /** e.g. `us CPU/call`, `ms`, `calls/s`, `ratio`, `MB`. */
  readonly unit: string
}

export type Bench = () => AsyncIterable<Figure>

/** The value at a share of sorted values, e.g. 0.99. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
