import process from 'node:process'
import { command } from '../command.ts'
import { askRunning, REACH_FLAGS } from '../k3d/reach.ts'
import { print, printJson, renderTable, UserError } from '../output.ts'
import { JSON_FLAG } from '../settings.ts'

export default command({
  name: 'sql',
  summary: 'Asks a running kecs one question in SQL, over its state and its history.',
  positionals: [{ name: 'STATEMENT', about: 'One statement of DuckDB SQL that reads, in quotes.' }],
  flags: [JSON_FLAG, ...REACH_FLAGS],
  examples: [
    ['What there is to ask about', 'kecs sql "SHOW TABLES"'],
    ['Of the instance two of start-v2', 'kecs sql --name two "SELECT * FROM clusters"'],
    [
      'How a task came to its end',
      'kecs sql "SELECT * FROM task_events WHERE task_id LIKE \'%ab12\'"',
    ],
    ['Objects for another program', 'kecs sql --json "SELECT * FROM services"'],
  ],
  notes: [
    'The first question takes a second or two: the engine is loaded for it.',
    'Statements that write are refused. With --json each row is one object.',
  ],
  async run(values) {
    const [sql] = values.positionals
    const answer = await askRunning('sql', values, (admin) => admin.post('/sql', { sql }))
    if (!isTable(answer)) {
      throw new UserError(
        'the answer is no table.',
        'Another version of kecs may be running.',
        'Compare kecs version with kecs status.',
      )
    }
    const { rows, truncated } = answer
    const columns = answer.columns.map(({ name }) => name)
    if (truncated) process.stderr.write(`only the first ${rows.length} rows are shown\n`)
    if (!values.has('json')) return print(renderTable(columns, rows))
    printJson(rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]]))))
  },
})

interface Table {
  readonly columns: readonly { readonly name: string }[]
  readonly rows: readonly (readonly unknown[])[]
  readonly truncated?: boolean
}

function isTable(answer: object): answer is Table {
  const { columns, rows } = answer as Partial<Table>
  return Array.isArray(columns) && Array.isArray(rows)
}
