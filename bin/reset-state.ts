import { messageOf } from '../gateway/core/fault.ts'
import type { Collection, Row } from '../gateway/core/store.ts'
import type { Parts } from './parts.ts'

/** By then a task has stopped, whatever its stopTimeout is (AWS allows 120 s). */
const FORGET_AFTER_MS = 150_000

/** Deletes every row at once, then stops whatever still runs for them. */
export async function resetState(
  parts: Pick<Parts, 'store' | 'rows' | 'balancing' | 'runtime' | 'reconciler' | 'clock' | 'log'>,
): Promise<{ rows: number; tasks: number }> {
  const { store, rows, balancing, runtime, reconciler, clock, log } = parts
  const live = [...rows.tasks.by('live', 'yes')].map(({ id }) => id)
  const all = [...rows.tasks.all()].map(({ id }) => id)
  const count = store.transact(() => {
    let deleted = 0
    for (const collection of Object.values(rows)) deleted += empty(collection)
    for (const collection of Object.values(balancing.rows)) deleted += empty(collection)
    return deleted
  })
  await store.durable()
  // A launch that was under way has taken place by then, and can be undone.
  await reconciler.idle()
  const tell = (verb: string, id: string) => (error: unknown) =>
    log.warn(`a task could not be ${verb}: ${messageOf(error)}`, { task: id })
  await Promise.all(live.map((id) => runtime.stop(id).catch(tell('stopped', id))))
  clock.after(FORGET_AFTER_MS, () => {
    for (const id of all) runtime.remove(id).catch(tell('forgotten', id))
  })
  log.info('everything was deleted', { rows: count, tasks: live.length })
  return { rows: count, tasks: live.length }
}

function empty<R extends Row>(collection: Collection<R>): number {
  const rows = [...collection.all()] as readonly { arn?: string; id?: string }[]
  for (const { arn = '', id = '' } of rows) collection.delete(arn) || collection.delete(id)
  return rows.length
}
