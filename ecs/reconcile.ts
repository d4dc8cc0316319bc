/**
 * Makes what is wanted so. The only awaiter of the runtime: handlers write rows, durable changes
 * come here by key, and each pass looks at the rows as they are now, however many changes it missed.
 */
import { RuntimeFault, type TaskRuntime, type TaskState } from '../cluster/runtime.ts'
import { messageOf } from '../gateway/core/fault.ts'
import type { Change } from '../gateway/core/store.ts'
import type { EcsContext } from './context.ts'
import { recordFailure } from './deployments.ts'
import { followAllNodes } from './instances.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { addServiceEvents, reconcileService } from './reconcile-service.ts'
import type { ServiceRow, TaskRow } from './rows.ts'
import * as says from './service-events.ts'
import { sweep } from './sweep.ts'
import { type Registered, RegistrationError, type TargetRegistrar } from './targets.ts'
import { factsOf, specOf } from './task-spec.ts'
import { applyState, deactivating, failedToStart, lostTask, neverStarted } from './task-state.ts'
import { within } from './within.ts'

const CONCURRENCY = 64
export const SWEEP_EVERY_MS = 30_000
const PORT_TIMEOUT_MS = 60_000
const TASK = 'task '
const SERVICE = 'service '

export interface ReconcilerOptions {
  readonly context: EcsContext
  readonly runtime: TaskRuntime
  readonly targets: TargetRegistrar
}

export interface ReconcilerHealth {
  readonly status: 'up' | 'degraded' | 'down'
  readonly detail: string
}

export interface Reconciler {
  /** Takes over what the runtime has, then goes on until closed. */
  start(): Promise<void>
  close(): Promise<void>
  health(): ReconcilerHealth
  passes(): number
  /** Resolves when nothing is left to do at once. */
  idle(): Promise<void>
}

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { context, runtime, targets } = options
  const { rows, store, clock, log } = context
  /** Tasks that the runtime has accepted, by id. */
  const accepted = new Map<string, string>()
  const askedToStop = new Set<string>()
  /** What the runtime said and the store has not made durable yet, by task. */
  const unsettled = new Map<string, TaskState>()
  const queue = new KeyedQueue({ clock, concurrency: CONCURRENCY, work, onFailure })
  const stopListening: (() => void)[] = []
  let status: 'starting' | 'running' | 'closed' = 'starting'
  let sweepTimer = clock.after(SWEEP_EVERY_MS, () => {})

  function asked<T>(what: string, answer: Promise<T>): Promise<T> {
    return within(clock, PORT_TIMEOUT_MS, 'runtime', what, answer)
  }

  function work(key: string): Promise<void> | void {
    if (key.startsWith(TASK)) return taskPass(key.slice(TASK.length))
    return servicePass(key.slice(SERVICE.length))
  }

  function onFailure(key: string, thrown: unknown, failures: number): void {
    const reason = messageOf(thrown)
    log.warn(`reconciling failed: ${reason}`, { key, failures })
    const task = key.startsWith(TASK) ? rows.tasks.get(key.slice(TASK.length)) : undefined
    const service = task?.serviceArn ? rows.services.get(task.serviceArn) : undefined
    if (!service || failures > 1) return
    const tell = (message: string) =>
      store.transact(() => addServiceEvents(context, service, [message]))
    if (thrown instanceof RegistrationError) tell(says.cannotRegister(service, thrown))
    else if (task?.lastStatus !== 'RUNNING') tell(says.cannotPlace(service, reason))
  }

  async function taskPass(arn: string): Promise<void> {
    const row = rows.tasks.get(arn)
    if (!row) return
    if (row.lastStatus === 'STOPPED') return deregisterTargets(row)
    if (row.desiredStatus === 'STOPPED') return stopTask(row)
    if (!accepted.has(row.id)) return launchTask(row)
    if (row.lastStatus === 'RUNNING') registerTargets(row)
  }

  async function launchTask(row: TaskRow): Promise<void> {
    const definition = rows.taskDefinitions.get(row.taskDefinitionArn)
    if (!definition) return fail(row, 'The task definition of the task was deleted.')
    // Nothing is started that could be forgotten: its row is durable first.
    await store.durable()
    try {
      accepted.set(row.id, row.arn)
      await asked('start the task', runtime.run(specOf(row, definition, context)))
    } catch (thrown) {
      accepted.delete(row.id)
      if (!(thrown instanceof RuntimeFault)) throw thrown
      return fail(row, `${thrown.code}: ${thrown.message}`)
    }
    // It may have been asked to stop while the runtime took it on.
    if (rows.tasks.get(row.arn)?.desiredStatus === 'STOPPED') queue.add(TASK + row.arn)
  }

  function fail(row: TaskRow, reason: string): void {
    const now = rows.tasks.get(row.arn)
    if (now) update(now, failedToStart(now, reason, clock.now()))
  }

  async function stopTask(row: TaskRow): Promise<void> {
    if (!accepted.has(row.id)) {
      // A launch whose answer never came may take place yet.
      void forget(row.id, 'stop first')
      return update(row, neverStarted(row, clock.now()))
    }
    if (askedToStop.has(row.id)) return
    deregisterTargets(row)
    // Whoever still gets an answer from it gets it whole; its last request wakes us.
    if (!targets.drained(row)) return update(row, deactivating(row))
    await asked('stop the task', runtime.stop(row.id))
    askedToStop.add(row.id)
  }

  function balancersOf(row: TaskRow) {
    const service = row.serviceArn ? rows.services.get(row.serviceArn) : undefined
    const deployment = service?.deployments.find((each) => each.id === row.deploymentId)
    return { service, balancers: (deployment ?? service?.launch)?.loadBalancers ?? [] }
  }

  function registerTargets(row: TaskRow): void {
    const { service, balancers } = balancersOf(row)
    if (!service || balancers.length === 0) return
    store.transact(() => {
      tell(service, targets.register(row, balancers), says.targetsRegistered)
    })
  }

  function deregisterTargets(row: TaskRow): void {
    const service = row.serviceArn ? rows.services.get(row.serviceArn) : undefined
    if (!service) return
    store.transact(() => {
      const done = targets.deregister(row)
      tell(service, done, says.targetsDeregistered)
      if (done.length > 0) addServiceEvents(context, service, [says.drainingBegun(service, row)])
    })
  }

  function tell(
    service: ServiceRow,
    done: readonly Registered[],
    text: (service: ServiceRow, count: number, targetGroupArn: string) => string,
  ): void {
    const messages = done.map((each) => text(service, each.count, each.targetGroupArn))
    addServiceEvents(context, service, messages)
  }

  function servicePass(arn: string): void {
    const lookAgainAtMs = reconcileService(context, targets, arn)
    if (lookAgainAtMs !== undefined) queue.addAt(SERVICE + arn, lookAgainAtMs)
  }

  function onState(state: TaskState): void {
    unsettled.set(state.id, state)
    try {
      take(state)
    } catch (thrown) {
      // The runtime says a thing once: what the store would not take is tried again by the sweep.
      log.error(`a task's state was not stored: ${messageOf(thrown)}`, { id: state.id })
    }
  }

  function take(state: TaskState): void {
    const row = rows.tasks.get(accepted.get(state.id) ?? '')
    const definition = row && rows.taskDefinitions.get(row.taskDefinitionArn)
    if (row && definition) {
      update(row, onItsInstance(applyState(row, state, factsOf(definition), clock.now())))
    }
    const pending = store.pending()
    if (pending) pending.then(() => settle(state), noted)
    else settle(state)
  }

  /** Where the runtime chose the machine, its instance is known now. */
  function onItsInstance(row: TaskRow): TaskRow {
    const node = row.observed?.node
    if (row.launchType !== 'EC2' || row.containerInstanceArn || node === undefined) return row
    for (const instance of rows.containerInstances.by('cluster', row.clusterArn)) {
      if (instance.node === node) return { ...row, containerInstanceArn: instance.arn }
    }
    return row
  }

  function settle(state: TaskState): void {
    if (unsettled.get(state.id) !== state) return
    unsettled.delete(state.id)
    if (state.phase !== 'stopped') return
    accepted.delete(state.id)
    askedToStop.delete(state.id)
  }

  function noted(thrown: unknown): void {
    log.error(`what a task came to was taken back: ${messageOf(thrown)}`)
  }

  /** Stores what became of a task; a failure counts against its service in the same transaction. */
  function update(before: TaskRow, after: TaskRow): void {
    if (before === after) return
    store.transact(() => {
      rows.tasks.put(after.arn, after)
      const service = after.serviceArn ? rows.services.get(after.serviceArn) : undefined
      if (service) tellOfPlace(service, before, after)
      if (after.lastStatus !== 'STOPPED') return
      if (!service || !isFailure(after)) return
      const failed = recordFailure(service, after.deploymentId ?? '', clock.now())
      if (failed.service !== service) rows.services.put(service.arn, failed.service)
      addServiceEvents(context, failed.service, failed.events)
    })
  }

  /** Once, when it begins to wait: not for each task of a service, nor for each try. */
  function tellOfPlace(service: ServiceRow, before: TaskRow, after: TaskRow): void {
    const reason = after.observed?.unplaced
    if (reason === undefined || before.observed?.unplaced !== undefined) return
    const message = says.waitsForPlace(service, after, reason)
    const last = [...rows.serviceEvents.by('service', service.arn)].at(-1)
    if (last?.message !== message) addServiceEvents(context, service, [message])
  }

  function onChange(changes: readonly Change[]): void {
    for (const { collection, key, after } of changes) {
      if (collection === 'tasks') onTask(key, after as TaskRow | undefined)
      else if (collection === 'services' && after) onService(after as ServiceRow)
      else if (collection === 'containerInstances') onInstances()
    }
  }

  function onTask(arn: string, after: TaskRow | undefined): void {
    // One of a service may have targets to take out after its end.
    if (after && (after.serviceArn || after.lastStatus !== 'STOPPED')) queue.add(TASK + arn)
    if (after?.serviceArn) queue.add(SERVICE + after.serviceArn)
  }

  function onService(after: ServiceRow): void {
    if (after.status !== 'INACTIVE') queue.add(SERVICE + after.arn)
  }

  // A machine that came or went matters to the services that run one task on each.
  function onInstances(): void {
    for (const service of rows.services.by('live', 'yes')) {
      if (service.schedulingStrategy === 'DAEMON') queue.add(SERVICE + service.arn)
    }
  }

  async function start(): Promise<void> {
    const believed = [...rows.tasks.by('live', 'yes')].flatMap((row) => {
      const definition = rows.taskDefinitions.get(row.taskDefinitionArn)
      return definition
        ? [{ spec: specOf(row, definition, context), state: row.observed, row }]
        : []
    })
    for (const { row } of believed) accepted.set(row.id, row.arn)
    const truth = await asked('take over its tasks', runtime.start(believed, onState))
    const known = new Set(truth.map(({ id }) => id))
    const remembered = new Set([...rows.tasks.all()].map(({ id }) => id))
    for (const { row } of believed) if (!known.has(row.id)) missing(row)
    const orphans = truth.filter(({ id, phase }) => {
      // The logs of one that stopped last until its row goes.
      return !accepted.has(id) && (phase !== 'stopped' || !remembered.has(id))
    })
    await Promise.all(orphans.map(dropOrphan))
    for (const state of truth) if (accepted.has(state.id)) onState(state)
    stopListening.push(
      store.onChange(onChange),
      targets.onChange((arn) => onTask(arn, rows.tasks.get(arn))),
    )
    status = 'running'
    lookAtAll()
    // Those that ended while nobody looked may still be registered with a target group.
    for (const row of rows.tasks.by('stopped', 'yes')) if (row.serviceArn) queue.add(TASK + row.arn)
    sweepTimer = clock.after(SWEEP_EVERY_MS, runSweep)
  }

  function missing(row: TaskRow): void {
    accepted.delete(row.id)
    // One that the runtime never spoke of was accepted by nobody: it is started now.
    if (row.observed) update(row, lostTask(row, clock.now()))
  }

  async function dropOrphan(state: TaskState): Promise<void> {
    log.warn('the runtime has a task that nobody knows: it is stopped', { id: state.id })
    await forget(state.id, 'stop first')
  }

  function lookAtAll(): void {
    for (const row of rows.tasks.by('live', 'yes')) queue.addUnlessFailing(TASK + row.arn)
    for (const row of rows.services.by('live', 'yes')) queue.addUnlessFailing(SERVICE + row.arn)
  }

  function runSweep(): void {
    // Events can be missed by the world, not by the store: whatever was asked is asked again.
    askedToStop.clear()
    for (const state of [...unsettled.values()]) onState(state)
    lookAtAll()
    const gone = swept()
    for (const id of gone) void forget(id)
    sweepTimer = clock.after(SWEEP_EVERY_MS, runSweep)
  }

  async function forget(id: string, stopFirst?: 'stop first'): Promise<void> {
    try {
      if (stopFirst) await asked('stop the task', runtime.stop(id))
      await asked('forget the task', runtime.remove(id))
    } catch (thrown) {
      log.warn(`a stopped task was not removed: ${messageOf(thrown)}`, { id })
    }
  }

  function swept(): readonly string[] {
    try {
      return store.transact(() => {
        followAllNodes(context)
        return sweep(rows, clock.now())
      })
    } catch (thrown) {
      log.error(`old rows were not deleted: ${messageOf(thrown)}`)
      return []
    }
  }

  async function close(): Promise<void> {
    status = 'closed'
    sweepTimer.cancel()
    for (const stop of stopListening.splice(0)) stop()
    await queue.close()
  }

  function health(): ReconcilerHealth {
    if (status !== 'running') return { status: 'down', detail: status }
    if (queue.failing > 0) {
      return { status: 'degraded', detail: `${queue.failing} keys fail and are tried again` }
    }
    return { status: 'up', detail: `${queue.passes} passes` }
  }

  return { start, close, health, passes: () => queue.passes, idle: () => queue.idle() }
}

/** Whether a stopped task counts against its deployment: nobody asked it to stop. */
function isFailure({ stopCode }: TaskRow): boolean {
  return stopCode === 'TaskFailedToStart' || stopCode === 'EssentialContainerExited'
}
