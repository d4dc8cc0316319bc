/**
 * The lock of a data directory: files `lock-<n>`, of which the one with the highest number says
 * which process has the directory. Node knows no flock.
 *
 * Whoever finds that process dead links `lock-<n+1>`, which one of many can do. A file goes only
 * when later ones are there, so the highest number never falls: who comes late, with a number that
 * was free again, sees the higher one and stands back. Nobody ever takes a lock file away from the
 * name by which another process may just have made it.
 */
import { execFile } from 'node:child_process'
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

/** Files of earlier owners that stay: a folder that is read while it changes may hide some. */
const OLD_LOCKS_KEPT = 4
/** How often another process may be quicker at taking over what a dead one left. */
const MOST_TRIES = 8

interface Owner {
  /** 0 when the directory was given back. */
  readonly pid: number
  /** When that process began, as its system tells it (a pid alone comes back); '' if unknown. */
  readonly start: string
}

/** What gives the directory back, or the process that has it. */
export type LockOutcome = { release(): Promise<void> } | { inUseBy: number | undefined }

let uses = 0

/** Takes the lock of a directory that is there. */
export async function takeLock(dir: string): Promise<LockOutcome> {
  const mine: Owner = { pid: process.pid, start: (await startOf(process.pid)) ?? '' }
  const own = join(dir, `lock.${process.pid}.${uses++}`)
  try {
    await writeFile(own, JSON.stringify(mine))
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const highest = (await lockNumbers(dir)).at(-1) ?? 0
      const owner = highest === 0 ? undefined : await ownerIn(lockPath(dir, highest))
      if (owner && (await lives(owner))) return { inUseBy: owner.pid }
      const taken = highest + 1
      if (!(await linked(own, lockPath(dir, taken)))) continue
      const numbers = await lockNumbers(dir)
      if (numbers.some((number) => number > taken)) {
        await rm(lockPath(dir, taken), { force: true })
        continue
      }
      for (const number of numbers) {
        if (number < taken - OLD_LOCKS_KEPT) await rm(lockPath(dir, number), { force: true })
      }
      return { release: () => giveBack(dir, taken) }
    }
    return { inUseBy: undefined }
  } finally {
    await rm(own, { force: true })
  }
}

async function giveBack(dir: string, number: number): Promise<void> {
  const nobody: Owner = { pid: 0, start: '' }
  const path = join(dir, `lock.${process.pid}.${uses++}`)
  try {
    await writeFile(path, JSON.stringify(nobody))
    await rename(path, lockPath(dir, number))
  } catch {
    // The disk is full or the directory has gone: the lock ends with this process.
  }
}

function lockPath(dir: string, number: number): string {
  return join(dir, `lock-${String(number).padStart(6, '0')}`)
}

async function lockNumbers(dir: string): Promise<number[]> {
  return (await readdir(dir))
    .flatMap((name) => /^lock-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => left - right)
}

/** A link is made whole or not at all: nobody ever reads half a lock. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw thrown
  }
}

/** Undefined when the file has gone or says nothing. */
async function ownerIn(path: string): Promise<Owner | undefined> {
  try {
    const { pid, start } = JSON.parse(await readFile(path, 'utf8'))
    return { pid: Number(pid), start: String(start) }
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof TypeError) return undefined
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}

async function lives({ pid, start }: Owner): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (thrown) {
    // Of another user, it lives all the same.
    if ((thrown as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const now = await startOf(pid)
  return now !== undefined && (now === '' || start === '' || now === start)
}

const ENDED_STATES = ['Z', 'X']

/** When a process began, in its system's words; undefined when it has ended, '' when unknown. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name may hold blanks and brackets; state and start are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (ENDED_STATES.includes(fields[0] ?? '')) return undefined
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
    return `${fields[19] ?? ''} ${boot.trim()}`
  } catch {
    // Language and zone must be the same for whoever asks.
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
    const asked = promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env })
    return (await asked.catch(() => ({ stdout: '' }))).stdout.trim()
  }
}
