import type { Clock } from '../gateway/core/clock.ts'

/** What the promise gives, or an error that says who did not do `what` within `limitMs`. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  who: string,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  let expire = (_error: Error) => {}
  const late = new Promise<never>((_resolve, reject) => {
    expire = reject
  })
  const timer = clock.after(limitMs, () =>
    expire(new Error(`the ${who} did not ${what} within ${limitMs / 1000} s`)),
  )
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.cancel()
  }
}
