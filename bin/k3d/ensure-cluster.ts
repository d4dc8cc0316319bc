import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, nodePortOf } from '../../cluster/k3d/clusters.ts'
import type { ClusterSpec } from '../../cluster/k3d/k3d.ts'
import { UserError } from '../output.ts'
import type { Progress } from '../progress.ts'
import { DEFAULT_ADMIN_PORT, DEFAULT_API_PORT } from '../settings.ts'
import { isLock } from '../storage.ts'
import type { Deadline } from './deadline.ts'
import { refuseTakenPorts, type WantedPort } from './host-ports.ts'
import { defaultDataDir, kubeconfigPath } from './instance.ts'
import { whileNodeLives } from './node-watch.ts'
import type { ClusterOptions } from './start-options.ts'
import type { Tools } from './tools.ts'

/** NodePorts of the Services `traefik` and `gateway`, as the manifests have them. */
export const API_NODE_PORT = 30_566
export const ADMIN_NODE_PORT = 30_081
/** Where nodes have the data directory, as the manifests have it. */
export const NODE_DATA_DIR = '/var/lib/kecs'
const LOOPBACK = '127.0.0.1'

/** What is fixed when a cluster is made, of one that runs. */
export interface Instance {
  readonly name: string
  readonly apiPort: number
  readonly adminPort: number
  readonly dataDir: string
  readonly extraPorts: Cluster['extraPorts']
  readonly nodes: readonly string[]
}

/** Refuses before anything is made what cannot be: ports, data and clusters of others. */
export async function refuseImpossible(options: ClusterOptions, tools: Tools): Promise<void> {
  const found = await tools.k3d.find(options.name)
  if (found && found.nodes.length > 0) refuseForeign(found)
  if (found && found.state !== 'broken') {
    refuseDifferent(found, options)
    if (found.state === 'stopped') {
      await refuseTakenPorts(portsToStart(found), LOOPBACK, tools.docker)
    }
    return
  }
  const spec = specOf(options)
  await refuseTakenPorts(found ? [] : wantedPorts(spec), LOOPBACK, tools.docker)
  await refuseSharedData(spec, tools)
  prepareDataDir(spec.dataDir)
}

/** The cluster of that name, running: made, started, or left alone, as it needs. */
export async function ensureCluster(
  options: ClusterOptions,
  tools: Tools,
  progress: Progress,
  deadline: Deadline,
): Promise<Instance> {
  const { name } = options
  await waitForMakers(name, tools, progress, deadline)
  await refuseImpossible(options, tools)
  const found = await tools.k3d.find(name)
  if (found && found.state !== 'broken') {
    await bringUp(found, tools, progress, deadline)
    return instanceOf(found)
  }
  await clearRemains(name, tools, progress)
  const spec = specOf(options)
  await refuseTakenPorts(wantedPorts(spec), LOOPBACK, tools.docker)
  await progress.step(`make the k3d cluster ${name}`, (say) =>
    whileNodeLives(name, tools, say, (watch) =>
      tools.k3d.create(spec, deadline.remaining(), watch),
    ),
  )
  const made = await tools.k3d.find(name)
  if (!made) throw new Error(`k3d made no cluster ${name}`)
  return instanceOf(made)
}

export function instanceOf(cluster: Cluster): Instance {
  const hostPort = (nodePort: number) =>
    cluster.ports.find((port) => port.nodePort === nodePort)?.hostPort ?? 0
  return {
    name: cluster.name,
    apiPort: hostPort(API_NODE_PORT),
    adminPort: hostPort(ADMIN_NODE_PORT),
    dataDir: cluster.dataDir ?? '',
    extraPorts: cluster.extraPorts,
    nodes: cluster.nodes.map((node) => node.name),
  }
}

function specOf(options: ClusterOptions): ClusterSpec {
  const { name, apiPort = DEFAULT_API_PORT, adminPort = DEFAULT_ADMIN_PORT } = options
  return {
    name,
    dataDir: options.dataDir ?? defaultDataDir(name),
    nodeDataDir: NODE_DATA_DIR,
    agents: options.agents ?? 0,
    ports: [
      { host: LOOPBACK, hostPort: apiPort, nodePort: API_NODE_PORT },
      { host: LOOPBACK, hostPort: adminPort, nodePort: ADMIN_NODE_PORT },
    ],
    extraPorts: options.extraPorts ?? [],
    image: options.k3sImage,
  }
}

function flagOf(nodePort: number): string {
  if (nodePort === API_NODE_PORT) return '--api-port'
  return nodePort === ADMIN_NODE_PORT ? '--admin-port' : '--port'
}

function wantedPorts({ ports, extraPorts }: ClusterSpec): WantedPort[] {
  return [
    ...ports.map(({ hostPort, nodePort }) => ({ port: hostPort, flag: flagOf(nodePort) })),
    ...extraPorts.map(({ hostPort }) => ({ port: hostPort, flag: '--port' })),
  ]
}

function portsToStart(cluster: Cluster): WantedPort[] {
  const extra = cluster.extraPorts.map((_, index) => nodePortOf(index))
  const known = new Set([API_NODE_PORT, ADMIN_NODE_PORT, ...extra])
  return cluster.ports
    .filter(({ nodePort }) => known.has(nodePort))
    .map(({ hostPort, nodePort }) => ({ port: hostPort, flag: flagOf(nodePort) }))
}

async function bringUp(
  cluster: Cluster,
  tools: Tools,
  progress: Progress,
  deadline: Deadline,
): Promise<void> {
  const { name, state } = cluster
  // The file is written once k3d is done: without it that may have been interrupted, and k3d start
  // does what is left, on running nodes, too.
  if (state === 'running' && existsSync(kubeconfigPath(name))) {
    return progress.kept(`the k3d cluster ${name}: it runs`)
  }
  await progress.step(`start the k3d cluster ${name}`, (say) =>
    whileNodeLives(name, tools, say, (watch) => tools.k3d.start(name, deadline.remaining(), watch)),
  )
}

const LOOK_EVERY_MS = 500

/** One that kecs left when it was killed, or of another start: two would undo each other's work. */
async function waitForMakers(
  name: string,
  { k3d }: Tools,
  progress: Progress,
  deadline: Deadline,
): Promise<void> {
  if ((await k3d.makers(name)).length === 0) return
  await progress.step(`wait for another k3d that makes the cluster ${name}`, async (say) => {
    for (let pids = await k3d.makers(name); pids.length > 0; pids = await k3d.makers(name)) {
      say(`process ${pids.join(', ')}`)
      deadline.remaining()
      await sleep(LOOK_EVERY_MS)
    }
  })
}

/** What an interrupted create or delete left of our own cluster. */
async function clearRemains(name: string, tools: Tools, progress: Progress): Promise<void> {
  const remains = await tools.docker.leftovers(name)
  const all = [...remains.containers, ...remains.networks, ...remains.volumes]
  if (all.length === 0) return
  await progress.step(`clear what is left of an unfinished cluster ${name}`, async () => {
    await tools.k3d.delete(name)
    await tools.docker.remove(await tools.docker.leftovers(name))
  })
}

export function refuseForeign(cluster: Cluster): void {
  if (cluster.isOurs) return
  throw new UserError(
    `the k3d cluster ${cluster.name} was not made by kecs.`,
    'Its containers have no label kecs.dev/instance, so it is left alone.',
    'Choose another name.',
  )
}

/** Ports, mounts and nodes of a cluster cannot be changed any more. */
function refuseDifferent(cluster: Cluster, options: ClusterOptions): void {
  const is = instanceOf(cluster)
  const agents = cluster.nodes.filter(({ role }) => role === 'agent').length
  const extra = (ports: Cluster['extraPorts']) =>
    ports.map(({ hostPort, innerPort }) => `${hostPort}:${innerPort}`).join(',') || 'none'
  const facts: readonly (readonly [flag: string, has: string, asked: string | undefined])[] = [
    ['--api-port', String(is.apiPort), options.apiPort?.toString()],
    ['--admin-port', String(is.adminPort), options.adminPort?.toString()],
    ['--data-dir', is.dataDir, options.dataDir],
    ['--agents', String(agents), options.agents?.toString()],
    ['--port', extra(is.extraPorts), options.extraPorts && extra(options.extraPorts)],
  ]
  for (const [flag, has, asked] of facts) {
    if (asked === undefined || asked === has) continue
    throw new UserError(
      `the cluster ${cluster.name} has ${flag} ${has}, not ${asked}.`,
      'That is fixed when a cluster is made.',
      `Leave ${flag} away, or make it anew: kecs stop-v2 --name ${cluster.name}, then the same again. Its data stays.`,
    )
  }
}

/** Of the data directory: what images come by; a start that was interrupted may leave it. */
export const PASSING_FOLDER = 'passing-images'

function isOurs(name: string): boolean {
  return isLock(name) || name.startsWith('format.json') || name === PASSING_FOLDER
}

/** Refuses a directory with files of somebody else: the pod would take them over. */
function prepareDataDir(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true })
    const names = readdirSync(dir)
    if (names.length === 0 || names.includes('format.json')) return
    if (names.every(isOurs)) return
  } catch (error) {
    throw new UserError(
      `the data directory ${dir} cannot be used.`,
      (error as Error).message,
      'Give another one with --data-dir.',
    )
  }
  throw new UserError(
    `the directory ${dir} holds other files.`,
    'It has no data of kecs in it, and all in it would get the owner that kecs runs as.',
    'Give an empty or a new directory with --data-dir.',
  )
}

async function refuseSharedData({ name, dataDir }: ClusterSpec, tools: Tools): Promise<void> {
  const other = (await tools.k3d.list()).find((each) => {
    return each.dataDir === dataDir && each.name !== name
  })
  if (other === undefined) return
  throw new UserError(
    `the data directory ${dataDir} is in use.`,
    `The instance ${other.name} has it, and two must never have the same open.`,
    'Give another one with --data-dir.',
  )
}

/** Who owns the data directory; undefined for root, as whom nothing should run. */
export async function ownerOf(
  dir: string,
): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  const { uid, gid } = await stat(dir)
  return uid === 0 || !existsSync('/proc') ? undefined : { uid, gid }
}
