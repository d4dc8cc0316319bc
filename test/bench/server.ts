/** The real program under load, with its own CPU time as the kernel counts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { root } from '../root.ts'

export interface BenchServer {
  readonly port: number
  readonly startedMs: number
  /** User and system time so far, in microseconds (Linux only; NaN elsewhere). */
  cpuUs(): number
  rssMb(): number
  stop(signal?: NodeJS.Signals): Promise<void>
}

const CLOCK_TICKS_A_SECOND = 100

export async function startServer(flags: readonly string[]): Promise<BenchServer> {
  const begun = performance.now()
  const child = spawn(
    process.execPath,
    [
      join(root, 'dist/bin/kecs.js'),
      'serve',
      '--api-port',
      '0',
      '--admin-port',
      '0',
      '--log-format',
      'json',
      ...flags,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const endpoint = await firstLine(child)
  return {
    port: Number(new URL(endpoint).port),
    startedMs: performance.now() - begun,
    cpuUs: () => cpuOf(child.pid ?? 0),
    rssMb: () => rssOf(child.pid ?? 0),
    stop: (signal = 'SIGTERM') =>
      new Promise((resolve) => {
        child.once('close', () => resolve())
        child.kill(signal)
      }),
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end !== -1) resolve(JSON.parse(text.slice(0, end)).endpoint)
    })
    child.once('close', () => reject(new Error('the server ended before it was ready')))
  })
}

function cpuOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    return (ticks / CLOCK_TICKS_A_SECOND) * 1e6
  } catch {
    return Number.NaN
  }
}

function rssOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
  } catch {
    return Number.NaN
  }
}
