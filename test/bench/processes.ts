/** Programs under measurement, with their own CPU time and memory as the kernel counts them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { root } from '../root.ts'

export interface BenchProgram {
  readonly port: number
  /** User and system time so far, in microseconds (Linux only; NaN elsewhere). */
  cpuUs(): number
  stop(): Promise<void>
}

/** Another program of this folder: it says its port on stdout and ends with its stdin. */
export async function startProgram(
  name: string,
  args: readonly string[] = [],
): Promise<BenchProgram> {
  const child = spawn(process.execPath, [join(root, 'dist/test/bench', `${name}.js`), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line) => resolve(Number(line)))
    child.once('close', () => reject(new Error(`${name} ended before it was ready`)))
  })
  return { port, cpuUs: () => cpuUsOf(child.pid), stop: () => stopped(child, 'SIGKILL') }
}

export function stopped(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('close', () => resolve())
    child.kill(signal)
  })
}

/**
 * Time on a CPU so far, in microseconds, of a process and of all that it began. Of its threads one by
 * one: there the kernel tells nanoseconds, and ticks of 10 ms for the whole.
 */
export function cpuUsOf(pid: number | undefined): number {
  return sumOf(pid, (each) => {
    const tasks = readdirSync(`/proc/${each}/task`)
    const ran = tasks.map((task) => readFileSync(`/proc/${each}/task/${task}/schedstat`, 'utf8'))
    return ran.reduce((sum, text) => sum + Number.parseInt(text, 10) / 1_000, 0)
  })
}

/** Resident memory, in MB, of a process and of all that it began. */
export function rssMbOf(pid: number | undefined): number {
  return sumOf(pid, (each) => {
    const status = readFileSync(`/proc/${each}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
  })
}

function sumOf(pid: number | undefined, one: (pid: number) => number): number {
  if (pid === undefined) return Number.NaN
  try {
    return treeOf(pid).reduce((sum, each) => sum + one(each), 0)
  } catch {
    return Number.NaN
  }
}

/** A process and all that it began and that runs still; the process alone where this is not Linux. */
function treeOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []
    return [pid, ...children.flatMap((child) => treeOf(Number(child)))]
  } catch {
    return [pid]
  }
}

/** Ends a process with all that it began: nothing of it goes on running on its own. */
export function killTree(pid: number | undefined): void {
  for (const each of pid === undefined ? [] : treeOf(pid)) {
    try {
      process.kill(each, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Ports of loopback that nobody has at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = servers.map(
    (server) =>
      new Promise<number>((resolve, reject) => {
        server.once('error', reject)
        server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
      }),
  )
  const found = await Promise.all(ports)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return found
}
