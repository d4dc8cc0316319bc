import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ProgramFault, type Surroundings } from './program.ts'

const KILL_GRACE_MS = 2_000
const KEPT_CHARS = 4_000

/**
 * Lines of stdout as they come, for as long as the program runs: it waits while nobody takes them.
 * It is ended when the reader leaves or the signal goes. ProgramFaults as those of runProgram.
 */
export async function* programLines(
  program: string,
  args: readonly string[],
  { env, signal }: Surroundings,
): AsyncGenerator<string> {
  if (signal?.aborted) return
  const child = spawn(program, [...args], { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-KEPT_CHARS)
  })
  const ended = endOf(child)
  const end = () => void child.kill('SIGTERM')
  signal?.addEventListener('abort', end)
  try {
    for await (const line of createInterface({ input: child.stdout })) yield line
    const { code, error } = await ended
    if (signal?.aborted || code === 0) return
    if (error?.code === 'ENOENT') {
      throw new ProgramFault('missing', program, args, `${program} is not on the PATH.`)
    }
    const how = error?.message ?? `ended with exit code ${code}`
    throw new ProgramFault('failed', program, args, `${program} ${how}.`, said.trim())
  } finally {
    signal?.removeEventListener('abort', end)
    end()
    const kill = setTimeout(() => child.kill('SIGKILL'), KILL_GRACE_MS)
    await ended
    clearTimeout(kill)
  }
}

interface End {
  readonly code: number | null
  readonly error?: NodeJS.ErrnoException
}

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, error }))
    child.once('close', (code) => resolve({ code }))
  })
}
