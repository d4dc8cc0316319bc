import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../../cluster/clock.ts'
import { createProcessRuntime, type ProcessOptions } from '../../../cluster/local/process.ts'
import { noticing, type World } from '../../runtime-watch.ts'

const POLL_MS = 20
const PATIENCE_MS = 60_000

export const realClock: Clock = {
  now: () => Date.now(),
  after(delayMs, work) {
    const handle = setTimeout(work, delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
}

/** A world of real time and real processes. */
export function worldOf(dir: string, more: Partial<ProcessOptions> = {}): World {
  const runtime = createProcessRuntime({ clock: realClock, dir, ...more })
  return {
    runtime,
    ...noticing(PATIENCE_MS, () => 'it never came so far'),
    async restarted() {
      await runtime.close()
      return worldOf(dir, more)
    },
    dispose: () => runtime.close(),
  }
}

export const sh = (line: string) => ({ command: ['/bin/sh', '-c', line] })
export const sleeps = { command: ['sleep', '1000'] }

const dirs: string[] = []

/** A folder that `removeDirs` takes away again. */
export function freshDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kecs-process-'))
  dirs.push(dir)
  return dir
}

export function removeDirs(): void {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
}

/** Whether a process runs; one that ended and was not collected yet does not. */
export function isAlive(pid: number): boolean {
  try {
    const text = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
    return !text.trim().startsWith('Z')
  } catch {
    return false
  }
}

/** Looks again and again at what sends no word of itself. */
export async function eventually(done: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS
  while (!done()) {
    if (Date.now() > deadlineMs) throw new Error('it never came so far')
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS)
    })
  }
}

/** Starts `process-owner` on `dir`: another process with a runtime and one task, as JSON. */
export function spawnOwner(dir: string, spec: unknown) {
  const here = fileURLToPath(import.meta.url)
  const file = join(dirname(here), `process-owner${extname(here)}`)
  const deno = extname(here) === '.ts'
  const args = deno ? ['run', '-A', '--quiet', '--no-lock', '--cached-only', file] : [file]
  return spawn(process.execPath, [...args, dir, JSON.stringify(spec)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
