/** Docker labels on the nodes of a cluster: what says that it is ours, and where its data is. */
export const LABELS = {
  instance: 'kecs.dev/instance',
  dataDir: 'kecs.dev/data-dir',
  extraPorts: 'kecs.dev/extra-ports',
} as const

/** A port of this machine that leads to one inside, by a NodePort that `nodePortOf` gives. */
export interface ExtraPort {
  readonly hostPort: number
  readonly innerPort: number
}

const FIRST_EXTRA_NODE_PORT = 30_600

/** Of the extra port at that place. */
export function nodePortOf(index: number): number {
  return FIRST_EXTRA_NODE_PORT + index
}

export function renderExtraPorts(ports: readonly ExtraPort[]): string {
  return ports.map(({ hostPort, innerPort }) => `${hostPort}:${innerPort}`).join(',')
}

function parseExtraPorts(text: string): ExtraPort[] {
  return text.split(',').flatMap((pair) => {
    const [hostPort, innerPort] = pair.split(':').map(Number)
    return hostPort && innerPort ? [{ hostPort, innerPort }] : []
  })
}

export interface ClusterNode {
  readonly name: string
  readonly role: string
  readonly image: string
  readonly isRunning: boolean
  /** As Docker calls it, e.g. `exited`. */
  readonly status: string
}

export interface PublishedPort {
  readonly host: string
  readonly hostPort: number
  readonly nodePort: number
}

/** A k3d cluster, as its containers tell. */
export interface Cluster {
  readonly name: string
  readonly isOurs: boolean
  /** `degraded`: some of its nodes run. `broken`: it was never made whole, and cannot be started. */
  readonly state: 'running' | 'stopped' | 'degraded' | 'broken'
  readonly nodes: readonly ClusterNode[]
  readonly ports: readonly PublishedPort[]
  readonly extraPorts: readonly ExtraPort[]
  readonly dataDir: string | undefined
}

interface RawContainer {
  readonly Name?: string
  readonly Config?: { readonly Image?: string; readonly Labels?: Readonly<Record<string, string>> }
  readonly State?: { readonly Running?: boolean; readonly Status?: string }
  readonly HostConfig?: {
    readonly PortBindings?: Readonly<Record<string, readonly RawBinding[] | null>> | null
  }
}

interface RawBinding {
  readonly HostIp?: string
  readonly HostPort?: string
}

const K3S_ROLES: ReadonlySet<string> = new Set(['server', 'agent'])

/**
 * Clusters out of what `docker inspect` says of their containers: k3d made these, but does not tell
 * any labels but its own. Throws where it is no such JSON.
 */
export function parseClusters(json: string): Cluster[] {
  const raw: unknown = JSON.parse(json)
  if (!Array.isArray(raw)) throw new Error('docker inspect printed no list.')
  const byName = new Map<string, RawContainer[]>()
  for (const container of raw as RawContainer[]) {
    const name = container.Config?.Labels?.['k3d.cluster']
    if (name !== undefined) byName.set(name, [...(byName.get(name) ?? []), container])
  }
  return [...byName]
    .map(([name, containers]) => clusterOf(name, containers))
    .sort((left, right) => left.name.localeCompare(right.name))
}

function clusterOf(name: string, containers: readonly RawContainer[]): Cluster {
  const k3s = containers.filter((each) => K3S_ROLES.has(each.Config?.Labels?.['k3d.role'] ?? ''))
  const nodes = k3s.map(({ Name = '', Config, State }) => ({
    name: Name.replace(/^\//, ''),
    role: Config?.Labels?.['k3d.role'] ?? '',
    image: Config?.Image ?? '',
    isRunning: State?.Running === true,
    status: State?.Status ?? 'unknown',
  }))
  const label = (key: string) =>
    k3s.map(({ Config }) => Config?.Labels?.[key]).find((value) => value !== undefined)
  return {
    name,
    isOurs: label(LABELS.instance) !== undefined,
    state: stateOf(nodes),
    nodes: nodes.sort((left, right) => left.name.localeCompare(right.name)),
    ports: k3s.flatMap(({ HostConfig }) => portsOf(HostConfig?.PortBindings ?? {})),
    extraPorts: parseExtraPorts(label(LABELS.extraPorts) ?? ''),
    dataDir: label(LABELS.dataDir),
  }
}

function stateOf(nodes: readonly ClusterNode[]): Cluster['state'] {
  if (!nodes.some(({ role }) => role === 'server')) return 'broken'
  // A container that was made and never started is what an interrupted create leaves: k3d gives it
  // its network and its files only later.
  if (nodes.some(({ status }) => status === 'created')) return 'broken'
  const running = nodes.filter(({ isRunning }) => isRunning).length
  if (running === nodes.length) return 'running'
  return running === 0 ? 'stopped' : 'degraded'
}

function portsOf(
  mappings: Readonly<Record<string, readonly RawBinding[] | null>>,
): PublishedPort[] {
  return Object.entries(mappings).flatMap(([inner, bindings]) =>
    (bindings ?? []).map(({ HostIp = '', HostPort = '0' }) => ({
      host: HostIp,
      hostPort: Number(HostPort),
      nodePort: Number(inner.split('/')[0]),
    })),
  )
}
