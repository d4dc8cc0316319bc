export type SqlType = 'VARCHAR' | 'DOUBLE' | 'BIGINT' | 'BOOLEAN' | 'TIMESTAMP'

export interface SqlColumn {
  readonly name: string
  /** TIMESTAMP cells are milliseconds since the epoch, a Date or ISO text; UTC. */
  readonly type: SqlType
  readonly description: string
}

export interface SqlSchema {
  /** Lower case: SQL names do not heed case. */
  readonly name: string
  readonly description: string
  readonly columns: readonly SqlColumn[]
}

/** A table that SQL can be asked about. */
export interface SqlTable extends SqlSchema {
  /**
   * The rows as they are at this moment, cells in the order of the columns. What is iterated later
   * must not show later changes.
   */
  rows(): Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>
}

/** A column with the way from an item to its cell; undefined is NULL. */
export type SqlField<T> = readonly [
  name: string,
  type: SqlType,
  description: string,
  read: (item: T) => unknown,
]

/** A table with a row for each item; `items` is called at the moment of the question. */
export function tableOf<T>(
  name: string,
  description: string,
  items: () => Iterable<T> | AsyncIterable<T>,
  fields: readonly SqlField<T>[],
): SqlTable {
  const rowOf = (item: T) => fields.map(([, , , read]) => read(item))
  return {
    name,
    description,
    columns: fields.map(([name, type, description]) => ({ name, type, description })),
    rows() {
      const source = items()
      return Symbol.asyncIterator in source ? mapLater(source, rowOf) : map(source, rowOf)
    },
  }
}

function* map<T, R>(items: Iterable<T>, turn: (item: T) => R): Generator<R> {
  for (const item of items) yield turn(item)
}

async function* mapLater<T, R>(items: AsyncIterable<T>, turn: (item: T) => R): AsyncGenerator<R> {
  for await (const item of items) yield turn(item)
}

/** The tables as Markdown: a heading, a sentence and a list of columns for each. */
export function documentTables(tables: readonly SqlSchema[]): string {
  const sections = tables.map(({ name, description, columns }) => {
    const lines = columns.map(
      (column) => `| \`${column.name}\` | ${column.type} | ${column.description} |`,
    )
    return [
      `### \`${name}\``,
      '',
      description,
      '',
      '| Column | Type | |',
      '| --- | --- | --- |',
      ...lines,
      '',
    ].join('\n')
  })
  return sections.join('\n')
}
