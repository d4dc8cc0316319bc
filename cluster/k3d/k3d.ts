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
import { ProgramFault, type RunOptions, runProgram, type Surroundings } from './program.ts'

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

/** What is done while k3d works. */
export interface Watch {
  readonly onLine?: (line: string) => void
  /** Ends it before it is done. */
  readonly signal?: AbortSignal
}

/** The k3d program; whatever it calls ends by a time-out. */
export interface K3d {
  version(): Promise<string>
  /** Clusters with the label of this project, by name. */
  list(): Promise<readonly Cluster[]>
  /** Whoever made it: `isOurs` says. */
  find(name: string): Promise<Cluster | undefined>
  create(spec: ClusterSpec, timeoutMs: number, watch?: Watch): Promise<void>
  start(name: string, timeoutMs: number, watch?: Watch): Promise<void>
  /** Process ids of k3d programs of this machine that make that cluster just now. */
  makers(name: string): Promise<readonly number[]>
  stop(name: string): Promise<void>
  /** Of no effect where there is none. */
  delete(name: string): Promise<void>
  importImages(name: string, images: readonly string[], timeoutMs: number): Promise<void>
  /** Writes the kubeconfig of a cluster to a file, and nowhere else. */
  writeKubeconfig(name: string, path: string): Promise<void>
}

const QUICK_MS = 30_000
const STOP_MS = 120_000
const INSPECT_TRIES = 5

export function createK3d(surroundings: Surroundings): K3d {
  const k3d = (args: readonly string[], timeoutMs: number, more: Partial<RunOptions> = {}) =>
    runProgram('k3d', args, { ...surroundings, timeoutMs, ...more })
  const inspect = (label: string) => inspectAll(label, surroundings)
  return {
    async version() {
      const said = await k3d(['version'], QUICK_MS)
      return /k3d version v?(\S+)/.exec(said)?.[1] ?? 'unknown'
    },
    async list() {
      return (await inspect('k3d.cluster')).filter(({ isOurs }) => isOurs)
    },
    async find(name) {
      // Of that one alone: no other cluster is in the way, whatever happens to it.
      return (await inspect(`k3d.cluster=${name}`)).find((cluster) => cluster.name === name)
    },
    async create(spec, timeoutMs, watch) {
      // k3d's own time-out rolls back what it made; ours is for a k3d that hangs.
      await k3d(createArguments(spec, timeoutMs), timeoutMs + STOP_MS, watched(surroundings, watch))
    },
    async start(name, timeoutMs, watch) {
      const seconds = Math.ceil(timeoutMs / 1000)
      const args = ['cluster', 'start', name, '--wait', '--timeout', `${seconds}s`]
      await k3d(args, timeoutMs + QUICK_MS, watched(surroundings, watch))
    },
    async makers(name) {
      const options = { ...surroundings, timeoutMs: QUICK_MS }
      // Where there is no such ps, nothing is known.
      return parseMakers(
        await runProgram('ps', ['-A', '-o', 'pid=,args='], options).catch(() => ''),
        name,
      )
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

/** Clusters whose containers have that label. */
async function inspectAll(label: string, surroundings: Surroundings): Promise<Cluster[]> {
  const docker = (args: readonly string[]) =>
    runProgram('docker', args, { ...surroundings, timeoutMs: QUICK_MS })
  for (let tries = 1; ; tries++) {
    const found = await docker(['ps', '--all', '--quiet', '--filter', `label=${label}`])
    const ids = found.split('\n').filter((id) => id !== '')
    if (ids.length === 0) return []
    try {
      return parseClusters(await docker(['inspect', ...ids]))
    } catch (error) {
      // One that somebody removed just now; the others were to be told all the same.
      const isGone = error instanceof ProgramFault && /no such object/i.test(error.output)
      if (!isGone || tries === INSPECT_TRIES) throw error
    }
  }
}

function watched(
  { signal }: Surroundings,
  { onLine, signal: off }: Watch = {},
): Partial<RunOptions> {
  const signals = [signal, off].filter((each) => each !== undefined)
  return {
    ...(onLine ? { onLine } : {}),
    ...(signals.length > 0 ? { signal: AbortSignal.any(signals) } : {}),
  }
}

/** Out of what `ps` prints: a process id and a command line each. */
export function parseMakers(text: string, name: string): number[] {
  return text.split('\n').flatMap((line) => {
    const [pid, program = '', ...args] = line.trim().split(/\s+/)
    const isMaker =
      /(^|\/)k3d$/.test(program) && args.slice(0, 3).join(' ') === `cluster create ${name}`
    return isMaker ? [Number(pid)] : []
  })
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
