import { Buffer } from 'node:buffer'
import type { EcsContext } from '../../ecs/context.ts'
import { createEcsProvider } from '../../ecs/provider.ts'
import { createReconciler, type Reconciler } from '../../ecs/reconcile.ts'
import { openRows } from '../../ecs/rows.ts'
import type { TargetRegistrar } from '../../ecs/targets.ts'
import type { Ids } from '../../gateway/core/ids.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { MemoryStore } from '../../gateway/core/memory-store.ts'
import { createDispatcher } from '../../gateway/dispatch.ts'
import { checkOutput } from '../check-output.ts'
import { FakeClock } from '../fake-clock.ts'
import { FakeRuntime } from '../fake-runtime.ts'

/** Ids that count: the same test sees the same ids. */
export function countingIds(): Ids {
  let count = 0
  return {
    hex: () => (++count).toString(16).padStart(32, '0'),
    uuid: () => `00000000-0000-4000-8000-${(++count).toString(16).padStart(12, '0')}`,
    decimal: (digits) => `1${String(++count).padStart(digits - 1, '0')}`,
  }
}

/** No balancer is at hand: tasks of services with balancers are never held up for them. */
export const noTargets: TargetRegistrar = {
  register: () => [],
  deregister: () => [],
  drained: () => true,
  state: () => 'none',
  troubles: () => [],
  describe: () => undefined,
  onChange: () => () => {},
}

// biome-ignore lint/suspicious/noExplicitAny: tests read answers freely
export type Answer = any

const ANY_GROUP = { targetType: 'instance', balanced: true }

/** ECS whole, with a store in memory and with time and runtime in the test's hands. */
export class World {
  readonly clock = new FakeClock()
  readonly store = new MemoryStore({ freeze: true })
  readonly rows = openRows(this.store)
  readonly ids = countingIds()
  runtime = new FakeRuntime(() => this.clock.now())
  lookUpNetwork: EcsContext['lookUpNetwork'] = () => undefined
  targets: TargetRegistrar = noTargets
  describeTargetGroup: TargetRegistrar['describe'] | undefined
  reconciler: Reconciler | undefined

  readonly context: EcsContext = {
    store: this.store,
    rows: this.rows,
    clock: this.clock,
    ids: this.ids,
    log: silentLogger,
    lookUpNetwork: (...asked) => this.lookUpNetwork(...asked),
    describeTargetGroup: (...asked) =>
      this.describeTargetGroup ? this.describeTargetGroup(...asked) : ANY_GROUP,
    nodes: () => this.runtime.nodes(),
    runtimeAttributes: this.runtime.attributes,
  }
  readonly provider = createEcsProvider(this.context)
  readonly #dispatcher = createDispatcher({
    providers: [this.provider],
    store: this.store,
    clock: this.clock,
    log: silentLogger,
    onCall: () => {},
  })

  /** The answer's status and parsed body; the body of a 200 is held against the API model. */
  async send(
    operation: string,
    input: object,
    scope = { account: '000000000000', region: 'us-east-1' },
  ): Promise<{ status: number; body: Answer }> {
    const answer = await this.#dispatcher.call({
      ...scope,
      provider: 'ecs',
      operation,
      requestId: 'test',
      contentType: 'application/x-amz-json-1.1',
      body: Buffer.from(JSON.stringify(input)),
    })
    const body = JSON.parse(answer.body)
    if (answer.status === 200) {
      const problems = checkOutput(this.provider.contract, operation, body)
      if (problems.length > 0) throw new Error(`${operation}: ${problems.join('; ')}`)
    }
    return { status: answer.status, body }
  }

  /** The answer's body; throws where it is a fault. */
  async call(operation: string, input: object): Promise<Answer> {
    const { status, body } = await this.send(operation, input)
    if (status !== 200) throw new Error(`${operation}: ${body.__type}: ${body.message}`)
    return body
  }

  /** `code: message` of the fault that the call answers. */
  async fault(operation: string, input: object): Promise<string> {
    const { status, body } = await this.send(operation, input)
    if (status === 200) throw new Error(`${operation} was answered: ${JSON.stringify(body)}`)
    return `${body.__type}: ${body.message}`
  }

  async start(): Promise<void> {
    this.reconciler = createReconciler({
      context: this.context,
      runtime: this.runtime,
      targets: this.targets,
    })
    await this.reconciler.start()
    await this.idle()
  }

  /** The same rows and the same world, seen by a new process. */
  async restart(): Promise<void> {
    await this.reconciler?.close()
    this.runtime = this.runtime.restarted()
    await this.start()
  }

  async idle(): Promise<void> {
    // A pass may add another key on a later microtask: look until it stays quiet.
    for (let quiet = 0; quiet < 3; quiet++) {
      await this.reconciler?.idle()
      await Promise.resolve()
    }
  }

  /** Everything that can happen happens, and so much time goes by. */
  async settle(ms = 0): Promise<void> {
    for (let left = ms; ; left -= 500) {
      await this.idle()
      this.runtime.settle()
      await this.idle()
      if (left <= 0) return
      this.clock.advance(Math.min(left, 500))
    }
  }

  async close(): Promise<void> {
    await this.reconciler?.close()
  }

  /** A cluster `c` and a family `web` of one container. */
  async furnish(): Promise<void> {
    await this.call('CreateCluster', { clusterName: 'c' })
    await this.register('web')
  }

  async register(family: string, container: object = {}, definition: object = {}): Promise<void> {
    const containerDefinitions = [{ name: 'app', image: 'nginx', memory: 64, ...container }]
    await this.call('RegisterTaskDefinition', { family, containerDefinitions, ...definition })
  }

  async service(name = 's'): Promise<Answer> {
    const { services } = await this.call('DescribeServices', { cluster: 'c', services: [name] })
    return services[0]
  }

  async task(arn: string): Promise<Answer> {
    return (await this.call('DescribeTasks', { cluster: 'c', tasks: [arn] })).tasks[0]
  }
}

/** One that runs, with what its calls need. */
export async function furnished(): Promise<World> {
  const world = new World()
  await world.furnish()
  await world.start()
  return world
}

/** The one task that RunTask made. */
export async function runTask(world: World, input: object = {}): Promise<Answer> {
  const { tasks } = await world.call('RunTask', { cluster: 'c', taskDefinition: 'web', ...input })
  return tasks[0]
}
