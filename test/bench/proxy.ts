/**
 * What going through the gateway costs against going to the same backend directly, and against the
 * least that a proxy on node:http can do. Rounds alternate, so that the machine's mood hits all alike.
 */
import { Buffer } from 'node:buffer'
import { type ChildProcess, spawn } from 'node:child_process'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'
import { root } from '../root.ts'
import { chunksOf, many } from './client.ts'
import { type Figure, quantile } from './figure.ts'
import { type BenchServer, startServer } from './server.ts'

const ROUNDS = 5
const WIDTH = 8
const CALLS_A_ROUND = { kept: 3_000, fresh: 1_000 }
const TRANSFERS_A_ROUND = 3
const TRANSFER_BYTES = 100_000_000
const GET_ITEM = JSON.stringify({ TableName: 'things', Key: { id: { S: 'a' } } })
const DYNAMODB_HEADERS = {
  authorization:
    'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0000000000000000000000000000000000000000000000000000000000000000',
  'content-type': 'application/x-amz-json-1.0',
  'content-length': Buffer.byteLength(GET_ITEM),
  'x-amz-date': '20260101T000000Z',
  'x-amz-target': 'DynamoDB_20120810.GetItem',
}
const S3_HEADERS = {
  authorization:
    'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000',
  'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
  'x-amz-date': '20260101T000000Z',
}

/** A way to the backend. */
interface Route {
  readonly name: string
  readonly port: number
  /** Of the process that is talked to, in microseconds. */
  cpuUs(): Promise<number>
}

interface Tally {
  readonly route: Route
  readonly times: number[]
  seconds: number
  cpuUs: number
}

type Routes = readonly [direct: Route, pipe: Route, proxied: Route]
type Tallies = readonly [direct: Tally, pipe: Tally, proxied: Tally]

interface Call {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | number>>
  readonly body?: string
  /** In place of a body: so many bytes, streamed. */
  readonly bytes?: number
}

export async function* run(): AsyncIterable<Figure> {
  const children: ChildProcess[] = []
  let gateway: BenchServer | undefined
  try {
    const target = await startTarget(children)
    const bare = await startTarget(children, target)
    const server = await startServer(['--memory', '--backend', `http://127.0.0.1:${target}`])
    gateway = server
    const routes: Routes = [
      { name: 'direct', port: target, cpuUs: () => cpuOf(target) },
      { name: 'bare pipe', port: bare, cpuUs: () => cpuOf(bare) },
      { name: 'proxied', port: server.port, cpuUs: async () => server.cpuUs() },
    ]
    yield { name: 'memory of the gateway before', value: server.rssMb(), unit: 'MB' }
    yield* small(routes, true)
    yield* small(routes, false)
    yield* transfer(routes, '100 MB down', {
      method: 'GET',
      path: `/down?bytes=${TRANSFER_BYTES}`,
      headers: S3_HEADERS,
    })
    yield* transfer(routes, '100 MB up', {
      method: 'PUT',
      path: '/up',
      headers: { ...S3_HEADERS, 'content-length': TRANSFER_BYTES },
      bytes: TRANSFER_BYTES,
    })
    yield { name: 'memory of the gateway after', value: server.rssMb(), unit: 'MB' }
  } finally {
    await gateway?.stop('SIGKILL')
    for (const child of children) child.kill('SIGKILL')
  }
}

async function* small(routes: Routes, keepAlive: boolean): AsyncIterable<Figure> {
  const count = keepAlive ? CALLS_A_ROUND.kept : CALLS_A_ROUND.fresh
  const call = { method: 'POST', path: '/', headers: DYNAMODB_HEADERS, body: GET_ITEM }
  const tallies = await compare(routes, async ({ port }) => {
    const agent = new Agent({ keepAlive, maxSockets: WIDTH })
    const times = await many(count, WIDTH, () => send(port, agent, call))
    agent.destroy()
    return times
  })
  const what = `small JSON, ${keepAlive ? 'keep-alive' : 'a connection each'}`
  for (const { route, times, seconds, cpuUs } of tallies) {
    const name = `${what}, ${route.name}`
    yield { name, value: times.length / seconds, unit: 'calls/s' }
    yield { name: `${name}, p50`, value: quantile(times, 0.5), unit: 'ms' }
    yield { name: `${name}, p99`, value: quantile(times, 0.99), unit: 'ms' }
    yield { name, value: cpuUs / times.length, unit: 'us CPU/call' }
  }
  yield* ratios(what, tallies)
}

async function* transfer(routes: Routes, what: string, call: Call): AsyncIterable<Figure> {
  const agent = new Agent({ keepAlive: true })
  const tallies = await compare(routes, ({ port }) =>
    many(TRANSFERS_A_ROUND, 1, () => send(port, agent, call)),
  )
  agent.destroy()
  for (const { route, times, seconds, cpuUs } of tallies) {
    const name = `${what}, ${route.name}`
    yield { name, value: (times.length * TRANSFER_BYTES) / 1e6 / seconds, unit: 'MB/s' }
    yield { name, value: cpuUs / 1_000 / times.length, unit: 'ms CPU/transfer' }
  }
  yield* ratios(what, tallies)
}

function* ratios(what: string, [direct, pipe, proxied]: Tallies): Iterable<Figure> {
  const unit = 'ratio'
  yield {
    name: `${what}: time, proxied / direct`,
    value: proxied.seconds / direct.seconds,
    unit,
  }
  yield {
    name: `${what}: time, proxied / bare pipe`,
    value: proxied.seconds / pipe.seconds,
    unit,
  }
  yield { name: `${what}: CPU, proxied / bare pipe`, value: proxied.cpuUs / pipe.cpuUs, unit }
}

/** The same rounds on every route in turn, after one that does not count. */
async function compare(
  routes: Routes,
  round: (route: Route) => Promise<readonly number[]>,
): Promise<Tallies> {
  const tallyOf = (route: Route): Tally => ({ route, times: [], seconds: 0, cpuUs: 0 })
  const [direct, pipe, proxied] = routes
  const tallies: Tallies = [tallyOf(direct), tallyOf(pipe), tallyOf(proxied)]
  for (const route of routes) await round(route)
  for (let index = 0; index < ROUNDS; index++) {
    for (const tally of tallies) {
      const cpuBefore = await tally.route.cpuUs()
      const begun = performance.now()
      tally.times.push(...(await round(tally.route)))
      tally.seconds += (performance.now() - begun) / 1_000
      tally.cpuUs += (await tally.route.cpuUs()) - cpuBefore
    }
  }
  return tallies
}

/** Sends the call and reads the answer to its end; answers how long that was, in bytes. */
function send(port: number, agent: Agent, call: Call): Promise<number> {
  const { method, path, headers, body, bytes = 0 } = call
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, headers, agent },
      (answer) => {
        let length = 0
        answer.on('data', (chunk) => {
          length += chunk.length
        })
        answer.on('error', reject)
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(length)
          else reject(new Error(`${method} ${path}: ${answer.statusCode}`))
        })
      },
    )
    outgoing.on('error', reject)
    if (bytes > 0) Readable.from(chunksOf(bytes)).pipe(outgoing)
    else outgoing.end(body)
  })
}

async function cpuOf(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/cpu`)
  const { user, system } = (await answer.json()) as NodeJS.CpuUsage
  return user + system
}

/** The backend, or with `onwardPort` a bare proxy to it; answers its port. */
function startTarget(children: ChildProcess[], onwardPort?: number): Promise<number> {
  const program = join(root, 'dist/test/bench/proxy-target.js')
  const args = onwardPort === undefined ? [program] : [program, String(onwardPort)]
  // It ends with its stdin, so even when this process is killed.
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  return new Promise((resolve, reject) => {
    child.stdout.once('data', (line) => resolve(Number(line)))
    child.once('close', () => reject(new Error('the backend ended before it was ready')))
  })
}
