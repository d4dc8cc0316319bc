import process from 'node:process'
import { silentLogger } from '../../gateway/core/log.ts'
import { tableOf } from '../../gateway/core/sql-table.ts'
import { createSqlEngine } from '../../gateway/sql.ts'

interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
}

const SIZES = [1_000, 10_000, 100_000]
const BYTES_PER_MB = 1e6

/** SQL over tables of 1k, 10k and 100k rows of 26 columns, and what the engine costs. */
export async function* run(): AsyncIterable<Figure> {
  const before = process.memoryUsage.rss()
  const tables = SIZES.map((size) => tableOf(`rows_${size}`, '', () => numbers(size), FIELDS))
  const engine = createSqlEngine({ tables, log: silentLogger })
  const timed = async (sql: string) => {
    const begun = performance.now()
    await engine.query(sql)
    return performance.now() - begun
  }
  yield { name: 'sql: the first question', value: await timed('SELECT 1'), unit: 'ms' }
  const grown = (process.memoryUsage.rss() - before) / BYTES_PER_MB
  yield { name: 'sql: memory of the engine', value: grown, unit: 'MB' }
  yield { name: 'sql: a question of no table', value: await timed('SELECT 1'), unit: 'ms' }
  for (const size of SIZES) {
    const sql = `SELECT status, count(*), max(created_at) FROM rows_${size} GROUP BY status`
    yield { name: `sql: group ${size} rows`, value: await timed(sql), unit: 'ms' }
  }
  await engine.close()
  const kept = (process.memoryUsage.rss() - before) / BYTES_PER_MB
  yield { name: 'sql: memory after it was closed', value: kept, unit: 'MB' }
}

function* numbers(size: number): Generator<number> {
  for (let number = 0; number < size; number++) yield number
}

const BEGIN_MS = Date.UTC(2026, 0, 1)

const FIELDS = [
  field('status', 'VARCHAR', (n) => (n % 3 ? 'RUNNING' : 'STOPPED')),
  field('created_at', 'TIMESTAMP', (n) => BEGIN_MS + n * 1000),
  ...Array.from({ length: 16 }, (_, at) =>
    field(`text_${at}`, 'VARCHAR', (n) => `arn:aws:ecs:us-east-1:000000000000:task/${at}/${n}`),
  ),
  ...Array.from({ length: 8 }, (_, at) => field(`count_${at}`, 'BIGINT', (n) => n * at)),
]

function field(
  name: string,
  type: 'VARCHAR' | 'TIMESTAMP' | 'BIGINT',
  read: (n: number) => unknown,
) {
  return [name, type, '', read] as const
}
