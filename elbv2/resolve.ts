/** From the ARNs and names that callers write to rows of their own account and region. */
import { parseArn, type Scope } from '../gateway/core/arn.ts'
import { AwsFault } from '../gateway/core/fault.ts'
import { type Page, pageOf, pageOfSorted } from '../gateway/core/page.ts'
import type { Bucket, Collection } from '../gateway/core/store.ts'
import {
  listenerNotFound,
  loadBalancerNotFound,
  ruleNotFound,
  targetGroupNotFound,
  trustStoreNotFound,
  validationError,
} from './faults.ts'
import {
  type Elbv2Rows,
  type ListenerRow,
  type LoadBalancerRow,
  nameKey,
  type Owned,
  type RuleRow,
  type TargetGroupRow,
  type TrustStoreRow,
} from './rows.ts'

/** One kind of resource: how its ARNs look, and what AWS says where there is none. */
interface Kind {
  readonly resource: RegExp
  readonly noun: string
  readonly missing: (arn: string) => AwsFault
}

const ID = '[^/]+'
const LISTENER_PATH = `(app|net|gwy)/${ID}/${ID}`

const KINDS = {
  loadBalancer: kind(`loadbalancer/${LISTENER_PATH}`, 'load balancer', loadBalancerNotFound),
  listener: kind(`listener/${LISTENER_PATH}/${ID}`, 'listener', listenerNotFound),
  rule: kind(`listener-rule/${LISTENER_PATH}/${ID}/${ID}`, 'listener rule', ruleNotFound),
  targetGroup: kind(`targetgroup/${ID}/${ID}`, 'target group', targetGroupNotFound),
  trustStore: kind(`truststore/${ID}/${ID}`, 'trust store', trustStoreNotFound),
}

export type KindName = keyof typeof KINDS

function kind(resource: string, noun: string, missing: Kind['missing']): Kind {
  return { resource: new RegExp(`^${resource}$`), noun, missing }
}

/** ValidationError for what is no ARN of that kind in the caller's account and region, as on AWS. */
export function checkArn(name: KindName, scope: Scope, arn: string): void {
  if (kindOf(scope, arn) !== name) {
    throw validationError(`'${arn}' is not a valid ${KINDS[name].noun} ARN`)
  }
}

/** What an ARN of the caller's account and region is of; undefined where it is none of ELBv2's. */
export function kindOf(scope: Scope, arn: string): KindName | undefined {
  const parsed = parseArn(arn)
  if (parsed?.service !== 'elasticloadbalancing') return undefined
  if (parsed.account !== scope.account || parsed.region !== scope.region) return undefined
  const names = Object.keys(KINDS) as KindName[]
  return names.find((name) => KINDS[name].resource.test(parsed.resource))
}

function find<R extends Owned>(
  name: KindName,
  collection: Collection<R>,
  scope: Scope,
  arn: string | undefined,
): R {
  checkArn(name, scope, arn ?? '')
  const row = collection.get(arn ?? '')
  if (!row) throw KINDS[name].missing(arn ?? '')
  return row
}

/** The caller's load balancer; LoadBalancerNotFound, or ValidationError where the ARN is none. */
export function findLoadBalancer(
  rows: Elbv2Rows,
  scope: Scope,
  arn: string | undefined,
): LoadBalancerRow {
  return find('loadBalancer', rows.loadBalancers, scope, arn)
}

export function findListener(rows: Elbv2Rows, scope: Scope, arn: string | undefined): ListenerRow {
  return find('listener', rows.listeners, scope, arn)
}

/** A rule that is not the default one: those have no rows. */
export function findRule(rows: Elbv2Rows, scope: Scope, arn: string | undefined): RuleRow {
  return find('rule', rows.rules, scope, arn)
}

/** The listener whose default rule has this ARN. */
export function listenerOfDefaultRule(rows: Elbv2Rows, ruleArn: string): ListenerRow | undefined {
  const listenerArn = ruleArn
    .slice(0, ruleArn.lastIndexOf('/'))
    .replace(':listener-rule/', ':listener/')
  const listener = rows.listeners.get(listenerArn)
  return listener?.defaultRule.arn === ruleArn ? listener : undefined
}

export function findTargetGroup(
  rows: Elbv2Rows,
  scope: Scope,
  arn: string | undefined,
): TargetGroupRow {
  return find('targetGroup', rows.targetGroups, scope, arn)
}

export function findTrustStore(
  rows: Elbv2Rows,
  scope: Scope,
  arn: string | undefined,
): TrustStoreRow {
  return find('trustStore', rows.trustStores, scope, arn)
}

/** The row with that name in the caller's account and region. */
export function byName<R extends Owned>(
  collection: Collection<R>,
  scope: Scope,
  name: string,
): R | undefined {
  for (const row of collection.by('name', nameKey(scope, name))) return row
  return undefined
}

export interface Selection {
  readonly arns: readonly string[] | undefined
  readonly names: readonly string[] | undefined
}

/**
 * What keeps the rows that a Describe call names, or all where it names none. NotFound for names
 * and ARNs that nobody has; ValidationError where both are given or an ARN is of another kind.
 */
export function selector<R extends Owned & { readonly name: string }>(
  name: KindName,
  collection: Collection<R>,
  scope: Scope,
  { arns, names }: Selection,
): ((row: R) => boolean) | undefined {
  const { noun, missing } = KINDS[name]
  if (arns?.length && names?.length) {
    throw validationError(`Names and ARNs of ${noun}s cannot be specified at the same time`)
  }
  if (arns?.length) {
    for (const arn of arns) checkArn(name, scope, arn)
    // AWS tells no ARN here.
    if (arns.some((arn) => !collection.get(arn))) {
      throw missingSome(missing, `One or more ${noun}s not found`)
    }
    const wanted = new Set(arns)
    return (row) => wanted.has(row.arn)
  }
  if (names?.length) {
    const unknown = names.filter((each) => !byName(collection, scope, each))
    // Of target groups AWS tells no names either.
    if (unknown.length > 0 && name === 'targetGroup') {
      throw missingSome(missing, `One or more ${noun}s not found`)
    }
    if (unknown.length > 0) {
      const nouns = `${noun.charAt(0).toUpperCase()}${noun.slice(1)}s`
      throw missingSome(missing, `${nouns} '[${unknown.join(', ')}]' not found`)
    }
    const wanted = new Set(names)
    return (row) => wanted.has(row.name)
  }
  return undefined
}

function missingSome(missing: Kind['missing'], message: string): AwsFault {
  const { code, status } = missing('')
  return new AwsFault(code, message, status)
}

const MAX_PAGE = 400

export interface Paged {
  readonly Marker?: string | undefined
  readonly PageSize?: number | undefined
}

/** One page by `Marker` and `PageSize`, whose bounds the API model holds; at most 400 without one. */
export function listPage<R extends object>(
  bucket: Bucket<R>,
  { Marker, PageSize }: Paged,
  keep?: (row: R) => boolean,
): Page<R> {
  return checkedPage(pageOf(bucket, PageSize ?? MAX_PAGE, Marker || undefined, keep), Marker)
}

/** `listPage` for values sorted by `compare`. */
export function sortedPage(
  sorted: readonly string[],
  { Marker, PageSize }: Paged,
  compare: (left: string, right: string) => number,
): Page<string> {
  return checkedPage(
    pageOfSorted(sorted, PageSize ?? MAX_PAGE, Marker || undefined, compare),
    Marker,
  )
}

// No call has answered another marker.
function checkedPage<R>(page: Page<R> | undefined, marker: string | undefined): Page<R> {
  if (!page) throw validationError(`The marker '${marker}' is not valid`)
  return page
}
