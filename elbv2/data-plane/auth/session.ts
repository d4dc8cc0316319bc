import type { Clock } from '../../../gateway/core/clock.ts'
import type { Ids } from '../../../gateway/core/ids.ts'
import { AuthTrouble } from './answers.ts'
import type { AuthRule, Idp } from './auth-rule.ts'
import { type Cookies, joinShards, shardedCookies } from './cookies.ts'
import type { Sealer } from './seal.ts'
import type { Grant } from './tokens.ts'

const PURPOSE = 'session'

/** A user's session, which lives in the browser's cookies alone. */
export interface Session extends Grant {
  /** Of this content: a refreshed session has another. */
  readonly id: string
  /** `AuthRule.binding`. */
  readonly binding: string
  readonly issuer: string
  readonly clientId: string
  /** When the user signed in: its time-out counts from there, refreshed or not. */
  readonly startedMs: number
}

export interface Sessions {
  begin(rule: AuthRule, idp: Idp, grant: Grant): Session
  renew(session: Session, grant: Grant): Session
  /** Set-Cookie values; an `AuthTrouble` where the session is too large for them. */
  cookies(rule: AuthRule, session: Session, present: Cookies): string[]
  /** Undefined where there is none that counts here and now; `forged` for what no load balancer made. */
  read(rule: AuthRule, cookies: Cookies): Session | 'forged' | undefined
}

export function createSessions(sealer: Sealer, clock: Clock, ids: Ids): Sessions {
  return {
    begin: ({ binding }, { issuer, clientId }, grant) => ({
      ...grant,
      id: ids.hex(),
      binding,
      issuer,
      clientId,
      startedMs: clock.now(),
    }),
    renew: (session, grant) => ({ ...session, ...grant, id: ids.hex() }),
    cookies(rule, session, present) {
      const text = sealer.seal(PURPOSE, session)
      const expiresMs = session.startedMs + rule.sessionTimeoutMs
      const cookies = shardedCookies(rule.cookieName, text, expiresMs, present)
      if (cookies) return cookies
      const message = 'claims and tokens are too large for cookies'
      throw new AuthTrouble(500, 'AuthUserinfoResponseSizeExceeded', message)
    },
    read(rule, cookies) {
      const text = joinShards(cookies, rule.cookieName)
      if (text === undefined) return undefined
      const session = sealer.open(PURPOSE, text) as Session | undefined
      if (!session) return 'forged'
      const lives = session.startedMs + rule.sessionTimeoutMs > clock.now()
      return lives && session.binding === rule.binding ? session : undefined
    },
  }
}
