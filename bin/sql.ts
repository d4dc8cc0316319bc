import type { EcsRows } from '../ecs/rows.ts'
import type { HistoryReader } from '../ecs/sql-history.ts'
import type { Logger } from '../gateway/core/log.ts'
import type { SqlEngine } from '../gateway/sql.ts'
import type { SqlAnswer } from '../gateway/sql-worker.ts'

export interface LazySql {
  query(statement: string): Promise<SqlAnswer>
  close(): Promise<void>
}

/** SQL over state and history; neither tables nor engine are loaded before the first question. */
export function lazySql(rows: EcsRows, history: HistoryReader, log: Logger): LazySql {
  let loading: Promise<SqlEngine> | undefined
  async function load(): Promise<SqlEngine> {
    const [{ createSqlEngine }, { ecsTables }] = await Promise.all([
      import('../gateway/sql.ts'),
      import('../ecs/sql-tables.ts'),
    ])
    return createSqlEngine({ tables: ecsTables(rows, history), log })
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
