import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assertReads, MAX_STATEMENT_CHARS, mentioned, SqlFault } from '../../gateway/sql-guard.ts'

const SEED = 20260101

function reasonOf(sql: string): string {
  try {
    assertReads(sql)
    return 'READS'
  } catch (thrown) {
    return thrown instanceof SqlFault ? thrown.reason : String(thrown)
  }
}

const READING = [
  'SELECT 1',
  'select 1;',
  ' ;SELECT 1'.slice(2),
  'SELECT 1 ; ; -- done',
  '(SELECT 1) UNION (SELECT 2)',
  '/* a /* nested */ comment; DROP */ SELECT 1',
  "SELECT ';' AS semicolon",
  `SELECT 1 AS ";DROP"`,
  "SELECT E'it\\'s; fine'",
  'SELECT $$; DROP TABLE t$$',
  'SELECT $tag$ $$; $tag$',
  "SELECT 'it''s; fine'",
  'WITH x AS (SELECT 1) SELECT * FROM x',
  'FROM tasks',
  'FROM tasks SELECT id',
  'VALUES (1), (2)',
  'TABLE tasks',
  'DESCRIBE tasks',
  'SHOW TABLES',
  'SUMMARIZE tasks',
  'EXPLAIN SELECT 1',
  'EXPLAIN ANALYZE SELECT 1',
  'EXPLAIN (FORMAT JSON) SELECT 1',
  'EXPLAIN (SELECT 1)',
  'SELECT "update" FROM (SELECT 1 AS "update")',
  'SELECT max(updated_at) FROM deployments',
  "SELECT * FROM api_calls WHERE operation = 'DeleteService'",
  'PIVOT tasks ON last_status IN (1) USING count(*)',
  'SELECT\u00a01',
]

test('assertReads: statements that read pass', () => {
  for (const sql of READING) assert.is(reasonOf(sql), 'READS', sql)
})

const HOSTILE = [
  '',
  ' ;; ',
  '-- nothing',
  'INSERT INTO tasks VALUES (1)',
  'UPDATE tasks SET id = 1',
  'DELETE FROM tasks',
  'TRUNCATE tasks',
  'DROP TABLE tasks',
  'CREATE TABLE t (a INT)',
  'CREATE TEMP TABLE t (a INT)',
  'ALTER TABLE tasks ADD COLUMN a INT',
  "COPY tasks TO '/tmp/tasks.csv'",
  "COPY (SELECT 1) TO '/tmp/one.csv'",
  "EXPORT DATABASE '/tmp/all'",
  "IMPORT DATABASE '/tmp/all'",
  "ATTACH '/tmp/other.db'",
  'DETACH memory',
  'INSTALL httpfs',
  'LOAD httpfs',
  'PRAGMA threads=1',
  'SET threads=1',
  'RESET threads',
  'CALL enable_logging()',
  'CHECKPOINT',
  'VACUUM',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'USE memory',
  'PREPARE p AS SELECT 1',
  'EXECUTE p',
  'MERGE INTO tasks USING tasks ON true WHEN MATCHED THEN DELETE',
  'SELECT 1; DROP TABLE tasks',
  'SELECT 1;SELECT 2',
  "SELECT ''; DROP TABLE tasks --'",
  "SELECT E'\\''; DROP TABLE tasks",
  'SELECT $a$ $a$; DROP TABLE tasks',
  '/* SELECT */ DROP TABLE tasks',
  '-- SELECT\nDROP TABLE tasks',
  '-- SELECT\rDROP TABLE tasks',
  '(((DROP TABLE tasks)))',
  'EXPLAIN DELETE FROM tasks',
  'EXPLAIN ANALYZE INSERT INTO tasks VALUES (1)',
  'EXPLAIN (FORMAT JSON) DELETE FROM tasks',
  'EXPLAIN ANALYZE',
  'WITH x AS (SELECT 1) INSERT INTO tasks SELECT * FROM x',
  'WITH x AS (SELECT 1) DELETE FROM tasks',
  'WITH x AS (DELETE FROM tasks RETURNING *) SELECT * FROM x',
  "SELECT * FROM query('DROP TABLE tasks')",
  "FROM enable_logging(storage = 'stdout')",
  'FROM "enable_logging"()',
  'FROM ENABLE_LOGGING /* x */ ()',
  'FROM U&"enable\\005flogging"()',
  'FROM force_checkpoint()',
]

test('assertReads: whatever writes, sets or is several is refused', () => {
  for (const sql of HOSTILE) assert.is(reasonOf(sql), 'REFUSED', sql)
  assert.is(reasonOf(`SELECT '${'x'.repeat(MAX_STATEMENT_CHARS)}'`), 'REFUSED')
})

test('assertReads: no text makes it fail in another way, and none takes long', () => {
  const pieces = fc.constantFrom("'", '"', '$$', '$a$', '/*', '*/', '--', '\n', ';', 'E', '\\', '(')
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 400 }).map((all) => all.join('')),
  )
  fc.assert(
    fc.property(text, (sql) => {
      assert.ok(['READS', 'REFUSED'].includes(reasonOf(`SELECT ${sql}`)))
    }),
    { seed: SEED, numRuns: 500 },
  )
})

test('assertReads: a second statement is seen behind any text that is quoted', () => {
  const quoted = fc
    .string()
    .chain((text) =>
      fc.constantFrom(
        `'${text.replaceAll("'", "''")}'`,
        `"${text.replaceAll('"', '""')}"`,
        `$q$${text.replaceAll('$', '')}$q$`,
        `/*${text.replaceAll('*', '').replaceAll('/', '')}*/ 1`,
      ),
    )
  fc.assert(
    fc.property(quoted, (text) => {
      assert.is(reasonOf(`SELECT ${text}`), 'READS')
      assert.is(reasonOf(`SELECT ${text}; DROP TABLE tasks`), 'REFUSED')
    }),
    { seed: SEED },
  )
})

test('mentioned: names are found in any case, quoted or in strings, and only whole', () => {
  const names = ['tasks', 'services', 'task_events']
  assert.equal([...mentioned('SELECT * FROM TASKS', names)], ['tasks'])
  assert.equal([...mentioned(`FROM "Tasks" t JOIN 'services' s`, names)], ['tasks', 'services'])
  assert.equal([...mentioned('FROM task_events', names)], ['task_events'])
  assert.equal([...mentioned('FROM my_tasks', names)], [])
})

test.run()
