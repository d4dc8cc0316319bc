import process from 'node:process'
import { askRunning } from '../admin-client.ts'
import { command } from '../command.ts'
import { print, printJson, renderTable, UserError } from '../output.ts'
import { ADMIN_URL_FLAG, JSON_FLAG } from '../settings.ts'

export default command({
  name: 'sql',
  summary: 'Asks a running kecs one question in SQL, over its state and its history.',
  positionals: [{ name: 'STATEMENT', about: 'One statement of DuckDB SQL that reads, in quotes.' }],
  flags: [JSON_FLAG, ADMIN_URL_FLAG],
  examples: [
    ['What there is to ask about', 'kecs sql "SHOW TABLES"'],
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
    const answer = await askRunning(values.text('admin-url'), (admin) =>
      admin.post('/sql', { sql }),
    )
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
