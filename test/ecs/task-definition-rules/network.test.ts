import type { NetworkMode, PortMapping, ProxyConfiguration } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parsePortRange } from '../../../ecs/task-definition-rules/network.ts'
import { normaliseTaskDefinition } from '../../../ecs/task-definition-rules/normalise.ts'
import { ec2, rule, web } from '../definitions.ts'

function ports(networkMode: NetworkMode | undefined, ...portMappings: PortMapping[]) {
  return ec2({ networkMode, containerDefinitions: [web({ portMappings })] })
}

const mismatch = (mode: string) =>
  `When networkMode=${mode}, the host ports and container ports in port mappings must match.`
const invalid = (setting: string) => `Invalid '${setting}' setting for container 'web'.`
const SINGLE_AND_RANGE =
  "Invalid port mapping for container 'web': cannot specify both single port and port range."

rule('checkPorts', [
  [
    'two host ports of a bridge',
    ports('bridge', { containerPort: 80, hostPort: 8080 }, { containerPort: 80, hostPort: 8081 }),
  ],
  [
    'the same dynamic port twice',
    ports(undefined, { containerPort: 80, hostPort: 0 }, { containerPort: 81, hostPort: 0 }),
  ],
  ['the last port', ports(undefined, { containerPort: 65_535, hostPort: 65_535 })],
  ['no container port', ports(undefined, { hostPort: 80 }), invalid('containerPort')],
  ['container port 0', ports(undefined, { containerPort: 0 }), invalid('containerPort')],
  ['container port 65536', ports(undefined, { containerPort: 65_536 }), invalid('containerPort')],
  [
    'host port 65536',
    ports(undefined, { containerPort: 1, hostPort: 65_536 }),
    invalid('hostPort'),
  ],
  ['host port -1', ports(undefined, { containerPort: 1, hostPort: -1 }), invalid('hostPort')],
  ['a matching host port in awsvpc', ports('awsvpc', { containerPort: 80, hostPort: 80 })],
  [
    'another host port in awsvpc',
    ports('awsvpc', { containerPort: 80, hostPort: 8080 }),
    mismatch('awsvpc'),
  ],
  [
    'host port 0 in awsvpc',
    ports('awsvpc', { containerPort: 80, hostPort: 0 }),
    mismatch('awsvpc'),
  ],
  [
    'another host port in host',
    ports('host', { containerPort: 80, hostPort: 8080 }),
    mismatch('host'),
  ],
  [
    'a port in none',
    ports('none', { containerPort: 80 }),
    'Port mappings are not supported when networkMode=none.',
  ],
  ['no port in none', ports('none')],
  [
    'a port for both protocols',
    ports('awsvpc', { containerPort: 53, protocol: 'tcp' }, { containerPort: 53, protocol: 'udp' }),
  ],
  [
    'a host port twice',
    ports('bridge', { containerPort: 80, hostPort: 3000 }, { containerPort: 81, hostPort: 3000 }),
    "TCP host port '3000' is mapped multiple times in task.",
  ],
  [
    'a host port of two containers',
    ec2({
      networkMode: 'awsvpc',
      containerDefinitions: [
        web({ portMappings: [{ containerPort: 80 }] }),
        web({ name: 'b', portMappings: [{ containerPort: 80 }] }),
      ],
    }),
    "TCP host port '80' is mapped multiple times in task.",
  ],
  ['a range', ports(undefined, { containerPortRange: '8000-8010' })],
  [
    'a range backwards',
    ports(undefined, { containerPortRange: '9-8' }),
    invalid('containerPortRange'),
  ],
  [
    'a range and a port',
    ports(undefined, { containerPortRange: '8-9', containerPort: 8 }),
    SINGLE_AND_RANGE,
  ],
  [
    'a range and a host port',
    ports(undefined, { containerPortRange: '8-9', hostPort: 8 }),
    SINGLE_AND_RANGE,
  ],
  [
    'ranges side by side',
    ports(undefined, { containerPortRange: '10-19' }, { containerPortRange: '1-9' }),
  ],
  [
    'ranges that overlap',
    ports(undefined, { containerPortRange: '10-19' }, { containerPortRange: '1-10' }),
    'A container port is used multiple times in task.',
  ],
  [
    'overlapping ranges of two protocols',
    ports(
      undefined,
      { containerPortRange: '10-19' },
      { containerPortRange: '1-10', protocol: 'udp' },
    ),
  ],
  ['a name', ports(undefined, { containerPort: 80, name: 'http-80_tcp', appProtocol: 'http' })],
  [
    'a name that starts with a hyphen',
    ports(undefined, { containerPort: 80, name: '-a' }),
    invalid('portMappings.name'),
  ],
  [
    'a name of 65 characters',
    ports(undefined, { containerPort: 80, name: 'x'.repeat(65) }),
    invalid('portMappings.name'),
  ],
  [
    'a name twice',
    ports(undefined, { containerPort: 80, name: 'a' }, { containerPort: 81, name: 'a' }),
    "The port mapping name 'a' is already used.",
  ],
])

test('parsePortRange: rising ranges of ports only', () => {
  assert.equal(parsePortRange('1-65535'), [1, 65_535])
  for (const text of ['', '1', '0-1', '1-65536', '5-5', '6-5', 'a-b', '1-2-3', '-1-2']) {
    assert.is(parsePortRange(text), undefined, text)
  }
})

test('normaliseTaskDefinition: host ports are those of the mode where left open', () => {
  const filled = (mode?: NetworkMode) =>
    normaliseTaskDefinition(ports(mode, { containerPort: 80 })).containerDefinitions?.[0]
      ?.portMappings
  assert.equal(filled('awsvpc'), [{ containerPort: 80, protocol: 'tcp', hostPort: 80 }])
  assert.equal(filled('host'), [{ containerPort: 80, protocol: 'tcp', hostPort: 80 }])
  assert.equal(filled('bridge'), [{ containerPort: 80, protocol: 'tcp', hostPort: 0 }])
  assert.equal(filled(), [{ containerPort: 80, protocol: 'tcp', hostPort: 0 }])
})

const linked = (networkMode?: NetworkMode) =>
  ec2({ networkMode, containerDefinitions: [web({ links: ['db'] }), web({ name: 'db' })] })
const awsvpc = (change: Parameters<typeof web>[0]) =>
  ec2({ networkMode: 'awsvpc', containerDefinitions: [web(change)] })
const unsupported = (what: string) => `${what} supported on container when networkMode=awsvpc.`

rule('checkNetworkMode', [
  ['links on a bridge', linked()],
  ['links in awsvpc', linked('awsvpc'), 'Links are not supported when networkMode=awsvpc.'],
  ['links in host', linked('host'), 'Links are not supported when networkMode=host.'],
  ['a hostname', ec2({ containerDefinitions: [web({ hostname: 'a' })] })],
  ['a hostname in awsvpc', awsvpc({ hostname: 'a' }), unsupported('hostname is not')],
  [
    'no networking in awsvpc',
    awsvpc({ disableNetworking: true }),
    unsupported('Disable Networking is not'),
  ],
  [
    'DNS servers in awsvpc',
    awsvpc({ dnsServers: ['1.1.1.1'] }),
    unsupported('DNS servers are not'),
  ],
  [
    'DNS search domains in awsvpc',
    awsvpc({ dnsSearchDomains: ['a'] }),
    unsupported('DNS search domains are not'),
  ],
  [
    'extra hosts in awsvpc',
    awsvpc({ extraHosts: [{ hostname: 'a', ipAddress: '1.1.1.1' }] }),
    unsupported('Extra hosts are not'),
  ],
  ['empty lists of them in awsvpc', awsvpc({ dnsServers: [], extraHosts: [], links: [] })],
])

const properties = ['ProxyIngressPort', 'ProxyEgressPort', 'AppPorts', 'EgressIgnoredIPs'].map(
  (name) => ({ name, value: '1' }),
)
const proxied = (networkMode: NetworkMode, change: Partial<ProxyConfiguration> = {}) =>
  ec2({ networkMode, proxyConfiguration: { containerName: 'web', properties, ...change } })

rule('checkProxy', [
  ['a whole configuration', proxied('awsvpc')],
  [
    'a proxy on a bridge',
    proxied('bridge'),
    'APPMESH proxy configuration is only supported in networkMode=awsvpc.',
  ],
  [
    'an unknown container',
    proxied('awsvpc', { containerName: 'envoy' }),
    'Proxy container [envoy] does not exist',
  ],
  ['a proxy without ports', proxied('awsvpc', { properties: [] }), 'Ingress port not found'],
])

test('normaliseTaskDefinition: a proxy is of App Mesh', () => {
  assert.is(normaliseTaskDefinition(proxied('awsvpc')).proxyConfiguration?.type, 'APPMESH')
})

test.run()
