/** Calls of the API over one kept connection, from a pod and from the host. */
import { run } from '../../k8s/k3d.ts'
import { type Figure, quantile } from '../figure.ts'
import { cpuUsOf, until, type World } from './world.ts'

const ROUNDS = 4
const CALLS = 1_000
const POD = 'kecs-bench-caller'
const SERVICE_URL = 'http://gateway.kecs-system.svc.cluster.local:4566'

/** The same on both sides: ListClusters one after another; prints how long each took, in microseconds. */
const CALLER = `
const http = require('node:http')
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const headers = {
  'content-type': 'application/x-amz-json-1.1',
  'x-amz-target': 'AmazonEC2ContainerServiceV20141113.ListClusters',
  'x-amz-date': '20260101T000000Z',
  authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request, ' +
    'SignedHeaders=host;x-amz-date, Signature=' + '0'.repeat(64),
}
const call = () => new Promise((resolve, reject) => {
  const req = http.request(process.argv[1], { method: 'POST', agent, headers }, (res) => {
    res.resume()
    res.on('end', () => res.statusCode === 200 ? resolve() : reject(new Error('' + res.statusCode)))
  })
  req.on('error', reject)
  req.end('{}')
})
;(async () => {
  const times = []
  for (let i = 0; i < ${CALLS + 100}; i++) {
    const begun = performance.now()
    await call()
    if (i >= 100) times.push(Math.round((performance.now() - begun) * 1000))
  }
  console.log(JSON.stringify(times))
  agent.destroy()
})()
`

export async function* calls(world: World): AsyncIterable<Figure> {
  const { kubeconfig, endpoint, image } = world.instance.started
  const kubectl = (args: readonly string[], input?: string) =>
    run('kubectl', ['--kubeconfig', kubeconfig, ...args], input === undefined ? {} : { input })
  await kubectl(['apply', '-f', '-'], JSON.stringify(callerPod(image)))
  await until('the calling pod', 100, async () => {
    const said = await kubectl(['get', 'pod', POD, '-o', 'jsonpath={.status.phase}'])
    return said === 'Running'
  })
  const ways = [
    {
      name: 'from a pod',
      take: () => kubectl(['exec', POD, '--', 'node', '-e', CALLER, SERVICE_URL]),
    },
    { name: 'from the host', take: () => run('node', ['-e', CALLER, endpoint]) },
  ].map((way) => ({ ...way, times: [] as number[], cpuUs: 0 }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of ways) {
      const before = await cpuUsOf(world)
      way.times.push(...(JSON.parse(await way.take()) as number[]))
      way.cpuUs += (await cpuUsOf(world)) - before
    }
  }
  for (const { name, times, cpuUs } of ways) {
    yield { name: `ListClusters ${name}, p50`, value: quantile(times, 0.5), unit: 'us' }
    yield { name: `ListClusters ${name}, p99`, value: quantile(times, 0.99), unit: 'us' }
    const each = cpuUs / (ROUNDS * (CALLS + 100))
    yield {
      name: `ListClusters ${name}, CPU of the control plane`,
      value: each,
      unit: 'us CPU/call',
    }
  }
  const [pod, host] = ways.map(({ times }) => quantile(times, 0.5))
  yield {
    name: 'a call from a pod / from the host, p50',
    value: (pod ?? 0) / (host ?? 1),
    unit: 'ratio',
  }
}

function callerPod(image: string): object {
  const container = { name: 'node', image, command: ['sleep', '600'] }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: POD, namespace: 'default' },
    spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] },
  }
}
