import process from 'node:process'
import { command, type Values } from '../command.ts'
import { describeCluster, noCluster, renderCluster, renderClusters } from '../k3d/cluster-view.ts'
import { createDeadline } from '../k3d/deadline.ts'
import { ensureCluster } from '../k3d/ensure-cluster.ts'
import { kubeconfigPath, positionalName } from '../k3d/instance.ts'
import { CLUSTER_FLAGS, readClusterOptions } from '../k3d/start-options.ts'
import { stopInstance } from '../k3d/stop.ts'
import { type Tools, withTools } from '../k3d/tools.ts'
import { print, printJson, usageError } from '../output.ts'
import { createProgress } from '../progress.ts'
import { JSON_FLAG } from '../settings.ts'

const ACTIONS: Readonly<Record<string, (values: Values, tools: Tools) => Promise<void>>> = {
  create,
  delete: remove,
  list,
  info,
}

export default command({
  name: 'cluster',
  summary:
    'Makes, deletes and lists the k3d clusters of kecs, without what start-v2 puts into them.',
  positionals: [
    { name: 'ACTION', about: `One of ${Object.keys(ACTIONS).join(', ')}.` },
    { name: 'NAME', about: 'The cluster; kecs where it is left away.', optional: true },
  ],
  flags: [...CLUSTER_FLAGS, JSON_FLAG],
  examples: [
    ['What is there', 'kecs cluster list'],
    ['One of them: ports, data, nodes', 'kecs cluster info kecs'],
    [
      'A cluster alone, to be filled by start-v2 later',
      'kecs cluster create two --api-port 4567 --admin-port 8082',
    ],
    ['Delete it; its data stays', 'kecs cluster delete two'],
  ],
  notes: [
    'Clusters are known by the label kecs.dev/instance on their containers; there is no file of ' +
      'them. All flags but --json are for create.',
  ],
  async run(values) {
    const [action = ''] = values.positionals
    const work = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
    if (!work) {
      throw usageError(
        `${JSON.stringify(action)} is nothing that kecs cluster does.`,
        `It does one of ${Object.keys(ACTIONS).join(', ')}.`,
        'kecs cluster list',
      )
    }
    if (action === 'list' && values.positionals.length > 1) {
      throw usageError('kecs cluster list takes no name.', 'It lists all.', 'kecs cluster list')
    }
    await withTools('See kecs doctor, then do the same again.', (tools) => work(values, tools))
  },
})

async function create(values: Values, tools: Tools): Promise<void> {
  const options = readClusterOptions(values, positionalName(values, 1))
  const deadline = createDeadline(options.timeoutMs, Date.now, 'Do the same again.')
  const progress = createProgress(process.stderr, Date.now)
  const { name } = await ensureCluster(options, tools, progress, deadline)
  await tools.k3d.writeKubeconfig(name, kubeconfigPath(name))
  await info(values, tools)
}

async function remove(values: Values, tools: Tools): Promise<void> {
  const name = positionalName(values, 1)
  const progress = createProgress(process.stderr, Date.now)
  const given = { dataDir: undefined, deleteData: false }
  const stopped = await stopInstance(name, given, tools, progress)
  if (values.has('json')) return printJson(stopped)
  print(
    stopped.deleted ? `The k3d cluster ${name} is gone.\n` : `There is no k3d cluster ${name}.\n`,
  )
}

async function list(values: Values, { k3d }: Tools): Promise<void> {
  const clusters = await k3d.list()
  if (values.has('json')) printJson(clusters.map(describeCluster))
  else print(renderClusters(clusters))
}

async function info(values: Values, { k3d }: Tools): Promise<void> {
  const name = positionalName(values, 1)
  const cluster = await k3d.find(name)
  if (!cluster?.isOurs)
    throw noCluster(
      name,
      (await k3d.list()).map((each) => each.name),
    )
  if (values.has('json')) printJson(describeCluster(cluster))
  else print(renderCluster(cluster))
}
