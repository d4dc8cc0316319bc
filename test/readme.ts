/** The README's tables, made from what they tell of. */
import { SIMULATION_LABELS } from '../cluster/local/script.ts'
import { createEcsProvider } from '../ecs/provider.ts'
import { openRows } from '../ecs/rows.ts'
import { ecsTables } from '../ecs/sql-tables.ts'
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
  const ecs = createEcsProvider({
    store,
    rows,
    clock: systemClock,
    ids: systemIds,
    log: silentLogger,
    lookUpNetwork: () => undefined,
    nodes: () => [],
    runtimeAttributes: {},
  })
  return new Map([
    ['simulation-labels', labelsTable()],
    ['sql-tables', documentTables(ecsTables(rows, { read: () => [] })).trim()],
    ['coverage-ecs', coverageTable(ecs)],
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
