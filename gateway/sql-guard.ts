/** Which statements may be asked: one that reads. The engine behind it is locked down all the same. */

/** Why a question got no answer; `reason` says whose fault it is. */
export class SqlFault extends Error {
  readonly reason: SqlReason

  constructor(reason: SqlReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SqlFault'
    this.reason = reason
  }
}

/**
 * REFUSED: not a question (it writes, or is several). INVALID: DuckDB's own message about the
 * statement. TIMEOUT and BUSY: limits of the engine. UNAVAILABLE: the engine itself failed.
 */
export type SqlReason = 'REFUSED' | 'INVALID' | 'TIMEOUT' | 'BUSY' | 'UNAVAILABLE'

export const MAX_STATEMENT_CHARS = 100_000

const READS = new Set(
  'select with from values table describe desc show explain summarize pivot unpivot'.split(' '),
)
const WRITES = new Set('insert update delete merge create drop alter copy truncate'.split(' '))
// Functions that change the engine or hide a statement in a string.
const REFUSED_FUNCTIONS = new Set(
  (
    'query query_table enable_logging disable_logging truncate_duckdb_logs write_log ' +
    'force_checkpoint checkpoint setseed'
  ).split(' '),
)

interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'symbol'
  /** Words in lower case; quoted names without their quotes. */
  readonly text: string
}

// Each alternative is linear; block comments nest and are walked by hand.
const SPACE = /(?:\s+|--[^\r\n]*)+/y
const WORD = /[\p{L}_][\p{L}\p{N}_$]*/uy
const NUMBER = /\d[\d_.]*(?:[eE][+-]?\d+)?/y
const QUOTED = /"([^"]*(?:""[^"]*)*)("|$)/y
const STRING = /'([^']*(?:''[^']*)*)('|$)/y
const ESCAPED = /[eE]'([^'\\]*(?:(?:\\[\s\S]|'')[^'\\]*)*)('|$)/y
const DOLLAR = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

/** The statement's tokens, without comments; knows strings, quoted names and dollar quotes. */
function* tokensOf(sql: string): Generator<Token> {
  let at = 0
  while (at < sql.length) {
    const space = match(SPACE, sql, at)
    if (space) {
      at += space[0].length
      continue
    }
    if (sql.startsWith('/*', at)) {
      at = endOfComment(sql, at)
      continue
    }
    const [token, length] = tokenAt(sql, at)
    at += length
    yield token
  }
}

function tokenAt(sql: string, at: number): [Token, number] {
  const text = match(ESCAPED, sql, at) ?? match(STRING, sql, at)
  if (text) return [{ kind: 'string', text: text[1] ?? '' }, text[0].length]
  const quoted = match(QUOTED, sql, at)
  if (quoted) {
    const name = (quoted[1] ?? '').replaceAll('""', '"').toLowerCase()
    return [{ kind: 'quoted', text: name }, quoted[0].length]
  }
  const dollar = match(DOLLAR, sql, at)?.[0]
  if (dollar) {
    const end = sql.indexOf(dollar, at + dollar.length)
    const stop = end < 0 ? sql.length : end
    const body = sql.slice(at + dollar.length, stop)
    return [{ kind: 'string', text: body }, Math.min(stop + dollar.length, sql.length) - at]
  }
  const word = match(WORD, sql, at)?.[0]
  if (word) return [{ kind: 'word', text: word.toLowerCase() }, word.length]
  const number = match(NUMBER, sql, at)?.[0]
  return [{ kind: 'symbol', text: number ?? sql.charAt(at) }, number?.length ?? 1]
}

function endOfComment(sql: string, start: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start + 2
  for (let depth = 1; depth > 0; ) {
    const found = edge.exec(sql)
    if (!found) return sql.length
    depth += found[0] === '/*' ? 1 : -1
  }
  return edge.lastIndex
}

/** Throws a REFUSED fault unless the text is one statement that reads. */
export function assertReads(sql: string): void {
  if (sql.length > MAX_STATEMENT_CHARS) {
    throw refused(`A statement can have at most ${MAX_STATEMENT_CHARS} characters.`)
  }
  const tokens = [...tokensOf(sql)]
  while (tokens.at(-1)?.text === ';' && tokens.at(-1)?.kind === 'symbol') tokens.pop()
  if (tokens.length === 0) throw refused('There is no statement to run.')
  if (tokens.some(({ kind, text }) => kind === 'symbol' && text === ';')) {
    throw refused('One statement at a time: this text holds several.')
  }
  const head = headOf(tokens, 0)
  const first = tokens[head]
  if (!isReading(first)) throw readsOnly(first)
  if (first?.text === 'explain') {
    const inner = tokens[afterExplain(tokens, head + 1)]
    if (!isReading(inner)) throw readsOnly(inner)
  }
  tokens.forEach((token, index) => {
    refuseToken(token, tokens[index - 1], tokens[index + 1])
  })
}

function refuseToken(token: Token, before: Token | undefined, after: Token | undefined): void {
  const { kind, text } = token
  if (isName(token) && isSymbol(after, '(') && REFUSED_FUNCTIONS.has(text)) {
    throw refused(`The function ${text} is not available here.`)
  }
  // `WITH … (…) INSERT` and `(DELETE …)`: a statement that writes begins after a parenthesis.
  const begins = isSymbol(before, '(') || isSymbol(before, ')')
  if (kind === 'word' && begins && WRITES.has(text) && isName(after)) {
    throw readsOnly(token)
  }
  if (kind === 'word' && text === 'u' && isSymbol(after, '&')) {
    throw refused('Unicode-escaped names (U&"…") are not available here.')
  }
}

function isName(token: Token | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'quoted'
}

function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text
}

function isReading(token: Token | undefined): boolean {
  return token?.kind === 'word' && READS.has(token.text)
}

function headOf(tokens: readonly Token[], from: number): number {
  let index = from
  while (isSymbol(tokens[index], '(')) index++
  return index
}

// EXPLAIN [ANALYZE] [VERBOSE] [(options)] statement
function afterExplain(tokens: readonly Token[], from: number): number {
  let index = from
  while (tokens[index]?.text === 'analyze' || tokens[index]?.text === 'verbose') index++
  const head = headOf(tokens, index)
  if (head === index || isReading(tokens[head])) return head
  while (index < tokens.length && !isSymbol(tokens[index], ')')) index++
  return headOf(tokens, index + 1)
}

function refused(message: string): SqlFault {
  return new SqlFault('REFUSED', message)
}

function readsOnly(token: Token | undefined): SqlFault {
  const what = token ? token.text.slice(0, 40).toUpperCase() : 'nothing'
  return refused(`Only statements that read are answered (SELECT, FROM, DESCRIBE …), not ${what}.`)
}

/** Of `names`, those that occur in the text anywhere, even in strings: rather one too many. */
export function mentioned(sql: string, names: Iterable<string>): Set<string> {
  const words = new Set(sql.toLowerCase().match(/[\p{L}_][\p{L}\p{N}_]*/gu))
  const found = new Set<string>()
  for (const name of names) if (words.has(name.toLowerCase())) found.add(name)
  return found
}
