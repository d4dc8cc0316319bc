/** The data directory: who may use it, and in which format it is. */

import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { messageOf } from './fault.ts'

/** The format that this version reads and writes; raised when an older version could not read it. */
export const FORMAT = 1

/** Why a data directory cannot be used: what is wrong, why, and what to do next. */
export class DataDirFault extends Error {
  readonly what: string
  readonly why: string
  readonly next: string

  constructor(what: string, why: string, next: string) {
    super(`${what} ${why} ${next}`)
    this.name = 'DataDirFault'
    this.what = what
    this.why = why
    this.next = next
  }
}

interface Owner {
  readonly pid: number
  /** When that process began, as its system tells it: a pid alone comes back. */
  readonly start: string
}

/** Makes the directory if need be and takes it for this process; what gives it back. */
export async function takeDataDir(dir: string): Promise<() => Promise<void>> {
  try {
    await mkdir(dir, { recursive: true })
    await access(dir, constants.W_OK)
  } catch (thrown) {
    throw new DataDirFault(
      `The data directory ${dir} cannot be written.`,
      messageOf(thrown),
      'Give another one with --data-dir, or keep nothing on disk with --memory.',
    )
  }
  const release = await takeLock(dir)
  try {
    await checkFormat(dir)
  } catch (thrown) {
    await release()
    throw thrown
  }
  return release
}

async function checkFormat(dir: string): Promise<void> {
  const path = join(dir, 'format.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    await writeFile(path, `${JSON.stringify({ format: FORMAT })}\n`, { flush: true })
    return
  }
  let format: unknown
  try {
    format = JSON.parse(text).format
  } catch {
    format = undefined
  }
  if (typeof format !== 'number') {
    throw new DataDirFault(
      `${path} does not say which format the data directory has.`,
      'It is damaged, or the directory is not one of KECS.',
      'Give another directory with --data-dir, or put the file back.',
    )
  }
  if (format > FORMAT) {
    throw new DataDirFault(
      `The data directory ${dir} has format ${format}; this KECS reads up to ${FORMAT}.`,
      'A newer KECS has written it.',
      'Use that newer version, or give another directory with --data-dir.',
    )
  }
}

async function takeLock(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, 'lock')
  const mine: Owner = { pid: process.pid, start: await startOf(process.pid) }
  const text = JSON.stringify(mine)
  const own = join(dir, `lock.${process.pid}`)
  await writeFile(own, text)
  try {
    // Three tries: the lock may be left by a dead process, and two may find that out at once.
    for (let tries = 0; tries < 3; tries++) {
      if (await linked(own, path)) return async () => giveBack(path, text)
      const found = await readOwner(path)
      if (found && (await lives(found.owner))) throw inUse(dir, found.owner.pid)
      if (found) await takeAway(path, found.text, own)
    }
    throw inUse(dir, (await readOwner(path))?.owner.pid)
  } finally {
    await rm(own, { force: true })
  }
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

async function readOwner(path: string): Promise<{ owner: Owner; text: string } | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    const { pid, start } = JSON.parse(text)
    return { owner: { pid: Number(pid), start: String(start) }, text }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    // Not one of ours, or written by half before links were used: nobody's.
    return { owner: { pid: 0, start: '' }, text: '' }
  }
}

/** Takes a dead process's lock away, unless another process has just taken it over. */
async function takeAway(path: string, stale: string, own: string): Promise<void> {
  const aside = `${own}.stale`
  try {
    await rename(path, aside)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return
    throw thrown
  }
  const taken = await readFile(aside, 'utf8')
  if (stale !== '' && taken !== stale) await linked(aside, path)
  await rm(aside, { force: true })
}

async function giveBack(path: string, text: string): Promise<void> {
  if ((await readOwner(path))?.text === text) await rm(path, { force: true })
}

function inUse(dir: string, pid: number | undefined): DataDirFault {
  return new DataDirFault(
    `The data directory ${dir} is in use.`,
    `Another kecs${pid === undefined ? '' : ` (process ${pid})`} has it open.`,
    'Stop that one, or give this one another directory with --data-dir.',
  )
}

async function lives({ pid, start }: Owner): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return (await startOf(pid)) === start
}

/** When a process began, in its system's words: clock ticks since boot, or a date. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name may hold blanks and brackets; the 22nd field is counted from behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    const asked = promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)])
    return (await asked.catch(() => ({ stdout: '' }))).stdout.trim()
  }
}
