/** Rewrites of requests by rules, checked. */
import type { RuleTransform } from '@aws-sdk/client-elastic-load-balancing-v2'
import { compileRegex } from './data-plane/rules/regex.ts'
import { validationError } from './faults.ts'

const MAX_LENGTH = 1024
const CONFIGS = {
  'host-header-rewrite': 'HostHeaderRewriteConfig',
  'url-rewrite': 'UrlRewriteConfig',
} as const

/** The transforms as they are answered: at most one of each type, each with one rewrite. */
export function checkedTransforms(
  transforms: readonly RuleTransform[] | undefined,
): readonly RuleTransform[] {
  const seen = new Set<string>()
  return (transforms ?? []).map((transform) => {
    const type = transform.Type
    if (type === undefined) throw validationError('A transform type must be specified')
    if (seen.has(type)) {
      throw validationError(`A rule can only have one transform of type '${type}'`)
    }
    seen.add(type)
    const name = CONFIGS[type]
    for (const other of Object.values(CONFIGS)) {
      if (other !== name && transform[other]) {
        throw validationError(`You cannot specify '${other}' for a transform of type '${type}'`)
      }
    }
    return { Type: type, [name]: { Rewrites: [checkedRewrite(type, transform[name]?.Rewrites)] } }
  })
}

function checkedRewrite(
  type: string,
  rewrites: readonly { Regex: string | undefined; Replace: string | undefined }[] | undefined,
) {
  const [rewrite, ...more] = rewrites ?? []
  if (!rewrite || more.length > 0) {
    throw validationError(`A transform of type '${type}' must have exactly one rewrite`)
  }
  const { Regex = '', Replace = '' } = rewrite
  if (Regex === '') throw validationError(`A regex must be specified for a '${type}' transform`)
  if (Regex.length > MAX_LENGTH || Replace.length > MAX_LENGTH) {
    throw validationError(
      `The regex and the replacement of a '${type}' transform can be up to ${MAX_LENGTH} characters long`,
    )
  }
  checkRegex(Regex)
  return { Regex, Replace }
}

/** ValidationError where the load balancer could not match by this pattern. */
export function checkRegex(pattern: string): void {
  try {
    compileRegex(pattern)
  } catch {
    throw validationError(`The regex value '${pattern}' is not a valid regular expression`)
  }
}
