import { once } from 'node:events'
import process from 'node:process'

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

/** A failure told in three lines: what happened, why, and what to do next. No stack. */
export class UserError extends Error {
  readonly why: string
  readonly next: string
  readonly exitCode: number

  constructor(what: string, why: string, next: string, exitCode: number = EXIT.failed) {
    super(what)
    this.name = 'UserError'
    this.why = why
    this.next = next
    this.exitCode = exitCode
  }
}

/** The command was not understood: exit code 2. */
export function usageError(what: string, why: string, next: string): UserError {
  return new UserError(what, why, next, EXIT.usage)
}

export function renderError(error: UserError): string {
  return `error: ${error.message}\n  why: ${error.why}\n  try: ${error.next}\n`
}

/** Writes to stdout; a reader that went away (`kecs … | head`) is no failure. */
export function print(text: string): void {
  process.stdout.write(text)
}

/** The same for much: resolves when the reader has room again, rejects when it went away. */
export async function printed(text: string): Promise<void> {
  const { stdout } = process
  if (stdout.errored) throw stdout.errored
  if (!stdout.write(text)) await once(stdout, 'drain')
}

export function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPIPE'
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Rows under their column names, every column as wide as its widest cell. */
export function renderTable(
  columns: readonly string[],
  rows: readonly (readonly unknown[])[],
): string {
  const cells = rows.map((row) => columns.map((_, i) => cellOf(row[i])))
  const widths = columns.map((name, i) => {
    return cells.reduce((width, row) => Math.max(width, row[i]?.length ?? 0), name.length)
  })
  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width))
  return `${[columns, rule, ...cells].map(line).join('\n')}\n`
}

/** Names and values below one another, the values aligned. */
export function renderPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = pairs.reduce((most, [name]) => Math.max(most, name.length), 0)
  return pairs.map(([name, value]) => `  ${name.padEnd(width)}  ${value}\n`).join('')
}

// A cell is one line: whatever is stored cannot forge rows or drive the terminal.
function cellOf(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return [...text].map((char) => (isControl(char) ? '\uFFFD' : char)).join('')
}

function isControl(char: string): boolean {
  const code = char.codePointAt(0) ?? 0
  return code < 0x20 || (code >= 0x7f && code < 0xa0)
}
