/** Port mappings, and what each network mode leaves to a container. */
import { clientException } from '../faults.ts'
import type { TaskDefinitionBody } from '../rows.ts'
import {
  type Container,
  containerNamed,
  containersOf,
  firstRepeated,
  has,
  type PortMapping,
  within,
} from './model.ts'

const MAX_PORT = 65_535
const PORT_NAME = /^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$/
const PORT_RANGE = /^(\d{1,5})-(\d{1,5})$/

/** First and last port of `8000-8010`; undefined where the text is no rising range of ports. */
export function parsePortRange(text: string): readonly [first: number, last: number] | undefined {
  const match = PORT_RANGE.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2])
  return within(first, 1, last - 1) && last <= MAX_PORT ? [first, last] : undefined
}

/** Faults: ClientException. */
export function checkPorts(definition: TaskDefinitionBody): void {
  const mode = definition.networkMode ?? 'bridge'
  for (const container of containersOf(definition)) {
    for (const port of container.portMappings ?? []) {
      if (mode === 'none') {
        throw clientException('Port mappings are not supported when networkMode=none.')
      }
      checkPort(port, container.name, mode)
    }
  }
  const ports = containersOf(definition).flatMap(({ portMappings = [] }) => portMappings)
  checkHostPorts(ports)
  checkRanges(ports)
  const repeated = firstRepeated(ports.flatMap(({ name }) => name ?? []))
  if (repeated !== undefined) {
    throw clientException(`The port mapping name '${repeated}' is already used.`)
  }
}

function checkPort(port: PortMapping, container: string | undefined, mode: string): void {
  const { containerPort, hostPort = 0, containerPortRange: range, name } = port
  const refuse = (setting: string) =>
    clientException(`Invalid '${setting}' setting for container '${container}'.`)
  if (name !== undefined && !PORT_NAME.test(name)) throw refuse('portMappings.name')
  if (range !== undefined) {
    if (containerPort !== undefined || port.hostPort !== undefined) {
      throw clientException(
        `Invalid port mapping for container '${container}': cannot specify both single port and port range.`,
      )
    }
    if (!parsePortRange(range)) throw refuse('containerPortRange')
    return
  }
  if (containerPort === undefined || !within(containerPort, 1, MAX_PORT)) {
    throw refuse('containerPort')
  }
  if (!within(hostPort, 0, MAX_PORT)) throw refuse('hostPort')
  if (mode !== 'bridge' && hostPort !== containerPort) {
    throw clientException(
      `When networkMode=${mode}, the host ports and container ports in port mappings must match.`,
    )
  }
}

function checkHostPorts(ports: readonly PortMapping[]): void {
  const taken = ports
    .filter(({ hostPort }) => hostPort)
    .map(({ protocol = 'tcp', hostPort }) => `${protocol.toUpperCase()} host port '${hostPort}'`)
  const repeated = firstRepeated(taken)
  if (repeated !== undefined) {
    throw clientException(`${repeated} is mapped multiple times in task.`)
  }
}

function checkRanges(ports: readonly PortMapping[]): void {
  const ranges = ports.flatMap(({ containerPortRange: range, protocol }) => {
    const ends = range === undefined ? undefined : parsePortRange(range)
    return ends ? [{ protocol, first: ends[0], last: ends[1] }] : []
  })
  ranges.sort((left, right) => left.first - right.first)
  const lastOf = new Map<string | undefined, number>()
  for (const { protocol, first, last } of ranges) {
    if (first <= (lastOf.get(protocol) ?? 0)) {
      throw clientException('A container port is used multiple times in task.')
    }
    lastOf.set(protocol, last)
  }
}

/** What an interface of the task's own, or no bridge, rules out. Faults: ClientException. */
export function checkNetworkMode(definition: TaskDefinitionBody): void {
  const mode = definition.networkMode ?? 'bridge'
  for (const container of containersOf(definition)) {
    if (mode !== 'bridge' && has(container.links)) {
      throw clientException(`Links are not supported when networkMode=${mode}.`)
    }
    if (mode !== 'awsvpc') continue
    const unsupported = unsupportedInAwsvpc(container)
    if (unsupported) {
      throw clientException(`${unsupported} supported on container when networkMode=awsvpc.`)
    }
  }
}

function unsupportedInAwsvpc(container: Container): string | undefined {
  if (container.hostname) return 'hostname is not'
  if (container.disableNetworking) return 'Disable Networking is not'
  if (has(container.dnsServers)) return 'DNS servers are not'
  if (has(container.dnsSearchDomains)) return 'DNS search domains are not'
  if (has(container.extraHosts)) return 'Extra hosts are not'
  return undefined
}

const PROXY_PROPERTIES = [
  ['ProxyIngressPort', 'Ingress port not found'],
  ['ProxyEgressPort', 'Egress port not found'],
  ['AppPorts', 'App ports not found'],
  ['EgressIgnoredIPs', 'Egress ignored IPs not found'],
] as const

/** Faults: ClientException. */
export function checkProxy(definition: TaskDefinitionBody): void {
  const proxy = definition.proxyConfiguration
  if (!proxy) return
  if (definition.networkMode !== 'awsvpc') {
    throw clientException('APPMESH proxy configuration is only supported in networkMode=awsvpc.')
  }
  if (!containerNamed(definition, proxy.containerName)) {
    throw clientException(`Proxy container [${proxy.containerName}] does not exist`)
  }
  const given = new Set((proxy.properties ?? []).map(({ name }) => name))
  for (const [name, objection] of PROXY_PROPERTIES) {
    if (!given.has(name)) throw clientException(objection)
  }
}
