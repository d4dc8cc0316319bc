import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TaskRuntime } from '../cluster/runtime.ts'
import type { Clock } from '../gateway/core/clock.ts'
import type { Closers } from './closers.ts'
import { usageError } from './output.ts'
import { isLoopback, type Settings } from './settings.ts'
import { runtimeDirOf } from './storage.ts'

/** Commands for whoever reaches a port that is open to others are refused: exit code 2. */
export function refuseOpenProcesses({ runtime, host }: Pick<Settings, 'runtime' | 'host'>): void {
  if (runtime !== 'process' || isLoopback(host)) return
  throw usageError(
    `--runtime process is refused together with --host ${host}.`,
    'Whoever reaches the endpoint could run commands on this machine as you.',
    'Leave --host away for 127.0.0.1, or use --runtime simulated.',
  )
}

/** The runtime that the settings name; only its code is loaded. */
export async function createRuntime(
  settings: Pick<Settings, 'runtime' | 'dataDir'>,
  clock: Clock,
  closers: Closers,
): Promise<TaskRuntime> {
  const { runtime, dataDir } = settings
  if (runtime === 'simulated') {
    const { createSimulatedRuntime } = await import('../cluster/local/simulated.ts')
    return createSimulatedRuntime({ clock })
  }
  const { createProcessRuntime } = await import('../cluster/local/process.ts')
  const dir = dataDir === undefined ? await passingDir(closers) : runtimeDirOf(dataDir)
  return createProcessRuntime({ clock, dir })
}

async function passingDir(closers: Closers): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kecs-'))
  closers.push(() => rm(dir, { recursive: true, force: true }))
  return dir
}
