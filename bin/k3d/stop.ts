import { existsSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster } from '../../cluster/k3d/clusters.ts'
import { UserError } from '../output.ts'
import type { Progress } from '../progress.ts'
import { emptyDataDir, isLock } from '../storage.ts'
import { refuseForeign } from './ensure-cluster.ts'
import { defaultDataDir, kubeconfigPath } from './instance.ts'
import type { Tools } from './tools.ts'

export interface Stopped {
  readonly name: string
  /** False: there was none. */
  readonly deleted: boolean
  readonly dataDir: string
  readonly dataDeleted: boolean
}

/** Deletes a cluster with all that k3d made for it, and the data only where that was asked for. */
export async function stopInstance(
  name: string,
  given: { readonly dataDir: string | undefined; readonly deleteData: boolean },
  tools: Tools,
  progress: Progress,
): Promise<Stopped> {
  const found = await tools.k3d.find(name)
  if (found && found.nodes.length > 0) refuseForeign(found)
  const dataDir = dataDirOf(name, found, given.dataDir)
  const deleted = await deleteCluster(name, tools, progress)
  const dataDeleted = given.deleteData && existsSync(dataDir)
  if (dataDeleted) {
    await progress.step(`delete the data in ${dataDir}`, () => deleteData(dataDir))
  }
  return { name, deleted, dataDir, dataDeleted }
}

function dataDirOf(name: string, found: Cluster | undefined, given: string | undefined): string {
  const known = found?.dataDir
  if (known === undefined) return given ?? defaultDataDir(name)
  if (given === undefined || given === known) return known
  throw new UserError(
    `the data of ${name} is in ${known}, not in ${given}.`,
    'Nothing was deleted.',
    'Leave --data-dir away.',
  )
}

async function deleteCluster(name: string, tools: Tools, progress: Progress): Promise<boolean> {
  const { k3d, docker } = tools
  const { containers, networks, volumes } = await docker.leftovers(name)
  const there = containers.length + networks.length + volumes.length > 0
  if (there) {
    await progress.step(`delete the k3d cluster ${name}`, async () => {
      await k3d.delete(name)
      // What an interrupted create left is unknown to k3d.
      await docker.remove(await docker.leftovers(name))
    })
  }
  await rm(kubeconfigPath(name), { force: true })
  return there
}

/** Files of kecs only; the directory itself where nothing else is in it. */
async function deleteData(dir: string): Promise<void> {
  await emptyDataDir(dir)
  const rest = (await readdir(dir)).filter(isLock)
  for (const name of rest) await rm(join(dir, name), { force: true })
  try {
    await rmdir(dir)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return
    throw error
  }
}
