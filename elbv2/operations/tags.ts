import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { Collection } from '../../gateway/core/store.ts'
import type { Elbv2Context } from '../context.ts'
import { validationError } from '../faults.ts'
import {
  findListener,
  findLoadBalancer,
  findRule,
  findTargetGroup,
  findTrustStore,
  kindOf,
  listenerOfDefaultRule,
} from '../resolve.ts'
import type { Owned } from '../rows.ts'
import { checkedTags, checkUnreserved, mergedTags } from '../tags.ts'

const MAX_RESOURCES = 20

/** Where a resource's tags are, and what puts others in their place. */
interface Found {
  readonly tags: readonly sdk.Tag[]
  readonly put: (tags: readonly sdk.Tag[]) => void
}

/** AddTags, RemoveTags and DescribeTags, for every resource that has tags. */
export function tagHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows } = context

  function find(call: Call, arn: string): Found {
    switch (kindOf(call, arn)) {
      case 'loadBalancer':
        return tagged(rows.loadBalancers, findLoadBalancer(rows, call, arn))
      case 'targetGroup':
        return tagged(rows.targetGroups, findTargetGroup(rows, call, arn))
      case 'listener':
        return tagged(rows.listeners, findListener(rows, call, arn))
      case 'trustStore':
        return tagged(rows.trustStores, findTrustStore(rows, call, arn))
      case 'rule':
        return findDefaultRule(arn) ?? tagged(rows.rules, findRule(rows, call, arn))
      default:
        throw validationError(`'${arn}' is not a valid ARN of a resource that has tags`)
    }
  }

  // A default rule is a part of its listener's row.
  function findDefaultRule(arn: string): Found | undefined {
    const listener = listenerOfDefaultRule(rows, arn)
    if (!listener) return undefined
    const { defaultRule } = listener
    return {
      tags: defaultRule.tags,
      put: (tags) =>
        rows.listeners.put(listener.arn, { ...listener, defaultRule: { ...defaultRule, tags } }),
    }
  }

  function add(input: sdk.AddTagsCommandInput, call: Call) {
    const more = checkedTags(input.Tags)
    for (const arn of checkedArns(input)) {
      const { tags, put } = find(call, arn)
      put(mergedTags(tags, more))
    }
    return {}
  }

  function remove(input: sdk.RemoveTagsCommandInput, call: Call) {
    const gone = new Set(input.TagKeys)
    for (const key of gone) checkUnreserved(key)
    for (const arn of checkedArns(input)) {
      const { tags, put } = find(call, arn)
      put(tags.filter(({ Key = '' }) => !gone.has(Key)))
    }
    return {}
  }

  function describe(input: sdk.DescribeTagsCommandInput, call: Call) {
    return {
      TagDescriptions: checkedArns(input).map((ResourceArn) => ({
        ResourceArn,
        Tags: [...find(call, ResourceArn).tags],
      })),
    }
  }

  return { AddTags: add, RemoveTags: remove, DescribeTags: describe }
}

function tagged<R extends Owned & { readonly tags: readonly sdk.Tag[] }>(
  collection: Collection<R>,
  row: R,
): Found {
  return { tags: row.tags, put: (tags) => collection.put(row.arn, { ...row, tags }) }
}

function checkedArns({ ResourceArns: arns }: { ResourceArns: string[] | undefined }): string[] {
  if (!arns?.length) throw validationError('At least one resource ARN must be specified')
  if (arns.length > MAX_RESOURCES) {
    throw validationError(`No more than ${MAX_RESOURCES} resource ARNs can be specified`)
  }
  return [...new Set(arns)]
}
