import process from 'node:process'
import { command, type Values } from '../command.ts'
import { DEFAULT_INSTANCE, kubeconfigPath } from '../k3d/instance.ts'
import { askRunning, REACH_FLAGS, reach, runningInstance } from '../k3d/reach.ts'
import { isReaderGone, printed, UserError, usageError } from '../output.ts'
import { JSON_FLAG } from '../settings.ts'

const KINDS = ['component', 'service', 'task', 'lb']
const EXIT_INTERRUPTED = 130

export default command({
  name: 'logs',
  summary:
    'Prints what a part of kecs, the tasks of a service, or one task wrote, or who called a load balancer.',
  positionals: [
    {
      name: 'KIND',
      about:
        'component: controlplane, localstack or traefik of an instance; service; task; or lb, the access log of a load balancer.',
    },
    {
      name: 'NAME',
      about:
        'Of a service its name or ARN; of a task its id or ARN; of a load balancer its name, ARN or DNS name. Without it: all components.',
      optional: true,
    },
  ],
  flags: [
    { name: 'follow', short: 'f', about: 'Go on with new lines.' },
    {
      name: 'tail',
      value: 'LINES',
      about: 'Only the last so many lines of what is there, of each task or component.',
    },
    { name: 'cluster', value: 'NAME', about: 'The ECS cluster of the service.' },
    { name: 'container', value: 'NAME', about: 'Only of this container of a task.' },
    JSON_FLAG,
    ...REACH_FLAGS,
  ],
  examples: [
    ['All that the parts of kecs wrote, and what they write', 'kecs logs component -f'],
    ['Of the instance two, the control plane', 'kecs logs component controlplane --name two'],
    ['The tasks of a service, also those to come', 'kecs logs service web --cluster demo -f'],
    ['The last lines of a task, and those that follow', 'kecs logs task "$ARN" --tail 20 -f'],
    ['Requests to a load balancer, as they come', 'kecs logs lb my-alb -f'],
  ],
  notes: [
    'Followed are a task until it ends, a service until it is deleted, and else until Ctrl-C. ' +
      'Of a service the tasks that run are read, and the 50 newest that have ended.',
    'Components are the pods of kecs-system in an instance of start-v2, read by kubectl; kecs serve ' +
      'writes its own log to its terminal. Tasks of the simulated runtime write nothing.',
    "Lines of load balancers are in AWS's format; the last 1,000 of each are kept in memory.",
  ],
  async run(values) {
    const [kind = '', name] = values.positionals
    if (!KINDS.includes(kind)) {
      throw usageError(
        `there are no logs of ${JSON.stringify(kind)}.`,
        `There are those of ${KINDS.join(', ')}.`,
        'kecs logs task ID',
      )
    }
    refuseMisplaced(values, kind, name)
    try {
      if (kind === 'component') await component(values, name)
      else await asked(values, kind, name ?? '')
    } catch (error) {
      if (!isReaderGone(error)) throw error
    }
  },
})

function refuseMisplaced(values: Values, kind: string, name: string | undefined): void {
  if (kind !== 'component' && name === undefined) {
    throw usageError(
      `kecs logs ${kind} needs NAME.`,
      kind === 'task' ? 'It is the id or the ARN of the task.' : `It says which ${kind}.`,
      'See kecs logs --help.',
    )
  }
  const fits: Readonly<Record<string, readonly string[]>> = {
    cluster: ['service'],
    container: ['service', 'task'],
  }
  for (const [flag, kinds] of Object.entries(fits)) {
    if (values.text(flag) === undefined || kinds.includes(kind)) continue
    throw usageError(
      `--${flag} is not for kecs logs ${kind}.`,
      `It is for ${kinds.join(' and ')}.`,
      'Leave it away.',
    )
  }
  const tail = values.text('tail')
  if (tail === undefined || /^\d{1,9}$/.test(tail)) return
  throw usageError(
    `--tail is ${JSON.stringify(tail)}.`,
    'It is a number of lines.',
    'Give it as --tail 20.',
  )
}

/** From the admin port, a JSON object a line. */
async function asked(values: Values, kind: string, name: string): Promise<void> {
  const query = new URLSearchParams()
  for (const flag of ['container', 'tail']) {
    const text = values.text(flag)
    if (text !== undefined) query.set(flag, text)
  }
  if (values.has('follow')) query.set('follow', '1')
  const cluster = values.text('cluster')
  const full = cluster === undefined || name.includes('/') ? name : `${cluster}/${name}`
  const path = `/logs/${kind}/${encodeURIComponent(full)}?${query}`
  await askRunning(`logs ${kind} ${name}`, values, async (admin) => {
    for await (const text of admin.lines(path)) {
      await printed(values.has('json') ? `${text}\n` : lineOf(JSON.parse(text)))
    }
  })
}

interface Line {
  readonly task?: string
  readonly container?: string
  readonly line: string
}

function lineOf({ task, container, line }: Line): string {
  const prefix = [task, container].filter((part) => part !== undefined).join(' ')
  return prefix === '' ? `${line}\n` : `${prefix} | ${line}\n`
}

async function component(values: Values, wanted: string | undefined): Promise<void> {
  if (values.text('admin-url') !== undefined && values.source('admin-url') === '--admin-url') {
    throw usageError(
      '--admin-url is not for kecs logs component.',
      'What components write is read from the cluster of an instance.',
      'Name the instance with --name.',
    )
  }
  const name = values.text('name') ?? DEFAULT_INSTANCE
  await findInstance(values, name)
  const { withTools } = await import('../k3d/tools.ts')
  const { componentLogs } = await import('../k3d/component-logs.ts')
  const tail = values.text('tail')
  await withTools('See kecs doctor.', async ({ k3d, kubectl }, signal) => {
    await k3d.writeKubeconfig(name, kubeconfigPath(name))
    const query = {
      component: wanted,
      follow: values.has('follow'),
      signal,
      ...(tail === undefined ? {} : { tail: Number(tail) }),
    }
    try {
      for await (const each of componentLogs(kubectl(kubeconfigPath(name)), name, query)) {
        const prefix = wanted === undefined ? `${each.component} | ` : ''
        await printed(values.has('json') ? `${JSON.stringify(each)}\n` : `${prefix}${each.line}\n`)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
    // Ctrl-C is how a follower ends: nothing went wrong.
    if (signal.aborted) process.exitCode = EXIT_INTERRUPTED
  })
}

/** Whoever runs kecs without a cluster is told that there are no components. */
async function findInstance(values: Values, name: string): Promise<void> {
  try {
    await runningInstance(name, 'logs component')
  } catch (error) {
    if (values.text('name') !== undefined || !(error instanceof UserError)) throw error
    const { admin } = await reach('logs component', values)
    const runs = await admin.get('/info').then(
      (info) => typeof info.version === 'string',
      () => false,
    )
    if (!runs) throw error
    throw new UserError(
      `the kecs at ${admin.url} has no components.`,
      `It is one process, and writes its log to where kecs serve was started. ${error.message}`,
      'Look there, or name an instance of start-v2 with --name.',
    )
  }
}
