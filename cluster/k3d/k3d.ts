import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type Cluster,
  type ExtraPort,
  LABELS,
  nodePortOf,
  parseClusters,
  renderExtraPorts,
} from './clusters.ts'
import { type RunOptions, runProgram, type Surroundings } from './program.ts'

export interface PortMapping {
  /** Of this machine. */
  readonly host: string
  readonly hostPort: number
  /** A NodePort of a Service. */
  readonly nodePort: number
}

export interface ClusterSpec {
  readonly name: string
  /** A directory of this machine, absolute; nodes have it at `nodeDataDir`. */
  readonly dataDir: string
  readonly nodeDataDir: string
  readonly agents: number
  readonly ports: readonly PortMapping[]
  readonly extraPorts: readonly ExtraPort[]
  /** Undefined: whichever k3d takes. */
  readonly image: string | undefined
}

/** The k3d program; whatever it calls ends by a time-out. */
export interface K3d {
  version(): Promise<string>
  /** Clusters with the label of this project, by name. */
  list(): Promise<readonly Cluster[]>
  /** Whoever made it: `isOurs` says. */
  find(name: string): Promise<Cluster | undefined>
  create(spec: ClusterSpec, timeoutMs: number, onLine?: (line: string) => void): Promise<void>
  start(name: string, timeoutMs: number, onLine?: (line: string) => void): Promise<void>
  stop(name: string): Promise<void>
  /** Of no effect where there is none. */
  delete(name: string): Promise<void>
  importImages(name: string, images: readonly string[], timeoutMs: number): Promise<void>
  /** Writes the kubeconfig of a cluster to a file, and nowhere else. */
  writeKubeconfig(name: string, path: string): Promise<void>
}

const QUICK_MS = 30_000
const STOP_MS = 120_000

export function createK3d(surroundings: Surroundings): K3d {
  const k3d = (args: readonly string[], timeoutMs: number, more: Partial<RunOptions> = {}) =>
    runProgram('k3d', args, { ...surroundings, timeoutMs, ...more })
  const docker = (args: readonly string[]) =>
    runProgram('docker', args, { ...surroundings, timeoutMs: QUICK_MS })
  const all = async () => {
    const found = await docker(['ps', '--all', '--quiet', '--filter', 'label=k3d.cluster'])
    const ids = found.split('\n').filter((id) => id !== '')
    return ids.length === 0 ? [] : parseClusters(await docker(['inspect', ...ids]))
  }
  return {
    async version() {
      const said = await k3d(['version'], QUICK_MS)
      return /k3d version v?(\S+)/.exec(said)?.[1] ?? 'unknown'
    },
    async list() {
      return (await all()).filter(({ isOurs }) => isOurs)
    },
    async find(name) {
      return (await all()).find((cluster) => cluster.name === name)
    },
    async create(spec, timeoutMs, onLine) {
      // k3d's own time-out rolls back what it made; ours is for a k3d that hangs.
      await k3d(createArguments(spec, timeoutMs), timeoutMs + STOP_MS, withLines(onLine))
    },
    async start(name, timeoutMs, onLine) {
      const seconds = Math.ceil(timeoutMs / 1000)
      const args = ['cluster', 'start', name, '--wait', '--timeout', `${seconds}s`]
      await k3d(args, timeoutMs + QUICK_MS, withLines(onLine))
    },
    async stop(name) {
      await k3d(['cluster', 'stop', name], STOP_MS)
    },
    async delete(name) {
      await k3d(['cluster', 'delete', name], STOP_MS)
    },
    async importImages(name, images, timeoutMs) {
      await k3d(['image', 'import', '--mode', 'direct', '-c', name, ...images], timeoutMs)
    },
    async writeKubeconfig(name, path) {
      await mkdir(dirname(path), { recursive: true })
      const flags = ['--output', path, '--overwrite']
      const quiet = ['--kubeconfig-switch-context=false']
      await k3d(['kubeconfig', 'write', name, ...flags, ...quiet], QUICK_MS)
    },
  }
}

function withLines(onLine: ((line: string) => void) | undefined): Partial<RunOptions> {
  return onLine ? { onLine } : {}
}

/** Nothing of the user's own kubeconfig is touched, and no port is open to the network. */
export function createArguments(spec: ClusterSpec, timeoutMs: number): string[] {
  const label = (name: string, value: string) => [
    '--runtime-label',
    `${name}=${literal(value)}@all`,
  ]
  const extra = spec.extraPorts.map(({ hostPort }, index) => {
    return { host: '127.0.0.1', hostPort, nodePort: nodePortOf(index) }
  })
  return [
    'cluster',
    'create',
    spec.name,
    '--no-lb',
    '--api-port',
    '127.0.0.1:random',
    ...(spec.agents > 0 ? ['--agents', String(spec.agents)] : []),
    ...(spec.image === undefined ? [] : ['--image', spec.image]),
    '--volume',
    `${literal(`${spec.dataDir}:${spec.nodeDataDir}`)}@all`,
    ...[...spec.ports, ...extra].flatMap(({ host, hostPort, nodePort }) => [
      '--port',
      `${host}:${hostPort}:${nodePort}@server:0:direct`,
    ]),
    ...label(LABELS.instance, spec.name),
    ...label(LABELS.dataDir, spec.dataDir),
    ...(extra.length ? label(LABELS.extraPorts, renderExtraPorts(spec.extraPorts)) : []),
    '--k3s-arg',
    '--disable=traefik@server:*',
    '--kubeconfig-update-default=false',
    '--kubeconfig-switch-context=false',
    '--wait',
    '--timeout',
    `${Math.ceil(timeoutMs / 1000)}s`,
  ]
}

/** k3d takes what follows an @ for a filter of nodes. */
function literal(text: string): string {
  return text.replaceAll('@', '\\@')
}
