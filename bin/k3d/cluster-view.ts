import { existsSync } from 'node:fs'
import type { Cluster } from '../../cluster/k3d/clusters.ts'
import { renderPairs, renderTable, UserError } from '../output.ts'
import { instanceOf } from './ensure-cluster.ts'
import { kubeconfigPath } from './instance.ts'

export function noCluster(name: string, others: readonly string[]): UserError {
  return new UserError(
    `there is no cluster ${name} of kecs.`,
    others.length ? `There is ${others.join(', ')}.` : 'There is none at all.',
    `kecs start-v2 --name ${name}`,
  )
}

/** What programs and people are told of a cluster. */
export function describeCluster(cluster: Cluster) {
  const { name, state, nodes } = cluster
  const { apiPort, adminPort, dataDir, extraPorts } = instanceOf(cluster)
  const path = kubeconfigPath(name)
  return {
    name,
    state,
    endpoint: `http://localhost:${apiPort}`,
    adminEndpoint: `http://localhost:${adminPort}`,
    dataDir,
    kubeconfig: existsSync(path) ? path : null,
    ports: extraPorts,
    nodes: nodes.map((node) => ({
      name: node.name,
      role: node.role,
      status: node.status,
      image: node.image,
    })),
  }
}

export function renderClusters(clusters: readonly Cluster[]): string {
  if (clusters.length === 0) return 'There are no clusters of kecs. kecs start-v2 makes one.\n'
  const rows = clusters.map(describeCluster).map((each) => {
    return [
      each.name,
      each.state,
      each.endpoint,
      each.adminEndpoint,
      each.nodes.length,
      each.dataDir,
    ]
  })
  return renderTable(['name', 'state', 'endpoint', 'admin', 'nodes', 'data'], rows)
}

export function renderCluster(cluster: Cluster): string {
  const it = describeCluster(cluster)
  const facts = renderPairs([
    ['endpoint', it.endpoint],
    ['admin', it.adminEndpoint],
    ...it.ports.map(({ hostPort, innerPort }) => {
      return ['listeners', `port ${innerPort} at http://localhost:${hostPort}`] as const
    }),
    ['data', it.dataDir],
    ['kubeconfig', it.kubeconfig ?? `none: kecs kubeconfig ${it.name} writes it`],
  ])
  const nodes = it.nodes.map(({ name, role, status, image }) => [name, role, status, image])
  const next = it.state === 'running' ? '' : ` (kecs start-v2 --name ${it.name} makes it run)`
  return `The cluster ${it.name}: ${it.state}${next}\n\n${facts}\n${renderTable(['node', 'role', 'status', 'image'], nodes)}`
}
