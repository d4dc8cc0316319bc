import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { type AdminClient, Unreachable } from '../admin-client.ts'
import { command, type Values } from '../command.ts'
import { REACH_FLAGS, reach } from '../k3d/reach.ts'
import { print, printJson, UserError, usageError } from '../output.ts'
import { DATA_DIR_FLAG, dataDirOf, JSON_FLAG } from '../settings.ts'

export default command({
  name: 'reset',
  summary:
    'Stops every task and deletes all that kecs keeps: clusters, definitions, services, tasks.',
  flags: [
    { name: 'yes', about: 'Do it without asking.' },
    DATA_DIR_FLAG,
    ...REACH_FLAGS,
    JSON_FLAG,
  ],
  examples: [
    ['Begin afresh, running or not', 'kecs reset --yes'],
    ['An instance of start-v2', 'kecs reset --name two --yes'],
    ['Only what one directory holds', 'kecs reset --data-dir ./state --yes'],
  ],
  notes: [
    'A kecs that answers at --admin-url empties itself and goes on; only its history of calls and ' +
      'task events stays. Otherwise, or when --data-dir names a directory that it does not use, ' +
      'all files of kecs in that directory are deleted, history included.',
  ],
  async run(values) {
    refuseBoth(values)
    const dir = dataDirOf(values, process.env)
    const { admin, name } = await reach('reset', values)
    const running = await uses(admin, values.text('data-dir') === undefined ? undefined : dir)
    if (!running && name !== undefined) throw silent(name, admin.url)
    if (!values.has('yes')) await confirm(running ? `kecs at ${admin.url}` : dir)
    const done = running
      ? { ...(await admin.post('/reset', {})), where: admin.url }
      : { ...(await deleteFiles(dir)), where: dir }
    if (values.has('json')) return printJson(done)
    print(`${done.where} is as new.\n`)
  },
})

function refuseBoth(values: Values): void {
  const dir = values.text('data-dir')
  if (values.text('name') === undefined || dir === undefined) return
  if (values.source('data-dir') !== '--data-dir') return
  throw usageError(
    '--name and --data-dir were both given.',
    'An instance is emptied while it runs, wherever its data is.',
    'Leave one of them away.',
  )
}

function silent(name: string, url: string): UserError {
  return new UserError(
    `the control plane of ${name} does not answer at ${url}.`,
    'Nothing was deleted: an instance is emptied while it runs.',
    `Repair it with kecs start-v2 --name ${name}, or delete it and its data with kecs stop-v2 --name ${name} --delete-data.`,
  )
}

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
