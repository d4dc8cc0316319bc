/** The manifests on a real k3d: what is applied there is called from this machine and from pods. */
import { join } from 'node:path'
import * as ecs from '@aws-sdk/client-ecs'
import * as elbv2 from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { versionOf } from '../../bin/version.ts'
import { root } from '../root.ts'
import { buildImage, type Cluster, createCluster, eventually, onCluster } from './k3d.ts'

const IMAGE = `kecs:${versionOf()}`
const SYSTEM = ['-n', 'kecs-system']
const SUBNETS = ['subnet-1', 'subnet-2']

const OVERLAY = {
  apiVersion: 'kustomize.config.k8s.io/v1beta1',
  kind: 'Kustomization',
  resources: ['k8s/base'],
  components: ['k8s/k3s-dns'],
}

const SUITE = 'k8s on k3d'
const pods = suite<{ cluster: Cluster }>(SUITE)

function connection({ apiPort }: Cluster) {
  return {
    endpoint: `http://localhost:${apiPort}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  }
}

async function clusterNames(cluster: Cluster): Promise<string[]> {
  const client = new ecs.ECSClient(connection(cluster))
  try {
    const { clusterArns = [] } = await client.send(new ecs.ListClustersCommand({}))
    return clusterArns.map((arn) => arn.slice(arn.lastIndexOf('/') + 1))
  } finally {
    client.destroy()
  }
}

/** What a pod that is no task gets from a URL. */
function fetched({ kubectl }: Cluster, url: string, ...flags: string[]): Promise<string> {
  return kubectl(['exec', 'caller', '--', 'wget', '-qO-', ...flags, url])
}

pods.before(async (context) => {
  await buildImage(IMAGE)
  const cluster = await createCluster()
  context.cluster = cluster
  await cluster.importImage(IMAGE)
  await cluster.apply(OVERLAY)
  const caller = ['run', 'caller', '--image=busybox:1.35', '--restart=Never', '--command', '--']
  await cluster.kubectl([...caller, 'sleep', '600'])
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/caller', '--timeout=60s'])
  // Else its new zone comes with the kubelet's next look at ConfigMaps, within a minute.
  const dns = ['-n', 'kube-system', 'rollout']
  await cluster.kubectl([...dns, 'restart', 'deployment/coredns'])
  await cluster.kubectl([...dns, 'status', 'deployment/coredns', '--timeout=60s'])
  const rollout = ['rollout', 'status', 'deployment/kecs-controlplane', '--timeout=90s']
  await cluster.kubectl([...SYSTEM, ...rollout])
})

pods.after(async ({ cluster }) => {
  await cluster?.delete()
})

pods(
  'apply: the server takes every component, and what is there already stays',
  async ({ cluster }) => {
    const said = await cluster.kubectl(['apply', '-k', join(root, 'k8s'), '--dry-run=server'])
    assert.match(said, 'deployment.apps/localstack created (server dry run)')
    assert.match(said, 'service/gateway unchanged')
  },
)

pods('gateway: this machine calls it by the node port', async ({ cluster }) => {
  const client = new ecs.ECSClient(connection(cluster))
  await eventually(() => client.send(new ecs.CreateClusterCommand({ clusterName: 'shop' })))
  client.destroy()
  assert.equal(await clusterNames(cluster), ['shop'])
  const info = await fetch(`http://localhost:${cluster.adminPort}/info`, {
    signal: AbortSignal.timeout(5_000),
  })
  assert.match(await info.text(), '"dataDir":"/data"')
})

pods('Services: a pod calls by their names', async ({ cluster }) => {
  for (const host of [
    'gateway.kecs-system.svc.cluster.local',
    'traefik.kecs-system.svc.cluster.local',
    'gateway.kecs-system',
  ]) {
    const flags = [
      ...['--header', 'X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters'],
      ...['--header', 'Content-Type: application/x-amz-json-1.1', '--post-data', '{}'],
    ]
    // The first look-ups may still go to the CoreDNS that was there before.
    const said = await eventually(() => fetched(cluster, `http://${host}:4566/`, ...flags), 20_000)
    assert.match(said, /cluster\/shop"/, host)
  }
})

pods(
  'balancers: a pod calls one by its DNS name, on the port of its listener',
  async ({ cluster }) => {
    const client = new elbv2.ElasticLoadBalancingV2Client(connection(cluster))
    const { LoadBalancers } = await client.send(
      new elbv2.CreateLoadBalancerCommand({ Name: 'web', Subnets: SUBNETS }),
    )
    const [balancer] = LoadBalancers ?? []
    const FixedResponseConfig = {
      StatusCode: '200',
      ContentType: 'text/plain',
      MessageBody: 'hello',
    }
    await client.send(
      new elbv2.CreateListenerCommand({
        LoadBalancerArn: balancer?.LoadBalancerArn,
        Protocol: 'HTTP',
        Port: 80,
        DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig }],
      }),
    )
    client.destroy()
    assert.match(balancer?.DNSName ?? '', /\.elb\.kecs\.internal$/)
    const url = `http://${balancer?.DNSName}/`
    assert.is(await eventually(() => fetched(cluster, url), 90_000), 'hello')
  },
)

pods(
  'RunTask: a task is a pod, and lists its own cluster at the endpoint it is told',
  async ({ cluster }) => {
    const client = new ecs.ECSClient(connection(cluster))
    const call = [
      'wget -qO- $AWS_ENDPOINT_URL --post-data {}',
      '--header X-Amz-Target:AmazonEC2ContainerServiceV20141113.ListClusters',
      '--header Content-Type:application/x-amz-json-1.1',
    ].join(' ')
    const container = { name: 'a', image: 'busybox:1.35', memory: 32, command: ['sh', '-c', call] }
    await client.send(
      new ecs.RegisterTaskDefinitionCommand({ family: 'call', containerDefinitions: [container] }),
    )
    const run = new ecs.RunTaskCommand({ cluster: 'shop', taskDefinition: 'call' })
    const arn = (await client.send(run)).tasks?.[0]?.taskArn ?? ''
    const waiting = { client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }
    await ecs.waitUntilTasksStopped(waiting, { cluster: 'shop', tasks: [arn] })
    const { tasks } = await client.send(
      new ecs.DescribeTasksCommand({ cluster: 'shop', tasks: [arn] }),
    )
    client.destroy()
    assert.is(tasks?.[0]?.containers?.[0]?.exitCode, 0, tasks?.[0]?.stoppedReason)
    const id = arn.slice(arn.lastIndexOf('/') + 1)
    const logs = await fetch(`http://localhost:${cluster.adminPort}/logs/task/${id}`, {
      signal: AbortSignal.timeout(5_000),
    })
    assert.match(await logs.text(), 'cluster/shop')
  },
)

pods('access: the control plane may do what it has to, and nothing else', async ({ cluster }) => {
  const as = '--as=system:serviceaccount:kecs-system:kecs-controlplane'
  async function may(verb: string, what: string): Promise<string> {
    const asked = ['auth', 'can-i', verb, ...what.split(' '), as, '-n', 'default']
    // The answer no is told by the exit code, too.
    const answer = await cluster.kubectl(asked).catch((error: Error) => error.message)
    return /^yes$/m.test(answer) ? 'yes' : 'no'
  }
  for (const [verb, what] of [
    ['create', 'pods'],
    ['watch', 'pods'],
    ['get', 'pods --subresource=log'],
    ['create', 'namespaces'],
    ['list', 'nodes'],
    ['create', 'persistentvolumeclaims'],
    ['list', 'storageclasses'],
  ] as const) {
    assert.is(await may(verb, what), 'yes', `${verb} ${what}`)
  }
  for (const [verb, what] of [
    ['get', 'secrets'],
    ['create', 'pods --subresource=exec'],
    ['delete', 'namespaces'],
    ['delete', 'persistentvolumeclaims'],
    ['create', 'deployments.apps'],
    ['update', 'nodes'],
    ['create', 'clusterrolebindings'],
    ['create', 'serviceaccounts --subresource=token'],
    ['impersonate', 'users'],
  ] as const) {
    assert.is(await may(verb, what), 'no', `${verb} ${what}`)
  }
})

pods(
  'kecs-controlplane: its pod is killed, and what was answered is there after',
  async ({ cluster }) => {
    const selector = [...SYSTEM, '-l', 'app=kecs-controlplane']
    await cluster.kubectl(['delete', 'pod', ...selector, '--now'])
    assert.equal(await eventually(() => clusterNames(cluster)), ['shop'])
    const logs = await cluster.kubectl(['logs', ...selector, '-c', 'kecs', '--tail=-1'])
    assert.match(logs, 'is ready')
  },
)

const tests = await onCluster(SUITE, pods)
tests.run()
