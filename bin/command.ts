import process from 'node:process'
import { parseArgs } from 'node:util'
import { type CommandDef, defineCommand } from 'citty'
import { print, usageError } from './output.ts'

export interface Flag {
  readonly name: string
  /** The letter that says the same after one dash. */
  readonly short?: string
  /** What stands for the value in the help; a flag without it takes none. */
  readonly value?: string
  readonly choices?: readonly string[]
  /** The environment variable that says the same; the flag wins. */
  readonly env?: string
  /** As shown in the help. */
  readonly fallback?: string
  readonly about: string
  /** May be given several times, or once with commas. */
  readonly many?: boolean
}

/** What the caller asked for: flags first, then the environment. */
export interface Values {
  /** Undefined when neither said anything, or nothing but blanks. */
  text(name: string): string | undefined
  has(name: string): boolean
  list(name: string): readonly string[]
  /** How the caller said it, for messages: `--api-port` or `KECS_API_PORT`. */
  source(name: string): string
  readonly positionals: readonly string[]
}

export interface Positional {
  readonly name: string
  readonly about: string
  readonly optional?: boolean
}

export interface CommandSpec {
  readonly name: string
  readonly summary: string
  readonly flags: readonly Flag[]
  /** Names of what follows the command; only the last may be optional. */
  readonly positionals?: readonly Positional[]
  /** Pairs of what one wants and the line that does it. */
  readonly examples: readonly (readonly [want: string, line: string])[]
  /** Paragraphs that close the help, e.g. its exit codes. */
  readonly notes: readonly string[]
  readonly run: (values: Values) => Promise<void>
}

export type Env = Readonly<Record<string, string | undefined>>

/** A citty command that refuses what it does not know and whose --help teaches. */
export function command(spec: CommandSpec): CommandDef {
  return defineCommand({
    meta: { name: spec.name, description: spec.summary },
    async run({ rawArgs }) {
      if (asksForHelp(rawArgs)) return print(renderHelp(spec))
      await spec.run(readValues(spec, rawArgs, process.env))
    },
  })
}

export function asksForHelp(rawArgs: readonly string[]): boolean {
  const end = rawArgs.indexOf('--')
  const flags = end === -1 ? rawArgs : rawArgs.slice(0, end)
  return flags.includes('--help') || flags.includes('-h')
}

/** The arguments of a command, checked against its flags; UserErrors for all that does not fit. */
export function readValues(spec: CommandSpec, rawArgs: readonly string[], env: Env): Values {
  const given = parse(spec, rawArgs)
  const flagOf = (name: string) => spec.flags.find((flag) => flag.name === name)
  const fromEnv = (name: string) => {
    const variable = flagOf(name)?.env
    return variable === undefined ? undefined : env[variable]?.trim() || undefined
  }
  const source = (name: string) =>
    given.flags.has(name) ? `--${name}` : (flagOf(name)?.env ?? `--${name}`)
  const text = (name: string) => given.flags.get(name)?.at(-1) ?? fromEnv(name)
  const values: Values = {
    text,
    source,
    has(name) {
      if (given.flags.has(name)) return true
      const said = fromEnv(name)?.toLowerCase()
      if (said === undefined || ['0', 'false', 'no', 'off'].includes(said)) return false
      if (['1', 'true', 'yes', 'on'].includes(said)) return true
      throw usageError(
        `${source(name)} is ${JSON.stringify(said)}.`,
        'It switches something on or off.',
        `Set ${source(name)} to 1 or to 0.`,
      )
    },
    list(name) {
      const said = given.flags.get(name) ?? [fromEnv(name) ?? '']
      return said.flatMap((part) => part.split(',')).flatMap((part) => part.trim() || [])
    },
    positionals: given.positionals,
  }
  for (const flag of spec.flags) checkChoice(flag, values)
  return values
}

function checkChoice(flag: Flag, values: Values): void {
  const value = flag.choices ? values.text(flag.name) : undefined
  if (value === undefined || flag.choices?.includes(value)) return
  throw usageError(
    `${values.source(flag.name)} is ${JSON.stringify(value)}.`,
    `It is one of ${flag.choices?.join(', ')}.`,
    `Give it as --${flag.name} ${flag.choices?.[0]}.`,
  )
}

interface Given {
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly positionals: readonly string[]
}

function parse(spec: CommandSpec, rawArgs: readonly string[]): Given {
  const options = Object.fromEntries(
    spec.flags.map(({ name, short, value }) => {
      const type = value ? ('string' as const) : ('boolean' as const)
      return [name, short === undefined ? { type } : { type, short }] as const
    }),
  )
  const { tokens } = parseArgs({
    args: [...rawArgs],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const flags = new Map<string, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const flag = spec.flags.find((each) => each.name === token.name)
    if (!flag || ![`--${flag.name}`, `-${flag.short}`].includes(token.rawName))
      throw unknownFlag(spec, token.rawName)
    const value = flag.value ? token.value : ''
    if (value === undefined || (flag.value && (value === '' || isFlag(value, token.inlineValue)))) {
      throw usageError(
        `--${flag.name} has no value.`,
        `It takes ${flag.value}: ${flag.about}`,
        `Give it as --${flag.name} ${flag.fallback ?? flag.value}.`,
      )
    }
    if (!flag.value && token.value !== undefined) {
      throw usageError(
        `--${flag.name} takes no value.`,
        `It was given ${JSON.stringify(token.value)}.`,
        `Give it as --${flag.name}, or leave it away.`,
      )
    }
    flags.set(flag.name, [...(flags.get(flag.name) ?? []), value])
  }
  checkPositionals(spec, positionals)
  return { flags, positionals }
}

// `--data-dir --memory` means a forgotten value; `--data-dir=--memory` is meant.
function isFlag(value: string, inline: boolean | undefined): boolean {
  return inline !== true && value.startsWith('--')
}

function checkPositionals(spec: CommandSpec, given: readonly string[]): void {
  const wanted = spec.positionals ?? []
  const missing = wanted[given.length]
  if (missing && !missing.optional) {
    throw usageError(
      `kecs ${spec.name} needs ${missing.name}.`,
      missing.about,
      `See kecs ${spec.name} --help.`,
    )
  }
  const extra = given[wanted.length]
  if (extra === undefined) return
  throw usageError(
    `${JSON.stringify(extra)} is one argument too many for kecs ${spec.name}.`,
    wanted.length
      ? `It takes ${wanted.map(({ name }) => name).join(' ')}.`
      : 'It takes flags only.',
    `See kecs ${spec.name} --help; quote what contains blanks.`,
  )
}

function unknownFlag(spec: CommandSpec, rawName: string) {
  const near = closest(
    rawName.replace(/^-+/, ''),
    spec.flags.map((flag) => flag.name),
  )
  return usageError(
    `kecs ${spec.name} has no flag ${rawName}.`,
    `Its flags are ${[...spec.flags.map((flag) => `--${flag.name}`), '--help'].join(', ')}.`,
    near ? `Did you mean --${near}?` : `See kecs ${spec.name} --help.`,
  )
}

const NEAR_EDITS = 3

/** The name that the fewest edits make out of `word`, if few do. */
export function closest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.min(NEAR_EDITS, Math.ceil(word.length / 2)) + 1
  for (const name of names) {
    const edits = editsBetween(word, name)
    if (edits < least) [best, least] = [name, edits]
  }
  return best
}

function editsBetween(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, i) => i)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const swap = (row[j - 1] as number) + (left[i - 1] === right[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[right.length] as number
}

export function renderHelp(spec: CommandSpec): string {
  const positionals = (spec.positionals ?? [])
    .map(({ name, optional }) => (optional ? ` [${name}]` : ` ${name}`))
    .join('')
  let text = `${folded(spec.summary)}\n\nUsage: kecs ${spec.name}${positionals} [flags]\n`
  for (const { name, about } of spec.positionals ?? []) text += `\n  ${name}  ${about}\n`
  text += '\nFlags:\n'
  for (const flag of spec.flags) text += renderFlag(flag)
  text += '  --help\n      Show this.\n'
  if (spec.examples.length) text += '\nExamples:\n'
  for (const [want, line] of spec.examples) text += `  # ${want}\n  ${line}\n`
  return `${text}${spec.notes.map((note) => `\n${folded(note)}\n`).join('')}`
}

function renderFlag(flag: Flag): string {
  const value = flag.choices ? flag.choices.join('|') : flag.value
  const facts = [
    flag.fallback === undefined ? undefined : `default ${flag.fallback}`,
    flag.env === undefined ? undefined : `env ${flag.env}`,
    flag.many ? 'may be repeated' : undefined,
  ].filter((fact) => fact !== undefined)
  const tail = facts.length ? ` (${facts.join('; ')})` : ''
  const short = flag.short === undefined ? '' : `-${flag.short}, `
  return `  ${short}--${flag.name}${value ? ` ${value}` : ''}\n${folded(`${flag.about}${tail}`, FLAG_INDENT)}\n`
}

const HELP_COLUMNS = 88
const FLAG_INDENT = '      '

function folded(text: string, indent = ''): string {
  const lines = [indent]
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line === indent) lines[lines.length - 1] = line + word
    else if (line.length + word.length < HELP_COLUMNS) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(indent + word)
  }
  return lines.join('\n')
}
