/** Conditions of rules, checked by AWS's rules and brought into the form in which they are answered. */
import type { RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2'
import {
  checkCidr,
  checkHost,
  checkMethod,
  checkPath,
  checkPatternRegex,
  checkText,
  type Field,
  wildcardsIn,
} from './condition-values.ts'
import { validationError } from './faults.ts'
import { MAX_CONDITION_VALUES, MAX_CONDITION_WILDCARDS } from './quotas.ts'
import type { LoadBalancerType } from './rows.ts'

const MAX_HEADER_NAME = 40

const CONFIGS = {
  'host-header': 'HostHeaderConfig',
  'path-pattern': 'PathPatternConfig',
  'http-header': 'HttpHeaderConfig',
  'query-string': 'QueryStringConfig',
  'http-request-method': 'HttpRequestMethodConfig',
  'source-ip': 'SourceIpConfig',
} as const satisfies Record<Field, keyof RuleCondition>

const FIELDS = Object.keys(CONFIGS) as Field[]
/** Rules may have many of these, and one of each of the others. */
const REPEATABLE: readonly Field[] = ['http-header', 'query-string']
const WITH_OLD_VALUES: readonly Field[] = ['host-header', 'path-pattern']
const WITH_REGEX: readonly Field[] = ['host-header', 'path-pattern', 'http-header']

/** What one condition counts towards the limits of its rule. */
interface Weighed {
  readonly condition: RuleCondition
  readonly values: number
  readonly wildcards: number
}

/** The conditions as they are answered: `Values` beside the config where AWS gives both. */
export function checkedConditions(
  type: LoadBalancerType,
  conditions: readonly RuleCondition[] | undefined,
): readonly RuleCondition[] {
  if (!conditions?.length) throw validationError('A condition must be specified')
  if (type === 'network') return networkConditions(conditions)
  const seen = new Set<Field>()
  const weighed = conditions.map((condition) => {
    const field = checkedField(condition.Field)
    if (seen.has(field) && !REPEATABLE.includes(field)) {
      throw validationError(`A rule can only have one '${field}' condition`)
    }
    seen.add(field)
    checkMembers(field, condition)
    return weigh(field, condition)
  })
  const total = (of: 'values' | 'wildcards') => weighed.reduce((sum, each) => sum + each[of], 0)
  if (total('values') > MAX_CONDITION_VALUES) {
    throw validationError(
      `A rule can only have '${MAX_CONDITION_VALUES}' condition values and regex values`,
    )
  }
  if (total('wildcards') > MAX_CONDITION_WILDCARDS) {
    throw validationError(`A rule can only have '${MAX_CONDITION_WILDCARDS}' condition wildcards`)
  }
  return weighed.map(({ condition }) => condition)
}

/** Rules of network load balancers tell apart nothing but IPv4 from IPv6. */
function networkConditions(conditions: readonly RuleCondition[]): readonly RuleCondition[] {
  const [condition, ...more] = conditions
  const type = condition?.SourceIpConfig?.IpAddressType
  const others = Object.keys(condition ?? {}).some((key) => !/^(Field|SourceIpConfig)$/.test(key))
  if (
    more.length > 0 ||
    others ||
    condition?.Field !== 'source-ip' ||
    type === undefined ||
    condition.SourceIpConfig?.Values?.length
  ) {
    throw validationError(
      "A rule of a network load balancer must have one 'source-ip' condition with an 'IpAddressType'",
    )
  }
  return [{ Field: 'source-ip', SourceIpConfig: { IpAddressType: type } }]
}

function checkedField(field: string | undefined): Field {
  if (!field) throw validationError('A condition field must be specified')
  const known = FIELDS.find((each) => each === field)
  if (!known) {
    throw validationError(`Condition field '${field}' must be one of '[${FIELDS.join(', ')}]'`)
  }
  return known
}

function checkMembers(field: Field, condition: RuleCondition): void {
  const own = CONFIGS[field]
  for (const name of Object.values(CONFIGS)) {
    if (name !== own && condition[name]) {
      throw validationError(`You cannot specify '${name}' for a condition of type '${field}'`)
    }
  }
  for (const [name, fields] of [
    ['Values', WITH_OLD_VALUES],
    ['RegexValues', WITH_REGEX],
  ] as const) {
    if (!condition[name]?.length) continue
    if (!fields.includes(field)) {
      throw validationError(`You cannot specify '${name}' for a condition of type '${field}'`)
    }
    if (condition[own]) {
      throw validationError(
        `You cannot provide both ${name} and '${own}' for a condition of type '${field}'`,
      )
    }
  }
}

function weigh(field: Field, condition: RuleCondition): Weighed {
  switch (field) {
    case 'host-header':
      return weighPattern(field, condition, condition.HostHeaderConfig, checkHost)
    case 'path-pattern':
      return weighPattern(field, condition, condition.PathPatternConfig, checkPath)
    case 'http-header':
      return weighHeader(condition)
    case 'query-string':
      return weighQuery(condition)
    case 'http-request-method': {
      const values = required(field, condition.HttpRequestMethodConfig?.Values)
      for (const value of values) checkMethod(value)
      return plain({ Field: field, HttpRequestMethodConfig: { Values: values } }, values.length)
    }
    case 'source-ip': {
      if (condition.SourceIpConfig?.IpAddressType) {
        throw validationError("'IpAddressType' is only for rules of network load balancers")
      }
      const values = required(field, condition.SourceIpConfig?.Values)
      for (const value of values) checkCidr(value)
      return plain({ Field: field, SourceIpConfig: { Values: values } }, values.length)
    }
  }
}

function plain(condition: RuleCondition, values: number): Weighed {
  return { condition, values, wildcards: 0 }
}

interface Patterns {
  readonly Values?: string[] | undefined
  readonly RegexValues?: string[] | undefined
}

function weighPattern(
  field: 'host-header' | 'path-pattern',
  condition: RuleCondition,
  config: Patterns | undefined,
  check: (value: string) => void,
): Weighed {
  const values = config?.Values ?? condition.Values ?? []
  const regexes = config?.RegexValues ?? condition.RegexValues ?? []
  if (values.length > 0 && regexes.length > 0) throw bothKinds(field)
  if (regexes.length > 0) {
    for (const regex of regexes) checkPatternRegex(field, regex)
    return plain(
      { Field: field, RegexValues: regexes, [CONFIGS[field]]: { RegexValues: regexes } },
      regexes.length,
    )
  }
  for (const value of required(field, values)) check(value)
  return {
    condition: { Field: field, Values: values, [CONFIGS[field]]: { Values: values } },
    values: values.length,
    wildcards: wildcardsIn(values, false),
  }
}

function weighHeader(condition: RuleCondition): Weighed {
  const field = 'http-header'
  const {
    HttpHeaderName: name = '',
    Values = [],
    RegexValues = [],
  } = condition.HttpHeaderConfig ?? {}
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || name.length > MAX_HEADER_NAME) {
    throw validationError(
      `The HTTP header name '${name}' must be a header name of up to ${MAX_HEADER_NAME} characters`,
    )
  }
  if (name.toLowerCase() === 'host') {
    throw validationError("Use a condition of type 'host-header' to match the Host header")
  }
  if (Values.length > 0 && RegexValues.length > 0) throw bothKinds(field)
  if (RegexValues.length > 0) {
    for (const regex of RegexValues) checkPatternRegex(field, regex)
    const config = { HttpHeaderName: name, RegexValues }
    return plain({ Field: field, RegexValues, HttpHeaderConfig: config }, RegexValues.length)
  }
  for (const value of required(field, Values)) checkText(field, value)
  return {
    condition: { Field: field, HttpHeaderConfig: { HttpHeaderName: name, Values } },
    values: Values.length,
    wildcards: wildcardsIn(Values, true),
  }
}

function weighQuery(condition: RuleCondition): Weighed {
  const field = 'query-string'
  const given = required(field, condition.QueryStringConfig?.Values)
  const pairs = given.map(({ Key, Value }) => {
    if (!Value) throw validationError('A value must be specified for a query string condition')
    if (Key) checkText(field, Key)
    checkText(field, Value)
    return Key ? { Key, Value } : { Value }
  })
  const texts = pairs.flatMap(({ Key, Value }) => (Key === undefined ? [Value] : [Key, Value]))
  return {
    condition: { Field: field, QueryStringConfig: { Values: pairs } },
    values: pairs.length,
    wildcards: wildcardsIn(texts, true),
  }
}

function required<T>(field: Field, values: readonly T[] | undefined): T[] {
  if (!values?.length) {
    throw validationError(`A condition value must be specified for a condition of type '${field}'`)
  }
  return [...values]
}

function bothKinds(field: Field) {
  return validationError(
    `You cannot specify both values and regex values for a condition of type '${field}'`,
  )
}
