import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  dnsLabel,
  labelValue,
  namespaceName,
  sortLabels,
} from '../../../cluster/kubernetes/names.ts'
import { nodeOf, quantity, readNodes } from '../../../cluster/kubernetes/nodes.ts'
import { GATE_IMAGE, podOf } from '../../../cluster/kubernetes/pod.ts'
import { unhonoured } from '../../../cluster/kubernetes/unhonoured.ts'
import type { ContainerSpec, TaskSpec } from '../../../cluster/runtime.ts'
import { taskOf } from '../../runtime-watch.ts'
import { FakeClient } from './fake-client.ts'

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const OPTIONS = { instance: 'me' }

function podSpecOf(task: TaskSpec) {
  const { spec } = podOf(task, OPTIONS)
  assert.ok(spec)
  return spec
}

function containerOf(container: Partial<ContainerSpec>, more: Partial<TaskSpec> = {}) {
  const first = podSpecOf({ ...taskOf('t1', container), ...more }).containers[0]
  assert.ok(first)
  return first
}

const names = suite('Kubernetes names')

names('dnsLabel: a name that Kubernetes takes stays as it is', () => {
  assert.is(dnsLabel('web-1'), 'web-1')
})

names('dnsLabel: upper case, _ and 255 characters come out safe, readable and unique', () => {
  const odd = ['Web', 'web_1', 'web-1-', '-', '', 'a'.repeat(64), 'a'.repeat(255), 'ünï', '日本']
  const safe = odd.map((text) => dnsLabel(text))
  for (const name of safe) assert.match(name, LABEL)
  assert.is(new Set([...safe, 'web-1']).size, odd.length + 1)
  assert.match(dnsLabel('Web_Front'), /^web-front-[0-9a-f]{10}$/)
})

names('namespaceName: clusters, regions, accounts and instances never share one', () => {
  const texts = ['000000000000/us-east-1/a', '000000000000/us-east-2/a', '1/us-east-1/a', 'A', 'a']
  const all = ['me', 'you'].flatMap((who) => texts.map((text) => namespaceName(who, text)))
  for (const name of all) assert.match(name, LABEL)
  assert.is(new Set(all).size, all.length)
})

names('labels: what is no label is an annotation, and a value of any text has a stand-in', () => {
  const { labels, annotations } = sortLabels({
    'kecs.dev/a': 'ok',
    'kecs.dev/b': 'a:b/c',
    'no key': 'x',
  })
  assert.equal([labels, annotations], [{ 'kecs.dev/a': 'ok' }, { 'kecs.dev/b': 'a:b/c' }])
  assert.is(labelValue('A_b.c'), 'A_b.c')
  assert.match(labelValue('a/b c'), LABEL)
})

names.run()

const pods = suite('pods of tasks')

pods('podOf: a task without wishes', () => {
  const task = { ...taskOf('t1', {}), labels: { 'kecs.dev/service': 'web' } }
  assert.equal(podOf(task, OPTIONS), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 't1',
      namespace: namespaceName('me', 'test'),
      labels: {
        'kecs.dev/service': 'web',
        'app.kubernetes.io/managed-by': 'kecs',
        'kecs.dev/instance': 'me',
        'kecs.dev/task': 't1',
      },
      annotations: { 'kecs.dev/namespace': 'test', 'kecs.dev/spec': JSON.stringify(task) },
    },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 10,
      tolerations: ['not-ready', 'unreachable'].map((trouble) => ({
        key: `node.kubernetes.io/${trouble}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 30,
      })),
      containers: [
        {
          name: 'c0',
          image: 'example.test/image:1',
          imagePullPolicy: 'IfNotPresent',
          terminationMessagePolicy: 'File',
        },
      ],
    },
  })
})

pods('podOf: entry point, command and environment come literally, $ and all', () => {
  const { command, args, env } = containerOf({
    entryPoint: ['sh', '-c'],
    command: ['echo $$ $(HOME) $HOME'],
    environment: { A: '$(B)' },
  })
  assert.equal(command, ['sh', '-c'])
  assert.equal(args, ['echo $$$$ $$(HOME) $$HOME'])
  assert.equal(env, [{ name: 'A', value: '$$(B)' }])
})

pods('podOf: containers that wait for others wait behind the gate', () => {
  const dependsOn = [{ container: 'c0', condition: 'HEALTHY' as const }]
  const spec = podSpecOf(taskOf('t1', {}, { dependsOn }))
  assert.equal(
    spec.containers.map(({ image }) => image),
    ['example.test/image:1', GATE_IMAGE],
  )
})

pods('podOf: memory is hard and soft, processor units are a share', () => {
  const { resources } = containerOf({ cpuUnits: 256, memoryMiB: 512, memoryReservationMiB: 128 })
  assert.equal(resources, {
    requests: { cpu: '250m', memory: '128Mi' },
    limits: { memory: '512Mi' },
  })
})

pods('podOf: what a task has limits each container and is asked for in parts', () => {
  const task = { ...taskOf('t1', { cpuUnits: 256 }, {}), cpuUnits: 1024, memoryMiB: 2048 }
  assert.equal(
    podSpecOf({ ...task, ephemeralStorageGiB: 30 }).containers.map(({ resources }) => resources),
    [
      {
        requests: { cpu: '250m', memory: '1024Mi', 'ephemeral-storage': '0' },
        limits: { cpu: '1000m', memory: '2048Mi', 'ephemeral-storage': '30Gi' },
      },
      {
        requests: { cpu: '750m', memory: '1024Mi', 'ephemeral-storage': '0' },
        limits: { cpu: '1000m', memory: '2048Mi', 'ephemeral-storage': '30Gi' },
      },
    ],
  )
})

pods('podOf: only static host ports are ports of the node', () => {
  const ports = [
    { containerPort: 80, hostPort: 8080, protocol: 'tcp' as const },
    { containerPort: 53, hostPort: 0, protocol: 'udp' as const },
  ]
  const hostPorts = (network: TaskSpec['network']) =>
    containerOf({ ports }, { network }).ports?.map(({ hostPort }) => hostPort)
  assert.equal(hostPorts('task'), [undefined, undefined])
  assert.equal(hostPorts('bridge'), [8080, undefined])
  assert.equal(hostPorts('host'), [80, 53])
  assert.is(podSpecOf({ ...taskOf('t1', {}), network: 'host' }).hostNetwork, true)
})

pods('podOf: the longest stop time-out is the grace of all', () => {
  const task = taskOf('t1', { stopTimeoutMs: 2_000 }, { stopTimeoutMs: 45_500 })
  assert.is(podSpecOf(task).terminationGracePeriodSeconds, 46)
  assert.match(unhonoured(task).join(), 'longest')
})

pods('podOf: a health check is a readiness probe, so nothing is restarted for it', () => {
  const times = { intervalMs: 30_000, timeoutMs: 5_000, retries: 3, startPeriodMs: 10_000 }
  const container = containerOf({ healthCheck: { command: ['CMD-SHELL', 'curl $URL'], ...times } })
  assert.equal(container.readinessProbe, {
    exec: { command: ['/bin/sh', '-c', 'curl $$URL'] },
    periodSeconds: 30,
    timeoutSeconds: 5,
    failureThreshold: 3,
    successThreshold: 1,
  })
  assert.is(container.livenessProbe, undefined)
})

pods('podOf: who runs it and what it may', () => {
  const container = containerOf({
    user: '1000:0',
    privileged: true,
    readonlyRootFilesystem: true,
    capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
    workingDirectory: '/srv',
    pseudoTerminal: true,
    interactive: true,
  })
  assert.equal(container.securityContext, {
    runAsUser: 1000,
    runAsGroup: 0,
    privileged: true,
    readOnlyRootFilesystem: true,
    capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
  })
  assert.equal([container.workingDir, container.tty, container.stdin], ['/srv', true, true])
})

pods('podOf: volumes of the host, empty ones, tmpfs and shared memory', () => {
  const task: TaskSpec = {
    ...taskOf('t1', {
      mounts: [
        { volume: 'data', containerPath: '/data', readOnly: true },
        { volume: 'Tmp', containerPath: '/t', readOnly: false },
      ],
      tmpfs: [{ containerPath: '/run', sizeMiB: 64, mountOptions: ['ro', 'noexec'] }],
      sharedMemoryMiB: 128,
    }),
    volumes: [{ name: 'data', hostPath: '/srv/data' }, { name: 'Tmp' }],
  }
  const spec = podSpecOf(task)
  assert.equal(spec.volumes, [
    { name: 'data', hostPath: { path: '/srv/data', type: 'DirectoryOrCreate' } },
    { name: dnsLabel('Tmp'), emptyDir: {} },
    { name: 'kecs-tmpfs-0-c0', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    { name: 'kecs-shm-c0', emptyDir: { medium: 'Memory', sizeLimit: '128Mi' } },
  ])
  assert.equal(spec.containers[0]?.volumeMounts, [
    { name: 'data', mountPath: '/data', readOnly: true },
    { name: dnsLabel('Tmp'), mountPath: '/t' },
    { name: 'kecs-tmpfs-0-c0', mountPath: '/run', readOnly: true },
    { name: 'kecs-shm-c0', mountPath: '/dev/shm' },
  ])
  assert.match(unhonoured(task).join(), 'noexec')
})

pods('podOf: names and addresses of hosts', () => {
  const spec = podSpecOf(
    taskOf('t1', {
      hostname: 'web',
      extraHosts: [{ hostname: 'db', ipAddress: '10.0.0.9' }],
      dnsServers: ['10.0.0.2'],
      dnsSearchDomains: ['corp.test'],
    }),
  )
  assert.equal([spec.hostname, spec.dnsPolicy], ['web', 'None'])
  assert.equal(spec.hostAliases, [{ ip: '10.0.0.9', hostnames: ['db'] }])
  assert.equal(spec.dnsConfig, { nameservers: ['10.0.0.2'], searches: ['corp.test'] })
})

pods('node: a task that was placed goes there and nowhere else', () => {
  const [term] =
    podSpecOf({ ...taskOf('t1', {}), node: 'n2' }).affinity?.nodeAffinity
      ?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: ['n2'] }]
  assert.equal(term, { matchFields })
  assert.is(podSpecOf(taskOf('t1', {})).affinity, undefined)
})

pods('unhonoured: each thing that a pod cannot do is said', () => {
  const task: TaskSpec = {
    ...taskOf('t1', {
      user: 'nobody',
      ulimits: [{ name: 'nofile', softLimit: 1, hardLimit: 2 }],
      systemControls: [
        { namespace: 'net.core.somaxconn', value: '1024' },
        { namespace: 'net.ipv4.tcp_syncookies', value: '0' },
      ],
      initProcess: true,
    }),
    network: 'none',
  }
  const text = unhonoured(task).join('\n')
  for (const word of ['nobody', 'nofile', 'somaxconn', 'init process', 'Network none']) {
    assert.match(text, word)
  }
  assert.not.match(text, 'syncookies')
  assert.equal(podSpecOf(task).securityContext, {
    sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '0' }],
  })
  assert.equal(unhonoured(taskOf('t1', { user: 'root' })), [])
})

pods.run()

const nodes = suite('nodes')

nodes('nodeOf: what tasks may have, in units and MiB', () => {
  const status = {
    allocatable: { cpu: '1500m', memory: '16Gi' },
    addresses: [
      { type: 'Hostname', address: 'n1' },
      { type: 'InternalIP', address: '10.0.0.3' },
    ],
    conditions: [{ type: 'Ready', status: 'True' }],
  }
  const wanted = { name: 'n1', cpuUnits: 1536, memoryMiB: 16_384, address: '10.0.0.3' }
  const node = { metadata: { name: 'n1' }, status }
  assert.equal(nodeOf(node), { ...wanted, ready: true, bounded: true })
  assert.not(nodeOf({ ...node, spec: { unschedulable: true } }).ready)
  assert.not(nodeOf({ metadata: { name: 'n1' } }).ready)
})

nodes('readNodes: those kept for something else are no machines for tasks', async () => {
  const tainted = (name: string, key: string, effect: string) => ({
    metadata: { name },
    spec: { taints: [{ key, effect }] },
  })
  const client = new FakeClient()
  client.answers = [
    {
      metadata: {},
      items: [
        tainted('control', 'node-role.kubernetes.io/control-plane', 'NoSchedule'),
        tainted('silent', 'node.kubernetes.io/unreachable', 'NoExecute'),
        tainted('unloved', 'example.test/old', 'PreferNoSchedule'),
      ],
    },
  ]
  const names = (await readNodes(client)).map(({ name }) => name)
  assert.equal(names, ['silent', 'unloved'])
})

nodes('quantity: each suffix that the API server writes, and 0 for what is none', () => {
  assert.equal(['2', '100m', '1Ki', '2M', 'x', ''].map(quantity), [2, 0.1, 1024, 2e6, 0, 0])
})

nodes.run()
