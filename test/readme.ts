/** The README's tables, made from what they tell of. */
import { SIMULATION_LABELS } from '../cluster/local/script.ts'
import { createEcsProvider } from '../ecs/provider.ts'
import { openRows } from '../ecs/rows.ts'
import { ecsTables } from '../ecs/sql-tables.ts'
import { createElbv2Provider } from '../elbv2/provider.ts'
import { openElbv2Rows } from '../elbv2/rows.ts'
import { elbv2Tables } from '../elbv2/sql-tables.ts'
import { systemClock } from '../gateway/core/clock.ts'
import { systemIds } from '../gateway/core/ids.ts'
import { silentLogger } from '../gateway/core/log.ts'
import { createMemoryStore } from '../gateway/core/memory-store.ts'
import type { Provider } from '../gateway/core/provider.ts'
import { documentTables } from '../gateway/core/sql-table.ts'

/** By the name of the marks between which they stand. */
export function readmeTables(): ReadonlyMap<string, string> {
  const store = createMemoryStore()
  const rows = openRows(store)
  const common = { store, clock: systemClock, ids: systemIds, log: silentLogger }
  const elbv2Rows = openElbv2Rows(store)
  const live = {
    targetHealth: () => ({ state: 'initial' }) as const,
    anomaly: () => ({}),
    trouble: () => undefined,
  }
  const dnsSuffix = 'elb.localhost'
  const elbv2 = createElbv2Provider({
    ...common,
    rows: elbv2Rows,
    dnsSuffix,
    endpoint: '',
    live,
    callBackend: () => undefined,
  })
  const balancing = elbv2Tables({ rows: elbv2Rows, live, dnsSuffix })
  const ecs = createEcsProvider({
    ...common,
    rows,
    lookUpNetwork: () => undefined,
    nodes: () => [],
    runtimeAttributes: {},
  })
  return new Map([
    ['simulation-labels', labelsTable()],
    ['sql-tables', documentTables([...ecsTables(rows, { read: () => [] }), ...balancing]).trim()],
    ['coverage-ecs', coverageTable(ecs)],
    ['coverage-elbv2', coverageTable(elbv2)],
  ])
}

function labelsTable(): string {
  const lines = SIMULATION_LABELS.map(
    ({ label, value, effect }) => `| \`${label}\` | ${value} | ${effect} |`,
  )
  return ['| label | value | effect |', '|---|---|---|', ...lines].join('\n')
}

function coverageTable(provider: Provider): string {
  const all = Object.keys(provider.contract.operations).sort()
  const has = (name: string) => Object.hasOwn(provider.handlers, name)
  const open = all.filter((name) => !has(name))
  const done = all.filter(has)
  return [
    `| ${provider.name} | ${done.length} of ${all.length} operations |`,
    '|---|---|',
    `| answered | ${done.join(', ')} |`,
    `| answer a fault that names them | ${open.join(', ') || 'none'} |`,
  ].join('\n')
}

/** README text between `<!-- NAME -->` and `<!-- /NAME -->`, without its outer line feeds. */
export function marked(text: string, name: string): string | undefined {
  const open = `<!-- ${name} -->`
  const begin = text.indexOf(open)
  const end = text.indexOf(`<!-- /${name} -->`)
  return begin === -1 || end === -1 ? undefined : text.slice(begin + open.length, end).trim()
}
