import type * as sdk from '@aws-sdk/client-ecs'
import { arnOf, type Scope } from '../../gateway/core/arn.ts'
import { AwsFault } from '../../gateway/core/fault.ts'
import { pageOfSorted } from '../../gateway/core/page.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { EcsContext } from '../context.ts'
import { clientException, invalidParameter, invalidToken } from '../faults.ts'
import { ownRow } from '../resolve.ts'
import { type CapacityProviderRow, indexKey, type Wire } from '../rows.ts'
import { checkedTags } from '../tags.ts'

/** AWS's own providers; every account has them and nobody can create or delete them. */
const BUILT_IN: readonly sdk.CapacityProviderType[] = ['FARGATE', 'FARGATE_SPOT']
const NAME = /^[a-zA-Z0-9_-]{1,255}$/
const RESERVED = /^(aws|ecs|fargate)/i
const MAX_PAGE = 10
const SCALING_DEFAULTS: sdk.ManagedScaling = {
  status: 'DISABLED',
  targetCapacity: 100,
  minimumScalingStepSize: 1,
  maximumScalingStepSize: 10000,
  instanceWarmupPeriod: 300,
}

/** Whether the provider, by name or ARN, can be named in a cluster or a strategy of this scope. */
export function isKnownCapacityProvider(
  context: EcsContext,
  scope: Scope,
  reference: string,
): boolean {
  return (
    BUILT_IN.some((name) => name === reference) || find(context, scope, reference) !== undefined
  )
}

/** Handlers of capacity providers: stored and named by clusters and services; they scale nothing. */
export function capacityProviderHandlers(context: EcsContext): Record<string, Handler> {
  const { rows, clock } = context

  function create(input: sdk.CreateCapacityProviderCommandInput, call: Call) {
    const name = input.name ?? ''
    if (!NAME.test(name) || RESERVED.test(name)) {
      throw invalidParameter(
        'The capacity provider name can have up to 255 letters, numbers, hyphens and underscores, and must not begin with "aws", "ecs" or "fargate".',
      )
    }
    if (!input.autoScalingGroupProvider) {
      throw new AwsFault(
        'UnsupportedFeatureException',
        'KECS stores capacity providers of Auto Scaling groups; managed instances are not implemented yet.',
      )
    }
    const arn = arnOfProvider(call, name)
    if (rows.capacityProviders.get(arn)) {
      throw clientException('The specified capacity provider already exists.')
    }
    const row: CapacityProviderRow = {
      arn,
      account: call.account,
      region: call.region,
      name,
      autoScalingGroupProvider: withDefaults(input.autoScalingGroupProvider),
      updateStatus: 'CREATE_COMPLETE',
      tags: checkedTags(input.tags),
      createdAtMs: clock.now(),
    }
    rows.capacityProviders.put(arn, row)
    return { capacityProvider: view(row, true) }
  }

  function describe(input: sdk.DescribeCapacityProvidersCommandInput, call: Call) {
    const tags = (input.include ?? []).includes('TAGS')
    const failures: sdk.Failure[] = []
    const found = new Map<string, Wire<sdk.CapacityProvider>>()
    if (input.capacityProviders?.length) {
      for (const reference of input.capacityProviders) {
        const builtIn = BUILT_IN.find((name) => name === reference)
        const row = find(context, call, reference)
        if (builtIn) found.set(builtIn, builtInView(call, builtIn))
        else if (row) found.set(row.name, view(row, tags))
        else failures.push({ arn: arnOfProvider(call, reference), reason: 'MISSING' })
      }
      return { capacityProviders: [...found.values()], failures }
    }
    for (const name of BUILT_IN) found.set(name, builtInView(call, name))
    for (const row of rows.capacityProviders.by('scope', indexKey(call.account, call.region))) {
      found.set(row.name, view(row, tags))
    }
    const limit = Math.min(input.maxResults ?? MAX_PAGE, MAX_PAGE)
    const names = [...found.keys()].sort()
    const page = pageOfSorted(names, limit, input.nextToken, (a, b) => (a < b ? -1 : a > b ? 1 : 0))
    if (!page) throw invalidToken()
    const capacityProviders = page.rows.map((name) => found.get(name))
    return { capacityProviders, failures, nextToken: page.nextToken }
  }

  function update(input: sdk.UpdateCapacityProviderCommandInput, call: Call) {
    const row = existing(call, input.name)
    const group = input.autoScalingGroupProvider
    const next: CapacityProviderRow = {
      ...row,
      autoScalingGroupProvider: {
        ...row.autoScalingGroupProvider,
        ...group,
        managedScaling: {
          ...row.autoScalingGroupProvider.managedScaling,
          ...group?.managedScaling,
        },
      },
      updateStatus: 'UPDATE_COMPLETE',
    }
    rows.capacityProviders.put(row.arn, next)
    return { capacityProvider: view(next, false) }
  }

  function remove(input: sdk.DeleteCapacityProviderCommandInput, call: Call) {
    const row = existing(call, input.capacityProvider)
    const mine = rows.clusters.by('scopeStatus', indexKey(call.account, call.region, 'ACTIVE'))
    for (const cluster of mine) {
      if (cluster.capacityProviders.some((name) => name === row.name || name === row.arn)) {
        throw clientException(
          'The capacity provider cannot be deleted because it is associated with a cluster. Remove the capacity provider from the cluster and try again.',
        )
      }
    }
    rows.capacityProviders.delete(row.arn)
    const gone: CapacityProviderRow = { ...row, updateStatus: 'DELETE_COMPLETE' }
    return { capacityProvider: { ...view(gone, false), status: 'INACTIVE' } }
  }

  function existing(call: Call, reference: string | undefined): CapacityProviderRow {
    const row = find(context, call, reference ?? '')
    if (!row) throw invalidParameter('The specified capacity provider was not found.')
    return row
  }

  return {
    CreateCapacityProvider: create,
    DescribeCapacityProviders: describe,
    UpdateCapacityProvider: update,
    DeleteCapacityProvider: remove,
  }
}

function find(
  context: EcsContext,
  scope: Scope,
  reference: string,
): CapacityProviderRow | undefined {
  const arn = reference.startsWith('arn:') ? reference : arnOfProvider(scope, reference)
  return ownRow(context.rows.capacityProviders.get(arn), scope)
}

function arnOfProvider(scope: Scope, name: string): string {
  return arnOf('ecs', scope, `capacity-provider/${name}`)
}

function withDefaults(group: sdk.AutoScalingGroupProvider): sdk.AutoScalingGroupProvider {
  return {
    ...group,
    managedScaling: { ...SCALING_DEFAULTS, ...group.managedScaling },
    managedTerminationProtection: group.managedTerminationProtection ?? 'DISABLED',
    managedDraining: group.managedDraining ?? 'ENABLED',
  }
}

function view(row: CapacityProviderRow, tags: boolean): Wire<sdk.CapacityProvider> {
  return {
    capacityProviderArn: row.arn,
    name: row.name,
    status: 'ACTIVE',
    autoScalingGroupProvider: row.autoScalingGroupProvider,
    updateStatus: row.updateStatus,
    tags: tags ? [...row.tags] : [],
    type: 'EC2_AUTOSCALING',
  }
}

function builtInView(scope: Scope, name: sdk.CapacityProviderType): Wire<sdk.CapacityProvider> {
  const capacityProviderArn = arnOfProvider(scope, name)
  return { capacityProviderArn, name, status: 'ACTIVE', tags: [], type: name }
}
