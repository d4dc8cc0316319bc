import { existsSync } from 'node:fs'
import process from 'node:process'
import { command } from '../command.ts'
import { givenDataDir, INSTANCE_DATA_FLAG, instanceNameOf, NAME_FLAG } from '../k3d/instance.ts'
import { type Stopped, stopInstance } from '../k3d/stop.ts'
import { withTools } from '../k3d/tools.ts'
import { print, printJson } from '../output.ts'
import { createProgress } from '../progress.ts'
import { JSON_FLAG } from '../settings.ts'

export default command({
  name: 'stop-v2',
  summary: 'Deletes the k3d cluster of an instance; its data stays. The same as kecs stop.',
  flags: [
    NAME_FLAG,
    { name: 'delete-data', about: 'Delete the data, too: clusters, services, tasks, history.' },
    {
      ...INSTANCE_DATA_FLAG,
      fallback: 'the one that the cluster has',
      about: 'Where the data is, where the cluster is gone already.',
    },
    JSON_FLAG,
  ],
  examples: [
    ['Delete the cluster; a later start has all of it back', 'kecs stop-v2'],
    ['Leave nothing behind', 'kecs stop-v2 --delete-data'],
  ],
  notes: [
    'What LocalStack keeps is in its pod and goes with the cluster.',
    'Exit codes: 0 it is gone (or there was none), 1 it failed, 2 it was not understood.',
  ],
  async run(values) {
    const name = instanceNameOf(values)
    const given = { dataDir: givenDataDir(values), deleteData: values.has('delete-data') }
    const progress = createProgress(process.stderr, Date.now)
    const stopped = await withTools(`kecs stop-v2 --name ${name} again.`, (tools) =>
      stopInstance(name, given, tools, progress),
    )
    if (values.has('json')) printJson(stopped)
    else print(render(stopped))
  },
})

function render({ name, deleted, dataDir, dataDeleted }: Stopped): string {
  const cluster = deleted ? `The k3d cluster ${name} is gone.` : `There is no k3d cluster ${name}.`
  if (dataDeleted) return `${cluster} The data in ${dataDir} was deleted.\n`
  return `${cluster} ${existsSync(dataDir) ? `Its data stays in ${dataDir}.` : 'It has no data.'}\n`
}
