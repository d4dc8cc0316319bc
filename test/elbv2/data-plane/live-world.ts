import type { LiveGroup, LiveTarget } from '../../../elbv2/data-plane/model.ts'
import {
  createLiveTargets,
  type LiveTargets,
} from '../../../elbv2/data-plane/targets/live-targets.ts'
import {
  type HealthCheck,
  openElbv2Rows,
  type TargetGroupRow,
  type TargetRow,
  targetKey,
} from '../../../elbv2/rows.ts'
import { silentLogger } from '../../../gateway/core/log.ts'
import { MemoryStore } from '../../../gateway/core/memory-store.ts'
import { FakeClock } from '../../fake-clock.ts'

const SCOPE = { account: '000000000000', region: 'us-east-1' }

export const HEALTH_CHECK: HealthCheck = {
  enabled: true,
  protocol: 'HTTP',
  port: 'traffic-port',
  path: '/',
  intervalSeconds: 30,
  timeoutSeconds: 5,
  healthyThreshold: 5,
  unhealthyThreshold: 2,
  matcher: { HttpCode: '200' },
}

/** Target groups and targets with a store in memory and time in the test's hands. */
export class LiveWorld {
  readonly clock = new FakeClock()
  readonly store = new MemoryStore({ freeze: true })
  readonly rows = openElbv2Rows(this.store)
  /** Targets whose id is here have another address than their id, or none. */
  readonly addresses = new Map<string, string | undefined>()
  live: LiveTargets = this.newLive()

  newLive(): LiveTargets {
    return createLiveTargets({
      rows: this.rows,
      store: this.store,
      clock: this.clock,
      log: silentLogger,
      addressOf: ({ id }) => (this.addresses.has(id) ? this.addresses.get(id) : id),
    })
  }

  /** Puts a group's row; its ARN. */
  putGroup(
    name = 'g',
    {
      healthCheck,
      ...row
    }: Partial<Omit<TargetGroupRow, 'healthCheck'>> & {
      healthCheck?: Partial<HealthCheck>
    } = {},
  ): string {
    const arn = `arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/${name}/1`
    this.rows.targetGroups.put(arn, {
      ...SCOPE,
      arn,
      name,
      targetType: 'ip',
      protocol: 'HTTP',
      protocolVersion: 'HTTP1',
      port: 80,
      vpcId: 'vpc-1',
      ipAddressType: 'ipv4',
      healthCheck: { ...HEALTH_CHECK, ...healthCheck },
      attributes: {},
      tags: [],
      createdAtMs: this.clock.now(),
      ...row,
    })
    return arn
  }

  /** Puts targets' rows in one transaction; their keys. */
  register(arn: string, ids: readonly string[], row: Partial<TargetRow> = {}): string[] {
    const port = 'port' in row ? row.port : 80
    return this.store.transact(() =>
      ids.map((id) => {
        const key = targetKey(arn, id, port)
        const registeredAtMs = this.clock.now()
        const all = { ...SCOPE, arn: key, targetGroupArn: arn, id, port, registeredAtMs, ...row }
        this.rows.targets.put(key, all)
        return key
      }),
    )
  }

  deregister(key: string): void {
    const row = this.rows.targets.get(key)
    if (row) this.rows.targets.put(key, { ...row, drainingSinceMs: this.clock.now() })
  }

  group(arn: string): LiveGroup {
    const group = this.live.group(arn)
    if (!group) throw new Error(`there is no ${arn}`)
    return group
  }

  target(key: string): LiveTarget {
    const target = this.live.target(key)
    if (!target) throw new Error(`there is no ${key}`)
    return target
  }

  /** Registers targets that are healthy already. */
  registerHealthy(arn: string, ids: readonly string[]): LiveTarget[] {
    return this.register(arn, ids).map((key) => {
      this.live.setHealth(this.target(key), { state: 'healthy' })
      return this.target(key)
    })
  }
}

/** Names of targets: `10.0.0.1` and on. */
export function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`)
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
