/** The real program under load. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { root } from '../root.ts'
import { cpuUsOf, rssMbOf, stopped } from './processes.ts'

export interface BenchServer {
  readonly port: number
  readonly startedMs: number
  /** User and system time so far, in microseconds (Linux only; NaN elsewhere). */
  cpuUs(): number
  rssMb(): number
  stop(signal?: NodeJS.Signals): Promise<void>
}

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
    cpuUs: () => cpuUsOf(child.pid),
    rssMb: () => rssMbOf(child.pid),
    stop: (signal = 'SIGTERM') => stopped(child, signal),
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
