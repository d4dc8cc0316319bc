import type { V1ResourceRequirements } from '@kubernetes/client-node'
import type { ContainerSpec, TaskSpec } from '../runtime.ts'

const UNITS_PER_CPU = 1024
const MILLIS_PER_CPU = 1000

/**
 * What a container asks for and may use. A container's processor units are a share, the task's a
 * limit. Kubernetes limits containers only: each may use what the task has, unless its own limit is
 * lower, and what the task has beyond its containers' wishes is asked for in equal parts.
 */
export function resourcesOf(
  container: ContainerSpec,
  task: TaskSpec,
): V1ResourceRequirements | undefined {
  const cpu = container.cpuUnits ?? share(task, task.cpuUnits, ({ cpuUnits }) => cpuUnits)
  const memoryLimit = container.memoryMiB ?? task.memoryMiB
  const memory = softMemory(container) ?? share(task, task.memoryMiB, softMemory)
  const storage = task.ephemeralStorageGiB
  const requests = {
    ...(cpu === undefined ? {} : { cpu: millis(Math.min(cpu, task.cpuUnits ?? cpu)) }),
    ...(memory === undefined ? {} : { memory: `${Math.min(memory, memoryLimit ?? memory)}Mi` }),
    // Without it the request would be the limit: no node has free what a task may never use.
    ...(storage === undefined ? {} : { 'ephemeral-storage': '0' }),
  }
  const limits = {
    ...(task.cpuUnits === undefined ? {} : { cpu: millis(task.cpuUnits) }),
    ...(memoryLimit === undefined ? {} : { memory: `${memoryLimit}Mi` }),
    ...(storage === undefined ? {} : { 'ephemeral-storage': `${storage}Gi` }),
  }
  const [asks, may] = [Object.keys(requests).length > 0, Object.keys(limits).length > 0]
  if (!asks && !may) return undefined
  return { ...(asks ? { requests } : {}), ...(may ? { limits } : {}) }
}

function softMemory({ memoryReservationMiB, memoryMiB }: ContainerSpec): number | undefined {
  return memoryReservationMiB ?? memoryMiB
}

/** An equal part of what the task has left for containers that say nothing. */
function share(
  task: TaskSpec,
  whole: number | undefined,
  own: (container: ContainerSpec) => number | undefined,
): number | undefined {
  if (whole === undefined) return undefined
  const said = task.containers.map(own)
  const taken = said.reduce((sum: number, each) => sum + (each ?? 0), 0)
  const silent = said.filter((each) => each === undefined).length
  return Math.max(0, Math.floor((whole - taken) / Math.max(1, silent)))
}

function millis(units: number): string {
  return `${Math.max(1, Math.round((units * MILLIS_PER_CPU) / UNITS_PER_CPU))}m`
}
