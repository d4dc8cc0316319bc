import { mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { TaskRuntime } from '../cluster/runtime.ts'
import type { Clock } from '../gateway/core/clock.ts'
import { messageOf } from '../gateway/core/fault.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { Closers } from './closers.ts'
import { UserError, usageError } from './output.ts'
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

type RuntimeSettings = Pick<Settings, 'runtime' | 'dataDir' | 'context' | 'kubeconfig' | 'instance'>

/** The runtime that the settings name; only its code is loaded. */
export async function createRuntime(
  settings: RuntimeSettings,
  clock: Clock,
  closers: Closers,
  log: Logger,
): Promise<TaskRuntime> {
  const { runtime, dataDir } = settings
  if (runtime === 'simulated') {
    const { createSimulatedRuntime } = await import('../cluster/local/simulated.ts')
    return createSimulatedRuntime({ clock })
  }
  if (runtime === 'kubernetes') return kubernetesRuntime(settings, clock, log)
  const { createProcessRuntime } = await import('../cluster/local/process.ts')
  const dir = dataDir === undefined ? await passingDir(closers) : runtimeDirOf(dataDir)
  return createProcessRuntime({ clock, dir })
}

async function kubernetesRuntime(
  settings: RuntimeSettings,
  clock: Clock,
  log: Logger,
): Promise<TaskRuntime> {
  const { context, kubeconfig } = settings
  const { createKubernetesRuntime } = await import('../cluster/kubernetes/runtime.ts')
  try {
    return await createKubernetesRuntime({
      clock,
      warn: (message, fields) => log.warn(message, fields),
      instance: instanceOf(settings),
      ...(context === undefined ? {} : { context }),
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
    })
  } catch (error) {
    throw new UserError(
      'the Kubernetes cluster could not be reached.',
      messageOf(error),
      'See that kubectl reaches it, name another one with --context or --kubeconfig, or use --runtime simulated.',
    )
  }
}

/** In a pod there is one kecs to the namespace; elsewhere people and directories tell them apart. */
function instanceOf({ instance, context, kubeconfig, dataDir }: RuntimeSettings): string {
  if (instance !== undefined) return instance
  const inPod = process.env.KUBERNETES_SERVICE_HOST !== undefined
  if (inPod && context === undefined && kubeconfig === undefined) return 'kecs'
  return ['kecs', userInfo().username, hostname(), dataDir ?? 'memory'].join('/')
}

async function passingDir(closers: Closers): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kecs-'))
  closers.push(() => rm(dir, { recursive: true, force: true }))
  return dir
}
