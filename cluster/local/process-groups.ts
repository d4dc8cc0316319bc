/**
 * Process groups and their records on disk, so that processes that outlived a killed KECS are found
 * and stopped, and never a stranger that was given the same process id meanwhile.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import type { Clock } from '../clock.ts'

const REAP_GRACE_MS = 2_000
const REAP_FORCE_MS = 2_000
const REAP_POLL_MS = 50

// Every process of a task bears both, and so can be told from strangers; task ids alone might be
// another runtime's too.
const TASK_VARIABLE = 'KECS_TASK_ID'
const RECORDS_VARIABLE = 'KECS_RECORDS_DIR'

type Marks = Readonly<Record<string, string>>

interface GroupRecord {
  readonly pid: number
  readonly taskId: string
  /** When the process began, as the system tells it; absent where it had ended already. */
  readonly identity?: string
}

/** Sends a signal to a whole group; false where none of it is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal)
    return true
  } catch {
    return false
  }
}

/** What tells a process from every other that ever bore its id; undefined where it has ended. */
export function identityOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
      const stat = statOf(pid)
      return stat && `${boot}/${stat.startTicks}`
    }
    const environment = { PATH: '/bin:/usr/bin', LC_ALL: 'C' }
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: environment,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return text.trim() || undefined
  } catch {
    return undefined
  }
}

/** The groups that run now, one small file each in `folder`. */
export class GroupRecords {
  readonly #folder: string

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#folder = realpathSync(folder)
  }

  /** What the environment of every process of a task must hold. */
  marks(taskId: string): Record<string, string> {
    return { [TASK_VARIABLE]: taskId, [RECORDS_VARIABLE]: this.#folder }
  }

  /** Synchronous: between a start and its record no other work may come. */
  add(pid: number, taskId: string): void {
    const identity = identityOf(pid)
    const record: GroupRecord = { pid, taskId, ...(identity === undefined ? {} : { identity }) }
    writeFileSync(this.#file(pid), JSON.stringify(record))
  }

  delete(pid: number): void {
    rmSync(this.#file(pid), { force: true })
  }

  /** Stops, politely and then by force, what the records of an earlier process still name. */
  async reap(clock: Clock): Promise<void> {
    const records = this.#read()
    await Promise.all(records.map((record) => reapOne(record, this.marks(record.taskId), clock)))
    for (const { pid } of records) this.delete(pid)
  }

  #file(pid: number): string {
    return join(this.#folder, `${pid}.json`)
  }

  #read(): GroupRecord[] {
    return readdirSync(this.#folder).flatMap((name) => {
      const record = recordOf(readFileSync(join(this.#folder, name), 'utf8'))
      if (!record) rmSync(join(this.#folder, name), { force: true })
      return record ? [record] : []
    })
  }
}

function recordOf(text: string): GroupRecord | undefined {
  try {
    const record = JSON.parse(text)
    const sane =
      Number.isInteger(record?.pid) && record.pid > 1 && typeof record.taskId === 'string'
    return sane ? record : undefined
  } catch {
    // A record torn by a crash while it was written names nobody.
    return undefined
  }
}

async function reapOne(record: GroupRecord, marks: Marks, clock: Clock): Promise<void> {
  const left = () => survivors(record, marks)
  const signalAll = (signal: NodeJS.Signals) => {
    for (const target of left()) {
      try {
        process.kill(target, signal)
      } catch {
        // It ended by itself meanwhile.
      }
    }
  }
  signalAll('SIGTERM')
  if (await gone(left, clock, REAP_GRACE_MS)) return
  signalAll('SIGKILL')
  await gone(left, clock, REAP_FORCE_MS)
}

async function gone(left: () => number[], clock: Clock, patienceMs: number): Promise<boolean> {
  for (let waitedMs = 0; left().length > 0; waitedMs += REAP_POLL_MS) {
    if (waitedMs >= patienceMs) return false
    await new Promise<void>((resolve) => {
      clock.after(REAP_POLL_MS, resolve)
    })
  }
  return true
}

/** Targets for `kill`: the group (negative) while its leader is ours, and whoever bears our mark. */
function survivors({ pid, identity }: GroupRecord, marks: Marks): number[] {
  const led = identity !== undefined && identityOf(pid) === identity
  const marked = process.platform === 'linux' ? markedProcesses(marks) : []
  const group = led && (process.platform !== 'linux' || statOf(pid)?.state !== 'Z')
  return group ? [-pid, ...marked] : marked
}

function markedProcesses(marks: Marks): number[] {
  const lines = Object.entries(marks).map(([name, value]) => `${name}=${value}`)
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) return []
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')
      const ours = lines.every((line) => environment.includes(line))
      return ours && statOf(pid)?.state !== 'Z' ? [pid] : []
    } catch {
      // Ended meanwhile, or another user's.
      return []
    }
  })
}

function statOf(pid: number): { state: string; startTicks: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name stands in parentheses and may hold anything, parentheses too.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state, startTicks] = [fields[0], fields[19]]
    return state === undefined || startTicks === undefined ? undefined : { state, startTicks }
  } catch {
    return undefined
  }
}
