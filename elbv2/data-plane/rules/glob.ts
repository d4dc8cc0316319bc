/**
 * The wildcards of rule conditions: `*` stands for any number of characters, `?` for exactly one;
 * `\*`, `\?` and `\\` stand for the character itself. A backslash before anything else is one.
 */

export interface GlobOptions {
  /** Of ASCII letters. */
  readonly ignoreCase?: boolean
}

export type Matcher = (text: string) => boolean

const ANY = -1
const ONE = -2
const NO_MORE = -3
const [UPPER_A, UPPER_Z, TO_LOWER] = [65, 90, 32]

/** Never a RegExp: a few `.*` of one would hang on a long path. At worst this takes pattern × text steps. */
export function compileGlob(pattern: string, { ignoreCase = false }: GlobOptions = {}): Matcher {
  const codes = parse(pattern, ignoreCase)
  if (!ignoreCase) {
    const wild = codes.findIndex((code) => code < 0)
    if (wild === -1) return equalTo(textOf(codes))
    // `/img/*` and `*.example.com` are most of what is ever written.
    const only = codes[wild] === ANY && codes.findLastIndex((code) => code < 0) === wild
    if (only && wild === codes.length - 1) return startingWith(textOf(codes.slice(0, -1)))
    if (only && wild === 0) return endingWith(textOf(codes.slice(1)))
  }
  return (text) => matches(codes, text, ignoreCase)
}

function textOf(codes: readonly number[]): string {
  return codes.map((code) => String.fromCharCode(code)).join('')
}

function equalTo(whole: string): Matcher {
  return (text) => text === whole
}

function startingWith(start: string): Matcher {
  return (text) => text.startsWith(start)
}

function endingWith(end: string): Matcher {
  return (text) => text.endsWith(end)
}

function parse(pattern: string, ignoreCase: boolean): number[] {
  const codes: number[] = []
  for (let at = 0; at < pattern.length; at++) {
    let char = pattern.charAt(at)
    const next = pattern.charAt(at + 1)
    if (char === '*') {
      // Two in a row say what one says.
      if (codes.at(-1) !== ANY) codes.push(ANY)
      continue
    }
    if (char === '?') {
      codes.push(ONE)
      continue
    }
    if (char === '\\' && (next === '*' || next === '?' || next === '\\')) {
      char = next
      at++
    }
    const code = char.charCodeAt(0)
    codes.push(ignoreCase ? lower(code) : code)
  }
  return codes
}

function lower(code: number): number {
  return code >= UPPER_A && code <= UPPER_Z ? code + TO_LOWER : code
}

/** On a mismatch only the last `*` takes one character more: earlier ones need never be tried again. */
function matches(codes: readonly number[], text: string, ignoreCase: boolean): boolean {
  let [at, code, star, mark] = [0, 0, -1, 0]
  while (at < text.length) {
    const wanted = codes[code] ?? NO_MORE
    if (wanted === ANY) {
      star = code++
      mark = at
      continue
    }
    const found = text.charCodeAt(at)
    if (wanted === ONE || wanted === (ignoreCase ? lower(found) : found)) {
      at++
      code++
    } else if (star !== -1) {
      code = star + 1
      at = ++mark
    } else {
      return false
    }
  }
  return code === codes.length || (code === codes.length - 1 && codes[code] === ANY)
}
