import * as elb from '@aws-sdk/client-elastic-load-balancing-v2'
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2'
import type { CallBackend, Elbv2Context, LiveFacts } from '../../elbv2/context.ts'
import { createElbv2Provider } from '../../elbv2/provider.ts'
import { openElbv2Rows } from '../../elbv2/rows.ts'
import { silentLogger } from '../../gateway/core/log.ts'
import { MemoryStore } from '../../gateway/core/memory-store.ts'
import { createDispatcher } from '../../gateway/dispatch.ts'
import { countingIds } from '../ecs/world.ts'
import { FakeClock } from '../fake-clock.ts'
import { asyncLoopTo, withSeconds } from '../gateway/wire/loop.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests read answers freely
type Answer = any

const SCOPE = { account: '000000000000', region: 'us-east-1' }

/** ELBv2's API whole, through the real SDK client, with a store in memory and time in the test's hands. */
export class Elbv2World {
  readonly clock = new FakeClock()
  readonly store = new MemoryStore({ freeze: true })
  readonly rows = openElbv2Rows(this.store)
  readonly ids = countingIds()
  callBackend: CallBackend = () => undefined
  targetHealth: LiveFacts['targetHealth'] = () => ({ state: 'initial' })
  anomaly: LiveFacts['anomaly'] = () => ({ Result: 'normal', MitigationInEffect: 'no' })
  trouble: LiveFacts['trouble'] = () => undefined

  readonly context: Elbv2Context = {
    store: this.store,
    rows: this.rows,
    clock: this.clock,
    ids: this.ids,
    log: silentLogger,
    dnsSuffix: 'elb.localhost',
    endpoint: 'http://localhost:4566',
    callBackend: (request) => this.callBackend(request),
    live: {
      targetHealth: (target) => this.targetHealth(target),
      anomaly: (target) => this.anomaly(target),
      trouble: (arn) => this.trouble(arn),
    },
  }
  readonly provider = createElbv2Provider(this.context)
  readonly #dispatcher = createDispatcher({
    providers: [this.provider],
    store: this.store,
    clock: this.clock,
    log: silentLogger,
    onCall: () => {},
  })

  /** The operation's output as the SDK decodes it, with Dates as epoch seconds. */
  async call(operation: string, input: object = {}, scope = SCOPE): Promise<Answer> {
    const client = new ElasticLoadBalancingV2Client(
      asyncLoopTo(({ body, headers }) =>
        this.#dispatcher.call({
          ...scope,
          provider: 'elbv2',
          operation,
          requestId: 'test',
          contentType: headers['content-type'],
          body,
        }),
      ) as object,
    )
    const commands = elb as unknown as Record<string, new (input: object) => never>
    const Command = commands[`${operation}Command`]
    if (!Command) throw new Error(`the SDK has no ${operation}`)
    const { $metadata: _, ...output }: Answer = await client.send(new Command(input))
    return withSeconds(output)
  }

  /** `code: message` of the fault that the call answers. */
  async fault(operation: string, input: object = {}, scope = SCOPE): Promise<string> {
    let output: Answer
    try {
      output = await this.call(operation, input, scope)
    } catch (thrown) {
      const { name, message, Code } = thrown as Error & { Code?: string }
      return `${Code ?? name}: ${message}`
    }
    throw new Error(`${operation} was answered: ${JSON.stringify(output)}`)
  }
}
