import { command } from '../command.ts'
import { type Check, examine } from '../k3d/doctor.ts'
import { DEFAULT_INSTANCE } from '../k3d/instance.ts'
import { CLUSTER_FLAGS, readClusterOptions } from '../k3d/start-options.ts'
import { withTools } from '../k3d/tools.ts'
import { EXIT, print, printJson, UserError } from '../output.ts'
import { DEFAULT_ADMIN_PORT, DEFAULT_API_PORT, JSON_FLAG } from '../settings.ts'

export default command({
  name: 'doctor',
  summary: 'Looks at all that start-v2 needs on this machine, and says what to do where it lacks.',
  flags: [
    ...CLUSTER_FLAGS.filter(({ name }) => ['api-port', 'admin-port'].includes(name)),
    JSON_FLAG,
  ],
  examples: [
    ['Before the first start', 'kecs doctor'],
    ['For other ports', 'kecs doctor --api-port 4567 --admin-port 8082'],
  ],
  notes: [
    'It changes nothing. Exit code 0 when start-v2 can work, warnings included; 1 when it cannot.',
  ],
  async run(values) {
    const { apiPort, adminPort } = readClusterOptions(values, DEFAULT_INSTANCE)
    const checks = await withTools('Do the same again.', (tools) =>
      examine(tools, {
        ports: [
          { port: apiPort ?? DEFAULT_API_PORT, flag: '--api-port' },
          { port: adminPort ?? DEFAULT_ADMIN_PORT, flag: '--admin-port' },
        ],
      }),
    )
    if (values.has('json')) printJson({ checks })
    else print(render(checks))
    const failed = checks.filter(({ status }) => status === 'fail')
    if (failed.length === 0) return
    throw new UserError(
      'kecs start-v2 cannot work here yet.',
      `It lacks ${failed.map(({ name }) => name).join(', ')}.`,
      failed[0]?.remedy ?? 'See above.',
      EXIT.failed,
    )
  },
})

const WORDS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const

function render(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  return checks
    .map(({ name, status, detail, remedy }) => {
      const line = `${WORDS[status]}  ${name.padEnd(width)}  ${detail}\n`
      return remedy === null ? line : `${line}      ${' '.repeat(width)}  → ${remedy}\n`
    })
    .join('')
}
