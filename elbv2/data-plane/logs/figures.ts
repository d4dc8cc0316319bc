/** What load balancers and target groups count, under CloudWatch's names and with its dimensions. */
import type { Metrics, ReadGauge } from '../../../gateway/metrics.ts'
import { shortNameOf } from '../../names.ts'
import type {
  LiveBalancer,
  LiveGroup,
  LiveListener,
  RequestRecord,
  RoutingTable,
} from '../model.ts'
import { AUTH_ERRORS, AUTH_FAILURES, LAMBDA_INTERNAL_ERRORS } from './reasons.ts'

export interface Figures {
  onRequest(record: RequestRecord): void
  /** A client's connection (a flow of a network load balancer) began; call what it gives when it ends. */
  onConnection(loadBalancerArn: string): () => void
  /** A connection that was turned away because there are too many. */
  onRejectedConnection(loadBalancerArn: string): void
  /** A client whose TLS handshake failed. */
  onTlsError(loadBalancerArn: string): void
  /** A connection to a target that did not come about. */
  onTargetConnectionError(loadBalancerArn: string, groupArn: string): void
  /** Bytes of flows that have no requests. */
  onBytes(loadBalancerArn: string, bytes: number): void
  /** Puts everything on a registry; what `live` does not know any more is told no longer. */
  register(metrics: Metrics, live: LiveView): void
}

/** What is there at this moment. */
export interface LiveView {
  table(): RoutingTable
  group(arn: string): LiveGroup | undefined
}

const BALANCER_COUNTERS = {
  RequestCount: 'Requests for which a target was chosen.',
  NewConnectionCount: "Clients' connections that were opened.",
  RejectedConnectionCount: 'Connections turned away because there were too many.',
  ClientTLSNegotiationErrorCount: 'TLS handshakes of clients that failed.',
  ProcessedBytes: 'Bytes from and to clients, heads included.',
  IPv6ProcessedBytes: 'Of ProcessedBytes those over IPv6.',
  IPv6RequestCount: 'Requests over IPv6.',
  GrpcRequestCount: 'gRPC requests.',
  RuleEvaluations: 'Rules evaluated, default rules not counted.',
  HTTP_Fixed_Response_Count: 'Fixed responses.',
  HTTP_Redirect_Count: 'Redirects.',
  HTTPCode_ELB_3XX_Count: '3XX answers of the load balancer itself.',
  HTTPCode_ELB_4XX_Count: '4XX answers of the load balancer itself.',
  HTTPCode_ELB_5XX_Count: '5XX answers of the load balancer itself.',
  HTTPCode_ELB_500_Count: '500 answers of the load balancer itself.',
  HTTPCode_ELB_502_Count: '502 answers of the load balancer itself.',
  HTTPCode_ELB_503_Count: '503 answers of the load balancer itself.',
  HTTPCode_ELB_504_Count: '504 answers of the load balancer itself.',
  DesyncMitigationMode_NonCompliant_Request_Count: 'Requests that do not comply with RFC 7230.',
  ELBAuthSuccess: 'Requests that an authenticate action let pass.',
  ELBAuthFailure: 'Authentications that the identity provider or a forged value ended.',
  ELBAuthError: 'Authentications that could not be carried out.',
} as const

const GROUP_COUNTERS = {
  HTTPCode_Target_2XX_Count: '2XX answers of targets.',
  HTTPCode_Target_3XX_Count: '3XX answers of targets.',
  HTTPCode_Target_4XX_Count: '4XX answers of targets.',
  HTTPCode_Target_5XX_Count: '5XX answers of targets.',
  RequestCountPerTarget: 'Requests that each target got on average.',
  TargetConnectionErrorCount: 'Connections to targets that did not come about.',
  LambdaUserError: 'Requests that failed because of the function.',
  LambdaInternalError: 'Requests that failed because of Lambda.',
  LambdaTargetProcessedBytes: 'Bytes of requests to functions and of their answers.',
} as const

type BalancerCounter = keyof typeof BALANCER_COUNTERS
type GroupCounter = keyof typeof GROUP_COUNTERS

/** Of TargetResponseTime, in seconds. */
const BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

interface GroupCells {
  readonly counters: Record<GroupCounter, number>
  readonly response: { readonly boundsS: number[]; counts: number[]; sumS: number; count: number }
}

interface BalancerCells {
  readonly counters: Record<BalancerCounter, number>
  readonly groups: Map<string, GroupCells>
  connections: number
}

const LABELS = ['LoadBalancer']
const GROUP_LABELS = ['TargetGroup', 'LoadBalancer']
/** Those that AWS/NetworkELB has under the same name. */
const ALSO_OF_NETWORK: ReadonlySet<string> = new Set([
  'ProcessedBytes',
  'ClientTLSNegotiationErrorCount',
])

export function createFigures(): Figures {
  const balancers = new Map<string, BalancerCells>()
  let live: LiveView | undefined

  function cellsOf(arn: string): BalancerCells {
    let cells = balancers.get(arn)
    if (!cells) {
      prune(balancers, live)
      cells = { counters: zeros(BALANCER_COUNTERS), groups: new Map(), connections: 0 }
      balancers.set(arn, cells)
    }
    return cells
  }

  return {
    onRequest(record) {
      const cells = cellsOf(record.listener.balancer.row.arn)
      countRequest(record, cells.counters)
      if (record.target) countTarget(record, record.target.group, cells)
    },
    onConnection(arn) {
      const cells = cellsOf(arn)
      cells.counters.NewConnectionCount++
      cells.connections++
      let open = true
      return () => {
        if (open) cells.connections--
        open = false
      }
    },
    onRejectedConnection: (arn) => cellsOf(arn).counters.RejectedConnectionCount++,
    onTlsError: (arn) => cellsOf(arn).counters.ClientTLSNegotiationErrorCount++,
    onTargetConnectionError: (arn, groupArn) =>
      groupCells(cellsOf(arn), groupArn).counters.TargetConnectionErrorCount++,
    onBytes(arn, bytes) {
      cellsOf(arn).counters.ProcessedBytes += bytes
    },
    register(metrics, view) {
      live = view
      registerBalancers(metrics, balancers, () => prune(balancers, view))
      registerGroups(metrics, balancers)
      registerHealth(metrics, view)
    },
  }
}

function zeros<K extends string>(names: Readonly<Record<K, string>>): Record<K, number> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, 0])) as Record<K, number>
}

function groupCells(cells: BalancerCells, arn: string): GroupCells {
  let group = cells.groups.get(arn)
  if (!group) {
    const counts = BOUNDS_S.map(() => 0)
    const response = { boundsS: BOUNDS_S, counts, sumS: 0, count: 0 }
    group = { counters: zeros(GROUP_COUNTERS), response }
    cells.groups.set(arn, group)
  }
  return group
}

function countRequest(record: RequestRecord, counters: BalancerCells['counters']): void {
  const { target, actions, errorReason, peer } = record
  const bytes = record.receivedBytes + record.sentBytes
  counters.ProcessedBytes += bytes
  if (target) counters.RequestCount++
  if (peer.sourceIp.includes(':') && !peer.sourceIp.startsWith('::ffff:')) {
    counters.IPv6RequestCount++
    counters.IPv6ProcessedBytes += bytes
  }
  if (target?.group.row.protocolVersion === 'GRPC') counters.GrpcRequestCount++
  if (record.rule) counters.RuleEvaluations += evaluationsOf(record.listener, record.rule)
  if (record.redirectUrl !== undefined) counters.HTTP_Redirect_Count++
  else if (actions.at(-1) === 'fixed-response') counters.HTTP_Fixed_Response_Count++
  if (record.classification !== '-') counters.DesyncMitigationMode_NonCompliant_Request_Count++
  if (record.targetStatus === undefined) countOwnAnswer(record.status, counters)
  if (errorReason?.startsWith('Auth')) {
    if (AUTH_FAILURES.has(errorReason)) counters.ELBAuthFailure++
    else if (AUTH_ERRORS.has(errorReason)) counters.ELBAuthError++
  } else if (actions.length > 1 && actions[0] === 'authenticate') counters.ELBAuthSuccess++
}

/** A client that left first is a 460 in AWS's count. */
function countOwnAnswer(status: number | undefined, counters: BalancerCells['counters']): void {
  if (status === undefined || (status >= 400 && status < 500)) counters.HTTPCode_ELB_4XX_Count++
  else if (status >= 500) {
    counters.HTTPCode_ELB_5XX_Count++
    if (status === 500) counters.HTTPCode_ELB_500_Count++
    else if (status === 502) counters.HTTPCode_ELB_502_Count++
    else if (status === 503) counters.HTTPCode_ELB_503_Count++
    else if (status === 504) counters.HTTPCode_ELB_504_Count++
  } else if (status >= 300) counters.HTTPCode_ELB_3XX_Count++
}

function countTarget(record: RequestRecord, group: LiveGroup, cells: BalancerCells): void {
  const { counters, response } = groupCells(cells, group.arn)
  const { targetStatus = 0, targetProcessingMs, errorReason } = record
  if (group.row.targetType === 'lambda') {
    counters.LambdaTargetProcessedBytes += record.receivedBytes + record.sentBytes
    if (errorReason?.startsWith('Lambda')) {
      if (LAMBDA_INTERNAL_ERRORS.has(errorReason)) counters.LambdaInternalError++
      else counters.LambdaUserError++
    }
  } else {
    counters.RequestCountPerTarget += 1 / Math.max(1, group.targets.length)
    if (isUnreached(record)) counters.TargetConnectionErrorCount++
  }
  if (targetStatus >= 500) counters.HTTPCode_Target_5XX_Count++
  else if (targetStatus >= 400) counters.HTTPCode_Target_4XX_Count++
  else if (targetStatus >= 300) counters.HTTPCode_Target_3XX_Count++
  else if (targetStatus >= 200) counters.HTTPCode_Target_2XX_Count++
  if (targetProcessingMs < 0) return
  const seconds = targetProcessingMs / 1000
  response.sumS += seconds
  response.count++
  const bucket = BOUNDS_S.findIndex((bound) => seconds <= bound)
  if (bucket !== -1) response.counts[bucket] = (response.counts[bucket] ?? 0) + 1
}

/** A target was chosen, and not a byte could be sent to it. */
export function isUnreached({ requestProcessingMs, status = 0 }: RequestRecord): boolean {
  return requestProcessingMs < 0 && (status === 502 || status === 504)
}

const evaluations = new WeakMap<object, number>()

/** Rules up to and with the one that matched, looked up once a rule. */
function evaluationsOf(listener: LiveListener, rule: object): number {
  let count = evaluations.get(rule)
  if (count === undefined) {
    const last = listener.rules.length - 1
    for (const [i, each] of listener.rules.entries()) evaluations.set(each, i < last ? i + 1 : i)
    count = evaluations.get(rule) ?? 0
  }
  return count
}

function prune(balancers: Map<string, BalancerCells>, live: LiveView | undefined): void {
  if (!live) return
  const { byArn } = live.table()
  for (const [arn, cells] of balancers) {
    if (!byArn.has(arn)) balancers.delete(arn)
    else for (const group of cells.groups.keys()) if (!live.group(group)) cells.groups.delete(group)
  }
}

const isNetwork = (arn: string) => shortNameOf(arn).startsWith('net/')
const groupName = (arn: string) => arn.slice(arn.lastIndexOf(':') + 1)

function registerBalancers(
  metrics: Metrics,
  balancers: ReadonlyMap<string, BalancerCells>,
  pruned: () => void,
): void {
  const read = (
    applies: (network: boolean) => boolean,
    figureOf: (cells: BalancerCells) => number,
  ): ReadGauge =>
    function* () {
      pruned()
      for (const [arn, cells] of balancers) {
        if (applies(isNetwork(arn))) yield [[shortNameOf(arn)], figureOf(cells)]
      }
    }
  const application = (network: boolean) => !network
  const network = (network: boolean) => network
  const opened = ({ counters }: BalancerCells) => counters.NewConnectionCount
  const open = ({ connections }: BalancerCells) => connections

  for (const [name, help] of Object.entries(BALANCER_COUNTERS)) {
    const applies = ALSO_OF_NETWORK.has(name) ? () => true : application
    const figureOf = ({ counters }: BalancerCells) => counters[name as BalancerCounter]
    metrics.countedElsewhere(name, help, LABELS, read(applies, figureOf))
  }
  metrics.countedElsewhere('NewFlowCount', 'Flows that began.', LABELS, read(network, opened))
  const active = "Clients' connections that are open."
  metrics.gauge('ActiveConnectionCount', active, LABELS, read(application, open))
  metrics.gauge('ActiveFlowCount', 'Flows that are open.', LABELS, read(network, open))
}

function registerGroups(metrics: Metrics, balancers: ReadonlyMap<string, BalancerCells>): void {
  function* all<T>(wanted: (cells: GroupCells) => T): Iterable<readonly [readonly string[], T]> {
    for (const [arn, { groups }] of balancers) {
      for (const [group, cells] of groups) {
        yield [[groupName(group), shortNameOf(arn)], wanted(cells)]
      }
    }
  }
  for (const [name, help] of Object.entries(GROUP_COUNTERS)) {
    metrics.countedElsewhere(name, help, GROUP_LABELS, () =>
      all(({ counters }) => counters[name as GroupCounter]),
    )
  }
  metrics.durationsElsewhere(
    'TargetResponseTime',
    'Seconds from the sending of a request to the head of its answer.',
    GROUP_LABELS,
    () => all(({ response }) => response),
  )
}

function registerHealth(metrics: Metrics, live: LiveView): void {
  const count = (state: string) =>
    function* (): ReturnType<ReadGauge> {
      for (const balancer of live.table().byArn.values()) {
        for (const arn of groupsOf(balancer)) {
          const targets = live.group(arn)?.targets ?? []
          const found = targets.filter(({ health }) => health.state === state).length
          yield [[groupName(arn), shortNameOf(balancer.row.arn)], found]
        }
      }
    }
  metrics.gauge('HealthyHostCount', 'Targets found healthy.', GROUP_LABELS, count('healthy'))
  metrics.gauge('UnHealthyHostCount', 'Targets found unhealthy.', GROUP_LABELS, count('unhealthy'))
}

/** Every group that some rule of the load balancer forwards to. */
function groupsOf(balancer: LiveBalancer): Set<string> {
  const arns = new Set<string>()
  for (const { rules } of balancer.listeners) {
    for (const { final } of rules) {
      if (final.kind === 'forward') for (const { arn } of final.plan.groups) arns.add(arn)
    }
  }
  return arns
}
