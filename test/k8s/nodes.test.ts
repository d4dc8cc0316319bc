/** A k3d of two nodes by `kecs start-v2`: where tasks run, and how their balancers are reached. */
import process from 'node:process'
import * as ecs from '@aws-sdk/client-ecs'
import * as elbv2 from '@aws-sdk/client-elastic-load-balancing-v2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Workshop } from '../bin/program.ts'
import { freePort } from '../free-port.ts'
import { eventually, onCluster, run, surroundings } from './k3d.ts'

// Node.js and Deno may run it at the same time.
const NAME = `kecs-nodes-${process.pid}`
const CLUSTER = 'shop'
const SUBNETS = ['subnet-1', 'subnet-2']
/** A silent node counts as lost after 40 s, its pods 30 s later; the machine may be busy. */
const LOSS_MS = 180_000
const SERVES =
  'trap "exit 0" TERM; mkdir /www; hostname > /www/index.html; httpd -f -p 8000 -h /www & wait'

interface World {
  shop: Workshop
  env: Record<string, string>
  tasks: ecs.ECSClient
  balancers: elbv2.ElasticLoadBalancingV2Client
  apiPort: number
  adminPort: number
  /** Of this machine, for the listeners on 80 and 9000. */
  http: number
  tcp: number
  kubeconfig: string
}

const SUITE = 'two nodes on k3d'
const nodes = suite<World>(SUITE)

nodes.before(async (world) => {
  world.shop = new Workshop()
  world.env = { ...surroundings(), HOME: world.shop.folder() }
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()]
  const [apiPort = 0, adminPort = 0, http = 0, tcp = 0] = ports
  Object.assign(world, { apiPort, adminPort, http, tcp })
  const flags = [
    ...['--name', NAME, '--agents', '1', '--no-localstack', '--json'],
    ...['--api-port', String(apiPort), '--admin-port', String(adminPort)],
    ...['--port', `${http}:80`, '--port', `${tcp}:9000`],
  ]
  const { code, stdout, stderr } = await world.shop.run(['start-v2', ...flags], world.env)
  assert.is(code, 0, stderr)
  world.kubeconfig = JSON.parse(stdout).kubeconfig
  const connection = {
    endpoint: `http://localhost:${apiPort}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  }
  world.tasks = new ecs.ECSClient(connection)
  world.balancers = new elbv2.ElasticLoadBalancingV2Client(connection)
  await world.tasks.send(new ecs.CreateClusterCommand({ clusterName: CLUSTER }))
  await define(world, 'web', { command: ['sh', '-c', SERVES] })
})

nodes.after(async ({ shop, env, tasks, balancers }) => {
  tasks?.destroy()
  balancers?.destroy()
  await shop.run(['stop-v2', '--name', NAME, '--delete-data'], env)
  await shop.clean()
})

async function define(world: World, family: string, container: object, more: object = {}) {
  const portMappings = [{ containerPort: 8000 }]
  const app = { name: 'app', image: 'busybox:1.35', memory: 32, portMappings, ...container }
  const input = { family, containerDefinitions: [app], ...more }
  await world.tasks.send(new ecs.RegisterTaskDefinitionCommand(input))
}

async function instances({ tasks }: World): Promise<ecs.ContainerInstance[]> {
  const cluster = CLUSTER
  const { containerInstanceArns = [] } = await tasks.send(
    new ecs.ListContainerInstancesCommand({ cluster }),
  )
  const asked = { cluster, containerInstances: containerInstanceArns }
  const answer = await tasks.send(new ecs.DescribeContainerInstancesCommand(asked))
  return answer.containerInstances ?? []
}

async function tasksOf({ tasks }: World, serviceName: string): Promise<ecs.Task[]> {
  const cluster = CLUSTER
  const { taskArns = [] } = await tasks.send(new ecs.ListTasksCommand({ cluster, serviceName }))
  if (taskArns.length === 0) return []
  const answer = await tasks.send(new ecs.DescribeTasksCommand({ cluster, tasks: taskArns }))
  return answer.tasks ?? []
}

async function stopped({ tasks }: World, family: string): Promise<ecs.Task> {
  const cluster = CLUSTER
  const answer = await tasks.send(new ecs.RunTaskCommand({ cluster, taskDefinition: family }))
  const arn = answer.tasks?.[0]?.taskArn ?? ''
  assert.equal(answer.failures, [])
  const waiting = { client: tasks, maxWaitTime: 120, minDelay: 1, maxDelay: 1 }
  await ecs.waitUntilTasksStopped(waiting, { cluster, tasks: [arn] })
  const told = await tasks.send(new ecs.DescribeTasksCommand({ cluster, tasks: [arn] }))
  assert.ok(told.tasks?.[0])
  return told.tasks[0]
}

async function logOf({ adminPort }: World, arn = ''): Promise<string> {
  const id = arn.slice(arn.lastIndexOf('/') + 1)
  const url = `http://localhost:${adminPort}/logs/task/${id}`
  return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).text()
}

/** A balancer with one listener and a group; the service behind it has two tasks. */
async function balanced(
  world: World,
  name: string,
  kind: { readonly type: 'application' | 'network'; readonly protocol: 'HTTP' | 'TCP' },
  port: number,
): Promise<string> {
  const { balancers, tasks } = world
  const { LoadBalancers } = await balancers.send(
    new elbv2.CreateLoadBalancerCommand({ Name: name, Type: kind.type, Subnets: SUBNETS }),
  )
  const [balancer] = LoadBalancers ?? []
  const { TargetGroups } = await balancers.send(
    new elbv2.CreateTargetGroupCommand({
      ...{ Name: name, Protocol: kind.protocol, Port: 80, VpcId: 'vpc-1' },
      ...{ TargetType: 'instance', HealthyThresholdCount: 2 },
      ...{ HealthCheckIntervalSeconds: 10, HealthCheckTimeoutSeconds: 5 },
    }),
  )
  const targetGroupArn = TargetGroups?.[0]?.TargetGroupArn
  await balancers.send(
    new elbv2.CreateListenerCommand({
      ...{ LoadBalancerArn: balancer?.LoadBalancerArn, Protocol: kind.protocol, Port: port },
      DefaultActions: [{ Type: 'forward', TargetGroupArn: targetGroupArn }],
    }),
  )
  await tasks.send(
    new ecs.CreateServiceCommand({
      ...{ cluster: CLUSTER, serviceName: name, taskDefinition: 'web', desiredCount: 2 },
      loadBalancers: [{ targetGroupArn, containerName: 'app', containerPort: 8000 }],
      placementStrategy: [{ type: 'spread', field: 'instanceId' }],
    }),
  )
  return balancer?.DNSName ?? ''
}

/** Which tasks answer there, by the names of their hosts. */
async function answers(ask: () => Promise<string>): Promise<string[]> {
  const names = new Set<string>()
  return eventually(async () => {
    const said = (await ask()).trim()
    assert.match(said, /^[0-9a-f]{32}$/)
    names.add(said)
    assert.is(names.size, 2)
    return [...names].sort()
  }, 120_000)
}

const curl = (...args: string[]) => run('curl', ['-fsS', '--max-time', '5', ...args])

function fromPod({ kubeconfig }: World, url: string): Promise<string> {
  const exec = ['exec', 'caller', '--', 'wget', '-qO-', url]
  return run('kubectl', ['--kubeconfig', kubeconfig, ...exec])
}

async function idsOf(world: World, service: string): Promise<string[]> {
  const tasks = await tasksOf(world, service)
  return tasks.map(({ taskArn = '' }) => taskArn.slice(taskArn.lastIndexOf('/') + 1)).sort()
}

nodes('EFS: what a task wrote is there for the next, wherever that runs', async (world) => {
  const efsVolumeConfiguration = { fileSystemId: 'fs-1', rootDirectory: '/notes' }
  const volumes = [{ name: 'files', efsVolumeConfiguration }]
  const mountPoints = [{ sourceVolume: 'files', containerPath: '/data' }]
  await define(
    world,
    'writes',
    { mountPoints, command: ['sh', '-c', 'echo kept > /data/note'] },
    { volumes },
  )
  await define(world, 'reads', { mountPoints, command: ['cat', '/data/note'] }, { volumes })
  assert.is((await stopped(world, 'writes')).containers?.[0]?.exitCode, 0)
  const read = await stopped(world, 'reads')
  assert.match(await logOf(world, read.taskArn), '"line":"kept"')
})

nodes('placement: spread over an instance for each node, logs from both', async (world) => {
  await world.tasks.send(
    new ecs.CreateServiceCommand({
      ...{ cluster: CLUSTER, serviceName: 'spread', taskDefinition: 'web', desiredCount: 4 },
      placementStrategy: [{ type: 'spread', field: 'instanceId' }],
    }),
  )
  await eventually(async () => {
    const tasks = await tasksOf(world, 'spread')
    assert.equal(
      tasks.map(({ lastStatus }) => lastStatus),
      ['RUNNING', 'RUNNING', 'RUNNING', 'RUNNING'],
    )
  }, 120_000)
  const counts = (await instances(world)).map((each) => each.runningTasksCount)
  assert.equal(counts, [2, 2])
  const placed = ['get', 'pods', '-A', '-l', 'kecs.dev/service=spread', '-o']
  const where = await run('kubectl', [
    ...['--kubeconfig', world.kubeconfig, ...placed],
    'jsonpath={.items[*].spec.nodeName}',
  ])
  assert.is(new Set(where.split(' ')).size, 2)
})

nodes(
  'room: RunTask names what is short, and a Fargate task says what it waits for',
  async (world) => {
    await define(world, 'big', { memory: 900_000 })
    const { tasks } = world
    const asked = { cluster: CLUSTER, taskDefinition: 'big' }
    const { failures = [] } = await tasks.send(new ecs.RunTaskCommand(asked))
    assert.equal(
      failures.map(({ reason }) => reason),
      ['RESOURCE:MEMORY', 'RESOURCE:MEMORY'],
    )
    const fargate = { requiresCompatibilities: ['FARGATE'], networkMode: 'awsvpc' }
    await define(world, 'huge', {}, { ...fargate, cpu: '16384', memory: '122880' })
    const answer = await tasks.send(
      new ecs.RunTaskCommand({
        ...{ cluster: CLUSTER, taskDefinition: 'huge', launchType: 'FARGATE' },
        networkConfiguration: { awsvpcConfiguration: { subnets: SUBNETS } },
      }),
    )
    const task = answer.tasks?.[0]?.taskArn ?? ''
    await eventually(async () => {
      const told = await tasks.send(
        new ecs.DescribeTasksCommand({ cluster: CLUSTER, tasks: [task] }),
      )
      const [first] = told.tasks ?? []
      assert.is(first?.lastStatus, 'PROVISIONING')
      assert.match(first?.containers?.[0]?.reason ?? '', /^RESOURCE:.* 0\/2 nodes are available/)
    })
    await tasks.send(new ecs.StopTaskCommand({ cluster: CLUSTER, task }))
  },
)

nodes('balancers: from this machine, by the Host header, and from a pod by name', async (world) => {
  const caller = ['run', 'caller', '--image=busybox:1.35', '--restart=Never', '--command', '--']
  await run('kubectl', ['--kubeconfig', world.kubeconfig, ...caller, 'sleep', '3600'])
  const [web, tcp] = [
    await balanced(world, 'web', { type: 'application', protocol: 'HTTP' }, 80),
    await balanced(world, 'tcp', { type: 'network', protocol: 'TCP' }, 9000),
  ]
  await answers(() => curl(`http://localhost:${world.http}/`))
  const ids = await idsOf(world, 'web')
  assert.equal(await answers(() => curl(`http://localhost:${world.http}/`)), ids)
  const byHost = () => curl('-H', `Host: ${web}`, `http://localhost:${world.apiPort}/`)
  assert.equal(await answers(byHost), ids)
  // The resolver's new zone comes with the kubelet's next look at ConfigMaps, within two minutes.
  await eventually(() => fromPod(world, `http://${web}/`), 150_000)
  assert.equal(await answers(() => fromPod(world, `http://${web}/`)), ids)
  const behind = await answers(() => curl(`http://localhost:${world.tcp}/`))
  assert.equal(behind, await idsOf(world, 'tcp'))
  assert.equal(await answers(() => fromPod(world, `http://${tcp}:9000/`)), behind)
})

nodes('a node that stops: its instance loses its agent, its tasks are replaced', async (world) => {
  const before = await idsOf(world, 'spread')
  await run('docker', ['stop', `k3d-${NAME}-agent-0`])
  await eventually(async () => {
    const connected = (await instances(world)).map(({ agentConnected }) => agentConnected)
    assert.equal(connected.sort(), [false, true])
  }, LOSS_MS)
  await eventually(async () => {
    const running = (await tasksOf(world, 'spread')).filter((each) => each.lastStatus === 'RUNNING')
    assert.is(running.length, 4)
    assert.is(
      running.filter(({ taskArn = '' }) => !before.some((id) => taskArn.endsWith(id))).length,
      2,
    )
  }, LOSS_MS)
})

const tests = await onCluster(SUITE, nodes)
tests.run()
