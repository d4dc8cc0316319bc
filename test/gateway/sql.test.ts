import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { silentLogger } from '../../gateway/core/log.ts'
import { type SqlTable, tableOf } from '../../gateway/core/sql-table.ts'
import {
  createSqlEngine,
  MAX_SQL_ROWS,
  MAX_SQL_WAITING,
  SQL_IDLE_MS,
  type SqlEngine,
  type SqlEngineOptions,
} from '../../gateway/sql.ts'
import { SqlFault } from '../../gateway/sql-guard.ts'
import { FakeClock } from '../fake-clock.ts'

interface Task {
  readonly id: string
  readonly service: string
  readonly cpu?: number
  readonly up: boolean
  readonly load: number
  readonly atMs: number
}

const BEGIN_MS = Date.UTC(2026, 0, 1)
const tasks: Task[] = [
  { id: 'a', service: 'web', cpu: 256, up: true, load: 0.5, atMs: BEGIN_MS },
  { id: 'b', service: 'web', cpu: 512, up: false, load: 0.25, atMs: BEGIN_MS + 90_500 },
  { id: 'c', service: 'é😀', up: true, load: 1, atMs: BEGIN_MS + 3_600_000 },
]

function tasksTable(items: () => Iterable<Task> | AsyncIterable<Task> = () => [...tasks]) {
  return tableOf<Task>('tasks', "A task's row.", items, [
    ['id', 'VARCHAR', 'Its id', (task) => task.id],
    ['service', 'VARCHAR', 'Its service', (task) => task.service],
    ['cpu', 'BIGINT', 'CPU units', (task) => task.cpu],
    ['up', 'BOOLEAN', 'Whether it runs', (task) => task.up],
    ['load', 'DOUBLE', 'Its load', (task) => task.load],
    ['created_at', 'TIMESTAMP', 'When', (task) => task.atMs],
  ])
}

const services = tableOf<[string, number]>(
  'services',
  'Services.',
  () => [
    ['web', 2],
    ['batch', 0],
  ],
  [
    ['name', 'VARCHAR', 'Its name', ([name]) => name],
    ['desired', 'BIGINT', 'Its count', ([, desired]) => desired],
  ],
)

function engineOf(tables: readonly SqlTable[], more: Partial<SqlEngineOptions> = {}): SqlEngine {
  return createSqlEngine({ tables, log: silentLogger, ...more })
}

async function faultOf(asked: Promise<unknown>): Promise<SqlFault> {
  try {
    await asked
  } catch (thrown) {
    if (thrown instanceof SqlFault) return thrown
    throw thrown
  }
  throw new Error('It was answered.')
}

// Most tests share one engine: starting it takes most of a second.
const shared = engineOf([tasksTable(), services])
const rowsOf = async (sql: string) => (await shared.query(sql)).rows

test.after(() => shared.close())

test('createSqlEngine: nothing is loaded before the first question', async () => {
  const engine = engineOf([tasksTable()])
  assert.not(engine.loaded)
  assert.is((await faultOf(engine.query('DROP TABLE tasks'))).reason, 'REFUSED')
  assert.not(engine.loaded, 'a refused statement loads nothing')
  await engine.query('SELECT 1')
  assert.ok(engine.loaded)
  await engine.close()
  assert.not(engine.loaded)
})

test('query: names and types of the columns come with the rows', async () => {
  assert.equal(await shared.query('SELECT * FROM tasks ORDER BY id LIMIT 1'), {
    columns: [
      { name: 'id', type: 'VARCHAR' },
      { name: 'service', type: 'VARCHAR' },
      { name: 'cpu', type: 'BIGINT' },
      { name: 'up', type: 'BOOLEAN' },
      { name: 'load', type: 'DOUBLE' },
      { name: 'created_at', type: 'TIMESTAMP' },
    ],
    rows: [['a', 'web', 256, true, 0.5, '2026-01-01T00:00:00.000Z']],
    truncated: false,
  })
})

test('query: joins, aggregates and NULLs', async () => {
  const joined = `SELECT name, desired, count(id) AS tasks, sum(cpu), avg(load), count(*) FILTER (WHERE up)
    FROM services LEFT JOIN tasks ON service = name GROUP BY ALL ORDER BY name`
  assert.equal(await rowsOf(joined), [
    ['batch', 0, 0, null, null, 0],
    ['web', 2, 2, 768, 0.375, 1],
  ])
  assert.equal(await rowsOf("SELECT id FROM tasks WHERE cpu IS NULL AND service = 'é😀'"), [['c']])
  assert.equal(await rowsOf('SELECT id FROM tasks WHERE false'), [])
})

test('query: times are UTC and can be reckoned with', async () => {
  assert.equal(
    await rowsOf(
      "SELECT max(created_at), max(created_at) - min(created_at) FROM tasks WHERE service = 'web'",
    ),
    [['2026-01-01T00:01:30.500Z', '00:01:30.5']],
  )
  const hours =
    "SELECT date_trunc('hour', created_at) AS hour, count(*) FROM tasks GROUP BY 1 ORDER BY 1"
  assert.equal(await rowsOf(hours), [
    ['2026-01-01T00:00:00.000Z', 2],
    ['2026-01-01T01:00:00.000Z', 1],
  ])
  assert.equal(await rowsOf('SELECT now() - created_at > INTERVAL 0 SECOND FROM tasks LIMIT 1'), [
    [true],
  ])
  assert.equal(await rowsOf('SELECT current_date = today(), current_timestamp >= now()'), [
    [true, true],
  ])
})

const VALUES: readonly [sql: string, value: unknown][] = [
  ['9007199254740991', 9007199254740991],
  ['9007199254740993', '9007199254740993'],
  ['(-9223372036854775807)::BIGINT', '-9223372036854775807'],
  ['18446744073709551615::UBIGINT', '18446744073709551615'],
  ['170141183460469231731687303715884105727::HUGEINT', '170141183460469231731687303715884105727'],
  ['-5::HUGEINT', -5],
  ['1.5', 1.5],
  ['-0.05::DECIMAL(10,2)', -0.05],
  ['12345678901234567.89::DECIMAL(30,2)', '12345678901234567.89'],
  ["'NaN'::DOUBLE", 'NaN'],
  ["TIMESTAMP '1969-12-31 23:59:59.5'", '1969-12-31T23:59:59.500Z'],
  ["'infinity'::TIMESTAMP", 'infinity'],
  ["DATE '2020-02-29'", '2020-02-29'],
  ["TIME '10:00:00.25'", '10:00:00.25'],
  ["INTERVAL '14 months 1 day 3.5 seconds'", '1 year 2 months 1 day 00:00:03.5'],
  ['-INTERVAL 90 MINUTE', '-01:30:00'],
  ['[1, NULL, 2]', '[1,null,2]'],
  [
    "{a: 1, b: ['x'], t: TIMESTAMP '2026-01-01'}",
    '{"a":1,"b":["x"],"t":"2026-01-01T00:00:00.000Z"}',
  ],
  ["MAP {'k': 9007199254740993}", '{"k":"9007199254740993"}'],
  ["'x'::ENUM('w', 'x')", 'x'],
  ["'ab'::BLOB", '6162'],
  ['NULL', null],
]

test('query: every kind of value has a form in JSON', async () => {
  const { rows } = await shared.query(`SELECT ${VALUES.map(([sql]) => sql).join(', ')}`)
  VALUES.forEach(([sql, value], index) => {
    assert.equal(rows[0]?.[index], value, sql)
  })
  const enums = "SELECT list_value('x'::ENUM('w', 'x')) FROM range(5000) LIMIT 1"
  assert.equal(await rowsOf(enums), [['["x"]']])
  const { columns } = await shared.query('FROM test_all_types()')
  assert.ok(columns.length > 40)
})

test('query: each question sees the rows of its moment', async () => {
  let items: Task[] = [tasks[0]!]
  const engine = engineOf([tasksTable(() => [...items])])
  const count = async () => (await engine.query('SELECT count(*) FROM Tasks')).rows[0]?.[0]
  const before = count()
  items = [...tasks]
  const after = count()
  items = []
  assert.equal(await Promise.all([before, after, count()]), [1, 3, 0])
  await engine.close()
})

test('query: rows may come from a source that waits, in any number of batches', async () => {
  async function* many() {
    for (let index = 0; index < 5000; index++) yield { ...tasks[0]!, cpu: index }
  }
  const engine = engineOf([tasksTable(many)])
  const { rows } = await engine.query('SELECT count(*), sum(cpu), max(id) FROM tasks')
  assert.equal(rows, [[5000, 12_497_500, 'a']])
  await engine.close()
})

test('query: only the tables of the statement are read', async () => {
  let reads = 0
  const counted: SqlTable = {
    ...services,
    rows() {
      reads++
      return services.rows()
    },
  }
  const engine = engineOf([tasksTable(), counted])
  await engine.query('SELECT count(*) FROM tasks')
  assert.is(reads, 0)
  await engine.query('SELECT count(*) FROM services')
  assert.is(reads, 1)
  await engine.close()
})

test('query: DuckDB says what is wrong with a statement, and the next one is answered', async () => {
  const fault = await faultOf(shared.query('SELECT nope FROM tasks'))
  assert.is(fault.reason, 'INVALID')
  assert.match(fault.message, /Referenced column "nope" not found/)
  assert.match((await faultOf(shared.query('SELEC 1'))).message, /SELEC/)
  assert.match((await faultOf(shared.query('SELECT'))).message, /Parser Error/)
  assert.match((await faultOf(shared.query('SELECT ?'))).message, /parameter/)
  assert.match((await faultOf(shared.query('PIVOT tasks ON up'))).message, /IN \(…\)/)
  assert.equal(await rowsOf('SELECT 1'), [[1]])
})

test('query: files, networks and settings are out of reach', async () => {
  const reaching = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '/etc/passwd'",
    "FROM '/etc/passwd.csv'",
    "FROM 'http://127.0.0.1:1/x.csv'",
    "FROM read_json('/etc/passwd')",
    "FROM read_parquet('/etc/passwd')",
    "SELECT getenv('HOME')",
  ]
  for (const sql of reaching) assert.is((await faultOf(shared.query(sql))).reason, 'INVALID', sql)
  const settings = `SELECT name, value FROM duckdb_settings() WHERE name IN
    ('autoinstall_known_extensions', 'autoload_known_extensions', 'enable_external_access',
     'lock_configuration') ORDER BY name`
  assert.equal(await rowsOf(settings), [
    ['autoinstall_known_extensions', 'false'],
    ['autoload_known_extensions', 'false'],
    ['enable_external_access', 'false'],
    ['lock_configuration', 'true'],
  ])
})

test('query: questions asked at once are all answered', async () => {
  const asked = Array.from({ length: 8 }, (_, index) =>
    rowsOf(`SELECT ${index}, count(*) FROM tasks`),
  )
  assert.equal(
    await Promise.all(asked),
    asked.map((_, index) => [[index, 3]]),
  )
})

test('query: one too many in the queue is refused as BUSY', async () => {
  const engine = engineOf([])
  const asked = Array.from({ length: MAX_SQL_WAITING }, () => engine.query('SELECT 1'))
  assert.is((await faultOf(engine.query('SELECT 1'))).reason, 'BUSY')
  await Promise.all(asked)
  assert.equal((await engine.query('SELECT 1')).rows, [[1]])
  await engine.close()
})

test('query: an answer is cut at its limits and says so', async () => {
  const many = await shared.query(`FROM range(${MAX_SQL_ROWS + 1})`)
  assert.is(many.rows.length, MAX_SQL_ROWS)
  assert.ok(many.truncated)
  assert.not((await shared.query(`FROM range(${MAX_SQL_ROWS})`)).truncated)
  const wide = await shared.query("SELECT repeat('x', 6000000) FROM range(4)")
  assert.is(wide.rows.length, 2)
  assert.ok(wide.truncated)
})

test('query: too much memory is an error of the statement, and the next one is answered', async () => {
  const fault = await faultOf(shared.query('SELECT list(range) FROM range(100000000)'))
  assert.is(fault.reason, 'INVALID')
  assert.match(fault.message, /Out of Memory/)
  assert.not(shared.loaded, 'an engine that grew large is not kept')
  assert.equal(await rowsOf('SELECT count(*) FROM tasks'), [[3]])
})

const ENDLESS = 'SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b'

test('query: a question that takes too long is given up, even while DuckDB computes', async () => {
  const clock = new FakeClock()
  const engine = engineOf([tasksTable()], { clock, timeLimitMs: 1000 })
  await engine.query('SELECT 1')
  const asked = faultOf(engine.query(ENDLESS))
  const next = engine.query('SELECT count(*) FROM tasks')
  // The endless one is under way, or soon will be: its limit runs from then on.
  await until(() => clock.waiting === 1)
  clock.advance(1000)
  const fault = await asked
  assert.is(fault.reason, 'TIMEOUT')
  assert.match(fault.message, /1 s/)
  assert.equal((await next).rows, [[3]])
  await engine.close()
})

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

test('query: an engine that nobody asks is unloaded, and comes back when asked', async () => {
  const clock = new FakeClock()
  const engine = engineOf([tasksTable()], { clock })
  await engine.query('SELECT 1')
  clock.advance(SQL_IDLE_MS - 1)
  assert.ok(engine.loaded)
  await engine.query('SELECT 1')
  clock.advance(SQL_IDLE_MS - 1)
  assert.ok(engine.loaded, 'a question begins the time anew')
  clock.advance(1)
  assert.not(engine.loaded)
  assert.equal((await engine.query('SELECT count(*) FROM tasks')).rows, [[3]])
  await engine.close()
})

test('query: a source of rows that fails is named, and the next question is answered', async () => {
  let isBroken = true
  function* failing() {
    yield tasks[0]!
    if (isBroken) throw new Error('torn record')
  }
  const engine = engineOf([tasksTable(failing)])
  const fault = await faultOf(engine.query('FROM tasks'))
  assert.is(fault.reason, 'UNAVAILABLE')
  assert.match(fault.message, /tasks could not be read: torn record/)
  isBroken = false
  assert.equal((await engine.query('SELECT count(*) FROM tasks')).rows, [[1]])
  await engine.close()
})

test('query: an engine that fails says so, and the next question starts it anew', async () => {
  const table = tasksTable()
  const columns = [...table.columns, table.columns[0]!]
  const engine = engineOf([{ ...table, columns }])
  const fault = await faultOf(engine.query('SELECT count(*) FROM tasks'))
  assert.is(fault.reason, 'UNAVAILABLE')
  assert.match(fault.message, /failed \(.*id.*already exists.*starts it anew/s)
  assert.not(engine.loaded)
  columns.pop()
  assert.equal((await engine.query('SELECT count(*) FROM tasks')).rows, [[3]])
  await engine.close()
})

test('query: nesting without end is an error, and the next question is answered', async () => {
  const deep = (depth: number) => `SELECT ${'('.repeat(depth)}1${')'.repeat(depth)}`
  await faultOf(shared.query(deep(40_000)))
  await faultOf(shared.query(`SELECT ${'1+'.repeat(40_000)}1`))
  assert.equal(await rowsOf('SELECT 1'), [[1]])
})

test('close: what waits is refused, and so is what comes after', async () => {
  const engine = engineOf([tasksTable()])
  const asked = [faultOf(engine.query(ENDLESS)), faultOf(engine.query('SELECT 1'))]
  await engine.close()
  for (const fault of await Promise.all(asked)) assert.is(fault.reason, 'UNAVAILABLE')
  assert.match((await faultOf(engine.query('SELECT 1'))).message, /closed/)
  await engine.close()
})

test('comments: the description of a column can be asked for', async () => {
  const sql =
    "SELECT comment FROM duckdb_columns() WHERE table_name = 'tasks' AND column_name = 'cpu'"
  assert.equal(await rowsOf(sql), [['CPU units']])
  assert.equal(await rowsOf("SELECT comment FROM duckdb_tables() WHERE table_name = 'tasks'"), [
    ["A task's row."],
  ])
})

test('query: an engine that is not asked does not keep the process alive', async () => {
  // Never closed: if this did not hold, this file would not end.
  assert.equal((await engineOf([]).query('SELECT 1')).rows, [[1]])
})

test.run()
