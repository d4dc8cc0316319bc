import { readdirSync } from 'node:fs'
import { silentLogger } from '../../../gateway/core/log.ts'
import {
  type OpenStore,
  type OpenStoreOptions,
  openStore,
} from '../../../gateway/core/open-store.ts'
import type { Collection, Store } from '../../../gateway/core/store.ts'
import { FakeClock } from '../../fake-clock.ts'
import { FakeFiles } from '../../fake-files.ts'
import { withTempDir } from '../../temp-dir.ts'

export interface Item {
  readonly value: number
  readonly text?: string
}

export interface StoreWorld extends OpenStore {
  readonly dir: string
  readonly files: FakeFiles
  readonly items: Collection<Item>
  readonly errors: string[]
  /** Settles once an error is logged, or at once if one was. */
  told(): Promise<void>
}

export function itemsOf(store: Store): Collection<Item> {
  return store.collection<Item>('items', { indexes: { parity: ({ value }) => `${value % 2}` } })
}

export async function openWorld(
  dir: string,
  options: Partial<OpenStoreOptions> = {},
): Promise<StoreWorld> {
  const files = new FakeFiles()
  const errors: string[] = []
  let tell = () => {}
  const first = new Promise<void>((resolve) => {
    tell = resolve
  })
  const log = {
    ...silentLogger,
    error(message: string) {
      errors.push(message)
      tell()
    },
  }
  const opened = await openStore({ dir, clock: new FakeClock(), log, files, ...options })
  return { ...opened, dir, files, errors, told: () => first, items: itemsOf(opened.store) }
}

/** A store in a folder of its own; `work` may close it. */
export async function withStore(
  work: (world: StoreWorld) => Promise<void>,
  options: Partial<OpenStoreOptions> = {},
): Promise<void> {
  await withTempDir(async (dir) => {
    const world = await openWorld(dir, options)
    try {
      await work(world)
    } finally {
      world.files.heal()
      await world.close()
    }
  })
}

/** What a start finds in the directory: rows by key, in their order. */
export async function contentsOf(dir: string): Promise<Record<string, number>> {
  const world = await openWorld(dir)
  const found = Object.fromEntries(rowsOf(world))
  await world.close()
  return found
}

/** Keys do not stand in rows, so the values tell which is which: `key` is `k<value>` in these tests. */
export function rowsOf({ items }: { readonly items: Collection<Item> }): [string, number][] {
  return [...items.all()].map(({ value }) => [`k${value}`, value])
}

export function put(world: { readonly items: Collection<Item> }, value: number): void {
  world.items.put(`k${value}`, { value })
}

/** What a promise is rejected with. */
export async function rejectionOf(promise: Promise<unknown> | undefined): Promise<unknown> {
  try {
    await promise
  } catch (thrown) {
    return thrown
  }
  return undefined
}

export function namesIn(dir: string, pattern: RegExp): string[] {
  return readdirSync(dir)
    .filter((name) => pattern.test(name))
    .sort()
}
