import { ProgramFault } from '../../cluster/k3d/program.ts'
import { renderMs } from '../duration.ts'
import { UserError } from '../output.ts'
import { explainProgram } from './tools.ts'

/** How long the whole of a command may still take. */
export interface Deadline {
  /** Milliseconds; a UserError when none are left. */
  remaining(): number
}

export function createDeadline(timeoutMs: number, now: () => number, next: string): Deadline {
  const end = now() + timeoutMs
  return {
    remaining() {
      const left = end - now()
      if (left > 0) return left
      throw new UserError(
        `it was not done within --timeout (${renderMs(timeoutMs)}).`,
        'What was made so far is still there.',
        next,
      )
    },
  }
}

/** `work`, where a program that fails once the time is up failed because of that. */
export async function withinTime<T>(
  timeoutMs: number,
  now: () => number,
  next: string,
  work: () => Promise<T>,
): Promise<T> {
  const end = now() + timeoutMs
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ProgramFault) || error.trouble === 'missing' || now() < end) throw error
    const { message, why } = explainProgram(error, next)
    const what = `it was not done within --timeout (${renderMs(timeoutMs)}).`
    throw new UserError(what, `${message.charAt(0).toUpperCase()}${message.slice(1)} ${why}`, next)
  }
}
