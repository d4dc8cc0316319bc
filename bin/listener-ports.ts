import type { Elbv2Context } from '../elbv2/context.ts'
import { createHttpPort } from '../elbv2/data-plane/http/http-port.ts'
import type { ConnectionWatch } from '../elbv2/data-plane/logs/connection-watch.ts'
import type { HttpFront, OpenListener } from '../elbv2/data-plane/model.ts'
import type { Flows } from '../elbv2/data-plane/nlb/flows.ts'
import type { LiveTargets } from '../elbv2/data-plane/targets/live-targets.ts'
import type { Closers } from './closers.ts'

export interface OpenersOptions {
  readonly context: Elbv2Context
  readonly front: HttpFront
  readonly watch: ConnectionWatch
  readonly live: LiveTargets
  /** Where the certificate authority is kept; undefined: it dies with the process. */
  readonly dir: string | undefined
  readonly closers: Closers
}

/** What opens a port, by the listener's protocol; what TLS and plain connections need is loaded when first wanted. */
export function openersOf(options: OpenersOptions): Readonly<Record<string, OpenListener>> {
  // One count of what is under way to targets, for all ports of network load balancers.
  const flows = once(() => makeFlows(options))
  const secure = once(() => secureOpeners(options, flows))
  const plain = once(() => connectionOpeners(options, flows))
  return {
    HTTP: createHttpPort({ front: options.front, watch: options.watch, ...options.context }),
    HTTPS: async (...port) => (await secure()).https(...port),
    TLS: async (...port) => (await secure()).tls(...port),
    TCP: async (...port) => (await plain()).tcp(...port),
    UDP: async (...port) => (await plain()).udp(...port),
    TCP_UDP: async (...port) => (await plain()).tcpUdp(...port),
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

async function makeFlows({ context, live, closers }: OpenersOptions): Promise<Flows> {
  const { createFlows } = await import('../elbv2/data-plane/nlb/flows.ts')
  const flows = createFlows({ live, log: context.log })
  closers.push(() => flows.close())
  return flows
}

async function secureOpeners(
  { context, front, watch, dir }: OpenersOptions,
  flows: () => Promise<Flows>,
) {
  const [
    { createCertificates },
    { createSecurityPolicies },
    { createHttpsPort },
    { createTlsPort },
  ] = await Promise.all([
    import('../elbv2/data-plane/tls/certificates.ts'),
    import('../elbv2/data-plane/tls/security-policy.ts'),
    import('../elbv2/data-plane/http/https-port.ts'),
    import('../elbv2/data-plane/nlb/nlb-tls.ts'),
  ])
  const shared = {
    ...context,
    watch,
    certificates: createCertificates({ ...context, dir }),
    policies: createSecurityPolicies(context.log),
  }
  return {
    https: createHttpsPort({ ...shared, front }),
    tls: createTlsPort({ ...shared, flows: await flows() }),
  }
}

async function connectionOpeners({ context, watch }: OpenersOptions, flows: () => Promise<Flows>) {
  const [{ createTcpPort }, { createTcpUdpPort, createUdpPort }] = await Promise.all([
    import('../elbv2/data-plane/nlb/nlb-tcp.ts'),
    import('../elbv2/data-plane/nlb/nlb-udp.ts'),
  ])
  const shared = { ...context, watch, flows: await flows() }
  return {
    tcp: createTcpPort(shared),
    udp: createUdpPort(shared),
    tcpUdp: createTcpUdpPort(shared),
  }
}
