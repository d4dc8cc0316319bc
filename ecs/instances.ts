/** Container instances: each stands for a machine of the runtime. */
import type { RuntimeNode } from '../cluster/runtime.ts'
import type { EcsContext } from './context.ts'
import { childArn } from './resolve.ts'
import type { ClusterRow, ContainerInstanceRow } from './rows.ts'

const INSTANCE_ID_DIGITS = 17

type Registration = Pick<
  ContainerInstanceRow,
  'implicit' | 'attributes' | 'tags' | 'versionInfo' | 'node'
>

export function registerInstance(
  context: EcsContext,
  cluster: ClusterRow,
  registration: Registration,
): ContainerInstanceRow {
  const { rows, ids, clock } = context
  const nodes = context.nodes()
  const node = nodes.find(({ name }) => name === registration.node) ?? nodes[0]
  const id = ids.hex()
  const row: ContainerInstanceRow = {
    ...registration,
    arn: childArn(cluster, 'container-instance', id),
    account: cluster.account,
    region: cluster.region,
    id,
    clusterArn: cluster.arn,
    status: 'ACTIVE',
    ec2InstanceId: `i-${ids.hex().slice(0, INSTANCE_ID_DIGITS)}`,
    cpuUnits: node?.cpuUnits ?? 0,
    memoryMiB: node?.memoryMiB ?? 0,
    registeredAtMs: clock.now(),
    version: 1,
  }
  rows.containerInstances.put(row.arn, row)
  return row
}

/**
 * The instances that tasks may go to now: ACTIVE ones, without those whose machine does not answer
 * as long as others do. A cluster that never had any gets one for each machine.
 */
export function instancesFor(context: EcsContext, cluster: ClusterRow): ContainerInstanceRow[] {
  const { rows } = context
  followNodes(context, cluster)
  if (rows.containerInstances.by('cluster', cluster.arn).size === 0) {
    registerInstance(context, cluster, { implicit: true, attributes: [], tags: [] })
  }
  const active = [...rows.containerInstances.by('cluster', cluster.arn)].filter(
    ({ status }) => status === 'ACTIVE',
  )
  const ready = active.filter((row) => isConnected(context, row))
  return ready.length > 0 ? ready : active
}

/** Machines that came or went, where the instances of the cluster are the scheduler's own. */
function followNodes(context: EcsContext, cluster: ClusterRow): void {
  const { rows } = context
  const nodes = context.nodes()
  const known = [...rows.containerInstances.by('cluster', cluster.arn)]
  // Nobody was asked yet, or nobody answered: that no machine is there is not known.
  if (nodes.length === 0 || known.some(({ implicit }) => !implicit)) return
  const missing = new Map(nodes.map((node) => [node.name, node]))
  for (const row of known) {
    if (row.node !== undefined && !missing.delete(row.node)) rows.containerInstances.delete(row.arn)
  }
  for (const row of known) {
    const [node] = missing.values()
    if (row.node !== undefined || !node) continue
    // Made before anything was known of machines.
    const { name, cpuUnits, memoryMiB } = node
    rows.containerInstances.put(row.arn, { ...row, node: name, cpuUnits, memoryMiB })
    missing.delete(name)
  }
  for (const node of missing.keys()) {
    registerInstance(context, cluster, { implicit: true, attributes: [], tags: [], node })
  }
}

/** Again for each cluster that had instances: what no call asks for, DAEMON services need. */
export function followAllNodes(context: EcsContext): void {
  const { rows } = context
  const arns = new Set([...rows.containerInstances.all()].map(({ clusterArn }) => clusterArn))
  for (const arn of arns) {
    const cluster = rows.clusters.get(arn)
    if (cluster) followNodes(context, cluster)
  }
}

/** The machine of an instance; undefined where it stands for none, or for one that is gone. */
export function nodeOf(
  context: Pick<EcsContext, 'nodes'>,
  { node }: ContainerInstanceRow,
): RuntimeNode | undefined {
  return context.nodes().find(({ name }) => name === node)
}

/** Whether its machine answers; one that stands for none in particular always does. */
export function isConnected(
  context: Pick<EcsContext, 'nodes'>,
  row: ContainerInstanceRow,
): boolean {
  return row.node === undefined || nodeOf(context, row)?.ready === true
}
