/** What of a task Kubernetes cannot do, said once and for people. */
import type { ContainerSpec, TaskSpec } from '../runtime.ts'

/** What kubelets allow without being configured for it. */
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
])
/** What a volume in memory is anyway, or becomes by its mount. */
const HONOURED_TMPFS = new Set(['ro', 'rw', 'defaults'])

/** One sentence for each thing that a pod does otherwise than the task says. */
export function unhonoured(task: TaskSpec): string[] {
  const sentences = task.containers.flatMap((container) =>
    shortcomings(container).map((text) => `Container ${container.name}: ${text}`),
  )
  if (task.network === 'none') sentences.push('Network none: its pod has a network all the same.')
  for (const { name, fileSystem } of task.volumes) {
    if (!fileSystem) continue
    sentences.push(
      `Volume ${name}: ${fileSystem.id} is a volume of this cluster's tasks alone, kept until its Kubernetes namespace is deleted.`,
    )
  }
  const names = new Set(task.containers.flatMap(({ hostname }) => hostname ?? []))
  if (names.size > 1) {
    sentences.push('Containers of a pod share one host name: the first that is set is taken.')
  }
  const stops = new Set(task.containers.map(({ stopTimeoutMs }) => stopTimeoutMs))
  if (stops.size > 1) {
    sentences.push('Containers of a pod share one stop time-out: the longest is taken.')
  }
  return sentences
}

function shortcomings(container: ContainerSpec): string[] {
  const found: string[] = []
  const { user, ulimits = [], systemControls = [], initProcess, tmpfs = [] } = container
  if (user !== undefined && userOf(user) === undefined) {
    found.push(
      `user ${user} is not set: Kubernetes takes numbers only, so the image's user runs it.`,
    )
  }
  if (ulimits.length > 0) {
    found.push(`ulimits (${ulimits.map(({ name }) => name).join(', ')}) are those of the node.`)
  }
  for (const { namespace } of systemControls) {
    if (!SAFE_SYSCTLS.has(namespace)) found.push(`system control ${namespace} is not set.`)
  }
  if (initProcess) found.push('no init process runs before its own.')
  const options = tmpfs.flatMap(({ mountOptions }) => mountOptions)
  const other = options.filter((each) => !HONOURED_TMPFS.has(each))
  if (other.length > 0) found.push(`tmpfs options ${other.join(', ')} are not set.`)
  return found
}

/** The ids that a user of a container names; undefined where it takes the image's own files to know. */
export function userOf(user: string): { readonly uid?: number; readonly gid?: number } | undefined {
  const match = /^(root|\d+)(?::(root|\d+))?$/.exec(user)
  if (!match) return undefined
  const [, uid = '', gid] = match
  return { uid: idOf(uid), ...(gid === undefined ? {} : { gid: idOf(gid) }) }
}

/** Settings of a pod's own kernel namespaces; the last word on each is taken. */
export function safeSysctls(task: TaskSpec): { readonly name: string; readonly value: string }[] {
  const all = task.containers.flatMap(({ systemControls = [] }) => systemControls)
  const safe = all.filter(({ namespace }) => SAFE_SYSCTLS.has(namespace))
  const values = new Map(safe.map(({ namespace, value }) => [namespace, value]))
  return [...values].map(([name, value]) => ({ name, value }))
}

function idOf(text: string): number {
  return text === 'root' ? 0 : Number(text)
}
