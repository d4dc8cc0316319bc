/**
 * `npm run bench [NAME …]`: a JSON line a figure. Every bench runs in a process of its own; traffic
 * goes to loopback only and is bounded in count.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Bench } from './figure.ts'
import { killTree } from './processes.ts'

const BENCH_TIMEOUT_MS = 300_000
const HELPERS = [
  'main',
  'figure',
  'rounds',
  'processes',
  'server',
  'client',
  'load-client',
  'proxy-target',
  'balancer-target',
  'sites',
  'rivals',
  'kecs-balancer',
]
const here = dirname(fileURLToPath(import.meta.url))

async function runOne(name: string): Promise<void> {
  const { run } = (await import(join(here, `${name}.js`))) as { run: Bench }
  for await (const { name: figure, value, unit } of run()) {
    const rounded = Number(value.toPrecision(4))
    console.log(JSON.stringify({ bench: name, name: figure, value: rounded, unit }))
  }
}

function inOwnProcess(name: string): Promise<number> {
  return new Promise((resolve) => {
    const args = ['--expose-gc', fileURLToPath(import.meta.url), '--only', name]
    const child = spawn(process.execPath, args, { stdio: 'inherit' })
    const timer = setTimeout(() => killTree(child.pid), BENCH_TIMEOUT_MS)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve(code ?? 1)
    })
  })
}

const [first, ...rest] = process.argv.slice(2)
if (first === '--only') {
  await runOne(rest[0] ?? '')
  process.exit(0)
}
const all = readdirSync(here)
  .filter((file) => file.endsWith('.js'))
  .map((file) => basename(file, '.js'))
  .filter((name) => !HELPERS.includes(name))
const wanted = first === undefined ? all : all.filter((name) => [first, ...rest].includes(name))
let failed = 0
for (const name of wanted) if ((await inOwnProcess(name)) !== 0) failed++
process.exit(failed === 0 && wanted.length > 0 ? 0 : 1)
