/** Clients of load balancers: one request, and many for as long as something lasts. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface Asked {
  readonly port: number
  /** The balancer's name. */
  readonly host: string
  readonly path?: string
  readonly method?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly agent?: Agent | false
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const PATIENCE_MS = 15_000

/** One request, on a connection of its own unless an agent is given; rejects where the answer is not whole. */
export function ask(asked: Asked): Promise<Answered> {
  const { port, host, path = '/', method = 'GET', body, agent = false } = asked
  const headers = { host, ...asked.headers }
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, method, agent, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk) => {
        text += chunk
      })
      answer.on('error', reject)
      answer.on('end', () => {
        clearTimeout(timer)
        if (!answer.complete) return reject(new Error(`cut off after ${JSON.stringify(text)}`))
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text })
      })
    })
    const timer = setTimeout(() => call.destroy(new Error('no answer in time')), PATIENCE_MS)
    call.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    call.end(body)
  })
}

/** The id of the task that answers. */
export async function taskThatAnswers(asked: Asked): Promise<string> {
  const { status, body } = await ask(asked)
  if (status !== 200) throw new Error(`${status} ${body}`)
  return JSON.parse(body).task
}

/** How often each task answers `count` requests, one after another. */
export async function answersByTask(asked: Asked, count: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (let index = 0; index < count; index++) {
    const task = await taskThatAnswers(asked)
    counts.set(task, (counts.get(task) ?? 0) + 1)
  }
  return counts
}

export interface HammerResult {
  /** What became of requests that were not answered 200 in all their tries. */
  readonly failures: readonly string[]
  readonly tasks: ReadonlySet<string>
}

interface Kind {
  readonly method: string
  readonly body?: string
  readonly keepAlive: boolean
}

const KINDS: readonly Kind[] = [
  { method: 'GET', keepAlive: true },
  { method: 'GET', keepAlive: false },
  { method: 'POST', body: 'a'.repeat(2_000), keepAlive: true },
  { method: 'POST', body: 'a'.repeat(2_000), keepAlive: false },
]
const CLIENTS_A_KIND = 2
const PAUSE_MS = 5
const RETRY_AFTER_MS = 100

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/**
 * Eight clients send GETs and POSTs, kept alive and on a connection each, while `work` lasts. With
 * `tries` they send GETs only, and repeat one that fails after 100 ms.
 */
export async function hammer(
  where: { port: number; host: string },
  work: () => Promise<void>,
  tries = 1,
): Promise<HammerResult> {
  const failures: string[] = []
  const tasks = new Set<string>()
  let isOver = false
  const agent = new Agent({ keepAlive: true })

  async function once({ method, body, keepAlive }: Kind): Promise<void> {
    let why = ''
    for (let tried = 0; tried < tries; tried++) {
      if (tried > 0) await pause(RETRY_AFTER_MS)
      try {
        const asked = { ...where, method, agent: keepAlive && agent, ...(body && { body }) }
        const answer = await ask(asked)
        if (answer.status === 200) {
          const { task, bytes } = JSON.parse(answer.body)
          tasks.add(task)
          if (bytes === (body?.length ?? 0)) return
        }
        why = `${method} ${answer.status} ${answer.body}`
      } catch (thrown) {
        why = `${method} ${thrown}`
      }
    }
    failures.push(why)
  }

  // Each has had an answer before anything happens, and asks again when all has happened.
  async function client(kind: Kind, begun: () => void): Promise<void> {
    for (let isLast = false; !isLast; ) {
      isLast = isOver
      await once(kind)
      begun()
      await pause(PAUSE_MS)
    }
  }

  const kinds = KINDS.filter(({ method }) => tries === 1 || method === 'GET')
  const begun: Promise<void>[] = []
  const clients: Promise<void>[] = []
  for (const kind of kinds) {
    for (let index = 0; index < CLIENTS_A_KIND; index++) {
      begun.push(new Promise((resolve) => clients.push(client(kind, resolve))))
    }
  }
  try {
    await Promise.all(begun)
    await work()
  } finally {
    isOver = true
    await Promise.all(clients)
    agent.destroy()
  }
  return { failures, tasks }
}
