/** From a JSON value to checked input, by the shapes of a contract. */
import { AwsFault } from '../core/fault.ts'
import type { Member, ServiceContract, Shape } from '../core/provider.ts'
import type { CodecOptions } from './codec.ts'
import {
  type Constraint,
  constraintsOf,
  faultOf,
  lengthsOf,
  note,
  shorten,
  type Walk,
} from './constraints.ts'

/** A clean copy of the value: modelled members only. Type mismatches throw at once. */
type Decode = (value: unknown, walk: Walk) => unknown

const MAX_DEPTH = 64
export const INT_MAX = 2_147_483_647
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
  if (walk.problems.length > 0) throw faultOf(walk, operation, options)
  return input as object
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
      return Object.keys(shape.members ?? {}).length === 0 ? document : structure(contract, shape)
    case 'list':
      return list(contract, shape)
    case 'map':
      return map(contract, shape)
    default:
      return scalar(shape)
  }
}

function structure(contract: ServiceContract, shape: Shape): Decode {
  const members = Object.entries(shape.members ?? {})
  const decoders = members.map(([name, member]) => [name, lazily(contract, member)] as const)
  const required = shape.required ?? []
  return (value, walk) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw mismatch(value, 'Structure')
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
      if (to[name] === undefined) note(walk, null, 'not be null', name)
    }
    return to
  }
}

/** Any JSON: what the API models as a document has no modelled members. */
const document: Decode = (value, walk) => {
  if (deeperThan(MAX_DEPTH - walk.trail.length, value)) throw tooDeep()
  return value
}

function deeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels < 1 || Object.values(value).some((inner) => deeperThan(levels - 1, inner))
}

function list(contract: ServiceContract, shape: Shape): Decode {
  const of = contract.shapes[shape.member?.shape ?? '']
  const lengths = lengthsOf(shape)
  const constraints = of && isScalar(of) ? constraintsOf(of) : []
  // Scalars are told of together, as AWS does; structures each at their own place.
  const decode = constraints.length > 0 ? scalar(of as Shape, []) : lazily(contract, shape.member)
  const together = constraints.map(({ text }) => `Member must ${text}`).join(', ')
  return (value, walk) => {
    if (!Array.isArray(value)) throw mismatch(value, 'List')
    for (const { text, breaks } of lengths) if (breaks(value.length)) note(walk, value, text)
    const to: unknown[] = []
    for (let index = 0; index < value.length; index++) {
      const given: unknown = value[index]
      walk.trail.push(`${index + 1}.member`)
      if (given === null) note(walk, null, 'not be null')
      else to.push(decode(given, walk))
      walk.trail.pop()
    }
    const broken = (item: unknown) =>
      constraints.some(({ breaks }) => breaks(item as string | number))
    if (constraints.length > 0 && to.some(broken)) {
      note(walk, value, `satisfy constraint: [${together}]`)
    }
    return to
  }
}

function map(contract: ServiceContract, shape: Shape): Decode {
  const decodeKey = lazily(contract, shape.key)
  const decode = lazily(contract, shape.value)
  return (value, walk) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw mismatch(value, 'Map')
    }
    const entries: [string, unknown][] = []
    for (const [key, given] of Object.entries(value)) {
      if (given === null) continue
      walk.trail.push(`${shorten(key)}.member`)
      decodeKey(key, walk)
      entries.push([key, decode(given, walk)])
      walk.trail.pop()
    }
    // Keys are the caller's: this defines them, where an assignment could reach a prototype.
    return Object.fromEntries(entries)
  }
}

function isScalar(shape: Shape): boolean {
  return !['structure', 'list', 'map'].includes(shape.type)
}

function scalar(shape: Shape, constraints: readonly Constraint[] = constraintsOf(shape)): Decode {
  const typed = typedAs(shape)
  if (constraints.length === 0) return typed
  return (given, walk) => {
    const value = typed(given, walk) as string | number
    for (const { text, breaks } of constraints) if (breaks(value)) note(walk, value, text)
    return value
  }
}

function typedAs(shape: Shape): Decode {
  switch (shape.type) {
    case 'boolean':
      return boolean
    case 'integer':
      return whole('Integer', INT_MAX)
    case 'long':
      return whole('Long', Number.MAX_SAFE_INTEGER)
    case 'float':
    case 'double':
      return double
    case 'timestamp':
      return timestamp
    default:
      return string
  }
}

const string: Decode = (value) => {
  if (typeof value !== 'string') throw mismatch(value, 'String')
  return value
}

const boolean: Decode = (value) => {
  if (typeof value !== 'boolean') throw mismatch(value, 'Boolean')
  return value
}

function whole(kind: string, limit: number): Decode {
  return (value) => {
    if (!Number.isInteger(value)) throw mismatch(value, kind)
    if ((value as number) > limit || (value as number) < -limit - 1) throw mismatch(value, kind)
    return value
  }
}

const double: Decode = (value) => {
  if (!Number.isFinite(value)) throw mismatch(value, 'Double')
  return value
}

/** Epoch seconds; ISO 8601 text is taken too. */
const timestamp: Decode = (value) => {
  if (Number.isFinite(value)) return value
  const seconds = typeof value === 'string' ? epochSeconds(value) : undefined
  if (seconds === undefined) throw mismatch(value, 'Timestamp')
  return seconds
}

/** Of a time in ISO 8601; undefined for whatever else Date would make something of. */
export function epochSeconds(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms / 1000
}

function mismatch(value: unknown, expected: string): AwsFault {
  return new AwsFault('SerializationException', mismatchText(value, expected))
}

function mismatchText(value: unknown, expected: string): string {
  if (Array.isArray(value)) return 'Start of list found where not expected'
  if (typeof value === 'object') return 'Start of structure or map found where not expected.'
  const kind = typeof value === 'boolean' ? String(value) : typeof value
  return `${kind.toUpperCase()}_VALUE cannot be converted to ${expected}`
}

function tooDeep(): AwsFault {
  return new AwsFault(
    'SerializationException',
    `The request nests deeper than ${MAX_DEPTH} levels.`,
  )
}
