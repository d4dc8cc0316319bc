import type { Kubectl } from '../../cluster/k3d/kubectl.ts'
import { NAMESPACE } from './wait-ready.ts'

const SECRET = 'localstack-auth'
const DEPLOYMENT = 'deployment/localstack'

/**
 * Brings LocalStack's token, or its absence, into the cluster, around `apply` of the manifests: its
 * pod reads it when it starts, so the Secret comes first, and a pod that has another one is replaced.
 */
export async function withToken(
  kubectl: Kubectl,
  token: string | undefined,
  apply: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const isChanged = token === undefined ? await remove(kubectl) : await bring(kubectl, token)
  const objects = await apply()
  const isOld = objects.some(
    (line) => line.includes('/localstack unchanged') && /^deploy/.test(line),
  )
  if (isChanged && isOld) await kubectl.restart(NAMESPACE, DEPLOYMENT)
  return objects
}

async function remove(kubectl: Kubectl): Promise<boolean> {
  return (await kubectl.delete(NAMESPACE, [`secret/${SECRET}`])).length > 0
}

async function bring(kubectl: Kubectl, token: string): Promise<boolean> {
  const namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: NAMESPACE, labels: { 'app.kubernetes.io/part-of': 'kecs' } },
  }
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: SECRET, namespace: NAMESPACE, labels: { app: 'localstack' } },
    stringData: { token },
  }
  const list = { apiVersion: 'v1', kind: 'List', items: [namespace, secret] }
  const lines = await kubectl.applyManifest(list)
  return lines.some((line) => line.startsWith('secret/') && !line.endsWith(' unchanged'))
}
