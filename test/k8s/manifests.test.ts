import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { type CommandSpec, readValues } from '../../bin/command.ts'
import { ADMIN_NODE_PORT, API_NODE_PORT } from '../../bin/k3d/ensure-cluster.ts'
import { LOCALSTACK_IMAGE, TRAEFIK_IMAGE } from '../../bin/k3d/start-options.ts'
import {
  DEFAULT_ADMIN_PORT,
  DEFAULT_API_PORT,
  readSettings,
  SERVE_FLAGS,
} from '../../bin/settings.ts'
import { versionOf } from '../../bin/version.ts'
import { createGuard } from '../../gateway/guard.ts'
import { root } from '../root.ts'
import {
  type Container,
  environmentOf,
  folder,
  kustomizations,
  manifest,
  manifests,
  podOf,
} from './manifests.ts'

const deployments = ['kecs-controlplane', 'localstack', 'traefik']
const pod = podOf('kecs-controlplane')
const [kecs] = pod.containers as readonly [Container]
const environment = environmentOf(kecs)

const SPEC: CommandSpec = {
  name: 'serve',
  summary: '',
  flags: SERVE_FLAGS,
  examples: [],
  notes: [],
  run: async () => {},
}

function settings() {
  return readSettings(readValues(SPEC, [], environment), environment)
}

test('k8s: what a kustomization names is there', () => {
  assert.ok(kustomizations.length >= 6)
  for (const { folder: at, resources = [], components = [], patches = [] } of kustomizations) {
    const paths = [
      ...resources,
      ...components,
      ...patches.map((each: { path: string }) => each.path),
    ]
    for (const path of paths) assert.ok(existsSync(join(at, path)), `${at}: ${path}`)
  }
})

test('k8s: the packed program has it', () => {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.ok(files.includes('k8s'))
})

test('kecs-controlplane: its variables are flags of serve, and say what it needs in a pod', () => {
  const known = new Set(SERVE_FLAGS.map(({ env }) => env))
  assert.equal(
    Object.keys(environment).filter((name) => !known.has(name)),
    [],
  )
  const { runtime, host, apiPort, adminPort, dataDir, listenerHost, taskEndpoint } = settings()
  assert.is(runtime, 'kubernetes')
  assert.equal([host, listenerHost], ['0.0.0.0', '0.0.0.0'])
  assert.equal([apiPort, adminPort], [DEFAULT_API_PORT, DEFAULT_ADMIN_PORT])
  assert.is(dataDir, '/data')
  assert.is(taskEndpoint, `http://gateway.kecs-system.svc.cluster.local:${DEFAULT_API_PORT}`)
})

test('kecs-controlplane: pods may call by each name of its Services, and by no other', () => {
  const guard = createGuard({ allowedHosts: settings().allowedHosts, allowedOrigins: [] })
  const refused = (host: string) =>
    guard.refuse({ method: 'GET', url: '/', headers: { host } }) !== undefined
  for (const service of ['gateway', 'traefik']) {
    for (const ending of [
      '',
      '.kecs-system',
      '.kecs-system.svc',
      '.kecs-system.svc.cluster.local',
    ]) {
      assert.not.ok(refused(`${service}${ending}:4566`), `${service}${ending}`)
    }
  }
  assert.not.ok(refused('my-bucket.gateway.kecs-system.svc.cluster.local:4566'), 'a bucket')
  for (const host of ['evil.test:4566', 'kecs-system.evil.test', 'x.default.svc.cluster.local']) {
    assert.ok(refused(host), host)
  }
})

test('kecs-controlplane: one pod at a time has the data, and it is the image of this version', () => {
  const { spec } = manifest('Deployment', 'kecs-controlplane')
  assert.equal([spec?.replicas, spec?.strategy?.type], [1, 'Recreate'])
  const entry = readFileSync(join(folder, 'Dockerfile'), 'utf8').match(/^ENTRYPOINT (.*)$/m)?.[1]
  assert.equal(kecs.command?.slice(0, 2), ['flock', '--no-fork'])
  assert.equal(kecs.args, [...JSON.parse(entry ?? '[]'), 'serve'])
  const containers = [...(pod.initContainers ?? []), ...pod.containers]
  assert.equal([...new Set(containers.map(({ image }) => image))], [`kecs:${versionOf()}`])
})

test('kecs-controlplane: user of the pod, owner of the data and user of the image are one', () => {
  const { runAsUser, runAsGroup } = pod.securityContext ?? {}
  const owner = environmentOf((pod.initContainers as readonly [Container])[0]).OWNER
  assert.is(owner, `${runAsUser}:${runAsGroup}`)
  assert.match(readFileSync(join(folder, 'Dockerfile'), 'utf8'), new RegExp(`^USER ${owner}$`, 'm'))
})

test('pods: none may gain rights, each has limits, and links of Services are no settings', () => {
  for (const name of deployments) {
    const { initContainers = [], containers, ...spec } = podOf(name)
    assert.is(spec.enableServiceLinks, false, name)
    assert.is(spec.securityContext?.seccompProfile?.type, 'RuntimeDefault', name)
    for (const each of [...initContainers, ...containers]) {
      const { allowPrivilegeEscalation, capabilities } = each.securityContext ?? {}
      assert.is(allowPrivilegeEscalation, false, each.name)
      assert.equal(capabilities?.drop, ['ALL'], each.name)
      assert.equal(Object.keys(each.resources?.limits ?? {}).sort(), ['cpu', 'memory'], each.name)
      assert.equal(Object.keys(each.resources?.requests ?? {}).sort(), ['cpu', 'memory'], each.name)
    }
  }
  assert.is(pod.securityContext?.runAsNonRoot, true)
  assert.is(kecs.securityContext?.readOnlyRootFilesystem, true)
  assert.is(kecs.securityContext?.capabilities?.add, undefined)
})

test('probes: on the API port, by a Host that kecs admits', () => {
  const { startupProbe, livenessProbe, readinessProbe } = kecs
  assert.equal(
    [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet?.path),
    ['/health', '/health', '/ready'],
  )
  for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe].map(
    (each) => each ?? {},
  )) {
    assert.is(httpGet?.port, 'api')
    assert.equal(httpGet?.httpHeaders, [{ name: 'Host', value: 'localhost' }])
  }
})

test('Services: each leads to a port that the pod of its selector names', () => {
  const services = manifests.filter(({ kind }) => kind === 'Service')
  assert.equal(services.map(({ metadata }) => metadata.name).sort(), [
    'balancers',
    'gateway',
    'localstack',
    'traefik',
  ])
  for (const { metadata, spec } of services) {
    const selected = deployments.filter(
      (name) =>
        manifest('Deployment', name).spec?.template?.metadata.labels.app === spec?.selector?.app,
    )
    assert.is(selected.length, 1, metadata.name)
    const ports = podOf(selected[0] ?? '').containers.flatMap((each) => each.ports ?? [])
    for (const { port, targetPort } of spec?.ports ?? []) {
      assert.is(ports.find(({ name }) => name === targetPort)?.containerPort, port, metadata.name)
    }
  }
  const nodePorts = (name: string) =>
    (manifest('Service', name).spec?.ports ?? []).map(({ port, nodePort }) => [port, nodePort])
  assert.equal(nodePorts('traefik'), [[DEFAULT_API_PORT, API_NODE_PORT]])
  assert.equal(nodePorts('gateway')[1], [DEFAULT_ADMIN_PORT, ADMIN_NODE_PORT])
  assert.is(manifest('Service', 'balancers').spec?.clusterIP, 'None')
})

test('access: the rights are named one by one, in the core group but for a list of classes, and none is to secrets', () => {
  const { rules = [] } = manifest('ClusterRole', 'kecs-controlplane')
  for (const { apiGroups, resources, verbs } of rules) {
    const classes = resources.includes('storageclasses')
    assert.equal(apiGroups, [classes ? 'storage.k8s.io' : ''])
    if (classes) assert.equal([resources, verbs], [['storageclasses'], ['list']])
    for (const forbidden of ['*', 'secrets', 'deletecollection', 'escalate', 'impersonate']) {
      assert.not.ok([...resources, ...verbs].includes(forbidden), forbidden)
    }
  }
  assert.is(pod.serviceAccountName, manifest('ServiceAccount', 'kecs-controlplane').metadata.name)
})

test('k3s-dns: names of load balancers lead to the pod itself', () => {
  const zone = manifest('ConfigMap', 'coredns-custom').data?.['kecs.server'] ?? ''
  const { elbDomain } = settings()
  assert.match(zone, `${elbDomain}:53 {`)
  assert.match(zone, `template IN ANY ${elbDomain} {`)
  assert.match(zone, 'CNAME balancers.kecs-system.svc.cluster.local."')
})

test('localstack and traefik: the images are those that start-v2 takes', () => {
  assert.is(podOf('localstack').containers[0]?.image, LOCALSTACK_IMAGE)
  assert.is(podOf('traefik').containers[0]?.image, TRAEFIK_IMAGE)
})

const traefik = podOf('traefik')
const [proxy] = traefik.containers as readonly [Container]
const patch = parse(readFileSync(join(folder, 'traefik', 'door.yaml'), 'utf8'))

test('traefik: the door leads to it, and keeps its port', () => {
  assert.equal(patch.metadata, { name: 'traefik', namespace: 'kecs-system' })
  assert.equal(patch.spec, { selector: { app: 'traefik' } })
  const { targetPort } = manifest('Service', 'traefik').spec?.ports?.[0] ?? {}
  assert.is(proxy.ports?.find(({ name }) => name === targetPort)?.containerPort, DEFAULT_API_PORT)
})

test('traefik: it runs as nobody, writes nowhere and knows nothing of the cluster', () => {
  assert.is(traefik.automountServiceAccountToken, false)
  assert.is(traefik.serviceAccountName, undefined)
  assert.is(traefik.securityContext?.runAsNonRoot, true)
  assert.is(proxy.securityContext?.readOnlyRootFilesystem, true)
  assert.is(proxy.securityContext?.capabilities?.add, undefined)
  for (const probe of [proxy.startupProbe, proxy.livenessProbe, proxy.readinessProbe]) {
    assert.equal(probe?.httpGet, { path: '/ping', port: 'ping' })
  }
})

test('traefik: what it is told lets requests through as they came, and calls nobody', () => {
  const args = new Map((proxy.args ?? []).map((each) => each.split('=', 2) as [string, string]))
  const api = (name: string) => args.get(`--entrypoints.api.${name}`)
  assert.is(api('address'), `:${DEFAULT_API_PORT}`)
  assert.is(api('http.sanitizepath'), 'false')
  assert.is(api('transport.respondingtimeouts.readtimeout'), '0')
  const encoded = [...args].filter(([name]) => name.includes('.encodedcharacters.'))
  assert.equal([encoded.length, new Set(encoded.map(([, value]) => value))], [7, new Set(['true'])])
  assert.is(args.get('--accesslog'), 'true')
  const calls = ['--global.checknewversion', '--global.sendanonymoususage']
  assert.equal(
    calls.map((name) => args.get(name)),
    ['false', 'false'],
  )
  const providers = [...args.keys()].filter((name) => name.startsWith('--providers.'))
  assert.equal(providers, ['--providers.file.directory'])
})

test('traefik: every route is to the gateway, for every path, with the Host that came', () => {
  const { data = {} } = manifest('ConfigMap', 'traefik')
  const { routers, services } = parse(data['endpoint.yaml'] ?? '').http
  for (const { rule, service, entryPoints } of Object.values<Record<string, unknown>>(routers)) {
    assert.match(String(rule), /^PathPrefix\(`\/`\)/)
    assert.equal([service, entryPoints], ['gateway', ['api']])
  }
  const { servers, passHostHeader } = services.gateway.loadBalancer
  assert.is(passHostHeader, true)
  assert.equal(servers, [
    { url: `http://gateway.kecs-system.svc.cluster.local:${DEFAULT_API_PORT}` },
  ])
})

test.run()
