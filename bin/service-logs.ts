/** What the tasks of one service wrote. */
import type { LogLine, TaskRuntime } from '../cluster/runtime.ts'
import type { EcsRows, ServiceRow, TaskRow } from '../ecs/rows.ts'
import { type LogQuery, NoSuchLog } from '../gateway/admin-logs.ts'
import { parseArn } from '../gateway/core/arn.ts'
import type { Store } from '../gateway/core/store.ts'
import { Funnel, inOrder } from './funnel.ts'

export interface ServiceLine extends LogLine {
  /** Id of the task. */
  readonly task: string
}

export interface ServiceLogParts {
  readonly store: Store
  readonly rows: EcsRows
  readonly runtime: TaskRuntime
}

/** Of those that have ended only the newest are read. */
const ENDED_TASKS = 50
const NAMED_IN_ERRORS = 8

/**
 * Lines of the tasks of a service, by `NAME`, `CLUSTER/NAME` or ARN: oldest first, or as they come
 * where they are followed, then also of tasks that start meanwhile, until the service is deleted.
 * Throws NoSuchLog.
 */
export function serviceLogs(
  parts: ServiceLogParts,
  name: string,
  query: LogQuery,
): AsyncIterable<ServiceLine> {
  const { arn } = serviceNamed(parts.rows, name)
  if (query.follow) return follow(parts, arn, query)
  const sources = tasksOf(parts.rows, arn).map(({ id }) => linesOf(parts.runtime, id, query))
  return inOrder(sources, ({ atMs }) => atMs)
}

async function* linesOf(
  runtime: TaskRuntime,
  task: string,
  query: LogQuery,
): AsyncGenerator<ServiceLine> {
  for await (const line of runtime.logs(task, query)) yield { task, ...line }
}

function tasksOf(rows: EcsRows, serviceArn: string): TaskRow[] {
  const all = [...rows.tasks.by('service', serviceArn)]
  const ended = all
    .filter(isEnded)
    .sort((a, b) => b.createdAtMs - a.createdAtMs)
    .slice(0, ENDED_TASKS)
  return [...ended, ...all.filter((row) => !isEnded(row))]
}

function isEnded({ lastStatus }: TaskRow): boolean {
  return lastStatus === 'STOPPED'
}

async function* follow(
  { store, rows, runtime }: ServiceLogParts,
  serviceArn: string,
  query: LogQuery,
): AsyncGenerator<ServiceLine> {
  const funnel = new Funnel<ServiceLine>()
  const off = new AbortController()
  const signal = AbortSignal.any([off.signal, query.signal])
  signal.addEventListener('abort', () => funnel.close())
  /** ARNs of tasks that are read now, or need not be any more. */
  const taken = new Set<string>()
  let reading = 0
  const closeWhereOver = () => {
    if (reading === 0 && rows.services.get(serviceArn)?.status !== 'ACTIVE') funnel.close()
  }

  async function take(row: TaskRow, tail?: number): Promise<void> {
    if (taken.has(row.arn)) return
    taken.add(row.arn)
    reading++
    const { container } = query
    const wanted = {
      follow: true,
      signal,
      ...(container === undefined ? {} : { container }),
      ...(tail === undefined ? {} : { tail }),
    }
    const count = await funnel.add(linesOf(runtime, row.id, wanted))
    reading--
    // The runtime may not have known it yet: it is read again once something has changed.
    if (count === 0 && !isEnded(row)) {
      taken.delete(row.arn)
      const now = rows.tasks.get(row.arn)
      if (now && now.version !== row.version) void take(now)
    }
    closeWhereOver()
  }

  const stopListening = store.onChange((changes) => {
    for (const { collection, key, after } of changes) {
      if (collection === rows.services.name && key === serviceArn) closeWhereOver()
      if (collection !== rows.tasks.name) continue
      const row = after as TaskRow | undefined
      if (row === undefined) taken.delete(key)
      else if (row.serviceArn === serviceArn) void take(row)
    }
  })
  try {
    for (const row of tasksOf(rows, serviceArn)) void take(row, query.tail)
    closeWhereOver()
    yield* funnel.read()
  } finally {
    stopListening()
    off.abort()
  }
}

function serviceNamed(rows: EcsRows, name: string): ServiceRow {
  const said = parseArn(name)?.resource.replace(/^service\//, '') ?? name
  const parts = said.split('/')
  const [cluster, service] = parts.length > 1 ? parts : [undefined, said]
  const fits = [...rows.services.all()].filter((row) => {
    if (name.startsWith('arn:')) return row.arn === name
    return row.name === service && (cluster === undefined || clusterOf(row) === cluster)
  })
  // One that was deleted is told as long as ECS tells it, unless another took its name.
  const live = fits.filter(({ status }) => status !== 'INACTIVE')
  const found = live.length > 0 ? live : fits
  if (found.length === 1 && found[0]) return found[0]
  if (found.length > 1) {
    throw new NoSuchLog(
      `There are several services ${JSON.stringify(name)}: ${listOf(found.map(({ arn }) => arn))}. Give its cluster, or one of these ARNs.`,
    )
  }
  const others = [...rows.services.by('live', 'yes')].map((row) => `${clusterOf(row)}/${row.name}`)
  throw new NoSuchLog(
    `There is no service ${JSON.stringify(name)}. ` +
      (others.length > 0 ? `There is ${listOf(others)}.` : 'There is none at all.'),
  )
}

function clusterOf({ clusterArn }: ServiceRow): string {
  return clusterArn.slice(clusterArn.lastIndexOf('/') + 1)
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, NAMED_IN_ERRORS).join(', ')
  return names.length > NAMED_IN_ERRORS
    ? `${shown} and ${names.length - NAMED_IN_ERRORS} more`
    : shown
}
