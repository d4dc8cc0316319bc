import { pairsOf, valuesOf } from '../../../gateway/proxy-headers.ts'
import type { Chosen } from '../targets/balance.ts'
import type { Visit } from './visit.ts'

/** Headers that keep the client at its target, by the headers of the target's answer. */
export function stickyCookies(
  { head }: Visit,
  { setCookies, appCookies }: Chosen,
  headers: readonly string[],
): string[] {
  if (setCookies.length === 0 && !appCookies) return []
  const [userAgent] = valuesOf(head.rawHeaders, 'user-agent')
  const more = appCookies?.(valuesOf(headers, 'set-cookie'), userAgent) ?? []
  return [...setCookies, ...more].flatMap((cookie) => ['Set-Cookie', cookie])
}

/** Reads a request's cookies when it is first asked for one; of one name the first counts. */
export function cookieReader(rawHeaders: readonly string[]): (name: string) => string | undefined {
  let cookies: Map<string, string> | undefined
  return (name) => {
    cookies ??= cookiesOf(rawHeaders)
    return cookies.get(name)
  }
}

function cookiesOf(rawHeaders: readonly string[]): Map<string, string> {
  const cookies = new Map<string, string>()
  for (const [name, value] of pairsOf(rawHeaders)) {
    if (name.toLowerCase() !== 'cookie') continue
    for (const part of value.split(';')) {
      const at = part.indexOf('=')
      const key = part.slice(0, at).trim()
      if (at > 0 && !cookies.has(key)) cookies.set(key, part.slice(at + 1).trim())
    }
  }
  return cookies
}
