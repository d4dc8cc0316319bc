import { Buffer } from 'node:buffer'
import type { Bucket, Row } from './store.ts'

/** One page and the token of the next, absent on the last page. */
export interface Page<R> {
  readonly rows: R[]
  readonly nextToken: string | undefined
}

const TOKEN_VERSION = 'k1.'

/**
 * One page of a bucket, filtered, in its order. A token names a place in the order, not a row, so
 * it survives the deletion of any row. Undefined when the token is not one of ours.
 */
export function pageOf<R extends Row>(
  bucket: Bucket<R>,
  limit: number,
  token: string | undefined,
  keep: (row: R) => boolean = () => true,
): Page<R> | undefined {
  const from = token === undefined ? -1 : seqOf(token)
  if (from === undefined) return undefined
  const rows: R[] = []
  let last = from
  for (const [seq, row] of bucket.after(from)) {
    if (!keep(row)) continue
    if (rows.length === limit) return { rows, nextToken: tokenOf(last) }
    rows.push(row)
    last = seq
  }
  return { rows, nextToken: undefined }
}

/** One page of values sorted by `compare`; the token carries the last value itself. */
export function pageOfSorted(
  sorted: readonly string[],
  limit: number,
  token: string | undefined,
  compare: (left: string, right: string) => number,
): Page<string> | undefined {
  const last = token === undefined ? undefined : textOf(token)
  if (token !== undefined && last === undefined) return undefined
  const start = last === undefined ? 0 : firstAfter(sorted, last, compare)
  const rows = sorted.slice(start, start + limit)
  const more = start + limit < sorted.length
  return { rows, nextToken: more ? tokenOf(rows.at(-1) ?? '') : undefined }
}

function firstAfter(
  sorted: readonly string[],
  last: string,
  compare: (left: string, right: string) => number,
): number {
  const found = sorted.findIndex((value) => compare(value, last) > 0)
  return found === -1 ? sorted.length : found
}

function tokenOf(place: number | string): string {
  return Buffer.from(TOKEN_VERSION + place).toString('base64url')
}

function textOf(token: string): string | undefined {
  const text = Buffer.from(token, 'base64url').toString()
  return text.startsWith(TOKEN_VERSION) ? text.slice(TOKEN_VERSION.length) : undefined
}

function seqOf(token: string): number | undefined {
  const text = textOf(token)
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
