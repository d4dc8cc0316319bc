/** The cookies that keep a client at its target: what they say is sealed, so that nobody forges them. */
import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Clock } from '../../../gateway/core/clock.ts'
import { indexKey } from '../../rows.ts'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Longer ones are not ours. */
const MAX_VALUE_LENGTH = 4096
/** Of all load-balancer cookies, whatever the duration of the stickiness: that is held inside. */
const EXPIRY_MS = 7 * 24 * 60 * 60 * 1000
/** Target groups that one AWSALBAPP cookie remembers; the one used longest ago is forgotten first. */
const MAX_APP_GROUPS = 8
/** Of cookies that were made or read, each. */
const MAX_KEPT = 4096
/** So long answers of one target share a cookie. */
const REUSE_MS = 100
const APP_COOKIES = ['AWSALBAPP-0', 'AWSALBAPP-1', 'AWSALBAPP-2', 'AWSALBAPP-3']
const NOTHING = '_remove_'
const CROSS_SITE = '; SameSite=None; Secure'
/** The first Chromium that sends no cookie across sites without being told so. */
const CROSS_SITE_CHROMIUM = 80

export interface CookieReader {
  /** The value of the request's cookie of that name. */
  cookie(name: string): string | undefined
}

/** Who is stuck to what since when: a target's key, or a target group's ARN. */
interface Bond {
  readonly sinceMs: number
  readonly to: string
}

/** What an AWSALBAPP cookie says of all target groups, the one used last first. */
export type AppBonds = readonly Bond[]

export interface Stickiness {
  /** ARN of the group that the client is stuck to. */
  groupOf(request: CookieReader, durationMs: number): string | undefined
  /** Key of the target that the client is stuck to by AWSALB. */
  targetOf(request: CookieReader, durationMs: number): string | undefined
  /** `Set-Cookie` values for AWSALBTG and AWSALBTGCORS. */
  groupCookies(groupArn: string): readonly string[]
  /** `Set-Cookie` values for AWSALB and AWSALBCORS. */
  targetCookies(targetKey: string): readonly string[]
  appBonds(request: CookieReader): AppBonds
  /** Key of the target that the client is stuck to in this group. */
  appTargetOf(bonds: AppBonds, groupArn: string, durationMs: number): string | undefined
  /** `Set-Cookie` values for AWSALBAPP; `targetKey` is undefined where the group binds the client to none. */
  appCookies(
    bonds: AppBonds,
    groupArn: string,
    targetKey: string | undefined,
    userAgent: string | undefined,
  ): readonly string[]
}

export interface StickinessOptions {
  /** 32 bytes; cookies outlive the process as long as it stays the same. */
  readonly key: Buffer
  readonly clock: Clock
}

export function createStickiness({ key, clock }: StickinessOptions): Stickiness {
  if (key.length !== KEY_BYTES) throw new Error(`the key of cookies has ${KEY_BYTES} bytes`)

  // Sealing and opening take ten microseconds each, a choice less than one: what was just done is kept.
  const opened = new Map<string, AppBonds>()
  const made = new Map<string, { readonly atMs: number; readonly pair: readonly string[] }>()

  /** What a value says; nothing where it is not ours. */
  function bondsIn(kind: string, value: string | undefined): AppBonds {
    if (value === undefined || value.length > MAX_VALUE_LENGTH) return []
    const known = opened.get(`${kind} ${value}`)
    if (known) return known
    const text = unseal(key, kind, value)
    if (text === undefined) return []
    return keep(opened, `${kind} ${value}`, parsed(text))
  }
  function isValid({ sinceMs }: Bond, durationMs: number): boolean {
    return clock.now() <= sinceMs + durationMs
  }
  function sealed(kind: string, bonds: readonly Bond[]): string {
    return seal(key, kind, bonds.map(({ sinceMs, to }) => `${sinceMs} ${to}`).join('\n'))
  }
  function attributes(): string {
    return `; Expires=${new Date(clock.now() + EXPIRY_MS).toUTCString()}; Path=/`
  }
  function stuckTo(name: string, request: CookieReader, durationMs: number): string | undefined {
    for (const each of [name, `${name}CORS`]) {
      const [bond] = bondsIn(name, request.cookie(each))
      if (bond && isValid(bond, durationMs)) return bond.to
    }
    return undefined
  }
  function pair(name: string, to: string): readonly string[] {
    const now = clock.now()
    const known = made.get(`${name} ${to}`)
    if (known && now - known.atMs < REUSE_MS && now >= known.atMs) return known.pair
    const text = `=${sealed(name, [{ sinceMs: now, to }])}${attributes()}`
    const fresh = [`${name}${text}`, `${name}CORS${text}${CROSS_SITE}`]
    return keep(made, `${name} ${to}`, { atMs: now, pair: fresh }).pair
  }

  return {
    groupOf: (request, durationMs) => stuckTo('AWSALBTG', request, durationMs),
    targetOf: (request, durationMs) => stuckTo('AWSALB', request, durationMs),
    groupCookies: (groupArn) => pair('AWSALBTG', groupArn),
    targetCookies: (targetKey) => pair('AWSALB', targetKey),
    appBonds: (request) => bondsIn('AWSALBAPP', request.cookie('AWSALBAPP-0')),
    appTargetOf(bonds, groupArn, durationMs) {
      const bond = bonds.find(({ to }) => isOf(to, groupArn))
      return bond && isValid(bond, durationMs) ? bond.to : undefined
    },
    appCookies(bonds, groupArn, targetKey, userAgent) {
      const others = bonds.filter(({ to }) => !isOf(to, groupArn))
      const mine = targetKey === undefined ? [] : [{ sinceMs: clock.now(), to: targetKey }]
      const all = [...mine, ...others].slice(0, MAX_APP_GROUPS)
      const value = all.length === 0 ? NOTHING : sealed('AWSALBAPP', all)
      const rest = attributes() + (isCrossSite(userAgent) ? CROSS_SITE : '')
      return APP_COOKIES.map((name, at) => `${name}=${at === 0 ? value : NOTHING}${rest}`)
    },
  }
}

/** Whether one of an answer's `Set-Cookie` values sets the cookie of that name, to whatever value. */
export function setsCookie(setCookies: readonly string[], name: string): boolean {
  return setCookies.some((text) => {
    const end = text.indexOf('=')
    return end !== -1 && text.slice(0, end).trim() === name
  })
}

function isOf(targetKey: string, groupArn: string): boolean {
  return targetKey.startsWith(indexKey(groupArn, ''))
}

function isCrossSite(userAgent: string | undefined): boolean {
  const [, version] = /\bChrom(?:e|ium)\/(\d+)/.exec(userAgent ?? '') ?? []
  return Number(version ?? 0) >= CROSS_SITE_CHROMIUM
}

function parsed(text: string): AppBonds {
  return text.split('\n').map((line) => {
    const [, sinceMs, to = ''] = /^(\d+) (.*)$/.exec(line) ?? []
    return { sinceMs: Number(sinceMs), to }
  })
}

/** Puts a value where only so many are kept; all go when there are too many. */
function keep<V>(kept: Map<string, V>, name: string, value: V): V {
  if (kept.size >= MAX_KEPT) kept.clear()
  kept.set(name, value)
  return value
}

/** Nonce, tag and text, in base64; `kind` is sealed with it, so that no cookie passes for another. */
function seal(key: Buffer, kind: string, text: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(kind))
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')
}

function unseal(key: Buffer, kind: string, value: string): string | undefined {
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(kind))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  try {
    const body = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([body, decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}
