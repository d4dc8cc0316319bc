import { Buffer } from 'node:buffer'
import { Agent, request } from 'node:http'

const CHUNK = Buffer.alloc(64 * 1024, 7)

/** ECS calls over few kept-alive connections, as cheap for the client as it can be. */
export class BenchClient {
  readonly #agent: Agent
  readonly #port: number

  constructor(port: number, connections = 8) {
    this.#port = port
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers are read freely
  async call(operation: string, input: object): Promise<any> {
    return JSON.parse(await this.raw(operation, JSON.stringify(input)))
  }

  raw(operation: string, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          method: 'POST',
          path: '/',
          agent: this.#agent,
          headers: {
            authorization:
              'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0000000000000000000000000000000000000000000000000000000000000000',
            'content-type': 'application/x-amz-json-1.1',
            'content-length': Buffer.byteLength(body),
            'x-amz-date': '20260101T000000Z',
            'x-amz-target': `AmazonEC2ContainerServiceV20141113.${operation}`,
          },
        },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (chunk) => {
            text += chunk
          })
          answer.on('end', () =>
            answer.statusCode === 200 ? resolve(text) : reject(new Error(`${operation}: ${text}`)),
          )
        },
      )
      call.on('error', reject)
      call.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** `count` calls, `width` at a time; how long each took, in milliseconds. */
export async function many(
  count: number,
  width: number,
  one: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < count; index = next++) {
      const begun = performance.now()
      await one(index)
      times.push(performance.now() - begun)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return times
}

/** So many bytes, in chunks as a file is read. */
export function* chunksOf(bytes: number): Iterable<Buffer> {
  for (let left = bytes; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, left)
}
