/**
 * Tasks as processes of this machine: a container's `entryPoint` and `command` run here, without
 * its image, and with no more isolation than any program. Groups of processes are stopped whole;
 * what outlives a killed KECS is stopped at the next start, and its tasks are lost.
 */
import { rm } from 'node:fs/promises'
import { availableParallelism, hostname, totalmem } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { Clock } from '../clock.ts'
import { RuntimeFault, type RuntimeNode, type TaskRuntime } from '../runtime.ts'
import { TaskEngine } from './engine.ts'
import { acceptedTask } from './lifecycle.ts'
import { PortPool } from './port-pool.ts'
import { ProcessDriver } from './process-driver.ts'
import { warningsOf } from './process-environment.ts'
import { GroupRecords } from './process-groups.ts'
import { TaskLogs } from './task-log.ts'

export interface ProcessOptions {
  readonly clock: Clock
  /** For logs and process records; one runtime at a time. */
  readonly dir: string
  /** Where host ports are looked for; processes are told by `KECS_BIND_HOST`. Default 127.0.0.1. */
  readonly bindHost?: string
  /** What is kept of one task's output, at most; the oldest lines go first. Default 8 MiB. */
  readonly maxLogBytes?: number
  readonly platform?: NodeJS.Platform
}

const MAX_LOG_BYTES = 8 * 1024 * 1024
const CPU_UNITS_A_PROCESSOR = 1_024
const MEBIBYTE = 1_048_576
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** A runtime that runs commands on this machine. Faults: RuntimeFault where process groups are unknown. */
export function createProcessRuntime(options: ProcessOptions): TaskRuntime {
  const { clock, dir, bindHost = '127.0.0.1', maxLogBytes = MAX_LOG_BYTES } = options
  const { platform = process.platform } = options
  refuseWithoutGroups(platform)
  const records = new GroupRecords(join(dir, 'processes'))
  const logs = new TaskLogs(join(dir, 'tasks'), maxLogBytes)
  const pool = new PortPool(bindHost)
  const volumesFolder = join(dir, 'volumes')
  const driver = new ProcessDriver({ clock, bindHost, pool, records, logs, volumesFolder })
  const engine = new TaskEngine(clock, driver)
  const node = nodeOf(bindHost)
  let closing = false
  return {
    name: 'process',
    honesty: 'Processes of this machine: commands run as you, without their images or isolation.',
    attributes: { 'kecs.runtime': 'process' },
    async start(_believed, onState) {
      engine.watch(onState)
      await records.reap(clock)
      await rm(volumesFolder, { recursive: true, force: true })
      // No process can be taken over with its output and its exit code: all that was believed is lost.
      return []
    },
    async run(spec) {
      if (closing) throw new RuntimeFault('RuntimeClosing', 'the process runtime is closing')
      if (!SAFE_ID.test(spec.id)) {
        throw new RuntimeFault(
          'InvalidTaskId',
          `task id ${JSON.stringify(spec.id)} is no file name`,
        )
      }
      if (engine.has(spec.id)) return
      const warnings = warningsOf(spec, bindHost)
      engine.accept(acceptedTask(spec, { node: node.name, warnings }))
    },
    async stop(id) {
      engine.stop(id)
    },
    async remove(id) {
      if (SAFE_ID.test(id) && engine.remove(id)) await logs.remove(id)
    },
    async *logs(id, query) {
      if (engine.has(id)) yield* logs.open(id).read(query)
      else if (SAFE_ID.test(id)) yield* logs.readLeft(id, query)
    },
    nodes: () => [node],
    health() {
      const fault = logs.fault()
      if (fault !== undefined) return { status: 'degraded', detail: `logs are lost: ${fault}` }
      return { status: 'up', detail: 'commands run as processes of this machine' }
    },
    async close() {
      closing = true
      engine.watch(undefined)
      await engine.stopAll()
      await logs.endAll()
      engine.abandon()
    },
  }
}

function refuseWithoutGroups(platform: NodeJS.Platform): void {
  if (platform === 'linux' || platform === 'darwin') return
  const text = `the process runtime needs process groups, and ${platform} has none it can use`
  throw new RuntimeFault('UnsupportedPlatform', text)
}

function nodeOf(bindHost: string): RuntimeNode {
  return {
    name: hostname(),
    cpuUnits: availableParallelism() * CPU_UNITS_A_PROCESSOR,
    memoryMiB: Math.floor(totalmem() / MEBIBYTE),
    address: bindHost,
    ready: true,
    bounded: false,
  }
}
