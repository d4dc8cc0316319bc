import type { Clock } from '../../../gateway/core/clock.ts'
import type { Logger } from '../../../gateway/core/log.ts'
import { AuthTrouble } from './answers.ts'
import type { AuthRule, Idp } from './auth-rule.ts'
import { BoundedMap } from './bounded-map.ts'
import type { Session, Sessions } from './session.ts'
import type { Tokens } from './tokens.ts'

/** For so long requests that still bring the old cookie get the new session: they were under way. */
const KEEP_MS = 30_000
const MOST_REFRESHED = 1_000

export interface RefresherParts {
  readonly sessions: Sessions
  readonly tokens: Tokens
  readonly clock: Clock
  readonly log: Logger
  readonly idpOf: (rule: AuthRule) => Promise<Idp>
}

export interface Refresher {
  /** The session, or the one in its place; undefined where the provider knows the user no more. */
  current(rule: AuthRule, session: Session): Promise<Session | undefined>
}

/** Refreshes a session once, however many requests bring it: a refresh token may be good only once. */
export function createRefresher(parts: RefresherParts): Refresher {
  const { sessions, tokens, clock, log, idpOf } = parts
  type Refreshed = { untilMs: number; readonly session: Promise<Session | undefined> }
  const refreshed = new BoundedMap<Refreshed>(MOST_REFRESHED)

  async function refresh(rule: AuthRule, session: Session, token: string) {
    try {
      const grant = await tokens.refresh(await idpOf(rule), token, session.subject)
      return sessions.renew(session, grant)
    } catch (error) {
      if (!(error instanceof AuthTrouble)) throw error
      const { message: why } = error
      log.info('a session is over: it could not be refreshed', { issuer: session.issuer, why })
      return undefined
    }
  }

  return {
    async current(rule, session) {
      const { id, accessExpiresMs, refreshToken } = session
      if (accessExpiresMs === undefined || refreshToken === undefined) return session
      if (accessExpiresMs > clock.now()) return session
      const before = refreshed.get(id)
      if (before && before.untilMs > clock.now()) return before.session
      const entry: Refreshed = {
        untilMs: Number.POSITIVE_INFINITY,
        session: refresh(rule, session, refreshToken).finally(() => {
          entry.untilMs = clock.now() + KEEP_MS
        }),
      }
      refreshed.set(id, entry)
      return entry.session
    },
  }
}
