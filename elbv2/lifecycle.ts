import type { Timer } from '../gateway/core/clock.ts'
import { messageOf } from '../gateway/core/fault.ts'
import type { Elbv2Context } from './context.ts'
import type { LoadBalancerRow } from './rows.ts'

/** How long a load balancer is `provisioning`: long enough to be seen, short enough for tests. */
export const PROVISIONING_MS = 500

export interface Lifecycle {
  /** Takes up the balancers that are there, and from now on every new one. */
  start(): void
  close(): void
}

/** Makes load balancers `active` when they have been `provisioning` for long enough. */
export function createLifecycle({ context }: { readonly context: Elbv2Context }): Lifecycle {
  const { rows, store, clock, log } = context
  const timers = new Map<string, Timer>()
  let stop: (() => void) | undefined

  function watch(row: LoadBalancerRow): void {
    if (timers.has(row.arn)) return
    arm(row.arn, Math.max(0, row.createdAtMs + PROVISIONING_MS - clock.now()))
  }

  function arm(arn: string, delayMs: number): void {
    const timer = clock.after(delayMs, () => {
      timers.delete(arn)
      activate(arn)
    })
    timers.set(arn, timer)
  }

  function activate(arn: string): void {
    store.transact(() => {
      const row = rows.loadBalancers.get(arn)
      if (row?.state === 'provisioning') rows.loadBalancers.put(arn, { ...row, state: 'active' })
    })
    // A change that is taken back leaves the balancer as it was: it is tried again.
    store.pending()?.catch((thrown) => {
      log.warn('a load balancer could not be made active', { arn, reason: messageOf(thrown) })
      if (stop) arm(arn, PROVISIONING_MS)
    })
  }

  function release(arn: string): void {
    timers.get(arn)?.cancel()
    timers.delete(arn)
  }

  return {
    start() {
      stop ??= store.onChange((changes) => {
        for (const { collection, key, after } of changes) {
          if (collection !== rows.loadBalancers.name) continue
          const row = after as LoadBalancerRow | undefined
          if (row?.state === 'provisioning') watch(row)
          else release(key)
        }
      })
      for (const row of rows.loadBalancers.all()) if (row.state === 'provisioning') watch(row)
    },
    close() {
      stop?.()
      stop = undefined
      for (const arn of [...timers.keys()]) release(arn)
    },
  }
}
