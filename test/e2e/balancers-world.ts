import { join } from 'node:path'
import process from 'node:process'
import * as ecs from '@aws-sdk/client-ecs'
import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { type Banner, local, type Program, Workshop } from '../bin/program.ts'
import { freePort } from '../free-port.ts'
import { root } from '../root.ts'

export const CLUSTER = 'balanced'
const WAIT_MS = 40_000
const LOOK_EVERY_MS = 50

/** How a program of this folder is run as the command of a task, by its name without ending. */
export function commandOf(name: string): string[] {
  return process.versions.deno
    ? [
        process.execPath,
        'run',
        '-A',
        '--quiet',
        '--no-lock',
        '--cached-only',
        join(root, `test/e2e/${name}.ts`),
      ]
    : [process.execPath, join(root, `dist/test/e2e/${name}.js`)]
}

/** Asks until the answer is as wanted; the answer. */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
  wanted: (answer: T) => unknown,
  waitMs = WAIT_MS,
): Promise<T> {
  const endMs = Date.now() + waitMs
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    if (Date.now() > endMs) {
      throw new Error(`${what}: not after ${waitMs} ms, but ${JSON.stringify(answer)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

export interface ServiceOptions {
  readonly groupArn: string
  readonly count?: number
  /** Of `registerApp`; default: `app:1`. */
  readonly taskDefinition?: string
  readonly containerPort?: number
  readonly more?: Partial<ecs.CreateServiceCommandInput>
}

export interface AppOptions {
  readonly app?: string
  readonly networkMode?: 'awsvpc' | 'bridge'
  readonly environment?: Readonly<Record<string, string>>
}

export interface Balancer {
  readonly arn: string
  readonly dns: string
  readonly vpcId: string
}

export class BalancedWorld {
  readonly shop = new Workshop()
  readonly dir = this.shop.folder()
  readonly #flags: readonly string[]
  program!: Program
  banner!: Banner
  ecs!: ecs.ECSClient
  elb!: elb.ElasticLoadBalancingV2Client

  /** Also when the test breaks off: KECS stops its tasks before it leaves. */
  readonly #onExit = () => this.program?.kill('SIGTERM')

  constructor(...flags: string[]) {
    this.#flags = flags
    process.once('exit', this.#onExit)
  }

  get apiPort(): number {
    return Number(new URL(this.banner.endpoint).port)
  }

  /** Starts KECS, or starts it anew after it ended, with the state that it left. */
  async start(): Promise<void> {
    this.#leave()
    const flags = ['--runtime', 'process', '--data-dir', this.dir, ...this.#flags]
    Object.assign(this, await this.shop.serve(...flags))
    const connection = {
      endpoint: local(this.banner.endpoint),
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    }
    this.ecs = new ecs.ECSClient(connection)
    this.elb = new elb.ElasticLoadBalancingV2Client(connection)
    await this.ecs.send(new ecs.CreateClusterCommand({ clusterName: CLUSTER }))
  }

  /** Stops KECS, which stops its tasks, and leaves nothing behind. */
  async close(): Promise<void> {
    this.#leave()
    process.removeListener('exit', this.#onExit)
    this.program?.kill('SIGTERM')
    await this.program?.ended
    await this.shop.clean()
  }

  #leave(): void {
    this.ecs?.destroy()
    this.elb?.destroy()
  }

  async balancer(name: string, Type: elb.LoadBalancerTypeEnum = 'application'): Promise<Balancer> {
    const input = { Name: name, Type, Subnets: ['subnet-12345'] }
    const { LoadBalancers } = await this.elb.send(new elb.CreateLoadBalancerCommand(input))
    const {
      LoadBalancerArn: arn = '',
      DNSName: dns = '',
      VpcId: vpcId = '',
    } = LoadBalancers?.[0] ?? {}
    return { arn, dns, vpcId }
  }

  /** A group of `ip` targets that are checked by `GET /health` every 5 s. */
  async group(
    name: string,
    { vpcId }: Balancer,
    more: Partial<elb.CreateTargetGroupCommandInput> = {},
  ): Promise<string> {
    const input: elb.CreateTargetGroupCommandInput = {
      Name: name,
      Protocol: 'HTTP',
      Port: 80,
      VpcId: vpcId,
      TargetType: 'ip',
      HealthCheckPath: '/health',
      HealthCheckIntervalSeconds: 5,
      HealthCheckTimeoutSeconds: 2,
      UnhealthyThresholdCount: 2,
      ...more,
    }
    const { TargetGroups } = await this.elb.send(new elb.CreateTargetGroupCommand(input))
    return TargetGroups?.[0]?.TargetGroupArn ?? ''
  }

  /** A listener that forwards to the group, on a port that was free; the port. */
  async listener(
    { arn }: Balancer,
    groupArn: string,
    more: Partial<elb.CreateListenerCommandInput> = {},
  ): Promise<{ arn: string; port: number }> {
    const port = more.Port ?? (await freePort())
    const { Listeners } = await this.elb.send(
      new elb.CreateListenerCommand({
        LoadBalancerArn: arn,
        Protocol: 'HTTP',
        Port: port,
        DefaultActions: [{ Type: 'forward', TargetGroupArn: groupArn }],
        ...more,
      }),
    )
    return { arn: Listeners?.[0]?.ListenerArn ?? '', port }
  }

  async attributes(groupArn: string, attributes: Readonly<Record<string, string>>): Promise<void> {
    const Attributes = Object.entries(attributes).map(([Key, Value]) => ({ Key, Value }))
    const input = { TargetGroupArn: groupArn, Attributes }
    await this.elb.send(new elb.ModifyTargetGroupAttributesCommand(input))
  }

  /** A revision of the family; `family:revision`. */
  async registerApp(family: string, options: AppOptions = {}): Promise<string> {
    const { app = 'target-app', networkMode = 'awsvpc', environment = {} } = options
    const { taskDefinition } = await this.ecs.send(
      new ecs.RegisterTaskDefinitionCommand({
        family,
        networkMode,
        containerDefinitions: [
          {
            name: 'app',
            image: 'node:20',
            memory: 64,
            command: commandOf(app),
            portMappings: [{ containerPort: 80 }],
            environment: Object.entries(environment).map(([name, value]) => ({ name, value })),
            stopTimeout: 5,
          },
        ],
      }),
    )
    return `${family}:${taskDefinition?.revision}`
  }

  async createService(name: string, options: ServiceOptions): Promise<void> {
    const { groupArn, count = 3, taskDefinition = 'app:1', more } = options
    await this.ecs.send(
      new ecs.CreateServiceCommand({
        cluster: CLUSTER,
        serviceName: name,
        taskDefinition,
        desiredCount: count,
        networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-12345'] } },
        loadBalancers: [{ targetGroupArn: groupArn, containerName: 'app', containerPort: 80 }],
        ...more,
      }),
    )
  }

  async update(service: string, change: Partial<ecs.UpdateServiceCommandInput>): Promise<void> {
    const input = { cluster: CLUSTER, service, ...change }
    await this.ecs.send(new ecs.UpdateServiceCommand(input))
  }

  async service(name: string): Promise<ecs.Service> {
    const input = { cluster: CLUSTER, services: [name] }
    return (await this.ecs.send(new ecs.DescribeServicesCommand(input))).services?.[0] ?? {}
  }

  async events(name: string): Promise<string> {
    return (await this.service(name)).events?.map(({ message }) => message).join('\n') ?? ''
  }

  /** By the SDK's own waiter. */
  async stable(name: string): Promise<void> {
    const patience = { client: this.ecs, maxWaitTime: WAIT_MS / 1000, minDelay: 1, maxDelay: 1 }
    await ecs.waitUntilServicesStable(patience, { cluster: CLUSTER, services: [name] })
  }

  /** Until one deployment is left, its rollout is completed and all that is wanted runs. */
  async settled(name: string): Promise<ecs.Service> {
    return until(
      `${name} has settled`,
      () => this.service(name),
      ({ deployments, runningCount, desiredCount }) =>
        deployments?.length === 1 &&
        deployments[0]?.rolloutState === 'COMPLETED' &&
        runningCount === desiredCount,
    )
  }

  async task(id: string): Promise<ecs.Task> {
    const input = { cluster: CLUSTER, tasks: [id] }
    return (await this.ecs.send(new ecs.DescribeTasksCommand(input))).tasks?.[0] ?? {}
  }

  /** Ids of the service's tasks that are to run. */
  async tasks(service: string): Promise<string[]> {
    const input = { cluster: CLUSTER, serviceName: service }
    const { taskArns = [] } = await this.ecs.send(new ecs.ListTasksCommand(input))
    return taskArns.map((arn) => arn.slice(arn.lastIndexOf('/') + 1))
  }

  /** The port of this machine on which the task is reached past all balancers. */
  async portOf(task: string): Promise<number> {
    const { containers } = await this.task(task)
    return containers?.[0]?.networkBindings?.[0]?.hostPort ?? 0
  }

  async pidOf(task: string): Promise<number> {
    const { containers } = await this.task(task)
    return Number(containers?.[0]?.runtimeId)
  }

  async health(groupArn: string): Promise<elb.TargetHealthDescription[]> {
    const input = { TargetGroupArn: groupArn }
    const answer = await this.elb.send(new elb.DescribeTargetHealthCommand(input))
    return answer.TargetHealthDescriptions ?? []
  }

  /** States of the group's targets and how many have them, e.g. `3 healthy`. */
  async states(groupArn: string): Promise<string> {
    const counts = new Map<string, number>()
    for (const { TargetHealth } of await this.health(groupArn)) {
      const state = TargetHealth?.State ?? ''
      counts.set(state, (counts.get(state) ?? 0) + 1)
    }
    return [...counts]
      .map(([state, count]) => `${count} ${state}`)
      .sort()
      .join(', ')
  }

  async untilStates(groupArn: string, wanted: string | RegExp): Promise<string> {
    return until(
      `targets are ${wanted}`,
      () => this.states(groupArn),
      (states) => (typeof wanted === 'string' ? states === wanted : wanted.test(states)),
    )
  }
}
