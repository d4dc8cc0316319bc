/** From a JSON value to checked input, by the shapes of a contract. */
import { AwsFault } from '../core/fault.ts'
import type { Member, ServiceContract, Shape } from '../core/provider.ts'
import type { CodecOptions } from './codec.ts'

/** A constraint that a value breaks, where it stands and what it had to be. */
interface Problem {
  readonly at: string
  readonly shown: string
  readonly constraint: string
  readonly missing: boolean
}

interface Walk {
  /** Names and 1-based indexes down to the value at hand. */
  readonly trail: string[]
  readonly problems: Problem[]
}

/** A clean copy of the value: modelled members only. Type mismatches throw at once. */
type Decode = (value: unknown, walk: Walk) => unknown

const MAX_DEPTH = 64
const MAX_PROBLEMS = 20
const INT_MAX = 2_147_483_647
const cache = new WeakMap<ServiceContract, Map<string, Decode>>()

/**
 * Decodes the input of an operation: SerializationException where a type is wrong, else one fault
 * that lists every broken constraint in AWS's words.
 */
export function decodeInput(value: unknown, operation: string, options: CodecOptions): object {
  const { contract } = options
  const name = contract.operations[operation]?.input
  if (name === undefined) return {}
  const walk: Walk = { trail: [], problems: [] }
  const input = decoderOf(contract, name)(value ?? {}, walk)
  if (walk.problems.length > 0) throw faultOf(walk.problems, operation, options)
  return input as object
}

function faultOf(problems: readonly Problem[], operation: string, options: CodecOptions): AwsFault {
  for (const problem of problems) {
    const own = problem.missing ? options.missing?.[`${operation}.${problem.at}`] : undefined
    if (own) return new AwsFault(own[0], own[1])
  }
  const count =
    problems.length === 1 ? '1 validation error' : `${problems.length} validation errors`
  const texts = problems.map(
    ({ at, shown, constraint }) =>
      `Value ${shown} at '${at}' failed to satisfy constraint: Member must ${constraint}`,
  )
  return new AwsFault(options.validationCode, `${count} detected: ${texts.join('; ')}`)
}

function decoderOf(contract: ServiceContract, name: string): Decode {
  let known = cache.get(contract)
  if (!known) {
    known = new Map()
    cache.set(contract, known)
  }
  const found = known.get(name)
  if (found) return found
  const shape = contract.shapes[name]
  if (!shape) throw new Error(`the contract has no shape ${name}`)
  const made = compile(contract, shape)
  known.set(name, made)
  return made
}

/** A member's decoder, compiled when a value first comes by: shapes may contain themselves. */
function lazily(contract: ServiceContract, member: Member | undefined): Decode {
  let made: Decode | undefined
  return (value, walk) => {
    made ??= decoderOf(contract, member?.shape ?? '')
    return made(value, walk)
  }
}

function compile(contract: ServiceContract, shape: Shape): Decode {
  switch (shape.type) {
    case 'structure':
      return structure(contract, shape)
    case 'list':
      return list(contract, shape)
    case 'map':
      return map(contract, shape)
    case 'string':
      return string(shape)
    case 'boolean':
      return boolean
    case 'integer':
    case 'long':
      return number(shape, true)
    case 'float':
    case 'double':
      return number(shape, false)
    case 'timestamp':
      return timestamp
    case 'blob':
      return string({ type: 'string' })
  }
}

function structure(contract: ServiceContract, shape: Shape): Decode {
  const members = Object.entries(shape.members ?? {})
  const decoders = members.map(([name, member]) => [name, lazily(contract, member)] as const)
  const required = shape.required ?? []
  return (value, walk) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw mismatch(value, 'a structure')
    }
    if (walk.trail.length > MAX_DEPTH) throw tooDeep()
    const from = value as Record<string, unknown>
    const to: Record<string, unknown> = {}
    for (const [name, decode] of decoders) {
      if (!Object.hasOwn(from, name)) continue
      const given = from[name]
      if (given === null || given === undefined) continue
      walk.trail.push(name)
      to[name] = decode(given, walk)
      walk.trail.pop()
    }
    for (const name of required) {
      if (to[name] === undefined) note(walk, 'null', 'not be null', name)
    }
    return to
  }
}

function list(contract: ServiceContract, shape: Shape): Decode {
  const decode = lazily(contract, shape.member)
  return (value, walk) => {
    if (!Array.isArray(value)) throw mismatch(value, 'a list')
    checkLength(shape, value.length, () => `'${JSON.stringify(value)}'`, walk)
    const to: unknown[] = []
    for (let index = 0; index < value.length; index++) {
      const given: unknown = value[index]
      walk.trail.push(`${index + 1}.member`)
      if (given === null) note(walk, 'null', 'not be null')
      else to.push(decode(given, walk))
      walk.trail.pop()
    }
    return to
  }
}

function map(contract: ServiceContract, shape: Shape): Decode {
  const decodeKey = lazily(contract, shape.key)
  const decode = lazily(contract, shape.value)
  return (value, walk) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw mismatch(value, 'a map')
    }
    const entries: [string, unknown][] = []
    for (const [key, given] of Object.entries(value)) {
      if (given === null) continue
      walk.trail.push(`${key}.member`)
      decodeKey(key, walk)
      entries.push([key, decode(given, walk)])
      walk.trail.pop()
    }
    // Keys are the caller's: this defines them, where an assignment could reach a prototype.
    return Object.fromEntries(entries)
  }
}

function string(shape: Shape): Decode {
  const allowed = shape.enum && new Set(shape.enum)
  const pattern = shape.pattern === undefined ? undefined : wholly(shape.pattern)
  const bounded = shape.min !== undefined || shape.max !== undefined
  return (value, walk) => {
    if (typeof value !== 'string') throw mismatch(value, 'a String')
    if (bounded) checkLength(shape, value.length, () => quoted(value), walk)
    if (allowed && !allowed.has(value)) {
      note(walk, quoted(value), `satisfy enum value set: [${[...allowed].join(', ')}]`)
    }
    if (pattern && !pattern.test(value)) {
      note(walk, quoted(value), `satisfy regular expression pattern: ${shape.pattern}`)
    }
    return value
  }
}

const boolean: Decode = (value) => {
  if (typeof value !== 'boolean') throw mismatch(value, 'a Boolean')
  return value
}

function number(shape: Shape, whole: boolean): Decode {
  const kind = shape.type === 'integer' ? 'an Integer' : whole ? 'a Long' : 'a Double'
  const limit = shape.type === 'integer' ? INT_MAX : Number.MAX_SAFE_INTEGER
  return (value, walk) => {
    if (typeof value !== 'number') throw mismatch(value, kind)
    if (whole && (!Number.isInteger(value) || Math.abs(value) > limit + 1)) {
      throw mismatch(value, kind)
    }
    if (shape.min !== undefined && value < shape.min) {
      note(walk, `'${value}'`, `have value greater than or equal to ${shape.min}`)
    }
    if (shape.max !== undefined && value > shape.max) {
      note(walk, `'${value}'`, `have value less than or equal to ${shape.max}`)
    }
    return value
  }
}

/** Epoch seconds; ISO 8601 text is taken too. */
const timestamp: Decode = (value) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  const parsed = typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (Number.isNaN(parsed)) throw mismatch(value, 'a Timestamp')
  return parsed / 1000
}

function checkLength(shape: Shape, length: number, shown: () => string, walk: Walk): void {
  if (shape.min !== undefined && length < shape.min) {
    note(walk, shown(), `have length greater than or equal to ${shape.min}`)
  }
  if (shape.max !== undefined && length > shape.max) {
    note(walk, shown(), `have length less than or equal to ${shape.max}`)
  }
}

const MAX_SHOWN = 256

function quoted(value: string): string {
  return value.length > MAX_SHOWN ? `'${value.slice(0, MAX_SHOWN)}…'` : `'${value}'`
}

function note(walk: Walk, shown: string, constraint: string, name?: string): void {
  if (walk.problems.length >= MAX_PROBLEMS) return
  const at = (name === undefined ? walk.trail : [...walk.trail, name]).join('.')
  const text = shown.length > MAX_SHOWN + 3 ? `${shown.slice(0, MAX_SHOWN)}…'` : shown
  walk.problems.push({ at, shown: text, constraint, missing: name !== undefined })
}

/** AWS's patterns are to match the whole value and are written for Java. */
function wholly(pattern: string): RegExp {
  return new RegExp(
    `^(?:${pattern.replace(/\\([:/=@-])/g, (_, char) => (char === '-' ? '\\-' : char))})$`,
    'u',
  )
}

function mismatch(value: unknown, expected: string): AwsFault {
  return new AwsFault('SerializationException', `${kindOf(value)} ${expected}`)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value))
    return 'Start of list found where not expected: it can not be converted to'
  if (typeof value === 'object') {
    return 'Start of structure or map found where not expected: it can not be converted to'
  }
  const name = typeof value === 'boolean' ? String(value).toUpperCase() : typeof value
  return `${name.toUpperCase()}_VALUE can not be converted to`
}

function tooDeep(): AwsFault {
  return new AwsFault(
    'SerializationException',
    `The request nests deeper than ${MAX_DEPTH} levels.`,
  )
}
