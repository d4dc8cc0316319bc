const FIRST_MS = 200
const MOST_MS = 10_000

/** How long to wait after so many failures in a row. */
export function backoffMs(failures: number, firstMs = FIRST_MS): number {
  return Math.min(MOST_MS, firstMs * 2 ** Math.max(0, failures - 1))
}
