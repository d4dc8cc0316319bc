/**
 * Runs the tests: `all` (linter and format, Node, Deno), `node`, `deno`, or `e2e` (those that take a
 * real k3d), with an optional part of a file name to run only those. A process a file: no test sees
 * another file's globals, a file that hangs is killed, and one that runs no test counts as failed
 * (uvu passes it silently).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { deleteClustersOf, isCheap, needsCluster, sharedCluster } from './k8s/e2e.ts'
import { reasonToSkip } from './k8s/k3d.ts'
import { root } from './root.ts'

const FILE_TIMEOUT_MS = 180_000
/** Such a file makes images and clusters, and waits for what AWS's own waiters wait for. */
const REAL_FILE_TIMEOUT_MS = 600_000

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
  readonly env?: Readonly<Record<string, string>>
  /** It may make k3d clusters named after its process, which go with it. */
  readonly isReal?: boolean
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
      env: { ...process.env, ...QUIET, ...job.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what a test started is killed with it.
      detached: true,
    })
    running.add(child)
    const chunks: string[] = []
    const timeoutMs = job.isReal ? REAL_FILE_TIMEOUT_MS : FILE_TIMEOUT_MS
    const timer = setTimeout(() => {
      chunks.push(`\nkilled: still running after ${timeoutMs / 1000} s\n`)
      killGroup(child)
    }, timeoutMs)
    child.stdout.on('data', (chunk) => chunks.push(String(chunk)))
    child.stderr.on('data', (chunk) => chunks.push(String(chunk)))
    child.on('close', async (code) => {
      clearTimeout(timer)
      running.delete(child)
      if (job.isReal && code !== 0) chunks.push(await deleteClustersOf(child.pid))
      const output = chunks.join('')
      done({ ...job.count(output, code), output })
    })
  })
}

const QUIET = { DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', FORCE_COLOR: '0' }

interface Sum {
  passed: number
  failed: number
  skipped: number
}

let isInterrupted = false

/** Runs jobs, so many at a time, and tells of each as it ends. */
async function runAll(jobs: readonly Job[], atOnce: number): Promise<Sum> {
  const sum: Sum = { passed: 0, failed: 0, skipped: 0 }
  const queue = [...jobs]
  async function work(): Promise<void> {
    for (let job = queue.shift(); job && !isInterrupted; job = queue.shift()) {
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
  await Promise.all(Array.from({ length: Math.max(1, atOnce) }, work))
  return sum
}

function told({ passed, failed, skipped }: Sum): void {
  console.log(`\n${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`)
}

async function main(mode: string, filter: string): Promise<number> {
  if (mode === 'e2e') return real(filter)
  const jobs: Job[] = []
  if (mode === 'all') jobs.push(lintJob())
  if (mode !== 'deno') jobs.push(...nodeJobs(filter))
  if (mode !== 'node') jobs.push(...denoJobs(filter))
  const sum = await runAll(jobs, availableParallelism())
  told(sum)
  return sum.failed === 0 && sum.passed > 0 && !isInterrupted ? 0 : 1
}

/** One after the other: a k3d cluster takes the whole of a small machine. */
async function real(filter: string): Promise<number> {
  process.env.KECS_TEST_K3D = '1'
  const reason = await reasonToSkip()
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`)
    told({ passed: 0, failed: 0, skipped: 0 })
    return 0
  }
  const jobs = [
    ...nodeJobs(filter).filter(({ label }) => needsCluster(label)),
    ...denoJobs(filter).filter(({ label }) => isCheap(label)),
  ]
  const shared = jobs.some(({ label }) => isCheap(label)) ? await sharedCluster() : undefined
  try {
    const sum = await runAll(
      jobs.map((job) => ({
        ...job,
        isReal: true,
        env: isCheap(job.label) ? (shared?.env ?? {}) : {},
      })),
      1,
    )
    told(sum)
    return sum.failed === 0 && sum.passed > 0 && !isInterrupted ? 0 : 1
  } finally {
    await shared?.delete()
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    isInterrupted = true
    for (const child of running) killGroup(child)
  })
}
const [mode = 'all', filter = ''] = process.argv.slice(2)
try {
  process.exitCode = await main(mode, filter)
} catch (thrown) {
  // Such as a cluster that could not be made.
  console.log(thrown)
  told({ passed: 0, failed: 1, skipped: 0 })
  process.exitCode = 1
}
process.exit()
