import { tmpdir } from 'node:os'
import type { ContainerSpec, PortBinding, TaskSpec } from '../runtime.ts'

// Enough for a command to find its programs and its user; nothing that may hold a secret.
const INHERITED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR']

/**
 * The whole environment of a container's process: a few variables of this one (`PATH`, `HOME`,
 * `USER`, `LOGNAME`, `SHELL`, `LANG`, `LC_ALL`, `TZ`, `TMPDIR`), then `PORT` (the first host port),
 * then the container's own, then `KECS_TASK_ID`, `KECS_RECORDS_DIR`, `KECS_CONTAINER_NAME`,
 * `KECS_BIND_HOST`, `KECS_PORT_<containerPort>` and `KECS_VOLUME_<NAME>`.
 */
export function environmentOf(
  container: ContainerSpec,
  ports: readonly PortBinding[],
  volumes: ReadonlyMap<string, string>,
  host: {
    readonly bindHost: string
    readonly environment: NodeJS.ProcessEnv
    readonly marks: Readonly<Record<string, string>>
  },
): Record<string, string> {
  const environment: Record<string, string> = { TMPDIR: tmpdir() }
  for (const name of INHERITED) {
    const value = host.environment[name]
    if (value !== undefined) environment[name] = value
  }
  const [first] = ports
  if (first) environment.PORT = String(first.hostPort)
  Object.assign(environment, container.environment)
  Object.assign(environment, host.marks)
  environment.KECS_CONTAINER_NAME = container.name
  environment.KECS_BIND_HOST = host.bindHost
  for (const { containerPort, hostPort } of ports) {
    environment[`KECS_PORT_${containerPort}`] = String(hostPort)
  }
  for (const { volume } of container.mounts) {
    const path = volumes.get(volume)
    if (path !== undefined) environment[volumeVariable(volume)] = path
  }
  return environment
}

/** e.g. `KECS_VOLUME_MY_DATA` for `my-data`. */
export function volumeVariable(volume: string): string {
  return `KECS_VOLUME_${volume.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
}

const IGNORED: readonly { readonly name: string; readonly given: (c: ContainerSpec) => unknown }[] =
  [
    { name: 'user', given: ({ user }) => user },
    { name: 'cpu', given: ({ cpuUnits }) => cpuUnits },
    { name: 'memory', given: (c) => c.memoryMiB ?? c.memoryReservationMiB },
    { name: 'privileged', given: ({ privileged }) => privileged },
    { name: 'readonlyRootFilesystem', given: (c) => c.readonlyRootFilesystem },
    { name: 'pseudoTerminal', given: ({ pseudoTerminal }) => pseudoTerminal },
    { name: 'interactive', given: ({ interactive }) => interactive },
    { name: 'hostname', given: ({ hostname }) => hostname },
    { name: 'extraHosts', given: ({ extraHosts }) => extraHosts?.length },
    { name: 'dnsServers', given: ({ dnsServers }) => dnsServers?.length },
    { name: 'dnsSearchDomains', given: (c) => c.dnsSearchDomains?.length },
    { name: 'ulimits', given: ({ ulimits }) => ulimits?.length },
    { name: 'systemControls', given: ({ systemControls }) => systemControls?.length },
    { name: 'capabilities', given: ({ capabilities }) => capabilities },
    { name: 'initProcess', given: ({ initProcess }) => initProcess },
    { name: 'sharedMemory', given: ({ sharedMemoryMiB }) => sharedMemoryMiB },
    { name: 'tmpfs', given: ({ tmpfs }) => tmpfs?.length },
  ]

/** What of a task a plain process of this machine cannot be given, one line each. */
export function warningsOf(spec: TaskSpec, bindHost: string): string[] {
  const warnings: string[] = []
  if (spec.network === 'task') {
    warnings.push(`the task has no address of its own; its ports are on ${bindHost}`)
  }
  for (const { name, fileSystem } of spec.volumes) {
    if (fileSystem) warnings.push(`volume ${name} is an empty folder that goes with the task`)
  }
  for (const container of spec.containers) {
    const { name, image, mounts } = container
    warnings.push(`${name}: image ${image} is not used; the command runs on this machine`)
    const ignored = IGNORED.filter(({ given }) => given(container)).map((member) => member.name)
    if (ignored.length > 0) warnings.push(`${name}: not honoured: ${ignored.join(', ')}`)
    for (const { volume, containerPath } of mounts) {
      const where = `its folder is in ${volumeVariable(volume)}`
      warnings.push(`${name}: volume ${volume} is not mounted at ${containerPath}; ${where}`)
    }
  }
  return warnings
}
