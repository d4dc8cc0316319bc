/** Instances made by the product's own `kecs start-v2`, and what tests ask of them. */
import { join } from 'node:path'
import process from 'node:process'
import { ECS, type Service, type Task } from '@aws-sdk/client-ecs'
import * as assert from 'uvu/assert'
import { type Ended, Workshop } from '../bin/program.ts'
import { freePort } from '../free-port.ts'
import { eventually, run, surroundings } from './k3d.ts'

const IMAGE = 'busybox:1.35'
const OURS = ['-l', 'app.kubernetes.io/managed-by=kecs']
export const CONTROL_PLANE = ['-n', 'kecs-system', '-l', 'app=kecs-controlplane']
/** ECS's CLUSTER of every test here. */
export const SHOP = 'shop'

export interface Ports {
  readonly apiPort: number
  readonly adminPort: number
}

export interface Instance extends Ports {
  readonly name: string
  /** Its node's container. */
  readonly node: string
  readonly ecs: ECS
  /** The program, as the user who made the instance; fails unless it ends by 0. */
  kecs(...args: readonly string[]): Promise<Ended>
  kubectl(...args: readonly string[]): Promise<string>
  /** `start-v2` once more, after `stop-v2`. */
  start(): Promise<void>
  delete(): Promise<void>
}

export async function freePorts(): Promise<Ports> {
  return { apiPort: await freePort(), adminPort: await freePort() }
}

/** A user of this machine: a home, Docker, and what tells k3d which images it takes. */
export class User {
  readonly shop = new Workshop()
  readonly home = this.shop.folder()
  readonly env: Readonly<Record<string, string>>

  constructor() {
    this.env = { ...surroundings(), HOME: this.home }
  }

  async kecs(...args: readonly string[]): Promise<Ended> {
    const ended = await this.shop.run(args, this.env)
    assert.is(ended.code, 0, `kecs ${args.join(' ')}\n${ended.stderr}`)
    return ended
  }
}

/** A new instance; Node.js and Deno may make one of each at the same time. */
export async function createInstance(
  what: string,
  user = new User(),
  ports?: Ports,
): Promise<Instance> {
  const name = `kecs-${what}-${process.pid}`
  const { apiPort, adminPort } = ports ?? (await freePorts())
  const kubeconfig = join(user.home, `.k3d/kubeconfig-${name}.yaml`)
  const ecs = new ECS({
    endpoint: `http://127.0.0.1:${apiPort}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
    // A node port without a pod behind it may take a connection and say nothing.
    requestHandler: {
      connectionTimeout: 2_000,
      requestTimeout: 5_000,
      throwOnRequestTimeout: true,
    },
  })
  const instance: Instance = {
    name,
    apiPort,
    adminPort,
    node: `k3d-${name}-server-0`,
    ecs,
    kecs: (...args) => user.kecs(...args),
    kubectl: (...args) => run('kubectl', ['--kubeconfig', kubeconfig, ...args]),
    async start() {
      const given = ['--api-port', String(apiPort), '--admin-port', String(adminPort)]
      await user.kecs('start-v2', '--name', name, ...given, '--no-localstack')
    },
    async delete() {
      ecs.destroy()
      await user.shop.run(['stop-v2', '--name', name, '--delete-data'], user.env)
      await user.shop.clean()
    },
  }
  try {
    await instance.start()
    await eventually(() => ecs.createCluster({ clusterName: SHOP }))
    return instance
  } catch (thrown) {
    // uvu says nothing of what a hook throws.
    console.error(thrown)
    await instance.delete()
    throw thrown
  }
}

/** A revision whose one container runs that line of the shell. */
export async function define({ ecs }: Instance, family: string, line: string): Promise<string> {
  const command = ['sh', '-c', line]
  const { taskDefinition } = await ecs.registerTaskDefinition({
    family,
    containerDefinitions: [{ name: 'a', image: IMAGE, memory: 32, command }],
  })
  return taskDefinition?.taskDefinitionArn ?? ''
}

/** Runs until it is told to end, and then ends at once. */
export const RUNS = 'trap "exit 0" TERM; while true; do sleep 0.2; done'

export async function serviceOf({ ecs }: Instance, name: string): Promise<Service> {
  const { services = [] } = await ecs.describeServices({ cluster: SHOP, services: [name] })
  assert.ok(services[0], `there is no service ${name}`)
  return services[0]
}

/** Every task that ECS tells of, running and stopped. */
export async function tasksOf({ ecs }: Instance, serviceName?: string): Promise<Task[]> {
  const arns: string[] = []
  for (const desiredStatus of ['RUNNING', 'STOPPED'] as const) {
    const { taskArns = [] } = await ecs.listTasks({ cluster: SHOP, desiredStatus, serviceName })
    arns.push(...taskArns)
  }
  if (arns.length === 0) return []
  const { tasks = [] } = await ecs.describeTasks({ cluster: SHOP, tasks: arns })
  return tasks
}

export function idOf({ taskArn = '' }: Task): string {
  return taskArn.slice(taskArn.lastIndexOf('/') + 1)
}

export interface TaskPod {
  readonly id: string
  readonly namespace: string
  readonly uid: string
  readonly phase: string
}

/** The pods of tasks, as Kubernetes tells of them. */
export async function podsOf({ kubectl }: Instance): Promise<TaskPod[]> {
  const said = await kubectl('get', 'pods', '--all-namespaces', ...OURS, '-o', 'json')
  const { items } = JSON.parse(said) as {
    readonly items: readonly {
      readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string }
      readonly status: { readonly phase: string }
    }[]
  }
  return items.map(({ metadata: { name, namespace, uid }, status: { phase } }) => {
    return { id: name, namespace, uid, phase }
  })
}

/** Resolves with the service once so many run, all of its newest revision, and nothing else does. */
export function steady(instance: Instance, name: string, count: number): Promise<Service> {
  return eventually(async () => {
    const service = await serviceOf(instance, name)
    const { deployments = [], runningCount, pendingCount, events = [] } = service
    const told = JSON.stringify({ deployments, runningCount, pendingCount, events }, undefined, 1)
    assert.equal([deployments.length, runningCount, pendingCount], [1, count, 0], told)
    assert.is(deployments[0]?.rolloutState, 'COMPLETED', told)
    return service
  }, 90_000)
}

/** What ECS says runs is what runs: no task without a pod, no pod without a task. */
export async function agree(instance: Instance): Promise<void> {
  await eventually(async () => {
    const tasks = await tasksOf(instance)
    const pods = await podsOf(instance)
    const running = tasks.filter(({ lastStatus }) => lastStatus === 'RUNNING').map(idOf)
    const live = pods.filter(({ phase }) => phase === 'Running').map(({ id }) => id)
    assert.equal(live.sort(), running.sort())
    const known = new Set(tasks.map(idOf))
    assert.equal(
      pods.filter(({ id }) => !known.has(id)),
      [],
      'pods that ECS knows nothing of',
    )
  }, 20_000)
}

/** The control plane's process, as its node counts. */
export async function controlPlanePid({ node, kubectl }: Instance): Promise<string> {
  const path = '{.items[0].status.containerStatuses[?(@.name=="kecs")].containerID}'
  const id = await kubectl('get', 'pod', ...CONTROL_PLANE, '-o', `jsonpath=${path}`)
  const inspect = ['inspect', '-o', 'go-template', '--template', '{{.info.pid}}']
  const crictl = ['exec', node, 'crictl', ...inspect, id.replace('containerd://', '')]
  return (await run('docker', crictl)).trim()
}
