/** What a runtime says of a task, put into ECS's words. Pure. */
import type * as sdk from '@aws-sdk/client-ecs'
import type { ContainerState, TaskState } from '../cluster/runtime.ts'
import type { ContainerRow, TaskRow, TaskStatus } from './rows.ts'

/** The order in which a task's last status may change; it never goes back. */
export const TASK_STATUSES: readonly TaskStatus[] = [
  'PROVISIONING',
  'PENDING',
  'ACTIVATING',
  'RUNNING',
  'DEACTIVATING',
  'STOPPING',
  'DEPROVISIONING',
  'STOPPED',
]

/** A task that waits for a machine stays as it began: PROVISIONING where it gets an interface. */
const STATUS_OF: Readonly<Record<TaskState['phase'], TaskStatus>> = {
  pending: 'PROVISIONING',
  pulling: 'PENDING',
  running: 'RUNNING',
  stopping: 'STOPPING',
  stopped: 'STOPPED',
}

/** The stop codes that ECS has for what a runtime decided by itself. */
const CODE_OF = {
  TaskFailedToStart: 'TaskFailedToStart',
  EssentialContainerExited: 'EssentialContainerExited',
  Lost: 'TerminationNotice',
} as const satisfies Record<string, sdk.TaskStopCode>

/** What of the definition the health of a task depends on. */
export interface TaskFacts {
  /** Names of essential containers. */
  readonly essential: ReadonlySet<string>
  /** Names of containers that have a health check. */
  readonly checked: ReadonlySet<string>
}

/** The row after the runtime said `state`; the same object where nothing changes. */
export function applyState(
  row: TaskRow,
  state: TaskState,
  facts: TaskFacts,
  nowMs: number,
): TaskRow {
  if (row.lastStatus === 'STOPPED' || same(row.observed, state)) return row
  const lastStatus = later(row.lastStatus, STATUS_OF[state.phase])
  const containers = row.containers.map((container) => {
    const seen = state.containers.find((each) => each.name === container.name)
    return seen ? applyContainer(row, container, seen, state) : container
  })
  const stopping = state.phase === 'stopping' || state.phase === 'stopped'
  const next: TaskRow = {
    ...row,
    lastStatus,
    containers,
    attachments: row.attachments.map((each) => attachmentOf(each, state)),
    healthStatus: healthOf(containers, facts),
    connectivityAtMs: row.connectivityAtMs ?? (state.phase === 'pending' ? undefined : nowMs),
    pullStartedAtMs: since(row, state.pullStartedAtMs) ?? row.pullStartedAtMs,
    pullStoppedAtMs: since(row, state.pullStoppedAtMs) ?? row.pullStoppedAtMs,
    startedAtMs: row.startedAtMs ?? since(row, startOf(state, nowMs)),
    stoppingAtMs: row.stoppingAtMs ?? (stopping ? (state.stoppingAtMs ?? nowMs) : undefined),
    observed: state,
    version: row.version + 1,
  }
  return stopping ? stopped(next, state, nowMs) : next
}

/** The row of a task that is nowhere any more. */
export function lostTask(row: TaskRow, nowMs: number): TaskRow {
  return ended(row, 'TerminationNotice', 'Task was lost while KECS was not running.', nowMs)
}

/** The row of a task that its runtime refused, e.g. `RESOURCE:PORTS`. */
export function failedToStart(row: TaskRow, reason: string, nowMs: number): TaskRow {
  return ended(row, 'TaskFailedToStart', reason, nowMs)
}

/** The row of a task that was to stop before it ever reached its runtime. */
export function neverStarted(row: TaskRow, nowMs: number): TaskRow {
  return ended(row, 'UserInitiated', 'Task stopped before it was started.', nowMs)
}

/** A task asked to stop; whoever asked first has said why. */
export function askedToStop(
  row: TaskRow,
  stopCode: sdk.TaskStopCode,
  stoppedReason: string,
  nowMs: number,
): TaskRow {
  if (row.desiredStatus === 'STOPPED') return row
  return {
    ...row,
    desiredStatus: 'STOPPED',
    stopCode,
    stoppedReason,
    stoppingAtMs: nowMs,
    version: row.version + 1,
  }
}

/** A task whose targets are being drained; it runs until they are. */
export function deactivating(row: TaskRow): TaskRow {
  if (row.lastStatus !== 'RUNNING') return row
  return { ...row, lastStatus: 'DEACTIVATING', version: row.version + 1 }
}

function ended(row: TaskRow, code: sdk.TaskStopCode, reason: string, nowMs: number): TaskRow {
  return {
    ...row,
    desiredStatus: 'STOPPED',
    lastStatus: 'STOPPED',
    containers: row.containers.map((container) => ({ ...container, lastStatus: 'STOPPED' })),
    attachments: row.attachments.map((each) => ({ ...each, status: 'DELETED' })),
    stopCode: row.stopCode ?? code,
    stoppedReason: row.stoppedReason ?? reason,
    stoppingAtMs: row.stoppingAtMs ?? nowMs,
    executionStoppedAtMs: row.executionStoppedAtMs ?? nowMs,
    stoppedAtMs: nowMs,
    version: row.version + 1,
  }
}

function stopped(row: TaskRow, state: TaskState, nowMs: number): TaskRow {
  const cause = state.cause
  const over = state.phase === 'stopped'
  return {
    ...row,
    desiredStatus: 'STOPPED',
    stopCode: row.stopCode ?? (cause && CODE_OF[cause.code]),
    stoppedReason: row.stoppedReason ?? cause?.reason,
    executionStoppedAtMs: over
      ? (row.executionStoppedAtMs ?? state.stoppedAtMs ?? nowMs)
      : row.executionStoppedAtMs,
    stoppedAtMs: over ? (state.stoppedAtMs ?? nowMs) : undefined,
  }
}

/** Runtimes may count in whole seconds: nothing happens to a task before it was made. */
function since({ createdAtMs }: TaskRow, atMs: number | undefined): number | undefined {
  return atMs === undefined ? undefined : Math.max(createdAtMs, atMs)
}

function startOf(state: TaskState, nowMs: number): number | undefined {
  if (state.startedAtMs !== undefined) return state.startedAtMs
  return state.phase === 'running' ? nowMs : undefined
}

function later(left: TaskStatus, right: TaskStatus): TaskStatus {
  return TASK_STATUSES.indexOf(right) > TASK_STATUSES.indexOf(left) ? right : left
}

const CONTAINER_STATUS = { pending: 'PENDING', running: 'RUNNING', stopped: 'STOPPED' } as const
const HEALTH = { unknown: 'UNKNOWN', healthy: 'HEALTHY', unhealthy: 'UNHEALTHY' } as const

function applyContainer(
  task: TaskRow,
  row: ContainerRow,
  seen: ContainerState,
  state: TaskState,
): ContainerRow {
  return {
    ...row,
    lastStatus: CONTAINER_STATUS[seen.phase],
    runtimeId: seen.runtimeId ?? row.runtimeId,
    imageDigest: seen.imageDigest ?? row.imageDigest,
    exitCode: seen.exitCode ?? row.exitCode,
    reason: seen.reason ?? row.reason,
    healthStatus: HEALTH[seen.health],
    networkBindings: seen.ports.map(({ bindIp, containerPort, hostPort, protocol }) => ({
      bindIP: bindIp,
      containerPort,
      hostPort,
      protocol,
    })),
    networkInterfaces: interfacesOf(task, state),
  }
}

function interfacesOf(task: TaskRow, state: TaskState): sdk.NetworkInterface[] {
  if (state.address === undefined) return []
  return task.attachments.map(({ id }) => ({
    attachmentId: id,
    privateIpv4Address: state.address,
  }))
}

function attachmentOf(attachment: sdk.Attachment, state: TaskState): sdk.Attachment {
  const status =
    state.phase === 'stopped' ? 'DELETED' : state.phase === 'pending' ? 'PRECREATED' : 'ATTACHED'
  const details = (attachment.details ?? []).filter(({ name }) => name !== 'privateIPv4Address')
  if (state.address !== undefined) {
    details.push({ name: 'privateIPv4Address', value: state.address })
  }
  return { ...attachment, status, details }
}

/** A task is as healthy as its essential containers that have health checks. */
function healthOf(containers: readonly ContainerRow[], facts: TaskFacts): sdk.HealthStatus {
  let unknown = false
  let any = false
  for (const { name, healthStatus } of containers) {
    if (!facts.checked.has(name) || !facts.essential.has(name)) continue
    any = true
    if (healthStatus === 'UNHEALTHY') return 'UNHEALTHY'
    if (healthStatus !== 'HEALTHY') unknown = true
  }
  return any && !unknown ? 'HEALTHY' : 'UNKNOWN'
}

function same(left: TaskState | undefined, right: TaskState): boolean {
  return left !== undefined && JSON.stringify(left) === JSON.stringify(right)
}
