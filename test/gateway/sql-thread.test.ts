import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SqlFault } from '../../gateway/sql-guard.ts'
import { SqlThread } from '../../gateway/sql-thread.ts'

const table = {
  name: 'tasks',
  description: '',
  columns: [{ name: 'id', type: 'VARCHAR', description: '' }],
} as const

test('SqlThread: what the guard might overlook, DuckDB refuses by itself', async () => {
  const thread = new SqlThread([table], () => {})
  const overlooked: readonly [sql: string, message: RegExp][] = [
    ["INSERT INTO tasks (id) VALUES ('x')", /read-only mode/],
    ["UPDATE tasks SET id = 'x'", /read-only mode/],
    ['DELETE FROM tasks', /read-only mode/],
    ['DROP TABLE tasks', /read-only mode/],
    ['CREATE TABLE other (a INT)', /read-only mode/],
    ["WITH x AS (SELECT 'x') INSERT INTO tasks (id) FROM x", /read-only mode/],
    ["COPY tasks TO '/tmp/kecs.csv'", /disabled by configuration/],
    ["ATTACH '/tmp/kecs.db'", /disabled by configuration/],
    ['LOAD httpfs', /disabled through configuration/],
    ['SET enable_external_access=true', /Cannot|locked/],
    ['SET lock_configuration=false', /locked/],
    ['SELECT 1; SELECT 2', /named here/],
  ]
  for (const [sql, message] of overlooked) {
    const fault = await thread.ask(sql, 10, 10).catch((thrown) => thrown)
    assert.instance(fault, SqlFault, sql)
    assert.is(fault.reason, 'INVALID', sql)
    assert.match(fault.message, message, sql)
  }
  await thread.end('done')
})

test('end: what is asked afterwards rejects for the same reason', async () => {
  const thread = new SqlThread([table], () => {})
  await thread.end('it was time', 'TIMEOUT')
  const fault = await thread.ask('SELECT 1', 10, 10).catch((thrown) => thrown)
  assert.is(fault.reason, 'TIMEOUT')
  assert.is(fault.message, 'it was time')
})

test.run()
