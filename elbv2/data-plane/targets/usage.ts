import type { Action } from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Change, Store } from '../../../gateway/core/store.ts'
import { groupsOf } from '../../forwarded-groups.ts'
import type { Elbv2Rows, ListenerRow, RuleRow } from '../../rows.ts'

/** Which target groups listeners and rules send traffic to; counted change by change. */
export interface GroupUsage {
  inUse(groupArn: string): boolean
  /** From now on `onChange` hears of groups that come into use or are in use no more. */
  start(onChange: (groupArn: string) => void): void
  close(): void
}

export function createGroupUsage(rows: Elbv2Rows, store: Store): GroupUsage {
  const uses = new Map<string, number>()
  let stop = () => {}

  function add(actions: readonly Action[], step: 1 | -1, touched: Set<string>): void {
    for (const arn of groupsOf(actions)) {
      const count = (uses.get(arn) ?? 0) + step
      if (count === 0) uses.delete(arn)
      else uses.set(arn, count)
      touched.add(arn)
    }
  }

  function follow(changes: readonly Change[], onChange: (groupArn: string) => void): void {
    const touched = new Set<string>()
    for (const { collection, before, after } of changes) {
      if (collection !== rows.listeners.name && collection !== rows.rules.name) continue
      if (before) add(actionsOf(before), -1, touched)
      if (after) add(actionsOf(after), 1, touched)
    }
    for (const arn of touched) onChange(arn)
  }

  for (const row of rows.listeners.all()) add(row.defaultActions, 1, new Set())
  for (const row of rows.rules.all()) add(row.actions, 1, new Set())

  return {
    inUse: (arn) => uses.has(arn),
    start(onChange) {
      stop = store.onChange((changes) => follow(changes, onChange))
    },
    close: () => stop(),
  }
}

function actionsOf(row: object): readonly Action[] {
  const { defaultActions, actions } = row as Partial<ListenerRow & RuleRow>
  return defaultActions ?? actions ?? []
}
