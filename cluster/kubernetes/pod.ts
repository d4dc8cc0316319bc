/** From a task to the pod that runs it. Pure: the same task gives the same pod. */
import type {
  V1Affinity,
  V1Container,
  V1EnvVar,
  V1Pod,
  V1PodSpec,
  V1Probe,
  V1SecurityContext,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node'
import type { ContainerSpec, HealthCheckSpec, TaskSpec, VolumeSpec } from '../runtime.ts'
import { claimName } from './claims.ts'
import {
  ANNOTATIONS,
  dnsLabel,
  LABELS,
  labelValue,
  MANAGED_BY,
  namespaceName,
  sortLabels,
} from './names.ts'
import { resourcesOf } from './resources.ts'
import { safeSysctls, userOf } from './unhonoured.ts'

/**
 * No image can bear this name, so kubelet asks no registry and starts nothing: a container waits
 * behind it until its dependencies are met and the image is patched to its own. An image is all that
 * may change in a pod, on every version of Kubernetes; patched back, kubelet stops that container.
 */
export const GATE_IMAGE = 'kecs.dev/waits/FOR-ITS-DEPENDENCIES'

const MS_PER_SECOND = 1000
/**
 * A node that went silent gets its pods back if it speaks again so soon; Kubernetes' own five minutes
 * are long for whoever waits for a service. It takes the node 40 s to count as silent.
 */
const NODE_SILENCE_S = 30
const SILENT_NODES = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']
const SHARED_MEMORY_VOLUME = 'kecs-shm'

export interface PodOptions {
  /** Whose pods these are: nobody else's are touched. */
  readonly instance: string
}

export function podName(id: string): string {
  return dnsLabel(id)
}

export function podOf(task: TaskSpec, options: PodOptions): V1Pod {
  const sorted = sortLabels(task.labels)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName(task.id),
      namespace: namespaceName(options.instance, task.namespace),
      labels: {
        ...sorted.labels,
        [MANAGED_BY]: 'kecs',
        [LABELS.instance]: labelValue(options.instance),
        [LABELS.task]: labelValue(task.id),
      },
      annotations: {
        ...sorted.annotations,
        [ANNOTATIONS.namespace]: task.namespace,
        // Whoever finds the pod knows the task without anybody's memory.
        [ANNOTATIONS.spec]: JSON.stringify(task),
      },
    },
    spec: podSpecOf(task),
  }
}

function podSpecOf(task: TaskSpec): V1PodSpec {
  const longestMs = Math.max(...task.containers.map(({ stopTimeoutMs }) => stopTimeoutMs))
  const hostname = task.containers.find((each) => each.hostname)?.hostname
  const sysctls = safeSysctls(task)
  const aliases = task.containers.flatMap(({ extraHosts = [] }) => extraHosts)
  const volumes = volumesOf(task)
  return {
    restartPolicy: 'Never',
    // A task's credentials are for AWS's calls; a cluster's are none of its business.
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: Math.max(1, seconds(longestMs)),
    ...(hostname === undefined ? {} : { hostname: dnsLabel(hostname) }),
    ...(task.network === 'host' ? { hostNetwork: true } : {}),
    ...(task.node === undefined ? {} : { affinity: onNode(task.node) }),
    tolerations: SILENT_NODES.map((key) => ({
      ...{ key, operator: 'Exists', effect: 'NoExecute' },
      tolerationSeconds: NODE_SILENCE_S,
    })),
    ...dnsOf(task),
    ...(aliases.length > 0
      ? { hostAliases: aliases.map((each) => ({ ip: each.ipAddress, hostnames: [each.hostname] })) }
      : {}),
    ...(sysctls.length > 0 ? { securityContext: { sysctls } } : {}),
    ...(volumes.length > 0 ? { volumes } : {}),
    containers: task.containers.map((each) => containerOf(each, task)),
  }
}

/** By its name: the label of the host may say another. */
function onNode(node: string): V1Affinity {
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }]
  const nodeSelectorTerms = [{ matchFields }]
  return {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
  }
}

function dnsOf({ network, containers }: TaskSpec): Partial<V1PodSpec> {
  const nameservers = [...new Set(containers.flatMap(({ dnsServers = [] }) => dnsServers))]
  const searches = [...new Set(containers.flatMap((each) => each.dnsSearchDomains ?? []))]
  const dnsConfig = {
    ...(nameservers.length > 0 ? { nameservers } : {}),
    ...(searches.length > 0 ? { searches } : {}),
  }
  // A host's pod would else ask the host's own servers, which know no name of the cluster.
  const hosts = network === 'host' ? { dnsPolicy: 'ClusterFirstWithHostNet' } : {}
  return {
    ...(nameservers.length > 0 ? { dnsPolicy: 'None' } : hosts),
    ...(nameservers.length + searches.length > 0 ? { dnsConfig } : {}),
  }
}

function containerOf(container: ContainerSpec, task: TaskSpec): V1Container {
  const { entryPoint, command, workingDirectory, healthCheck } = container
  const resources = resourcesOf(container, task)
  const mounts = mountsOf(container, task)
  const ports = portsOf(container, task)
  const security = securityOf(container)
  const env: V1EnvVar[] = Object.entries(container.environment).map(([name, value]) => ({
    name,
    value: literal(value),
  }))
  return {
    name: dnsLabel(container.name),
    image: container.dependsOn.length > 0 ? GATE_IMAGE : container.image,
    // What was imported into a node is in no registry; `latest` would be pulled by default.
    imagePullPolicy: 'IfNotPresent',
    ...(entryPoint?.length ? { command: entryPoint.map(literal) } : {}),
    ...(command?.length ? { args: command.map(literal) } : {}),
    ...(env.length > 0 ? { env } : {}),
    ...(workingDirectory === undefined ? {} : { workingDir: workingDirectory }),
    ...(ports.length > 0 ? { ports } : {}),
    ...(resources ? { resources } : {}),
    ...(mounts.length > 0 ? { volumeMounts: mounts } : {}),
    ...(healthCheck ? { readinessProbe: probeOf(healthCheck) } : {}),
    ...(security ? { securityContext: security } : {}),
    ...(container.pseudoTerminal ? { tty: true } : {}),
    ...(container.interactive ? { stdin: true } : {}),
    terminationMessagePolicy: 'File',
  }
}

/** Kubernetes would put variables in place of `$(NAME)`, and one `$` in place of two. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$')
}

/**
 * A container's health check as readiness: kubelet runs it in the container whether this process
 * lives or not, nothing is restarted for it, and nobody needs the right to exec into pods.
 */
function probeOf({ command, ...check }: HealthCheckSpec): V1Probe {
  const [kind = '', ...rest] = command
  const argv = kind === 'CMD' ? rest : kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...rest] : command
  return {
    exec: { command: argv.map(literal) },
    periodSeconds: Math.max(1, seconds(check.intervalMs)),
    timeoutSeconds: Math.max(1, seconds(check.timeoutMs)),
    failureThreshold: Math.max(1, check.retries),
    successThreshold: 1,
  }
}

function portsOf({ ports }: ContainerSpec, { network }: TaskSpec): V1Container['ports'] & object {
  const seen = new Set<string>()
  return ports.flatMap(({ containerPort, hostPort = 0, protocol }) => {
    const key = `${containerPort}/${protocol}`
    if (seen.has(key)) return []
    seen.add(key)
    const own = network === 'bridge' ? hostPort : network === 'host' ? containerPort : 0
    return [
      { containerPort, protocol: protocol.toUpperCase(), ...(own > 0 ? { hostPort: own } : {}) },
    ]
  })
}

function securityOf(container: ContainerSpec): V1SecurityContext | undefined {
  const { user, privileged, readonlyRootFilesystem, capabilities } = container
  const ids = user === undefined ? undefined : userOf(user)
  const { add = [], drop = [] } = capabilities ?? {}
  const context: V1SecurityContext = {
    ...(ids?.uid === undefined ? {} : { runAsUser: ids.uid }),
    ...(ids?.gid === undefined ? {} : { runAsGroup: ids.gid }),
    ...(privileged ? { privileged } : {}),
    ...(readonlyRootFilesystem ? { readOnlyRootFilesystem: true } : {}),
    ...(add.length + drop.length > 0 ? { capabilities: { add: [...add], drop: [...drop] } } : {}),
  }
  return Object.keys(context).length > 0 ? context : undefined
}

function volumesOf(task: TaskSpec): V1Volume[] {
  const volumes = task.volumes.map(volumeOf)
  const memory = (name: string, sizeMiB: number) =>
    volumes.push({ name, emptyDir: { medium: 'Memory', sizeLimit: `${sizeMiB}Mi` } })
  for (const { name, tmpfs = [], sharedMemoryMiB } of task.containers) {
    for (const [index, { sizeMiB }] of tmpfs.entries()) memory(tmpfsVolume(name, index), sizeMiB)
    if (sharedMemoryMiB) memory(sharedMemoryVolume(name), sharedMemoryMiB)
  }
  return volumes
}

function volumeOf({ name, hostPath, fileSystem }: VolumeSpec): V1Volume {
  const own = { name: dnsLabel(name) }
  if (hostPath !== undefined) {
    return { ...own, hostPath: { path: hostPath, type: 'DirectoryOrCreate' } }
  }
  if (fileSystem === undefined) return { ...own, emptyDir: {} }
  return { ...own, persistentVolumeClaim: { claimName: claimName(fileSystem.id) } }
}

function mountsOf(container: ContainerSpec, { volumes }: TaskSpec): V1VolumeMount[] {
  const mounts: V1VolumeMount[] = container.mounts.map(({ volume, containerPath, readOnly }) => {
    const { fileSystem } = volumes.find(({ name }) => name === volume) ?? {}
    const subPath = fileSystem?.directory.replace(/^\/+|\/+$/g, '')
    return {
      name: dnsLabel(volume),
      mountPath: containerPath,
      ...(subPath ? { subPath } : {}),
      ...(readOnly ? { readOnly } : {}),
    }
  })
  for (const [index, { containerPath, mountOptions }] of (container.tmpfs ?? []).entries()) {
    mounts.push({
      name: tmpfsVolume(container.name, index),
      mountPath: containerPath,
      ...(mountOptions.includes('ro') ? { readOnly: true } : {}),
    })
  }
  if (container.sharedMemoryMiB) {
    mounts.push({ name: sharedMemoryVolume(container.name), mountPath: '/dev/shm' })
  }
  return mounts
}

function tmpfsVolume(container: string, index: number): string {
  return dnsLabel(`kecs-tmpfs-${index}-${container}`)
}

function sharedMemoryVolume(container: string): string {
  return dnsLabel(`${SHARED_MEMORY_VOLUME}-${container}`)
}

function seconds(ms: number): number {
  return Math.ceil(ms / MS_PER_SECOND)
}
