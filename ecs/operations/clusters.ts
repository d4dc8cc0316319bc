import type * as sdk from '@aws-sdk/client-ecs'
import { arnOf } from '../../gateway/core/arn.ts'
import { AwsFault } from '../../gateway/core/fault.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { EcsContext } from '../context.ts'
import { clientException, invalidParameter } from '../faults.ts'
import {
  activeCluster,
  clusterArnOf,
  DEFAULT_CLUSTER,
  findCluster,
  listPage,
  ownRow,
} from '../resolve.ts'
import { type ClusterRow, indexKey, type Wire } from '../rows.ts'
import { checkedTags } from '../tags.ts'
import { isKnownCapacityProvider } from './capacity-providers.ts'

type ClusterView = Wire<sdk.Cluster>

const PAGE = { fallback: 100, max: 100 }
const MAX_DESCRIBED = 100
const DEFAULT_SETTINGS: readonly sdk.ClusterSetting[] = [
  { name: 'containerInsights', value: 'disabled' },
]
const INSIGHTS_VALUES = ['enabled', 'disabled', 'enhanced']

/** Handlers of clusters. Counters are read from the indexes of tasks and services, never stored. */
export function clusterHandlers(context: EcsContext): Record<string, Handler> {
  const { rows, clock } = context

  function createCluster(input: sdk.CreateClusterCommandInput, call: Call) {
    const name = input.clusterName || DEFAULT_CLUSTER
    if (name.startsWith('arn:')) throw invalidParameter('Cluster name must not be an ARN.')
    const arn = clusterArnOf(call, name)
    const existing = rows.clusters.get(arn)
    if (existing?.status === 'ACTIVE') return { cluster: full(existing) }
    const row: ClusterRow = {
      arn,
      account: call.account,
      region: call.region,
      name,
      status: 'ACTIVE',
      settings: checkedSettings(input.settings, DEFAULT_SETTINGS),
      configuration: input.configuration,
      capacityProviders: checkedProviders(call, input.capacityProviders),
      defaultCapacityProviderStrategy: checkedStrategy(
        input.defaultCapacityProviderStrategy,
        input.capacityProviders,
      ),
      serviceConnectDefaults: connectDefaults(call, input.serviceConnectDefaults),
      tags: checkedTags(input.tags),
      createdAtMs: clock.now(),
    }
    rows.clusters.put(arn, row)
    return { cluster: full(row) }
  }

  function listClusters(input: sdk.ListClustersCommandInput, call: Call) {
    const mine = rows.clusters.by('scopeStatus', indexKey(call.account, call.region, 'ACTIVE'))
    const page = listPage(mine, input, PAGE)
    return { clusterArns: page.rows.map((row) => row.arn), nextToken: page.nextToken }
  }

  function describeClusters(input: sdk.DescribeClustersCommandInput, call: Call) {
    const references = input.clusters?.length ? input.clusters : [DEFAULT_CLUSTER]
    if (references.length > MAX_DESCRIBED) {
      throw invalidParameter(`Clusters cannot have more than ${MAX_DESCRIBED} elements.`)
    }
    const include = new Set<string>(input.include ?? [])
    const clusters: ClusterView[] = []
    const failures: sdk.Failure[] = []
    for (const reference of references) {
      const arn = clusterArnOf(call, reference)
      const row = ownRow(rows.clusters.get(arn), call)
      if (row) clusters.push(view(row, include))
      else failures.push({ arn, reason: 'MISSING' })
    }
    return { clusters, failures }
  }

  function updateCluster(input: sdk.UpdateClusterCommandInput, call: Call) {
    const row = activeCluster(rows, call, input.cluster)
    return replace({
      ...row,
      settings: checkedSettings(input.settings, row.settings),
      configuration: input.configuration ?? row.configuration,
      serviceConnectDefaults:
        connectDefaults(call, input.serviceConnectDefaults) ?? row.serviceConnectDefaults,
    })
  }

  function updateClusterSettings(input: sdk.UpdateClusterSettingsCommandInput, call: Call) {
    const row = activeCluster(rows, call, input.cluster)
    return replace({ ...row, settings: checkedSettings(input.settings, row.settings) })
  }

  function putClusterCapacityProviders(
    input: sdk.PutClusterCapacityProvidersCommandInput,
    call: Call,
  ) {
    const row = activeCluster(rows, call, input.cluster)
    const kept = new Set(input.capacityProviders)
    for (const name of row.capacityProviders) {
      if (!kept.has(name) && inUse(row, name)) {
        throw new AwsFault(
          'ResourceInUseException',
          'The specified capacity provider is in use and cannot be removed.',
        )
      }
    }
    return replace({
      ...row,
      capacityProviders: checkedProviders(call, input.capacityProviders),
      defaultCapacityProviderStrategy: checkedStrategy(
        input.defaultCapacityProviderStrategy,
        input.capacityProviders,
      ),
    })
  }

  function deleteCluster(input: sdk.DeleteClusterCommandInput, call: Call) {
    const row = findCluster(rows, call, input.cluster)
    if (row.status === 'INACTIVE') return { cluster: full(row) }
    const counts = countsOf(row)
    if (counts.activeServicesCount > 0) {
      throw contains('Services', 'The Cluster cannot be deleted while Services are active.')
    }
    const instances = [...rows.containerInstances.by('cluster', row.arn)]
    if (instances.some((instance) => instance.status !== 'INACTIVE' && !instance.implicit)) {
      throw contains(
        'ContainerInstances',
        'The Cluster cannot be deleted while Container Instances are active or draining.',
      )
    }
    if (liveTasks(row) > 0) {
      throw contains('Tasks', 'The Cluster cannot be deleted while Tasks are active.')
    }
    for (const instance of instances) rows.containerInstances.delete(instance.arn)
    return replace({ ...row, status: 'INACTIVE', tags: [] })
  }

  function replace(row: ClusterRow) {
    rows.clusters.put(row.arn, row)
    return { cluster: full(row) }
  }

  function checkedProviders(call: Call, names: readonly string[] | undefined): readonly string[] {
    for (const name of names ?? []) {
      if (!isKnownCapacityProvider(context, call, name)) {
        throw invalidParameter('The specified capacity provider was not found.')
      }
    }
    return [...new Set(names)]
  }

  function inUse(row: ClusterRow, provider: string): boolean {
    for (const service of rows.services.by('clusterLive', row.arn)) {
      const strategy = service.launch.capacityProviderStrategy ?? []
      if (strategy.some((item) => item.capacityProvider === provider)) return true
    }
    return false
  }

  function liveTasks(row: ClusterRow): number {
    const { size } = rows.tasks.by('cluster', row.arn)
    return size - rows.tasks.by('last', indexKey(row.arn, 'STOPPED')).size
  }

  function countsOf(row: ClusterRow) {
    const last = (status: string) => rows.tasks.by('last', indexKey(row.arn, status)).size
    let activeServicesCount = 0
    for (const service of rows.services.by('clusterLive', row.arn)) {
      if (service.status === 'ACTIVE') activeServicesCount++
    }
    let registeredContainerInstancesCount = 0
    for (const instance of rows.containerInstances.by('cluster', row.arn)) {
      if (instance.status !== 'INACTIVE') registeredContainerInstancesCount++
    }
    return {
      registeredContainerInstancesCount,
      runningTasksCount: last('RUNNING'),
      pendingTasksCount: last('PROVISIONING') + last('PENDING') + last('ACTIVATING'),
      activeServicesCount,
    }
  }

  /** With everything but statistics, as the calls that change a cluster answer it. */
  function full(row: ClusterRow): ClusterView {
    return view(row, new Set(['SETTINGS', 'TAGS', 'CONFIGURATIONS']))
  }

  function view(row: ClusterRow, include: ReadonlySet<string>): ClusterView {
    return {
      clusterArn: row.arn,
      clusterName: row.name,
      ...(include.has('CONFIGURATIONS') && { configuration: row.configuration }),
      status: row.status,
      ...countsOf(row),
      statistics: include.has('STATISTICS') ? statisticsOf(row) : [],
      tags: include.has('TAGS') ? [...row.tags] : [],
      settings: include.has('SETTINGS') ? [...row.settings] : [],
      capacityProviders: [...row.capacityProviders],
      defaultCapacityProviderStrategy: [...row.defaultCapacityProviderStrategy],
      serviceConnectDefaults: row.serviceConnectDefaults,
    }
  }

  function statisticsOf(row: ClusterRow): sdk.KeyValuePair[] {
    const count = new Map<string, number>()
    const add = (name: string) => count.set(name, (count.get(name) ?? 0) + 1)
    for (const task of rows.tasks.by('cluster', row.arn)) {
      const kind = STATISTIC_OF[task.launchType]
      if (kind && task.lastStatus === 'RUNNING') add(`running${kind}TasksCount`)
      else if (kind && PENDING.has(task.lastStatus)) add(`pending${kind}TasksCount`)
    }
    for (const service of rows.services.by('clusterLive', row.arn)) {
      const kind = STATISTIC_OF[service.launch.launchType ?? 'EC2']
      if (kind) add(`${service.status === 'ACTIVE' ? 'active' : 'draining'}${kind}ServiceCount`)
    }
    return STATISTICS.map((name) => ({ name, value: String(count.get(name) ?? 0) }))
  }

  return {
    CreateCluster: createCluster,
    ListClusters: listClusters,
    DescribeClusters: describeClusters,
    UpdateCluster: updateCluster,
    UpdateClusterSettings: updateClusterSettings,
    PutClusterCapacityProviders: putClusterCapacityProviders,
    DeleteCluster: deleteCluster,
  }
}

const PENDING: ReadonlySet<string> = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING'])
const STATISTIC_OF: Readonly<Record<string, string>> = { EC2: 'EC2', FARGATE: 'Fargate' }
const STATISTICS = [
  'runningEC2TasksCount',
  'runningFargateTasksCount',
  'pendingEC2TasksCount',
  'pendingFargateTasksCount',
  'activeEC2ServiceCount',
  'activeFargateServiceCount',
  'drainingEC2ServiceCount',
  'drainingFargateServiceCount',
]

function contains(what: string, message: string): AwsFault {
  return new AwsFault(`ClusterContains${what}Exception`, message)
}

function checkedSettings(
  asked: readonly sdk.ClusterSetting[] | undefined,
  kept: readonly sdk.ClusterSetting[],
): readonly sdk.ClusterSetting[] {
  if (!asked) return kept
  const settings = new Map(kept.map((setting) => [setting.name, setting]))
  for (const { name, value } of asked) {
    if (name === undefined) throw clientException('Setting name can not be empty.')
    if (!INSIGHTS_VALUES.includes(value ?? '')) {
      throw invalidParameter(`Invalid value for setting ${name}: ${value}`)
    }
    settings.set(name, { name, value })
  }
  return [...settings.values()]
}

/** The strategy's shape by itself: one base, at least one weight, providers of the cluster. */
export function checkedStrategy(
  strategy: readonly sdk.CapacityProviderStrategyItem[] | undefined,
  providers: readonly string[] | undefined,
): readonly sdk.CapacityProviderStrategyItem[] {
  if (!strategy?.length) return []
  const known = new Set(providers)
  const bases = strategy.filter((item) => (item.base ?? 0) > 0)
  if (bases.length > 1) {
    throw invalidParameter('Only one capacity provider in a strategy can have a base defined.')
  }
  for (const item of strategy) {
    if (!known.has(item.capacityProvider ?? '')) {
      throw invalidParameter(
        'The specified capacity provider strategy contains a capacity provider that is not associated with the cluster.',
      )
    }
  }
  if (strategy.every((item) => item.weight === 0)) {
    throw invalidParameter(
      'A capacity provider strategy must contain at least one capacity provider with a weight greater than zero.',
    )
  }
  return strategy.map((item) => ({
    capacityProvider: item.capacityProvider,
    weight: item.weight ?? 0,
    base: item.base ?? 0,
  }))
}

// A namespace may be given by name; AWS answers its ARN.
function connectDefaults(
  call: Call,
  asked: sdk.ClusterServiceConnectDefaultsRequest | undefined,
): sdk.ClusterServiceConnectDefaults | undefined {
  if (!asked?.namespace) return undefined
  const { namespace } = asked
  if (namespace.startsWith('arn:')) return { namespace }
  return { namespace: arnOf('servicediscovery', call, `namespace/${namespace}`) }
}
