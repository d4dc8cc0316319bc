/** Which running kecs a command speaks to: an instance by its name, or whatever answers at a URL. */
import type { Cluster } from '../../cluster/k3d/clusters.ts'
import { type AdminClient, adminClient, Unreachable } from '../admin-client.ts'
import type { Flag, Values } from '../command.ts'
import { UserError, usageError } from '../output.ts'
import { ADMIN_URL_FLAG, isLoopback } from '../settings.ts'
import { checkName } from './instance.ts'

/** How each of these commands is told. */
export const REACH_FLAGS: readonly Flag[] = [
  {
    name: 'name',
    value: 'INSTANCE',
    about: 'The instance to talk to, as start-v2 named it, wherever its admin port is.',
  },
  ADMIN_URL_FLAG,
]

/** `work` with the admin port that the flags mean; nothing that answers there is a UserError. */
export async function askRunning<T>(
  command: string,
  values: Values,
  work: (admin: AdminClient) => Promise<T>,
): Promise<T> {
  const { admin, name } = await reach(command, values)
  try {
    return await work(admin)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    throw name === undefined
      ? await notRunning(command, admin.url)
      : notAnswering(name, admin.url, error.message)
  }
}

/** The admin port that the flags mean; `name` where that is an instance's, which then runs. */
export async function reach(
  command: string,
  values: Values,
): Promise<{ readonly admin: AdminClient; readonly name: string | undefined }> {
  const text = values.text('name')
  if (text === undefined) return { admin: adminClient(values.text('admin-url')), name: undefined }
  if (values.text('admin-url') !== undefined && values.source('admin-url') === '--admin-url') {
    throw usageError(
      '--name and --admin-url were both given.',
      'Each names a kecs to talk to.',
      'Leave one of them away.',
    )
  }
  const name = checkName(text, '--name')
  const { adminEndpoint } = await runningInstance(name, command)
  return { admin: adminClient(adminEndpoint), name }
}

export interface RunningInstance {
  readonly cluster: Cluster
  readonly adminEndpoint: string
}

/** The cluster of that name, which has to run; UserErrors where it does not. */
export async function runningInstance(name: string, command: string): Promise<RunningInstance> {
  const { withTools } = await import('./tools.ts')
  const { cluster, others } = await withTools(`kecs ${command} again.`, async ({ k3d }) => {
    const clusters = await k3d.list()
    return { cluster: clusters.find((each) => each.name === name), others: clusters }
  })
  if (!cluster) throw noInstance(name, command, others)
  if (cluster.state === 'running' || cluster.state === 'degraded') {
    return { cluster, adminEndpoint: await adminEndpointOf(cluster) }
  }
  throw new UserError(
    `the instance ${name} does not run.`,
    cluster.state === 'stopped' ? 'Its nodes are stopped.' : 'Its cluster was never made whole.',
    `kecs start-v2 --name ${name}`,
  )
}

function noInstance(name: string, command: string, others: readonly Cluster[]): UserError {
  const [first] = others
  return new UserError(
    `there is no instance ${name}.`,
    first ? `There is ${others.map((each) => each.name).join(', ')}.` : 'There is none at all.',
    `kecs start-v2 --name ${name} makes it${first ? `; or kecs ${command} --name ${first.name}` : ''}.`,
  )
}

async function adminEndpointOf(cluster: Cluster): Promise<string> {
  const { instanceOf } = await import('./ensure-cluster.ts')
  return `http://localhost:${instanceOf(cluster).adminPort}`
}

/** The instance of this machine whose admin port that URL is; undefined also where none can be asked. */
export async function instanceAt(url: string): Promise<Cluster | undefined> {
  if (!isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''))) return undefined
  const running = await runningInstances()
  return running.find(({ adminEndpoint }) => new URL(adminEndpoint).port === new URL(url).port)
    ?.cluster
}

async function runningInstances(): Promise<readonly RunningInstance[]> {
  const { createK3d } = await import('../../cluster/k3d/k3d.ts')
  const { ownSurroundings } = await import('../../cluster/k3d/program.ts')
  try {
    const clusters = await createK3d(ownSurroundings()).list()
    const running = clusters.filter(({ state }) => state === 'running')
    return await Promise.all(
      running.map(async (cluster) => {
        return { cluster, adminEndpoint: await adminEndpointOf(cluster) }
      }),
    )
  } catch {
    // Whoever has no Docker has no instances.
    return []
  }
}

async function notRunning(command: string, url: string): Promise<UserError> {
  const what = `no kecs answers at ${url}.`
  const running = await runningInstances()
  const [first] = running
  if (first) {
    const told = running.map(
      ({ cluster, adminEndpoint }) => `the instance ${cluster.name} has ${adminEndpoint}`,
    )
    return new UserError(
      what,
      `It is another admin port: ${told.join(', ')}.`,
      `kecs ${command} --name ${first.cluster.name}`,
    )
  }
  return new UserError(
    what,
    'It does not run, or its admin port is another one.',
    'Start it with kecs start-v2 or kecs serve, or name its admin port with --admin-url.',
  )
}

function notAnswering(name: string, url: string, why: string): UserError {
  return new UserError(
    `the instance ${name} runs, and its control plane does not answer at ${url}.`,
    `${why}.`,
    `See kecs logs component --name ${name}; kecs start-v2 --name ${name} repairs it.`,
  )
}
