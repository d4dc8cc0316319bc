import { readFileSync } from 'node:fs'
import process from 'node:process'

let known: string | undefined

/** The version in package.json, which lies one folder up from the sources and two from dist/bin. */
export function versionOf(): string {
  known ??= read('../package.json') ?? read('../../package.json') ?? 'unknown'
  return known
}

function read(path: string): string | undefined {
  try {
    const found = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
    return found.name === 'kecs' ? String(found.version) : undefined
  } catch {
    return undefined
  }
}

/** What runs this program, e.g. `deno 2.9.6`. */
export function engineOf(): string {
  const { deno, node } = process.versions
  return deno === undefined ? `node ${node}` : `deno ${deno}`
}
