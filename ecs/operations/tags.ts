import type * as sdk from '@aws-sdk/client-ecs'
import { arnOf, parseArn } from '../../gateway/core/arn.ts'
import type { AwsFault } from '../../gateway/core/fault.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { Collection } from '../../gateway/core/store.ts'
import type { EcsContext } from '../context.ts'
import { replaceDeployment } from '../deployments.ts'
import {
  clusterNotFound,
  containerInstanceNotFound,
  invalidParameter,
  serviceNotFound,
  taskDefinitionNotFound,
  taskNotFound,
} from '../faults.ts'
import { ownRow } from '../resolve.ts'
import { type Owned, type Tag, taskSetsOf } from '../rows.ts'
import { checkedTags, mergedTags } from '../tags.ts'

interface Tagged extends Owned {
  readonly tags: readonly Tag[]
  readonly status?: string
}

interface Taggable {
  readonly collection: Collection<Tagged>
  readonly missing: () => AwsFault
}

/** Where a resource's tags are, and what puts others in their place. */
interface Found {
  readonly tags: readonly Tag[]
  readonly put: (tags: readonly Tag[]) => void
}

/** TagResource, UntagResource and ListTagsForResource, for every resource that has tags. */
export function tagHandlers(context: EcsContext): Record<string, Handler> {
  const { rows } = context
  // Each handler puts back the row it got, with other tags: the collection's own type holds.
  const taggable = (collection: unknown, missing: () => AwsFault): Taggable => ({
    collection: collection as Collection<Tagged>,
    missing,
  })
  const kinds: Readonly<Record<string, Taggable>> = {
    cluster: taggable(rows.clusters, clusterNotFound),
    service: taggable(rows.services, serviceNotFound),
    task: taggable(rows.tasks, taskNotFound),
    'task-definition': taggable(rows.taskDefinitions, taskDefinitionNotFound),
    'container-instance': taggable(rows.containerInstances, containerInstanceNotFound),
    'capacity-provider': taggable(rows.capacityProviders, () =>
      invalidParameter('The specified capacity provider was not found.'),
    ),
  }

  function find(call: Call, arn: string | undefined): Found {
    const parsed = parseArn(arn ?? '')
    if (parsed?.service === 'ecs' && parsed.resource.startsWith('task-set/')) {
      return findTaskSet(call, parsed.resource, arn)
    }
    const kind = kinds[parsed?.resource.split('/')[0] ?? '']
    if (parsed?.service !== 'ecs' || !kind) {
      throw invalidParameter(`Invalid resource ARN: ${arn ?? ''}`)
    }
    const row = ownRow(kind.collection.get(arn ?? ''), call)
    if (!row) throw kind.missing()
    if (row.status === 'INACTIVE' && kind.collection.name === 'clusters') {
      throw invalidParameter(
        'The specified cluster is inactive. Specify an active cluster and try again.',
      )
    }
    const { collection } = kind
    return { tags: row.tags, put: (tags) => collection.put(row.arn, { ...row, tags }) }
  }

  // `task-set/my-cluster/my-service/ecs-svc/123`: a task set is a part of its service's row.
  function findTaskSet(call: Call, resource: string, arn: string | undefined): Found {
    const [, cluster, service] = resource.split('/')
    const row = rows.services.get(arnOf('ecs', call, `service/${cluster}/${service}`))
    const set = row && taskSetsOf(row).find(({ taskSet }) => taskSet.arn === arn)
    if (!set) throw invalidParameter('The specified task set was not found.')
    return {
      tags: set.taskSet.tags,
      put(tags) {
        const tagged = { ...set, taskSet: { ...set.taskSet, tags } }
        rows.services.put(row.arn, replaceDeployment(row, tagged))
      },
    }
  }

  function tag(input: sdk.TagResourceCommandInput, call: Call) {
    const { tags, put } = find(call, input.resourceArn)
    put(mergedTags(tags, checkedTags(input.tags)))
    return {}
  }

  function untag(input: sdk.UntagResourceCommandInput, call: Call) {
    const { tags, put } = find(call, input.resourceArn)
    const gone = new Set(input.tagKeys)
    put(tags.filter((each) => !gone.has(each.key ?? '')))
    return {}
  }

  function list(input: sdk.ListTagsForResourceCommandInput, call: Call) {
    return { tags: find(call, input.resourceArn).tags }
  }

  return { TagResource: tag, UntagResource: untag, ListTagsForResource: list }
}
