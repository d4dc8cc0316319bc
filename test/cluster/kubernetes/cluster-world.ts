import { randomUUID } from 'node:crypto'
import process from 'node:process'
import { createKubeClient, type KubeClient } from '../../../cluster/kubernetes/client.ts'
import { namespaceName } from '../../../cluster/kubernetes/names.ts'
import { createKubernetesRuntime } from '../../../cluster/kubernetes/runtime.ts'
import { noticing, type World } from '../../runtime-watch.ts'
import { realClock } from '../local/process-world.ts'

/** A cluster is used only where somebody names one; it need not be k3d's. */
export const CONTEXT = process.env.KECS_TEST_KUBE_CONTEXT
export const IMAGE = process.env.KECS_TEST_IMAGE ?? 'busybox:1.35'
export const NAMESPACE = 'test'
/** A hundred pods on a small machine take their time. */
const PATIENCE_MS = 300_000

export function skipped(what: string): boolean {
  if (CONTEXT !== undefined) return false
  console.log(`skipped: ${what} needs a cluster; name one by KECS_TEST_KUBE_CONTEXT`)
  return true
}

export interface ClusterWorld extends World {
  readonly client: KubeClient
  readonly namespace: string
  readonly warnings: readonly string[]
}

/** A world of its own in the cluster: nobody else's tasks are seen. */
export async function clusterWorld(
  instance: string = `test-${randomUUID()}`,
): Promise<ClusterWorld> {
  const context = CONTEXT ?? ''
  const warnings: string[] = []
  const warn = (message: string, fields: object = {}) => {
    warnings.push(`${message} ${JSON.stringify(fields)}`)
  }
  const runtime = await createKubernetesRuntime({
    clock: realClock,
    context,
    instance,
    warn,
  })
  const client = await createKubeClient({ context })
  const namespace = namespaceName(instance, NAMESPACE)
  return {
    runtime,
    client,
    namespace,
    warnings,
    ...noticing(PATIENCE_MS, () => `it never came so far; ${warnings.join('; ')}`),
    async restarted() {
      await runtime.close()
      return clusterWorld(instance)
    },
    async dispose() {
      await runtime.close()
      await drop(client, namespace)
      client.close()
    },
  }
}

async function drop(client: KubeClient, namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}`
  const now = { method: 'DELETE', body: { gracePeriodSeconds: 0 } } as const
  await client
    .request({ ...now, path: `${path}/pods`, body: { gracePeriodSeconds: 0 } })
    .catch(() => {})
  await client.request({ ...now, path }).catch(() => {})
}
