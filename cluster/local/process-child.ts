import { type ChildProcess, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { constants } from 'node:os'
import process from 'node:process'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { Clock } from '../clock.ts'
import { type GroupRecords, signalGroup } from './process-groups.ts'

export interface ChildSpec {
  readonly taskId: string
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly workingDirectory?: string
}

export interface ChildEvents {
  started?(pid: number): void
  /** It never ran; why, in Docker's words as far as they fit. */
  failed(reason: string): void
  /** Awaited before more is read; without it output is thrown away. */
  line?(stream: 'stdout' | 'stderr', line: string): Promise<void>
  /** Called once, when its output is read to the end: 128 + n where signal n ended it. */
  exited(exitCode: number): void
}

/** A process that leads a group of its own. */
export interface Child {
  /** Reaches the whole group. */
  signal(signal: NodeJS.Signals): void
}

// As long as Docker makes them; longer lines are cut into several.
const MAX_LINE_CHARS = 16_384
// Someone outside the group may hold the pipes open after everyone in it has gone.
const DRAIN_MS = 500

/** Starts a command without a shell; whatever it starts in its group ends with it. */
export function spawnChild(
  spec: ChildSpec,
  events: ChildEvents,
  records: GroupRecords,
  clock: Clock,
): Child | undefined {
  const child = launch(spec, events)
  if (!child) return undefined
  const { pid } = child
  child.on('error', (error) => {
    if (pid === undefined) events.failed(startProblem(spec.argv[0] ?? '', error))
  })
  if (pid === undefined) return undefined
  try {
    records.add(pid, spec.taskId)
  } catch (error) {
    signalGroup(pid, 'SIGKILL')
    events.failed(`its process could not be recorded: ${messageOf(error)}`)
    return undefined
  }
  let over = false
  const reading = Promise.all([
    pump(child.stdout, (line) => events.line?.('stdout', line)),
    pump(child.stderr, (line) => events.line?.('stderr', line)),
  ])
  child.once('exit', (code, signal) => {
    over = true
    signalGroup(pid, 'SIGKILL')
    records.delete(pid)
    const drain = clock.after(DRAIN_MS, () => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    })
    void reading.then(() => {
      drain.cancel()
      events.exited(code ?? 128 + (signal ? constants.signals[signal] : 0))
    })
  })
  events.started?.(pid)
  return {
    signal: (signal) => {
      if (!over) signalGroup(pid, signal)
    },
  }
}

function launch(spec: ChildSpec, events: ChildEvents): ChildProcess | undefined {
  const [command = '', ...args] = spec.argv
  const { workingDirectory } = spec
  // A missing folder and a missing command give the same ENOENT.
  if (workingDirectory !== undefined && !isFolder(workingDirectory)) {
    events.failed(`working directory "${workingDirectory}" does not exist on this machine`)
    return undefined
  }
  try {
    const output = events.line ? 'pipe' : 'ignore'
    return spawn(command, args, {
      cwd: workingDirectory ?? process.cwd(),
      env: { ...spec.environment },
      stdio: ['ignore', output, output],
      detached: true,
      shell: false,
    })
  } catch (error) {
    events.failed(startProblem(command, error))
    return undefined
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function startProblem(command: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return `exec: "${command}": executable file not found in $PATH`
  if (code === 'EACCES') return `exec: "${command}": permission denied`
  return `exec: "${command}": ${messageOf(error)}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function pump(
  stream: Readable | null,
  take: (line: string) => Promise<void> | undefined,
): Promise<void> {
  if (!stream) return
  const decoder = new StringDecoder('utf8')
  let rest = ''
  try {
    for await (const chunk of stream) {
      const lines = (rest + decoder.write(chunk)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) await takeCut(line.replace(/\r$/, ''), take)
      while (rest.length > MAX_LINE_CHARS) {
        await take(rest.slice(0, MAX_LINE_CHARS))
        rest = rest.slice(MAX_LINE_CHARS)
      }
    }
  } catch {
    // Destroyed because a stranger holds the other end; what was read is kept.
  }
  rest += decoder.end()
  if (rest) await takeCut(rest, take)
}

async function takeCut(
  line: string,
  take: (line: string) => Promise<void> | undefined,
): Promise<void> {
  let from = 0
  do {
    await take(line.slice(from, from + MAX_LINE_CHARS))
    from += MAX_LINE_CHARS
  } while (from < line.length)
}
