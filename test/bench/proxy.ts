/**
 * What going through the gateway costs against going to the same backend directly, and against the
 * least that a proxy on node:http can do. Rounds alternate, so that the machine's mood hits all alike.
 */
import { Buffer } from 'node:buffer'
import { Agent, request } from 'node:http'
import { Readable } from 'node:stream'
import { chunksOf, many } from './client.ts'
import type { Figure } from './figure.ts'
import { type BenchProgram, startProgram } from './processes.ts'
import {
  callFigures,
  compare,
  cpuRatio,
  type Route,
  type Tally,
  timeRatio,
  transferFigures,
} from './rounds.ts'
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

interface Call {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | number>>
  readonly body?: string
  /** In place of a body: so many bytes, streamed. */
  readonly bytes?: number
}

export async function* run(): AsyncIterable<Figure> {
  const programs: BenchProgram[] = []
  let gateway: BenchServer | undefined
  try {
    const target = await startProgram('proxy-target')
    programs.push(target)
    const bare = await startProgram('proxy-target', [String(target.port)])
    programs.push(bare)
    const server = await startServer(['--memory', '--backend', `http://127.0.0.1:${target.port}`])
    gateway = server
    const routes: readonly Route[] = [
      { name: 'direct', port: target.port, cpuUs: target.cpuUs },
      { name: 'bare pipe', port: bare.port, cpuUs: bare.cpuUs },
      { name: 'proxied', port: server.port, cpuUs: server.cpuUs },
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
    for (const program of programs) await program.stop()
  }
}

async function* small(routes: readonly Route[], keepAlive: boolean): AsyncIterable<Figure> {
  const count = keepAlive ? CALLS_A_ROUND.kept : CALLS_A_ROUND.fresh
  const call = { method: 'POST', path: '/', headers: DYNAMODB_HEADERS, body: GET_ITEM }
  const tallies = await compare(routes, ROUNDS, async ({ port }) => {
    const agent = new Agent({ keepAlive, maxSockets: WIDTH })
    const times = await many(count, WIDTH, () => send(port, agent, call))
    agent.destroy()
    return times
  })
  const what = `small JSON, ${keepAlive ? 'keep-alive' : 'a connection each'}`
  yield* callFigures(what, tallies)
  yield* ratios(what, tallies)
}

async function* transfer(
  routes: readonly Route[],
  what: string,
  call: Call,
): AsyncIterable<Figure> {
  const agent = new Agent({ keepAlive: true })
  const tallies = await compare(routes, ROUNDS, ({ port }) =>
    many(TRANSFERS_A_ROUND, 1, () => send(port, agent, call)),
  )
  agent.destroy()
  yield* transferFigures(what, tallies, TRANSFER_BYTES / 1e6)
  yield* ratios(what, tallies)
}

function* ratios(what: string, tallies: readonly Tally[]): Iterable<Figure> {
  const [direct, pipe, proxied] = tallies
  if (!direct || !pipe || !proxied) return
  yield timeRatio(what, proxied, direct)
  yield timeRatio(what, proxied, pipe)
  yield cpuRatio(what, proxied, pipe)
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
