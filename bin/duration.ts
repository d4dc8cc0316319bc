import type { Values } from './command.ts'
import { usageError } from './output.ts'

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
}
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g
const WHOLE = /^((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/

/** Milliseconds of a duration as Go writes it, e.g. `1h30m` or `1.5s`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (!WHOLE.test(text)) return undefined
  let sum = 0
  for (const [, figure, unit = ''] of text.matchAll(PART)) {
    sum += Number(figure) * (UNITS[unit] ?? Number.NaN)
  }
  return sum
}

/** Beyond it a timer would fire at once. */
const MAX_MS = 24 * 3_600_000

/** The value of a flag that is a positive duration; a UserError for another one. */
export function durationOf(values: Values, flag: string, fallback: string): number {
  const text = values.text(flag) ?? fallback
  const ms = parseDuration(text)
  if (ms !== undefined && ms >= 1_000 && ms <= MAX_MS) return ms
  throw usageError(
    `${values.source(flag)} is ${JSON.stringify(text)}.`,
    'It is a duration from 1s to 24h with its units, such as 90s, 10m or 1h30m.',
    `Give it as --${flag} ${fallback}.`,
  )
}

/** As people read it: `0.4 s`, `12.3 s`, `2 min 5 s`. */
export function renderMs(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
