/**
 * The thread that answers SQL: the only importer of DuckDB, which is loaded when the thread starts.
 * Its database is a copy of what it was sent, in memory; it can reach no file, network or extension.
 */
import { createRequire } from 'node:module'
import { parentPort } from 'node:worker_threads'
import type * as Duck from '@duckdb/duckdb-wasm/blocking'
import type * as Arrow from 'apache-arrow'
import type { SqlSchema } from './core/sql-table.ts'
import type { Batch, ColumnBatch } from './sql-batch.ts'
import { cellOf, type SqlCell, typeNameOf } from './sql-values.ts'

/** What the thread is asked; it answers each in turn. */
export type SqlRequest =
  | { readonly kind: 'open'; readonly tables: readonly SqlSchema[] }
  | { readonly kind: 'clear'; readonly table: string }
  | { readonly kind: 'fill'; readonly table: string; readonly batch: Batch }
  | {
      readonly kind: 'ask'
      readonly sql: string
      readonly maxRows: number
      readonly maxChars: number
    }

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly SqlCell[])[]
  /** Whether there were more rows than fit. */
  readonly truncated: boolean
}

/**
 * `failed`: the statement's fault. `broken`: the engine must be started anew. `heapBytes` never
 * sinks while the thread lives.
 */
export type SqlReply =
  | { readonly kind: 'done'; readonly answer?: SqlAnswer; readonly heapBytes: number }
  | { readonly kind: 'failed'; readonly message: string; readonly heapBytes: number }
  | { readonly kind: 'broken'; readonly message: string }

/** What DuckDB's buffers may take; what it holds beside them ends at MAX_HEAP_BYTES. */
const MEMORY_LIMIT = '512MB'
const MAX_HEAP_BYTES = 1024 ** 3
const PAGE_BYTES = 65_536

// Extensions first: else DuckDB looks for them on the network and hangs.
const LOCK_DOWN = [
  'SET autoload_known_extensions=false',
  'SET autoinstall_known_extensions=false',
  'SET enable_external_access=false',
  `SET memory_limit='${MEMORY_LIMIT}'`,
  // Time zones are an extension's: without it `now() - started_at` would be an error.
  'CREATE MACRO now() AS transaction_timestamp()::TIMESTAMP',
  'CREATE MACRO get_current_timestamp() AS transaction_timestamp()::TIMESTAMP',
  'CREATE MACRO today() AS transaction_timestamp()::TIMESTAMP::DATE',
  'CREATE MACRO current_date() AS transaction_timestamp()::TIMESTAMP::DATE',
  'SET lock_configuration=true',
]

const FILE_CALLS = [
  'openFile',
  'readFile',
  'writeFile',
  'truncateFile',
  'getLastFileModificationTime',
  'checkFile',
  'removeFile',
  'moveFile',
  'glob',
  'checkDirectory',
  'createDirectory',
  'removeDirectory',
  'listDirectoryEntries',
]

type Bindings = Awaited<ReturnType<typeof Duck.createDuckDB>>

interface Engine {
  readonly arrow: typeof Arrow
  readonly bindings: Bindings
  readonly connection: Duck.DuckDBConnection
  readonly tables: ReadonlyMap<string, SqlSchema>
}

async function open(tables: readonly SqlSchema[]): Promise<Engine> {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { Memory: { prototype: Memory } }
  }
  limitHeap(WebAssembly.Memory.prototype)
  const require = createRequire(import.meta.url)
  const duck: typeof Duck = require('@duckdb/duckdb-wasm/blocking')
  // The Arrow that DuckDB itself depends on, wherever it was installed.
  const arrow: typeof Arrow = createRequire(require.resolve('@duckdb/duckdb-wasm/blocking'))(
    'apache-arrow',
  )
  const bundle = { mainModule: require.resolve('@duckdb/duckdb-wasm/dist/duckdb-eh.wasm') }
  const bindings = await duck.createDuckDB(
    { mvp: { ...bundle, mainWorker: '' }, eh: { ...bundle, mainWorker: '' } },
    new duck.VoidLogger(),
    { ...duck.NODE_RUNTIME, ...Object.fromEntries(FILE_CALLS.map((name) => [name, noFiles])) },
  )
  await bindings.instantiate()
  bindings.open({ path: ':memory:' })
  const connection = bindings.connect()
  for (const statement of LOCK_DOWN) connection.query(statement)
  const engine = {
    arrow,
    bindings,
    connection,
    tables: new Map(tables.map((table) => [table.name, table])),
  }
  for (const table of tables) create(engine, table)
  return engine
}

// DuckDB's limit heeds its buffers alone: a wide result would take all 4 GiB that it can address.
function limitHeap(memory: Memory): void {
  const grow = memory.grow
  memory.grow = function (this: Memory, pages: number) {
    if (this.buffer.byteLength + pages * PAGE_BYTES > MAX_HEAP_BYTES) {
      throw new RangeError(`The SQL engine may not take more than ${MAX_HEAP_BYTES} bytes.`)
    }
    return grow.call(this, pages)
  }
}

/** WebAssembly.Memory, of which this project's libraries of types do not tell. */
interface Memory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

/** What DuckDB's module is beside what its types say (they lean on types that are not installed). */
interface Heap {
  readonly HEAPU8: Uint8Array
}

function noFiles(): never {
  throw new Error('Files cannot be read here.')
}

const name = (text: string) => `"${text.replaceAll('"', '""')}"`
const text = (value: string) => `'${value.replaceAll("'", "''")}'`

// As one text: a statement by itself costs milliseconds. Replaced, as memory of deleted rows stays.
function create({ connection }: Engine, table: SqlSchema): void {
  const path = name(table.name)
  const columns = table.columns.map((column) => `${name(column.name)} ${column.type}`)
  const comments = table.columns.map(
    (column) => `COMMENT ON COLUMN ${path}.${name(column.name)} IS ${text(column.description)}`,
  )
  const statements = [
    `CREATE OR REPLACE TABLE ${path} (${columns.join(', ')})`,
    `COMMENT ON TABLE ${path} IS ${text(table.description)}`,
    ...comments,
  ]
  connection.query(statements.join(';\n'))
}

function fill({ arrow, connection, tables }: Engine, table: string, batch: Batch): void {
  const columns = tables.get(table)?.columns ?? []
  const children = batch.columns.map((column) => dataOf(arrow, column, batch.length))
  const fields = columns.map(({ name }, at) => arrow.Field.new(name, children[at]!.type, true))
  const struct = arrow.makeData({
    type: new arrow.Struct(fields),
    length: batch.length,
    children,
  })
  const records = new arrow.RecordBatch(new arrow.Schema(fields), struct)
  const bytes = arrow.tableToIPC(new arrow.Table([records]), 'stream')
  connection.insertArrowFromIPCStream(bytes, { name: table, create: false })
}

function dataOf(arrow: typeof Arrow, column: ColumnBatch, length: number): Arrow.Data {
  const values = column.values
  const [type, view] = {
    VARCHAR: () => [new arrow.Utf8(), new Uint8Array(values)] as const,
    BOOLEAN: () => [new arrow.Bool(), new Uint8Array(values)] as const,
    DOUBLE: () => [new arrow.Float64(), new Float64Array(values)] as const,
    BIGINT: () => [new arrow.Int64(), new BigInt64Array(values)] as const,
    TIMESTAMP: () => [new arrow.TimestampMillisecond(), new BigInt64Array(values)] as const,
  }[column.type]()
  return new arrow.Data<Arrow.DataType>(type, 0, length, column.nulls, [
    column.offsets && new Int32Array(column.offsets),
    view,
    new Uint8Array(column.valid),
  ])
}

function ask(engine: Engine, request: Extract<SqlRequest, { kind: 'ask' }>): SqlAnswer {
  const { connection, bindings } = engine
  // DuckDB's own word on whether a statement writes, and below on whether it is one statement.
  connection.query('BEGIN TRANSACTION READ ONLY')
  try {
    return connection.useUnsafe((_, id) => {
      const statement = bindings.createPrepared(id, request.sql)
      try {
        const reader = engine.arrow.RecordBatchReader.from(messages(bindings, id, statement))
        const { schema } = reader.open({ autoDestroy: false })
        // duckdb-wasm leaves the values of ENUMs out of a stream, but not out of a whole result.
        const whole = schema.dictionaries.size > 0 && bindings.runPrepared(id, statement, [])
        const batches = whole ? engine.arrow.tableFromIPC(whole).batches : reader
        return answerOf(schema, batches, request)
      } finally {
        bindings.closePrepared(id, statement)
      }
    })
  } finally {
    connection.query('ROLLBACK')
  }
}

function* messages(
  bindings: Bindings,
  connection: number,
  statement: number,
): Generator<Uint8Array> {
  yield bindings.sendPrepared(connection, statement, [])
  for (;;) {
    const chunk = bindings.fetchQueryResults(connection)
    if (chunk?.length === 0) return
    if (chunk) yield chunk
  }
}

function answerOf(
  schema: Arrow.Schema,
  batches: Iterable<Arrow.RecordBatch>,
  { maxRows, maxChars }: { maxRows: number; maxChars: number },
): SqlAnswer {
  const columns = schema.fields.map(({ name, type }) => ({ name, type: typeNameOf(type) }))
  const rows: SqlCell[][] = []
  let chars = 0
  for (const batch of batches) {
    for (let index = 0; index < batch.numRows; index++) {
      const row = batch.data.children.map((data) => cellOf(data, index))
      for (const cell of row) chars += typeof cell === 'string' ? cell.length : 1
      if (rows.length === maxRows || chars > maxChars) return { columns, rows, truncated: true }
      rows.push(row)
    }
  }
  return { columns, rows, truncated: false }
}

/** Serves the thread's requests in order; the first one must be `open`. */
function serve(port: NonNullable<typeof parentPort>): void {
  let engine: Engine | undefined
  const heapBytes = () => (engine?.bindings.mod as Heap | undefined)?.HEAPU8.length ?? 0
  async function handle(request: SqlRequest): Promise<SqlAnswer | undefined> {
    if (request.kind === 'open') {
      engine = await open(request.tables)
      return undefined
    }
    if (!engine) throw new Error('The SQL engine was not opened.')
    if (request.kind === 'ask') return ask(engine, request)
    if (request.kind === 'fill') fill(engine, request.table, request.batch)
    else create(engine, engine.tables.get(request.table)!)
    return undefined
  }
  async function answer(request: SqlRequest): Promise<void> {
    let reply: SqlReply
    try {
      reply = { kind: 'done', answer: await handle(request), heapBytes: heapBytes() }
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown)
      const own = request.kind === 'ask' && !isBroken(thrown, message)
      reply = own
        ? { kind: 'failed', message: explained(message), heapBytes: heapBytes() }
        : { kind: 'broken', message }
    }
    port.postMessage(reply)
  }
  let last: Promise<void> = Promise.resolve()
  port.on('message', (request: SqlRequest) => {
    last = last.then(() => answer(request))
  })
}

// A trap of the WebAssembly, its stack's end, or a database that DuckDB itself has given up.
function isBroken(thrown: unknown, message: string): boolean {
  const { name } = thrown instanceof Error ? thrown : { name: '' }
  return (
    name === 'RuntimeError' || name === 'RangeError' || /^(?:FATAL|INTERNAL) Error/.test(message)
  )
}

// The guard lets one statement through; DuckDB itself makes two of a PIVOT that must look for values.
function explained(message: string): string {
  if (!message.includes('Cannot prepare multiple statements')) return message
  return 'PIVOT needs its values named here: PIVOT … ON column IN (…).'
}

if (parentPort) serve(parentPort)
