/** What the values of a rule's conditions may be, field by field. */
import { isIP } from 'node:net'
import { validationError } from './faults.ts'
import { checkRegex } from './transforms.ts'

const MAX_VALUE = 128
const MAX_METHOD = 40
const BROADCAST = '255.255.255.255/32'

/** What a condition looks at. */
export type Field =
  | 'host-header'
  | 'path-pattern'
  | 'http-header'
  | 'query-string'
  | 'http-request-method'
  | 'source-ip'

/** `*` and `?`; where values can escape them, those that are not. */
export function wildcardsIn(values: readonly string[], escapes: boolean): number {
  const text = values.join('\n')
  return (escapes ? text.replace(/\\[*?\\]/g, '') : text).match(/[*?]/g)?.length ?? 0
}

/** Of the Host header; ValidationError, as from all of these, for what AWS refuses. */
export function checkHost(value: string): void {
  checkLength('host-header', value)
  // AWS asks for a dot with letters behind it, and says no more than this where there is none; a
  // name that ends in a wildcard may yet have them.
  const isHost = /^[A-Za-z0-9_.*?-]+$/.test(value) && /\.[A-Za-z*?-]*[A-Za-z*?]$/.test(value)
  if (!isHost) throw badCharacter(value)
}

/** Of the path of a request; case counts. */
export function checkPath(value: string): void {
  checkLength('path-pattern', value)
  if (!/^[A-Za-z0-9_.$/~"'@:+&*?-]+$/.test(value)) throw badCharacter(value)
}

/** Methods of anybody's making, without wildcards. */
export function checkMethod(value: string): void {
  if (!/^[A-Z_-]+$/.test(value) || value.length > MAX_METHOD) {
    throw validationError(
      `The HTTP request method '${value}' must have up to ${MAX_METHOD} characters out of A-Z, '-' and '_'`,
    )
  }
}

/** A block of addresses, IPv4 or IPv6. */
export function checkCidr(value: string): void {
  const [address = '', bits = '', ...more] = value.split('/')
  const version = isIP(address)
  const most = version === 6 ? 128 : 32
  const valid = version > 0 && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most
  if (!valid || address.includes('%') || value === BROADCAST) {
    throw validationError(
      `The source IP '${value}' must be a CIDR block, and cannot be ${BROADCAST}`,
    )
  }
}

/** Of headers and queries: printable ASCII. */
export function checkText(field: Field, value: string): void {
  checkLength(field, value)
  if (!/^[ -~]+$/.test(value)) throw badCharacter(value)
}

/** Regular expressions are shorter than those of transforms. */
export function checkPatternRegex(field: Field, regex: string): void {
  checkLength(field, regex)
  checkRegex(regex)
}

function checkLength(field: Field, value: string): void {
  if (value.length === 0 || value.length > MAX_VALUE) {
    throw validationError(
      `Condition values of type '${field}' must be between 1 and ${MAX_VALUE} characters long`,
    )
  }
}

function badCharacter(value: string) {
  return validationError(`Condition value '${value}' contains a character that is not valid`)
}
