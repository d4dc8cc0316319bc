/** Holds the project to its shape: what may import what, how long things are, what the README says. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { marked, readmeTables } from './readme.ts'
import { root } from './root.ts'

const FOLDERS = ['gateway', 'ecs', 'elbv2', 'cluster', 'bin', 'test']
const MAX_FILE_LINES = 400
const MAX_FUNCTION_LINES = 60

interface Source {
  /** With forward slashes, e.g. `gateway/core/store.ts`. */
  readonly path: string
  readonly text: string
}

const sources: Source[] = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({
      path: relative(root, path).split(sep).join('/'),
      text: readFileSync(path, 'utf8'),
    })),
)
const product = sources.filter(({ path }) => !path.startsWith('test/'))

interface Import {
  readonly from: string
  /** A path from the root for the project's own files, else a package's name. */
  readonly to: string
  readonly typeOnly: boolean
}

function importsOf({ path, text }: Source): Import[] {
  const found: Import[] = []
  const pattern = /^(?:import|export)( type)?\b[^'"]*?from '([^']+)'|\bimport\('([^']+)'\)/gm
  for (const [, type, named, lazy] of text.matchAll(pattern)) {
    const target = named ?? lazy ?? ''
    const to = target.startsWith('.') ? join(dirname(path), target).split(sep).join('/') : target
    found.push({ from: path, to, typeOnly: type !== undefined })
  }
  return found
}

const imports = product.flatMap(importsOf)

/** Where each folder may reach besides itself. */
const ARROWS: Readonly<Record<string, (edge: Import) => boolean>> = {
  gateway: () => false,
  cluster: () => false,
  // The port itself: types, and the one fault that crosses it.
  ecs: ({ to }) => to.startsWith('gateway/core/') || to === 'cluster/runtime.ts',
  // The kernel, the hardened proxy and the HTTP server with its limits; of the rest of the gateway
  // only what its parts look like.
  elbv2: ({ to, typeOnly }) =>
    to.startsWith('gateway/core/') ||
    to.startsWith('gateway/proxy') ||
    to === 'gateway/server.ts' ||
    typeOnly,
  bin: () => true,
}

test('imports: every arrow between folders is one that the design has', () => {
  const wrong = imports.filter((edge) => {
    const [from = '', to = ''] = [edge.from.split('/')[0], edge.to.split('/')[0]]
    if (from === to || !FOLDERS.includes(to)) return false
    return !ARROWS[from]?.(edge)
  })
  assert.equal(
    wrong.map(({ from, to }) => `${from} -> ${to}`),
    [],
  )
})

test('imports: a package that is kept behind one file is imported there only', () => {
  const behind: Readonly<Record<string, string>> = {
    'http-proxy': 'gateway/proxy.ts',
    '@duckdb/duckdb-wasm': 'gateway/sql',
    re2js: 'elbv2/data-plane/rules/regex.ts',
  }
  const wrong = imports.filter(({ from, to }) =>
    Object.entries(behind).some(
      ([name, file]) => (to === name || to.startsWith(`${name}/`)) && !from.startsWith(file),
    ),
  )
  assert.equal(wrong, [])
})

test('imports: what is published needs no development dependency', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const allowed = Object.keys(manifest.dependencies)
  const wrong = imports.filter(({ to, typeOnly }) => {
    if (typeOnly || to.startsWith('node:') || FOLDERS.includes(to.split('/')[0] ?? '')) return false
    return !allowed.some((name) => to === name || to.startsWith(`${name}/`))
  })
  assert.equal(wrong, [])
})

test('files: none is over the limit without being generated', () => {
  const long = sources
    .filter(({ path }) => !path.endsWith('.gen.ts'))
    .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
    .filter(({ lines }) => lines > MAX_FILE_LINES)
  assert.equal(long, [])
})

/** Lines of each named function without those of the functions inside it; the formatter holds the indents. */
function functionsOf({ path, text }: Source): { name: string; lines: number }[] {
  const lines = text.split('\n')
  const spans: { name: string; begin: number; end: number }[] = []
  lines.forEach((line, begin) => {
    const head = /^(\s*)(?:export )?(?:async )?function\*? (\w+)/.exec(line)
    if (!head) return
    const close = `${head[1]}}`
    const length = lines.slice(begin).indexOf(close)
    if (length !== -1) spans.push({ name: `${path} ${head[2]}`, begin, end: begin + length })
  })
  return spans.map((span) => {
    const inside = spans.filter((each) => each.begin > span.begin && each.end < span.end)
    const direct = inside.filter(
      (each) => !inside.some((other) => other.begin < each.begin && other.end > each.end),
    )
    const nested = direct.reduce((sum, each) => sum + each.end - each.begin + 1, 0)
    return { name: span.name, lines: span.end - span.begin + 1 - nested }
  })
}

test('functions: none is over the limit, functions inside it not counted', () => {
  const long = product
    .filter(({ path }) => !path.endsWith('.gen.ts'))
    .flatMap(functionsOf)
    .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
  assert.equal(long, [])
})

test('tests: every test file runs its suites', () => {
  const silent = sources.filter(
    ({ path, text }) => path.endsWith('.test.ts') && !/\.run\(\)|runtimeContract\(/.test(text),
  )
  assert.equal(
    silent.map(({ path }) => path),
    [],
  )
})

test('README: its tables are what the code says', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  for (const [name, table] of readmeTables()) {
    assert.is(marked(text, name), table, `${name}: run node dist/test/tables.js`)
  }
})

test('text: nothing names a machine path or leaves an unexplained note', () => {
  const wrong = sources.filter(
    ({ path, text }) =>
      path !== 'test/project.test.ts' && /\/work\/|\/root\/|\bTODO\b|\bFIXME\b/.test(text),
  )
  assert.equal(
    wrong.map(({ path }) => path),
    [],
  )
})

test.run()
