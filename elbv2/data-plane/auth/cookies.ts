import type { RequestFacts } from '../model.ts'

/** What browsers keep of one cookie, name and attributes included. */
const COOKIE_BYTES = 4096
/** A session of ALB's 11 KB of claims and tokens fits; a client that names more shards is not followed. */
const MOST_SHARDS = 10
const LEAST_SHARD_BYTES = 512
// ALB's cookies are sent with cross-site requests, too, so that CORS requests are authenticated.
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=None'
const EXPIRED = `Expires=Thu, 01 Jan 1970 00:00:00 GMT; ${ATTRIBUTES}`

export type Cookies = ReadonlyMap<string, string>

/** By name; of several with one name the first, which is the one with the most specific path. */
export function cookiesOf(request: RequestFacts): Cookies {
  const cookies = new Map<string, string>()
  for (const header of request.header('cookie')) {
    for (const pair of header.split(';')) {
      const at = pair.indexOf('=')
      if (at === -1) continue
      const name = pair.slice(0, at).trim()
      if (!cookies.has(name)) cookies.set(name, pair.slice(at + 1).trim())
    }
  }
  return cookies
}

/** A cookie for as long as the browser runs. */
export function browserCookie(name: string, value: string): string {
  return `${name}=${value}; ${ATTRIBUTES}`
}

/** The text that `shardedCookies` was given; undefined where there is none, empty where shards are amiss. */
export function joinShards(cookies: Cookies, name: string): string | undefined {
  const first = cookies.get(`${name}-0`)
  // A client logs out by expiring the first shard, or by emptying it.
  if (first === undefined || first === '') return undefined
  const [, count, data] = /^(\d{1,2})\.(.*)$/.exec(first) ?? []
  const shards = Number(count)
  if (data === undefined || shards < 1 || shards > MOST_SHARDS) return ''
  let text = data
  for (let index = 1; index < shards; index++) {
    const shard = cookies.get(`${name}-${index}`)
    if (shard === undefined) return ''
    text += shard
  }
  return text
}

/**
 * Set-Cookie values: NAME-0, NAME-1 …, each small enough for browsers; the first says how many there
 * are. Shards of a longer text that the browser still has are expired. Undefined: too much for cookies.
 */
export function shardedCookies(
  name: string,
  text: string,
  expiresMs: number,
  present: Cookies,
): string[] | undefined {
  const attributes = `Expires=${new Date(expiresMs).toUTCString()}; ${ATTRIBUTES}`
  const overhead = `${name}-0=0.; ${attributes}`.length
  const size = Math.max(LEAST_SHARD_BYTES, COOKIE_BYTES - overhead)
  const count = Math.ceil(text.length / size)
  if (count > MOST_SHARDS - 1) return undefined
  const shards = Array.from({ length: count }, (_, index) => {
    const data = text.slice(index * size, (index + 1) * size)
    return `${name}-${index}=${index === 0 ? `${count}.` : ''}${data}; ${attributes}`
  })
  return [...shards, ...expiredShards(name, present, count)]
}

/** Set-Cookie values that take away the shards that the browser has, from `from` on. */
export function expiredShards(name: string, present: Cookies, from = 0): string[] {
  const gone: string[] = []
  for (let index = from; index < MOST_SHARDS; index++) {
    const shard = `${name}-${index}`
    if (present.has(shard)) gone.push(`${shard}=; ${EXPIRED}`)
  }
  return gone
}
