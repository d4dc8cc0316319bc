import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { type AdminClient, adminClient, Unreachable } from '../admin-client.ts'
import { command } from '../command.ts'
import { print, printJson, usageError } from '../output.ts'
import { ADMIN_URL_FLAG, DATA_DIR_FLAG, dataDirOf, JSON_FLAG } from '../settings.ts'

export default command({
  name: 'reset',
  summary:
    'Stops every task and deletes all that kecs keeps: clusters, definitions, services, tasks.',
  flags: [
    { name: 'yes', about: 'Do it without asking.' },
    DATA_DIR_FLAG,
    ADMIN_URL_FLAG,
    JSON_FLAG,
  ],
  examples: [
    ['Begin afresh, running or not', 'kecs reset --yes'],
    ['Only what one directory holds', 'kecs reset --data-dir ./state --yes'],
  ],
  notes: [
    'A kecs that answers at --admin-url empties itself and goes on; only its history of calls and ' +
      'task events stays. Otherwise, or when --data-dir names a directory that it does not use, ' +
      'all files of kecs in that directory are deleted, history included.',
  ],
  async run(values) {
    const dir = dataDirOf(values, process.env)
    const admin = adminClient(values.text('admin-url'))
    const running = await uses(admin, values.text('data-dir') === undefined ? undefined : dir)
    if (!values.has('yes')) await confirm(running ? `kecs at ${admin.url}` : dir)
    const done = running
      ? { ...(await admin.post('/reset', {})), where: admin.url }
      : { ...(await deleteFiles(dir)), where: dir }
    if (values.has('json')) return printJson(done)
    print(`${done.where} is as new.\n`)
  },
})

/** Whether the kecs that answers there keeps its state in `dir` (or anywhere, for undefined). */
async function uses(admin: AdminClient, dir: string | undefined): Promise<boolean> {
  try {
    const info = await admin.get('/info')
    return dir === undefined || info.dataDir === dir
  } catch (error) {
    if (error instanceof Unreachable) return false
    throw error
  }
}

async function confirm(what: string): Promise<void> {
  if (process.stdin.isTTY) {
    const lines = createInterface({ input: process.stdin, output: process.stderr })
    const said = await lines.question(`Delete everything in ${what}? Type yes: `)
    lines.close()
    if (said.trim().toLowerCase() === 'yes') return
  }
  throw usageError(
    'nothing was deleted.',
    `Deleting everything in ${what} needs a yes.`,
    'Say it with kecs reset --yes.',
  )
}

async function deleteFiles(dir: string): Promise<{ readonly files: number }> {
  const { emptyDataDir } = await import('../storage.ts')
  return { files: await emptyDataDir(dir) }
}
