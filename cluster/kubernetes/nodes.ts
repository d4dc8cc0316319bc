import type { RuntimeNode } from '../runtime.ts'
import type { KubeClient } from './client.ts'
import type { List, Node } from './objects.ts'

const UNITS_PER_CPU = 1024
const MIB = 1024 * 1024
const SCALES: Readonly<Record<string, number>> = {
  '': 1,
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1024,
  Mi: MIB,
  Gi: 1024 * MIB,
  Ti: MIB * MIB,
}

/** The machines with what tasks may have of each. */
export async function readNodes(client: KubeClient): Promise<readonly RuntimeNode[]> {
  const { items } = await client.request<List<Node>>({ path: '/api/v1/nodes' })
  return items.filter(takesTasks).map(nodeOf)
}

/** Nodes that are kept for something else have taints of their own; the cluster's tell of trouble. */
function takesTasks({ spec }: Node): boolean {
  return !spec?.taints?.some(({ key, effect }) => {
    return effect !== 'PreferNoSchedule' && !key.startsWith('node.kubernetes.io/')
  })
}

export function nodeOf({ metadata, spec, status }: Node): RuntimeNode {
  const { cpu = '0', memory = '0' } = status?.allocatable ?? {}
  const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  return {
    name: metadata.name,
    cpuUnits: Math.floor(quantity(cpu) * UNITS_PER_CPU),
    memoryMiB: Math.floor(quantity(memory) / MIB),
    ...(address === undefined ? {} : { address }),
    ready: ready?.status === 'True' && spec?.unschedulable !== true,
    bounded: true,
  }
}

/** A quantity as Kubernetes writes it, e.g. `1500m` or `16Gi`; 0 for what is none. */
export function quantity(text: string): number {
  const match = /^([0-9.]+)([a-zA-Z]*)$/.exec(text)
  return Number(match?.[1] ?? 0) * (SCALES[match?.[2] ?? ''] ?? 0)
}
