/** ECS calls against the real program: CPU time of its process, calls per second, p50 and p99. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { BenchClient, many } from './client.ts'
import { type Figure, quantile } from './figure.ts'
import { type BenchServer, startServer } from './server.ts'

const CALLS = 6_000
const WARM_UP = 2_000
const WIDTH = 8
const CONTAINERS = [{ name: 'app', image: 'nginx', memory: 64 }]

export async function* run(): AsyncIterable<Figure> {
  yield* bareNode()
  for (const count of [1_000, 10_000, 100_000]) yield* withTasks(count)
}

/** What any node:http server costs for the same request: the floor of all that follows. */
async function* bareNode(): AsyncIterable<Figure> {
  const server = createServer((req, res) => {
    req.resume()
    req.on('end', () => res.writeHead(200, { 'content-length': 2 }).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = new BenchClient((server.address() as AddressInfo).port)
  const body = '{}'
  await many(WARM_UP, WIDTH, () => client.raw('ListClusters', body))
  const before = process.cpuUsage()
  await many(CALLS, WIDTH, () => client.raw('ListClusters', body))
  const { user, system } = process.cpuUsage(before)
  yield {
    name: 'bare node:http, client and server together',
    value: (user + system) / CALLS,
    unit: 'us CPU/call',
  }
  client.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

async function* withTasks(count: number): AsyncIterable<Figure> {
  const server = await startServer(['--memory'])
  const client = new BenchClient(server.port)
  try {
    await client.call('CreateCluster', {})
    await client.call('RegisterTaskDefinition', { family: 'web', containerDefinitions: CONTAINERS })
    const arns: string[] = []
    await many(count / 10, WIDTH, async () => {
      const { tasks } = await client.call('RunTask', { taskDefinition: 'web', count: 10 })
      for (const { taskArn } of tasks) arns.push(taskArn)
    })
    await settled(client, count)
    const at = `at ${count} tasks`
    const tasks = JSON.stringify({ tasks: arns.slice(0, 10) })
    yield* measure(server, `ListClusters ${at}`, () => client.raw('ListClusters', '{}'))
    yield* measure(server, `DescribeTasks of 10 ${at}`, () => client.raw('DescribeTasks', tasks))
    yield* measure(server, `ListTasks ${at}`, () => client.raw('ListTasks', '{}'))
    yield* measure(server, `DescribeClusters ${at}`, () => client.raw('DescribeClusters', '{}'))
    const definition = JSON.stringify({ family: 'api', containerDefinitions: CONTAINERS })
    yield* measure(
      server,
      `RegisterTaskDefinition ${at}`,
      () => client.raw('RegisterTaskDefinition', definition),
      2_000,
    )
    const task = JSON.stringify({ taskDefinition: 'web' })
    // With all that follows it: the task is brought to RUNNING while it is measured.
    yield* measure(server, `RunTask ${at}`, () => client.raw('RunTask', task), 2_000)
    yield { name: `memory ${at}`, value: server.rssMb(), unit: 'MB' }
  } finally {
    client.close()
    await server.stop('SIGKILL')
  }
}

async function settled(client: BenchClient, count: number): Promise<void> {
  for (let looks = 0; looks < 600; looks++) {
    const { clusters } = await client.call('DescribeClusters', {})
    if (clusters[0].runningTasksCount >= count) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the tasks did not come to run')
}

async function* measure(
  server: BenchServer,
  name: string,
  one: () => Promise<unknown>,
  calls = CALLS,
): AsyncIterable<Figure> {
  await many(Math.min(WARM_UP, calls), WIDTH, one)
  const cpuBefore = server.cpuUs()
  const begun = performance.now()
  const times = await many(calls, WIDTH, one)
  const seconds = (performance.now() - begun) / 1000
  yield { name, value: (server.cpuUs() - cpuBefore) / calls, unit: 'us CPU/call' }
  yield { name, value: calls / seconds, unit: 'calls/s' }
  yield { name: `${name}, p50`, value: quantile(times, 0.5), unit: 'ms' }
  yield { name: `${name}, p99`, value: quantile(times, 0.99), unit: 'ms' }
}
