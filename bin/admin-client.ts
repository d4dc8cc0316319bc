import { Buffer } from 'node:buffer'
import { type IncomingMessage, request } from 'node:http'
import process from 'node:process'
import { messageOf } from '../gateway/core/fault.ts'
import { UserError, usageError } from './output.ts'
import { DEFAULT_ADMIN_PORT } from './settings.ts'

const TIMEOUT_MS = 60_000

/** Nothing answers there: other failures are UserErrors. */
export class Unreachable extends Error {}

export interface AdminClient {
  readonly url: string
  get(path: string): Promise<Record<string, unknown>>
  post(path: string, body: object): Promise<Record<string, unknown>>
  /** GET of a page that answers line by line, for as long as it likes. */
  lines(path: string): AsyncGenerator<string>
}

/** Speaks to the admin port of a running kecs. */
export function adminClient(given: string | undefined): AdminClient {
  const port = process.env.KECS_ADMIN_PORT?.trim() || DEFAULT_ADMIN_PORT
  const url = given ?? `http://localhost:${port}`
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:') {
    throw usageError(
      `--admin-url is ${JSON.stringify(url)}.`,
      'It is an http URL of host and port.',
      `Give it as --admin-url http://localhost:${DEFAULT_ADMIN_PORT}.`,
    )
  }
  return {
    url,
    get: (path) => ask(url, 'GET', path, undefined),
    post: (path, body) => ask(url, 'POST', path, JSON.stringify(body)),
    lines: (path) => follow(url, path),
  }
}

async function ask(
  base: string,
  method: string,
  path: string,
  body: string | undefined,
): Promise<Record<string, unknown>> {
  return answerOf(base, `${method} ${path}`, await responseOf(base, method, path, body))
}

/** The JSON of an answer; a UserError where it is a refusal, or not kecs's. */
async function answerOf(
  base: string,
  asked: string,
  res: IncomingMessage,
): Promise<Record<string, unknown>> {
  const { statusCode: status = 0 } = res
  const answer = parsed(await textOf(res))
  if (!answer) throw noKecs(base, `It answered ${status} to ${asked}, and no JSON.`)
  // 503 with a report is an answer, too: something is down, and it says what.
  if (status >= 400 && typeof answer.error === 'string') {
    throw new UserError(
      `kecs at ${base} refused.`,
      answer.error,
      status < 500 ? 'Change what you asked for.' : 'See the log of kecs serve, then try again.',
    )
  }
  return answer
}

async function* follow(base: string, path: string): AsyncGenerator<string> {
  const res = await responseOf(base, 'GET', path, undefined)
  if (res.statusCode !== 200) {
    await answerOf(base, `GET ${path}`, res)
    throw noKecs(base, `It answered ${res.statusCode} to GET ${path}.`)
  }
  res.setEncoding('utf8')
  res.socket.setTimeout(0)
  let rest = ''
  for await (const chunk of unbroken(base, res)) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

/** What the reader of the parts fails by is its own matter. */
async function* unbroken(base: string, res: IncomingMessage): AsyncGenerator<string> {
  const parts = res[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await parts.next().catch((error) => {
        throw new UserError(
          'the lines broke off.',
          `kecs at ${base} went away: ${messageOf(error)}.`,
          'Ask again once it runs.',
        )
      })
      if (next.done) return
      yield next.value
    }
  } finally {
    res.destroy()
  }
}

function noKecs(base: string, why: string): UserError {
  return new UserError(
    `what answers at ${base} is no kecs.`,
    why,
    'Name the admin port of a running kecs with --admin-url.',
  )
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function responseOf(
  base: string,
  method: string,
  path: string,
  body: string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const req = request(new URL(path, base), { method, headers, agent: false, timeout: TIMEOUT_MS })
    req.on('error', (error) => reject(new Unreachable(messageOf(error))))
    req.on('timeout', () => req.destroy(new Error('no answer in time')))
    req.on('response', resolve)
    req.end(body)
  })
}

async function textOf(res: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of res) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
