import { messageOf } from '../gateway/core/fault.ts'
import type { Collection, Row } from '../gateway/core/store.ts'
import type { Parts } from './parts.ts'

/** Deletes every row at once, then stops whatever still runs for them. */
export async function resetState(
  parts: Pick<Parts, 'store' | 'rows' | 'runtime' | 'log'>,
): Promise<{ rows: number; tasks: number }> {
  const { store, rows, runtime, log } = parts
  const live = [...rows.tasks.by('live', 'yes')].map(({ id }) => id)
  const count = store.transact(() => {
    let deleted = 0
    for (const collection of Object.values(rows)) deleted += empty(collection)
    return deleted
  })
  await store.durable()
  await Promise.all(
    live.map((id) =>
      runtime.stop(id).catch((error) => {
        // The reconciler stops what has no row in its next sweep.
        log.warn(`a task could not be stopped: ${messageOf(error)}`, { task: id })
      }),
    ),
  )
  log.info('everything was deleted', { rows: count, tasks: live.length })
  return { rows: count, tasks: live.length }
}

function empty<R extends Row>(collection: Collection<R>): number {
  const rows = [...collection.all()] as readonly { arn?: string; id?: string }[]
  for (const { arn = '', id = '' } of rows) collection.delete(arn) || collection.delete(id)
  return rows.length
}
