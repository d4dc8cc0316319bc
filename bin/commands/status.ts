import { type AdminClient, askRunning } from '../admin-client.ts'
import { command } from '../command.ts'
import { EXIT, print, printJson, renderPairs, UserError } from '../output.ts'
import { ADMIN_URL_FLAG, JSON_FLAG } from '../settings.ts'

export default command({
  name: 'status',
  summary: 'Says how a running kecs is: what it is made of, and how each part does.',
  flags: [JSON_FLAG, ADMIN_URL_FLAG],
  examples: [
    ['Of the kecs on the usual port', 'kecs status'],
    ['In a script', 'kecs status --json | jq .health.status'],
  ],
  notes: ['Exit code 0 when all is well or degraded, 1 when it is down or does not answer.'],
  async run(values) {
    const { info, health } = await askRunning(values.text('admin-url'), ask)
    if (values.has('json')) printJson({ ...info, health })
    else print(render(info, health))
    if (health.status !== 'down') return
    throw new UserError(
      'kecs is down.',
      downParts(health).join(' ') || 'It did not say why.',
      'See the log of kecs serve; start it again.',
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

async function ask(admin: AdminClient): Promise<{ info: Info; health: Health }> {
  const [info, health] = await Promise.all([admin.get('/info'), admin.get('/health/detailed')])
  return { info, health: health as unknown as Health }
}

function downParts({ components }: Health): string[] {
  return components
    .filter((part) => part.status === 'down')
    .map((part) => `${part.name}: ${part.detail}`)
}

function render(info: Info, { status, components }: Health): string {
  const runtime = info.runtime as { honesty: string } | undefined
  const facts = renderPairs([
    ['endpoint', String(info.endpoint)],
    ['admin', String(info.adminEndpoint)],
    ['data', info.dataDir === null ? 'in memory' : String(info.dataDir)],
    ['runtime', String(runtime?.honesty)],
    ['backend', info.backend === null ? 'none' : String(info.backend)],
    ['process', `${info.pid}, since ${info.startedAt}`],
  ])
  const parts = renderPairs(
    components.map(({ name, status, detail, since }) => {
      return [name, `${status} since ${since}: ${detail}`] as const
    }),
  )
  return `kecs ${info.version} is ${status}.\n\n${facts}\n${parts}`
}
