/** The conditions of rules, made ready once so that a request costs little. */
import { isIPv6 } from 'node:net'
import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Condition } from '../model.ts'
import { compileGlob, type Matcher } from './glob.ts'
import { compileRegex } from './regex.ts'
import { compileCidrs } from './source-ip.ts'

interface Field {
  /** What it costs to look at, as a rank: cheap conditions are asked first. */
  readonly cost: number
  compile(condition: sdk.RuleCondition): Condition
}

const FIELDS: Readonly<Record<string, Field>> = {
  'http-request-method': { cost: 0, compile: methodCondition },
  'path-pattern': { cost: 1, compile: pathCondition },
  'host-header': { cost: 2, compile: hostCondition },
  'source-ip': { cost: 3, compile: sourceIpCondition },
  'http-header': { cost: 4, compile: headerCondition },
  'query-string': { cost: 5, compile: queryCondition },
}

/**
 * All conditions must hold; the values of one are alternatives. Throws an Error for a condition
 * that is none, for one without values above all: it must never match everything.
 */
export function compileConditions(conditions: readonly sdk.RuleCondition[]): Condition {
  const parts = conditions
    .map((condition) => ({ condition, field: fieldOf(condition) }))
    .sort((one, other) => one.field.cost - other.field.cost)
    .map(({ condition, field }) => field.compile(condition))
  const [only] = parts
  if (only === undefined) throw new Error('a rule has no conditions')
  return parts.length === 1 ? only : (request) => parts.every((holds) => holds(request))
}

function fieldOf({ Field = '' }: sdk.RuleCondition): Field {
  const field = Object.hasOwn(FIELDS, Field) ? FIELDS[Field] : undefined
  if (field === undefined) throw new Error(`no such field of a condition: ${Field}`)
  return field
}

function methodCondition(condition: sdk.RuleCondition): Condition {
  const methods = new Set(required(condition, condition.HttpRequestMethodConfig?.Values))
  return ({ method }) => methods.has(method)
}

/** Case counts, and the query does not. */
function pathCondition(condition: sdk.RuleCondition): Condition {
  const config = condition.PathPatternConfig
  const matches = anyOf(condition, [
    ...(config?.Values ?? condition.Values ?? []).map((value) => compileGlob(value)),
    ...regexes(condition, config).map((value) => toMatcher(compileRegex(value))),
  ])
  return ({ path }) => matches(path)
}

/**
 * Names of hosts have no case. AWS takes no port in Values (`:` is refused there): what clients of
 * a local port say after the host is left out. Regular expressions may ask for it.
 */
function hostCondition(condition: sdk.RuleCondition): Condition {
  const config = condition.HostHeaderConfig
  const names = (config?.Values ?? condition.Values ?? []).map((value) =>
    compileGlob(value.toLowerCase()),
  )
  const patterns = regexes(condition, config).map((value) =>
    toMatcher(compileRegex(value, { ignoreCase: true })),
  )
  const matches = anyOf(condition, [...names, ...patterns])
  if (patterns.length === 0) return ({ host }) => matches(host)
  const pattern = either(patterns)
  return (request) => matches(request.host) || request.header('host').some(pattern)
}

/** A header that is there several times matches if one of its lines does. */
function headerCondition(condition: sdk.RuleCondition): Condition {
  const config = condition.HttpHeaderConfig
  const name = config?.HttpHeaderName?.toLowerCase()
  if (!name) throw new Error('an http-header condition names no header')
  const matches = anyOf(condition, [
    ...(config?.Values ?? []).map((value) => compileGlob(value, { ignoreCase: true })),
    ...regexes(condition, config).map((value) => toMatcher(compileRegex(value))),
  ])
  return (request) => request.header(name).some(matches)
}

/** Without a key, a value is looked for under any. */
function queryCondition(condition: sdk.RuleCondition): Condition {
  const pairs = required(condition, condition.QueryStringConfig?.Values).map(({ Key, Value }) => ({
    key: Key ? compileGlob(Key, { ignoreCase: true }) : undefined,
    value: compileGlob(Value ?? '', { ignoreCase: true }),
  }))
  return ({ parameters }) =>
    parameters.some(([key, value]) =>
      pairs.some((pair) => (pair.key === undefined || pair.key(key)) && pair.value(value)),
    )
}

/** Of the connection: what X-Forwarded-For says is for http-header conditions. */
function sourceIpCondition(condition: sdk.RuleCondition): Condition {
  const type = condition.SourceIpConfig?.IpAddressType
  // Of rules of network load balancers, which have no blocks of addresses.
  if (type !== undefined) return ({ sourceIp }) => isIPv6(sourceIp) === (type === 'ipv6')
  const holds = compileCidrs(required(condition, condition.SourceIpConfig?.Values))
  return ({ sourceIp }) => holds(sourceIp)
}

/** The condition's own RegexValues are the short form, as Values are. */
function regexes(
  condition: sdk.RuleCondition,
  config: { readonly RegexValues?: string[] | undefined } | undefined,
): readonly string[] {
  return config?.RegexValues ?? condition.RegexValues ?? []
}

function toMatcher(regex: { test: Matcher }): Matcher {
  return (text) => regex.test(text)
}

function anyOf(condition: sdk.RuleCondition, matchers: readonly Matcher[]): Matcher {
  return either(required(condition, matchers))
}

function either(matchers: readonly Matcher[]): Matcher {
  const [only] = matchers
  if (only !== undefined && matchers.length === 1) return only
  return (text) => matchers.some((matches) => matches(text))
}

function required<T>({ Field }: sdk.RuleCondition, values: readonly T[] | undefined): readonly T[] {
  if (values === undefined || values.length === 0) {
    throw new Error(`a ${Field} condition has no values`)
  }
  return values
}
