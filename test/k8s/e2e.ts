/** Which tests take a real cluster, and the one cluster that some of them share. */
import process from 'node:process'
import { createCluster, run } from './k3d.ts'

/** Folders of such tests; what else lies there is quick, and runs as well. */
const REAL = /test\/(k8s\/|cluster\/kubernetes\/|bin\/k3d-)/
/** Its tests make no cluster of their own: the ones that are run under Deno, too. */
const SHARING = /test\/cluster\/kubernetes\//

export function needsCluster(label: string): boolean {
  return REAL.test(label)
}

export function isCheap(label: string): boolean {
  return SHARING.test(label)
}

export interface Shared {
  /** What tells tests of it. */
  readonly env: Readonly<Record<string, string>>
  delete(): Promise<void>
}

/** The cluster that the caller names by KECS_TEST_KUBE_CONTEXT, else a new one. */
export async function sharedCluster(): Promise<Shared> {
  if (process.env.KECS_TEST_KUBE_CONTEXT !== undefined) return { env: {}, delete: async () => {} }
  const begun = Date.now()
  const cluster = await createCluster()
  console.log(`made the cluster ${cluster.context} (${((Date.now() - begun) / 1000).toFixed(1)} s)`)
  return {
    env: { KECS_TEST_KUBE_CONTEXT: cluster.context, KUBECONFIG: cluster.kubeconfig },
    delete: () => cluster.delete(),
  }
}

/** Deletes clusters that a process left which was killed: their names end by its id. */
export async function deleteClustersOf(pid: number | undefined): Promise<string> {
  let said = ''
  try {
    const all: readonly { readonly name: string }[] = JSON.parse(
      await run('k3d', ['cluster', 'list', '-o', 'json']),
    )
    for (const { name } of all.filter((each) => isOf(each.name, pid))) {
      await run('k3d', ['cluster', 'delete', name])
      said += `deleted the cluster ${name}, which it left\n`
    }
  } catch (thrown) {
    said += `its clusters could not be deleted: ${thrown}\n`
  }
  return said
}

function isOf(name: string, pid: number | undefined): boolean {
  return pid !== undefined && name.startsWith('kecs-') && name.endsWith(`-${pid}`)
}
