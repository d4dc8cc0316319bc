/**
 * Runs the tests: `all` (linter and format, Node, Deno), `node` or `deno`, with an optional part of
 * a file name to run only those. A process a file: no test sees another file's globals, a file that
 * hangs is killed, and one that runs no test counts as failed (uvu passes it silently).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { root } from './root.ts'

const FILE_TIMEOUT_MS = 180_000

interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly output: string
}

interface Job {
  readonly label: string
  readonly command: string
  readonly args: readonly string[]
  readonly count: (output: string, code: number | null) => Omit<Outcome, 'output'>
}

function testFiles(folder: string, ending: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function nodeJobs(filter: string): Job[] {
  return testFiles(join(root, 'dist/test'), '.test.js')
    .map((file) => ({ file, label: `node ${relative(join(root, 'dist'), file)}` }))
    .filter(({ label }) => label.includes(filter))
    .map(({ file, label }) => ({
      label,
      command: process.execPath,
      args: ['--enable-source-maps', file],
      count: countUvu,
    }))
}

function denoJobs(filter: string): Job[] {
  const deno = join(
    dirname(createRequire(join(root, 'package.json')).resolve('deno/package.json')),
    'bin.cjs',
  )
  return testFiles(join(root, 'test'), '.test.ts')
    .map((file) => ({ file, label: `deno ${relative(root, file)}` }))
    .filter(({ label }) => label.includes(filter))
    .map(({ file, label }) => ({
      label,
      command: process.execPath,
      args: [deno, 'run', '-A', '--quiet', '--no-lock', '--cached-only', file],
      count: countUvu,
    }))
}

function lintJob(): Job {
  const biome = createRequire(join(root, 'package.json')).resolve('@biomejs/biome/bin/biome')
  return {
    label: 'lint and format',
    command: process.execPath,
    args: [biome, 'check', '--error-on-warnings', '.'],
    count: (_output, code) => ({
      passed: code === 0 ? 1 : 0,
      failed: code === 0 ? 0 : 1,
      skipped: 0,
    }),
  }
}

function countUvu(output: string, code: number | null): Omit<Outcome, 'output'> {
  const figure = (name: string) => {
    let sum = 0
    for (const [, digits] of output.matchAll(new RegExp(`^ *${name}: +(\\d+)`, 'gm'))) {
      sum += Number(digits)
    }
    return sum
  }
  const total = figure('Total')
  const passed = figure('Passed')
  const skipped = figure('Skipped')
  // uvu counts skipped tests beside the total.
  const failed = total - passed
  const broken = failed === 0 && (code !== 0 || total + skipped === 0)
  return { passed, skipped, failed: broken ? 1 : failed }
}

/** Why tests were skipped, as their files say it. */
function reasonsIn(output: string): string {
  return output
    .split('\n')
    .filter((line) => line.includes('skipped: '))
    .join('\n')
}

const running = new Set<ChildProcess>()

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}

function run(job: Job): Promise<Outcome> {
  return new Promise((done) => {
    const child = spawn(job.command, job.args, {
      cwd: root,
      env: { ...process.env, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what a test started is killed with it.
      detached: true,
    })
    running.add(child)
    const chunks: string[] = []
    const timer = setTimeout(() => {
      chunks.push(`\nkilled: still running after ${FILE_TIMEOUT_MS / 1000} s\n`)
      killGroup(child)
    }, FILE_TIMEOUT_MS)
    child.stdout.on('data', (chunk) => chunks.push(String(chunk)))
    child.stderr.on('data', (chunk) => chunks.push(String(chunk)))
    child.on('close', (code) => {
      clearTimeout(timer)
      running.delete(child)
      const output = chunks.join('')
      done({ ...job.count(output, code), output })
    })
  })
}

async function main(mode: string, filter: string): Promise<number> {
  const jobs: Job[] = []
  if (mode === 'all') jobs.push(lintJob())
  if (mode !== 'deno') jobs.push(...nodeJobs(filter))
  if (mode !== 'node') jobs.push(...denoJobs(filter))
  const sum = { passed: 0, failed: 0, skipped: 0 }
  const queue = [...jobs]
  async function work(): Promise<void> {
    for (let job = queue.shift(); job; job = queue.shift()) {
      const begun = Date.now()
      const outcome = await run(job)
      sum.passed += outcome.passed
      sum.failed += outcome.failed
      sum.skipped += outcome.skipped
      const seconds = ((Date.now() - begun) / 1000).toFixed(1)
      const skipped = outcome.skipped ? `, ${outcome.skipped} skipped` : ''
      const verdict = outcome.failed ? 'FAIL' : 'ok  '
      console.log(`${verdict} ${job.label}: ${outcome.passed} passed${skipped} (${seconds} s)`)
      if (outcome.failed) console.log(outcome.output)
      else if (outcome.skipped) console.log(reasonsIn(outcome.output))
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, availableParallelism()) }, work))
  const skipped = sum.skipped ? `, ${sum.skipped} skipped` : ''
  console.log(`\n${sum.passed} passed, ${sum.failed} failed${skipped}`)
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const child of running) killGroup(child)
    process.exit(1)
  })
}
const [mode = 'all', filter = ''] = process.argv.slice(2)
process.exit(await main(mode, filter))
