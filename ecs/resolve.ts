/** From what callers write (a short name, an ARN, nothing) to rows. */
import { arnOf, parseArn, type Scope } from '../gateway/core/arn.ts'
import { type Page, pageOf } from '../gateway/core/page.ts'
import type { Bucket } from '../gateway/core/store.ts'
import { clusterInactive, clusterNotFound, invalidParameter, invalidToken } from './faults.ts'
import type { ClusterRow, ContainerInstanceRow, EcsRows, ServiceRow, TaskRow } from './rows.ts'

export const DEFAULT_CLUSTER = 'default'
const NAME = /^[a-zA-Z0-9_-]{1,255}$/

/** ARN of the cluster that `reference` (name, ARN or nothing for `default`) means in this scope. */
export function clusterArnOf(scope: Scope, reference: string | undefined): string {
  const name = reference === undefined || reference === '' ? DEFAULT_CLUSTER : reference
  if (name.startsWith('arn:')) return checkedArn(name, 'cluster')
  if (!NAME.test(name)) {
    throw invalidParameter(`Cluster must match ^[a-zA-Z0-9\\-_]{1,255}$, but was ${name}`)
  }
  return arnOf('ecs', scope, `cluster/${name}`)
}

/** The cluster in any state; ClusterNotFoundException when there never was one. */
export function findCluster(
  rows: EcsRows,
  scope: Scope,
  reference: string | undefined,
): ClusterRow {
  const row = ownRow(rows.clusters.get(clusterArnOf(scope, reference)), scope)
  if (!row) throw clusterNotFound()
  return row
}

/** The cluster, which has to be ACTIVE. */
export function activeCluster(
  rows: EcsRows,
  scope: Scope,
  reference: string | undefined,
): ClusterRow {
  const row = findCluster(rows, scope, reference)
  if (row.status !== 'ACTIVE') throw clusterInactive()
  return row
}

/** `service/my-cluster/my-service`, whatever its status; undefined when there is none. */
export function findService(
  rows: EcsRows,
  cluster: ClusterRow,
  reference: string,
): ServiceRow | undefined {
  const name = lastPart(reference, 'service', cluster)
  return name === undefined ? undefined : rows.services.get(childArn(cluster, 'service', name))
}

/** By ARN or 32 hex digits; undefined when there is none in this cluster. */
export function findTask(
  rows: EcsRows,
  cluster: ClusterRow,
  reference: string,
): TaskRow | undefined {
  const id = lastPart(reference, 'task', cluster)
  return id === undefined ? undefined : rows.tasks.get(childArn(cluster, 'task', id))
}

export function findContainerInstance(
  rows: EcsRows,
  cluster: ClusterRow,
  reference: string,
): ContainerInstanceRow | undefined {
  const id = lastPart(reference, 'container-instance', cluster)
  if (id === undefined) return undefined
  return rows.containerInstances.get(childArn(cluster, 'container-instance', id))
}

/** `arn:…:task/my-cluster/0123…`: resources that live in a cluster bear its name. */
export function childArn(cluster: ClusterRow, type: string, name: string): string {
  return arnOf('ecs', cluster, `${type}/${cluster.name}/${name}`)
}

/** A row only where it is the caller's: other accounts and regions see nothing. */
export function ownRow<R extends Scope>(row: R | undefined, scope: Scope): R | undefined {
  return row && row.account === scope.account && row.region === scope.region ? row : undefined
}

/** One page of a bucket by `maxResults` and `nextToken`; InvalidParameterException on a bad token. */
export function listPage<R extends object>(
  bucket: Bucket<R>,
  input: { maxResults?: number | undefined; nextToken?: string | undefined },
  bounds: { readonly fallback: number; readonly max: number },
  keep?: (row: R) => boolean,
): Page<R> {
  const limit = input.maxResults ?? bounds.fallback
  if (limit < 1 || limit > bounds.max) {
    throw invalidParameter(`maxResults must be between 1 and ${bounds.max}, but was ${limit}.`)
  }
  const page = pageOf(bucket, limit, input.nextToken || undefined, keep)
  if (!page) throw invalidToken()
  return page
}

// The old ARN format has no cluster name: `service/my-service`.
function lastPart(reference: string, type: string, cluster: ClusterRow): string | undefined {
  if (!reference.startsWith('arn:')) return NAME.test(reference) ? reference : undefined
  const parsed = parseArn(checkedArn(reference, type))
  const [, ...path] = (parsed?.resource ?? '').split('/')
  if (parsed?.account !== cluster.account || parsed.region !== cluster.region) return undefined
  if (path.length === 2 && path[0] !== cluster.name) return undefined
  return path.at(-1)
}

function checkedArn(arn: string, type: string): string {
  const parsed = parseArn(arn)
  if (parsed?.service !== 'ecs') {
    throw invalidParameter('Invalid identifier: Unexpected number of separators')
  }
  if (!parsed.resource.startsWith(`${type}/`)) {
    const actual = parsed.resource.split('/')[0] ?? ''
    throw invalidParameter(`Invalid identifier: Identifier is for ${actual}. Expected ${type}.`)
  }
  return arn
}
