/** Constraints of a contract's shapes, and the fault that tells of broken ones in AWS's words. */
import { AwsFault } from '../core/fault.ts'
import type { Shape } from '../core/provider.ts'
import type { CodecOptions } from './codec.ts'

export interface Constraint {
  /** What stands after "Member must". */
  readonly text: string
  readonly breaks: (value: string | number) => boolean
}

/** A constraint that a value breaks, where it stands and what it had to be. */
interface Problem {
  readonly at: string
  readonly shown: string
  readonly constraint: string
  readonly missing: boolean
}

/** One pass over one input. */
export interface Walk {
  /** Names and 1-based indexes down to the value at hand. */
  readonly trail: string[]
  readonly problems: Problem[]
}

const MAX_PROBLEMS = 20
const MAX_SHOWN = 256
// Beyond every bound that AWS sets on a patterned string; a match's cost grows with the text.
const MAX_MATCHED = 4096

/** What a scalar of this shape must satisfy besides its type. */
export function constraintsOf(shape: Shape): readonly Constraint[] {
  const of: Constraint[] = lengthOrRange(shape)
  if (shape.enum) {
    const allowed = new Set<unknown>(shape.enum)
    of.push({
      text: `satisfy enum value set: [${shape.enum.join(', ')}]`,
      breaks: (value) => !allowed.has(value),
    })
  }
  if (shape.pattern !== undefined) {
    const pattern = wholly(shape.pattern)
    of.push({
      text: `satisfy regular expression pattern: ${shape.pattern}`,
      breaks: (value) => String(value).length <= MAX_MATCHED && !pattern.test(String(value)),
    })
  }
  return of
}

/** Bounds on the number of a list's members, as constraints on that number. */
export function lengthsOf(shape: Shape): readonly Constraint[] {
  return bounds(shape, 'length', Number)
}

function lengthOrRange(shape: Shape): Constraint[] {
  return shape.type === 'string'
    ? bounds(shape, 'length', (value) => String(value).length)
    : bounds(shape, 'value', Number)
}

function bounds(
  { min, max }: Shape,
  what: string,
  measure: (value: string | number) => number,
): Constraint[] {
  const of: Constraint[] = []
  if (max !== undefined) {
    const text = `have ${what} less than or equal to ${max}`
    of.push({ text, breaks: (value) => measure(value) > max })
  }
  if (min !== undefined) {
    const text = `have ${what} greater than or equal to ${min}`
    of.push({ text, breaks: (value) => measure(value) < min })
  }
  return of
}

/** AWS's patterns are to match the whole value and are written for Java. */
function wholly(pattern: string): RegExp {
  return new RegExp(
    `^(?:${pattern.replace(/\\([:/=@-])/g, (_, char) => (char === '-' ? '\\-' : char))})$`,
    'u',
  )
}

/** Takes down a broken constraint at the walk's place, or at the member `missing` there. */
export function note(walk: Walk, value: unknown, constraint: string, missing?: string): void {
  if (walk.problems.length >= MAX_PROBLEMS) return
  walk.problems.push({
    at: (missing === undefined ? walk.trail : [...walk.trail, missing]).join('.'),
    shown: value === null ? 'null' : `'${shorten(shown(value))}'`,
    constraint,
    missing: missing !== undefined,
  })
}

/** A caller's text as a message may carry it. */
export function shorten(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

// Structures are not spelt out: they are the caller's, and may nest deeper than a stack is.
function shown(value: unknown): string {
  if (!Array.isArray(value)) return typeof value === 'object' ? '{…}' : String(value)
  return `[${value
    .slice(0, MAX_SHOWN)
    .map((item) => (Array.isArray(item) ? '[…]' : shown(item)))
    .join(', ')}]`
}

/** The fault for all that was noted: the service's own words where it has them. */
export function faultOf(walk: Walk, operation: string, options: CodecOptions): AwsFault {
  const { problems } = walk
  for (const problem of problems) {
    const own = problem.missing ? options.missing?.[`${operation}.${problem.at}`] : undefined
    if (own) return new AwsFault(own[0], own[1])
  }
  const lower = options.contract.protocol === 'query'
  const count =
    problems.length === 1 ? '1 validation error' : `${problems.length} validation errors`
  const texts = problems.map(
    ({ at, shown: value, constraint }) =>
      `Value ${value} at '${lower ? lowerCamel(at) : at}' failed to satisfy constraint: Member must ${constraint}`,
  )
  return new AwsFault(options.validationCode, `${count} detected: ${texts.join('; ')}`)
}

// AWS tells places in its own code's spelling: HealthCheckPort is named healthCheckPort.
function lowerCamel(at: string): string {
  return at.replace(/(^|\.)([A-Z])/g, (_, dot, first) => dot + first.toLowerCase())
}
