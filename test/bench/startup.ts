/** From nothing to the first answer, empty and with 10,000 tasks on disk; memory when idle. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { BenchClient } from './client.ts'
import { type Figure, quantile } from './figure.ts'
import { type BenchServer, startServer } from './server.ts'

const STARTS = 7

export async function* run(): AsyncIterable<Figure> {
  yield { name: 'bare node:http, to listening', value: await bareNodeMs(), unit: 'ms' }
  const dir = mkdtempSync(join(tmpdir(), 'kecs-bench-'))
  try {
    const times: number[] = []
    for (let index = 0; index < STARTS; index++) {
      const { server, ms } = await firstAnswer(['--data-dir', join(dir, 'empty')])
      times.push(ms)
      if (index === STARTS - 1) {
        await new Promise((resolve) => setTimeout(resolve, 1_000))
        yield { name: 'memory, idle', value: server.rssMb(), unit: 'MB' }
      }
      await server.stop()
    }
    yield {
      name: 'start to the first answered ListClusters',
      value: quantile(times, 0.5),
      unit: 'ms',
    }
    yield* withTasks(join(dir, 'full'))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function firstAnswer(flags: readonly string[]): Promise<{ server: BenchServer; ms: number }> {
  const begun = performance.now()
  const server = await startServer(flags)
  const client = new BenchClient(server.port)
  await client.call('ListClusters', {})
  client.close()
  return { server, ms: performance.now() - begun }
}

async function* withTasks(dir: string): AsyncIterable<Figure> {
  const count = 10_000
  const { server } = await firstAnswer(['--data-dir', dir])
  const client = new BenchClient(server.port)
  await client.call('CreateCluster', {})
  const containerDefinitions = [{ name: 'app', image: 'nginx', memory: 64 }]
  await client.call('RegisterTaskDefinition', { family: 'web', containerDefinitions })
  for (let service = 0; service < 1_000; service++) {
    await client.call('CreateService', {
      serviceName: `s${service}`,
      taskDefinition: 'web',
      desiredCount: count / 1_000,
    })
  }
  const begun = performance.now()
  const cpu = server.cpuUs()
  for (;;) {
    const { clusters } = await client.call('DescribeClusters', {})
    if (clusters[0].runningTasksCount >= count) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  yield {
    name: '1,000 services of 10 tasks from the last CreateService to RUNNING',
    value: performance.now() - begun,
    unit: 'ms',
  }
  yield { name: 'CPU meanwhile', value: (server.cpuUs() - cpu) / 1000, unit: 'ms' }
  yield { name: 'memory with 10,000 tasks', value: server.rssMb(), unit: 'MB' }
  client.close()
  await server.stop('SIGKILL')
  const again = await firstAnswer(['--data-dir', dir])
  yield {
    name: 'restart with 10,000 tasks after kill -9, to the first answer',
    value: again.ms,
    unit: 'ms',
  }
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  yield {
    name: 'CPU from the restart until settled',
    value: again.server.cpuUs() / 1000,
    unit: 'ms',
  }
  await again.server.stop('SIGKILL')
}

function bareNodeMs(): Promise<number> {
  const script = "require('http').createServer().listen(0,'127.0.0.1',()=>console.log('up'))"
  return new Promise((resolve) => {
    const begun = performance.now()
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.once('data', () => {
      resolve(performance.now() - begun)
      child.kill('SIGKILL')
    })
  })
}
