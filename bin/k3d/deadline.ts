import { renderMs } from '../duration.ts'
import { UserError } from '../output.ts'

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
