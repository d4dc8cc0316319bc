/** The data directory: who may use it, and in which format it is. */
import { constants, existsSync } from 'node:fs'
import { access, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { takeLock } from './data-dir-lock.ts'
import { messageOf } from './fault.ts'
import { systemFiles } from './files.ts'

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

/** Makes the directory if need be and takes it for this process; what gives it back. */
export async function takeDataDir(dir: string): Promise<() => Promise<void>> {
  const outcome = await writable(dir, async () => {
    await makeFolder(dir)
    await access(dir, constants.W_OK)
    return takeLock(dir)
  })
  if ('inUseBy' in outcome) throw inUse(dir, outcome.inUseBy)
  try {
    await checkFormat(dir)
    return outcome.release
  } catch (thrown) {
    await outcome.release()
    throw thrown
  }
}

// Not mkdir's own recursion: where a folder takes no entries, as in /proc, Node's never ends.
async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    const parent = dirname(dir)
    if (code !== 'ENOENT' || parent === dir || existsSync(parent)) throw thrown
    await makeFolder(parent)
    await mkdir(dir)
  }
}

async function writable<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw new DataDirFault(
      `The data directory ${dir} cannot be written.`,
      messageOf(thrown),
      'Give another one with --data-dir, or keep nothing on disk with --memory.',
    )
  }
}

async function checkFormat(dir: string): Promise<void> {
  const path = join(dir, 'format.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    await writable(dir, () => writeFormat(dir, path))
    return
  }
  let format: unknown
  try {
    format = JSON.parse(text).format
  } catch {
    format = undefined
  }
  if (!Number.isInteger(format) || Number(format) < 1) {
    throw new DataDirFault(
      `${path} does not say which format the data directory has.`,
      'It is damaged, or the directory is not one of KECS.',
      'Give another directory with --data-dir, or put the file back.',
    )
  }
  if (Number(format) > FORMAT) {
    throw new DataDirFault(
      `The data directory ${dir} has format ${format}; this KECS reads up to ${FORMAT}.`,
      'A newer KECS has written it.',
      'Use that newer version, or give another directory with --data-dir.',
    )
  }
}

/** Whole or not at all, also when this process is killed half way. */
async function writeFormat(dir: string, path: string): Promise<void> {
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w')
  try {
    await file.writeFile(`${JSON.stringify({ format: FORMAT })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await systemFiles.syncFolder(dir)
}

function inUse(dir: string, pid: number | undefined): DataDirFault {
  return new DataDirFault(
    `The data directory ${dir} is in use.`,
    `Another kecs${pid === undefined ? '' : ` (process ${pid})`} has it open.`,
    'Stop that one, or give this one another directory with --data-dir.',
  )
}
