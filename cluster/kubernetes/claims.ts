/**
 * File systems that outlive tasks, as claims for volumes: one for each file system that a namespace's
 * tasks name. Nothing here deletes a claim, since with it goes what tasks have written.
 */
import type { V1PersistentVolumeClaim } from '@kubernetes/client-node'
import type { TaskSpec } from '../runtime.ts'
import { type KubeClient, KubeFault } from './client.ts'
import { ANNOTATIONS, dnsLabel, LABELS, labelValue, MANAGED_BY } from './names.ts'
import type { List, StorageClass } from './objects.ts'

/** Of a claim: file systems have no size, and claims need one. Local folders do not hold to it. */
const CLAIM_SIZE = '10Gi'
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class'
/** Words in the names of provisioners whose volumes several nodes can mount; no class tells of it. */
const OF_MANY_NODES = /nfs|efs|cephfs|gluster|smb|azure-?file|file\.csi|filestore|longhorn/
const CONFLICT = 409

type Mode = 'ReadWriteMany' | 'ReadWriteOnce'

export function claimName(fileSystem: string): string {
  return dnsLabel(fileSystem)
}

/** Makes what claims of a task's file systems are not there yet. Faults: KubeFault. */
export async function makeClaims(
  client: KubeClient,
  { namespace, instance }: { readonly namespace: string; readonly instance: string },
  { volumes }: TaskSpec,
): Promise<void> {
  const ids = new Set(volumes.flatMap(({ fileSystem }) => fileSystem?.id ?? []))
  if (ids.size === 0) return
  const mode = await modeOf(client)
  const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims`
  for (const id of ids) {
    try {
      await client.request({ method: 'POST', path, body: claimOf(id, instance, mode) })
    } catch (thrown) {
      if (!(thrown instanceof KubeFault && thrown.status === CONFLICT)) throw thrown
    }
  }
}

/** With the cluster's default class. */
export function claimOf(fileSystem: string, instance: string, mode: Mode): V1PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimName(fileSystem),
      labels: { [MANAGED_BY]: 'kecs', [LABELS.instance]: labelValue(instance) },
      annotations: { [ANNOTATIONS.fileSystem]: fileSystem },
    },
    spec: { accessModes: [mode], resources: { requests: { storage: CLAIM_SIZE } } },
  }
}

/** ReadWriteOnce is of one node: all tasks that share such a file system run on that node. */
async function modeOf(client: KubeClient): Promise<Mode> {
  const path = '/apis/storage.k8s.io/v1/storageclasses'
  const { items } = await client.request<List<StorageClass>>({ path })
  const own = items.find(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true')
  return OF_MANY_NODES.test(own?.provisioner ?? '') ? 'ReadWriteMany' : 'ReadWriteOnce'
}
