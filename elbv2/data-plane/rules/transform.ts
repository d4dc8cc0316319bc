import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { RequestFacts, Rewrite } from '../model.ts'
import { compileRegex } from './regex.ts'

/** A transform matched, but what it made is no host or no URL: load balancers answer 500 then. */
export class RewriteFailure extends Error {}

type Replace = (text: string) => string

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/
/** Path and query; bytes that clients sent raw may stay. */
const URL = /^\/[\x21\x22\x24-\x7e\x80-\xff]*$/
const UNCHANGED: Rewrite = {}

/**
 * What a rule's transforms make of a request; undefined where it has none. Throws an Error for a bad
 * pattern, and when a request comes RewriteFailure. A host is matched without its port.
 */
export function compileTransforms(
  transforms: readonly sdk.RuleTransform[],
): ((request: RequestFacts) => Rewrite) | undefined {
  const hosts: Replace[] = []
  const urls: Replace[] = []
  for (const { Type, HostHeaderRewriteConfig, UrlRewriteConfig } of transforms) {
    if (Type === 'host-header-rewrite') hosts.push(...replacers(HostHeaderRewriteConfig, true))
    else if (Type === 'url-rewrite') urls.push(...replacers(UrlRewriteConfig, false))
    else throw new Error(`no such type of a transform: ${Type}`)
  }
  if (hosts.length === 0 && urls.length === 0) return undefined
  return (request) => {
    const host = changed(hosts, request.host, HOST)
    const asked = request.query === '' ? request.path : `${request.path}?${request.query}`
    const url = changed(urls, asked, URL)
    if (host === undefined && url === undefined) return UNCHANGED
    return { ...(host !== undefined && { host }), ...(url !== undefined && { url }) }
  }
}

function replacers(
  config: { readonly Rewrites?: sdk.RewriteConfig[] | undefined } | undefined,
  ignoreCase: boolean,
): Replace[] {
  return (config?.Rewrites ?? []).map((rewrite) => replacer(rewrite, ignoreCase))
}

function changed(replaces: readonly Replace[], text: string, valid: RegExp): string | undefined {
  const made = replaces.reduce((so, replace) => replace(so), text)
  if (made === text) return undefined
  if (!valid.test(made)) throw new RewriteFailure('a transform made no valid host or URL')
  return made
}

/** Replaces the first match; `$1` to `$9` stand for its groups, empty where one took no part. */
function replacer(
  { Regex, Replace: replacement }: sdk.RewriteConfig,
  ignoreCase: boolean,
): Replace {
  if (Regex === undefined || replacement === undefined) throw new Error('a rewrite is incomplete')
  const regex = compileRegex(Regex, { ignoreCase })
  const parts = replacement.split(/(\$[1-9])/)
  return (text) => {
    const found = regex.exec(text)
    if (found === undefined) return text
    const made = parts.map((part, at) => (at % 2 === 0 ? part : group(found.groups, part))).join('')
    const [whole = ''] = found.groups
    return text.slice(0, found.index) + made + text.slice(found.index + whole.length)
  }
}

function group(groups: readonly (string | undefined)[], reference: string): string {
  const number = Number(reference.slice(1))
  if (number >= groups.length) throw new RewriteFailure(`a transform has no group ${reference}`)
  return groups[number] ?? ''
}
