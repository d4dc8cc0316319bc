import { existsSync } from 'node:fs'
import type { Cluster } from '../../cluster/k3d/clusters.ts'
import type { AdminClient } from '../admin-client.ts'
import { command } from '../command.ts'
import { kubeconfigPath } from '../k3d/instance.ts'
import { askRunning, instanceAt, REACH_FLAGS } from '../k3d/reach.ts'
import { EXIT, print, printJson, renderPairs, UserError } from '../output.ts'
import { JSON_FLAG } from '../settings.ts'

export default command({
  name: 'status',
  summary: 'Says how a running kecs is: what it is made of, and how each part does.',
  flags: [JSON_FLAG, ...REACH_FLAGS],
  examples: [
    ['Of the kecs on the usual port', 'kecs status'],
    ['Of the instance two of start-v2', 'kecs status --name two'],
    ['In a script', 'kecs status --json | jq .health.status'],
  ],
  notes: ['Exit code 0 when all is well or degraded, 1 when it is down or does not answer.'],
  async run(values) {
    const { info, health, instance } = await askRunning('status', values, ask)
    if (values.has('json')) printJson({ ...info, instance: instance ?? null, health })
    else print(render(info, health, instance))
    if (health.status !== 'down') return
    throw new UserError(
      'kecs is down.',
      downParts(health).join(' ') || 'It did not say why.',
      instance
        ? `See kecs logs component --name ${instance.name}; kecs start-v2 --name ${instance.name} repairs it.`
        : 'See the log of kecs serve; start it again.',
      EXIT.failed,
    )
  },
})

interface Part {
  readonly name: string
  readonly status: string
  readonly detail: string
  readonly since: string
}

interface Health {
  readonly status: string
  readonly components: readonly Part[]
}

type Info = Readonly<Record<string, unknown>>

/** What only this machine knows of a kecs that runs in a cluster of start-v2. */
interface Instance {
  readonly name: string
  readonly state: string
  readonly nodes: number
  readonly nodeImage: string
  /** Of the control plane; null where the cluster does not say. */
  readonly image: string | null
  readonly dataDir: string | null
  readonly kubeconfig: string | null
}

interface Asked {
  readonly info: Info
  readonly health: Health
  readonly instance: Instance | undefined
}

async function ask(admin: AdminClient): Promise<Asked> {
  const [info, health] = await Promise.all([admin.get('/info'), admin.get('/health/detailed')])
  const runtime = info.runtime as { name?: string } | undefined
  const cluster = runtime?.name === 'kubernetes' ? await instanceAt(admin.url) : undefined
  const instance = cluster && (await describe(cluster))
  // It knows the address that it listens on, which may be a pod's: this one is known to lead there.
  const told = { ...info, adminEndpoint: admin.url }
  return { info: told, health: health as unknown as Health, instance }
}

async function describe(cluster: Cluster): Promise<Instance> {
  const { name, state, nodes, dataDir } = cluster
  const path = kubeconfigPath(name)
  const kubeconfig = existsSync(path) ? path : null
  return {
    name,
    state,
    nodes: nodes.length,
    nodeImage: nodes[0]?.image ?? '',
    image: kubeconfig === null ? null : await controlPlaneImage(kubeconfig),
    dataDir: dataDir ?? null,
    kubeconfig,
  }
}

async function controlPlaneImage(kubeconfig: string): Promise<string | null> {
  const { createKubectl } = await import('../../cluster/k3d/kubectl.ts')
  const { ownSurroundings } = await import('../../cluster/k3d/program.ts')
  const { NAMESPACE } = await import('../k3d/wait-ready.ts')
  try {
    const pods = await createKubectl(kubeconfig, ownSurroundings()).pods(NAMESPACE)
    const own = pods.find(({ app }) => app === 'kecs-controlplane')
    return own?.containers[0]?.image ?? null
  } catch {
    return null
  }
}

function downParts({ components }: Health): string[] {
  return components
    .filter((part) => part.status === 'down')
    .map((part) => `${part.name}: ${part.detail}`)
}

function render(info: Info, { status, components }: Health, instance?: Instance): string {
  const runtime = info.runtime as { honesty: string } | undefined
  const data = instance?.dataDir ?? info.dataDir
  const facts = renderPairs([
    ['endpoint', String(info.endpoint)],
    ['admin', String(info.adminEndpoint)],
    ['data', data === null ? 'in memory' : String(data)],
    ['runtime', String(runtime?.honesty)],
    ['backend', info.backend === null ? 'none' : String(info.backend)],
    ...(instance ? pairsOf(instance) : []),
    ['process', `${info.pid}, since ${info.startedAt}`],
  ])
  const parts = renderPairs(
    components.map(({ name, status, detail, since }) => {
      return [name, `${status} since ${since}: ${detail}`] as const
    }),
  )
  return `kecs ${info.version} is ${status}.\n\n${facts}\n${parts}`
}

function pairsOf(instance: Instance): (readonly [string, string])[] {
  const { name, state, nodes, nodeImage, image, kubeconfig } = instance
  const count = nodes === 1 ? '1 node' : `${nodes} nodes`
  return [
    ['cluster', `${name}, ${state}: ${count} of ${nodeImage}`],
    ['image', image ?? 'unknown: the cluster does not say'],
    ['kubeconfig', kubeconfig ?? `none: kecs kubeconfig ${name} writes it`],
  ]
}
