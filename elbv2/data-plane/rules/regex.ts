/** Regular expressions of callers, in the dialect of load balancers; the only importer of re2js. */
import { RE2JS } from 're2js'

export interface Regex {
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean
  /** The first match and its groups (undefined where one took no part), and where it begins. */
  exec(text: string): RegexMatch | undefined
  /** How many groups it captures. */
  readonly groups: number
}

export interface RegexMatch {
  readonly index: number
  /** The whole match first. */
  readonly groups: readonly (string | undefined)[]
}

export interface RegexFlags {
  readonly ignoreCase?: boolean
}

/**
 * Instructions of a compiled pattern. Time is text × program: a few counted repetitions make, of
 * 50 characters, a program that takes a second a request.
 */
const MAX_PROGRAM = 2000

/**
 * Compiles to something that takes linear time; throws an Error that names what is wrong with the
 * pattern. What AWS lists as unsupported is refused: look-arounds, backreferences, atomic groups,
 * possessive quantifiers, recursion and Unicode classes.
 */
export function compileRegex(pattern: string, { ignoreCase = false }: RegexFlags = {}): Regex {
  const flags = RE2JS.DISABLE_UNICODE_GROUPS | (ignoreCase ? RE2JS.CASE_INSENSITIVE : 0)
  const compiled = RE2JS.compile(pattern, flags)
  if (compiled.programSize() > MAX_PROGRAM) {
    throw new Error('the regular expression is too large: its repetitions multiply')
  }
  return {
    groups: compiled.groupCount(),
    test: (text) => compiled.test(text),
    exec(text) {
      const found = compiled.exec(text)
      if (found === null) return undefined
      return { index: (found as RegExpExecArray).index, groups: Array.from(found) }
    },
  }
}
