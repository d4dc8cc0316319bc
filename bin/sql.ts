import type { EcsRows } from '../ecs/rows.ts'
import type { HistoryReader } from '../ecs/sql-history.ts'
import type { Elbv2SqlOptions } from '../elbv2/sql-tables.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { SqlEngine } from '../gateway/sql.ts'
import type { SqlAnswer } from '../gateway/sql-worker.ts'

export interface LazySql {
  query(statement: string): Promise<SqlAnswer>
  close(): Promise<void>
}

/** SQL over state and history; neither tables nor engine are loaded before the first question. */
export function lazySql(
  ecs: EcsRows,
  history: HistoryReader,
  elbv2: Elbv2SqlOptions,
  log: Logger,
): LazySql {
  let loading: Promise<SqlEngine> | undefined
  async function load(): Promise<SqlEngine> {
    const [{ createSqlEngine }, { ecsTables }, { elbv2Tables }] = await Promise.all([
      import('../gateway/sql.ts'),
      import('../ecs/sql-tables.ts'),
      import('../elbv2/sql-tables.ts'),
    ])
    return createSqlEngine({ tables: [...ecsTables(ecs, history), ...elbv2Tables(elbv2)], log })
  }
  return {
    async query(statement) {
      loading ??= load()
      return (await loading).query(statement)
    },
    async close() {
      await (await loading)?.close()
    },
  }
}
