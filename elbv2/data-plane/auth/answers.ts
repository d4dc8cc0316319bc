import type { Authenticated } from '../model.ts'

export type AuthAnswer = Extract<Authenticated, { kind: 'answer' }>
type Headers = readonly (readonly [name: string, value: string])[]

const TITLES = {
  302: '302 Found',
  401: '401 Authorization Required',
  500: '500 Internal Server Error',
  561: '561 Authentication Error',
} as const

export type AuthStatus = 401 | 500 | 561

/** Ends an authentication: `status` for the client, `errorReason` for access logs, the message for our log. */
export class AuthTrouble extends Error {
  readonly status: AuthStatus
  readonly errorReason: string | undefined

  constructor(status: AuthStatus, errorReason: string | undefined, message: string) {
    super(message)
    this.status = status
    this.errorReason = errorReason
  }
}

function answer(status: keyof typeof TITLES, headers: Headers): AuthAnswer['answer'] {
  const title = TITLES[status]
  const body =
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n` +
    `<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`
  return {
    status,
    headers: [['Server', 'awselb/2.0'], ['Content-Type', 'text/html'], ...headers],
    body,
  }
}

/** ALB's own page for a request that is refused. */
export function refusal(
  status: AuthStatus,
  errorReason?: string,
  headers: Headers = [],
): AuthAnswer {
  return {
    kind: 'answer',
    answer: answer(status, headers),
    ...(errorReason !== undefined && { errorReason }),
  }
}

/** 302 that nothing may cache: it belongs to one browser. */
export function redirectTo(location: string, cookies: readonly string[]): AuthAnswer {
  const headers: [string, string][] = [
    ['Location', location],
    ['Cache-Control', 'no-cache, no-store'],
    ...setCookies(cookies),
  ]
  return { kind: 'answer', answer: answer(302, headers) }
}

export function setCookies(cookies: readonly string[]): [name: string, value: string][] {
  return cookies.map((cookie) => ['Set-Cookie', cookie])
}
