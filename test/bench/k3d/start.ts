/** From nothing to a control plane that answers, beside what k3d takes for a cluster with nothing in it. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createKubeClient } from '../../../cluster/kubernetes/client.ts'
import type { List } from '../../../cluster/kubernetes/objects.ts'
import { type Figure, quantile } from '../figure.ts'
import { freePorts } from '../processes.ts'
import {
  type Instance,
  k3d,
  type Step,
  startV2,
  TASK_COMMAND,
  TASK_IMAGE,
  until,
  withCluster,
  withInstance,
} from './world.ts'

const ROUNDS = 2
const LOOK_MS = 50
const CREATE_MS = 120_000
const BUILD = /^(build|pull) the image/

interface Bare {
  readonly createMs: number
  readonly nodeMs: number
  readonly podMs: number
}

/** Alternating; the first start-v2 is no round, it builds the image where there is none. */
export async function* start(): AsyncIterable<Figure> {
  await withInstance(async () => {})
  const bare: Bare[] = []
  const own: { readonly ms: number; readonly steps: readonly Step[] }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await bareCluster())
    own.push(await withInstance(async ({ started }) => started))
  }
  const median = (of: keyof Bare) =>
    quantile(
      bare.map((each) => each[of]),
      0.5,
    )
  const ms = quantile(
    own.map((each) => each.ms),
    0.5,
  )
  yield { name: 'bare k3d cluster create', value: median('createMs'), unit: 'ms' }
  yield { name: 'bare k3d to a ready node', value: median('nodeMs'), unit: 'ms' }
  yield {
    name: 'bare k3d to the first ready pod of a Deployment',
    value: median('podMs'),
    unit: 'ms',
  }
  yield { name: 'start-v2 to ready', value: ms, unit: 'ms' }
  for (const { title } of own[0]?.steps ?? []) {
    if (BUILD.test(title)) continue
    const times = own.flatMap(({ steps }) => steps.find((each) => each.title === title)?.ms ?? [])
    yield { name: `start-v2: ${title}`, value: quantile(times, 0.5), unit: 'ms' }
  }
  yield { name: 'start-v2 / bare k3d to a ready node', value: ms / median('nodeMs'), unit: 'ratio' }
  yield { name: 'start-v2 / bare k3d to its first pod', value: ms / median('podMs'), unit: 'ratio' }
}

/** As start-v2 has it made, and then nothing in it but one pod. */
async function bareCluster(): Promise<Bare> {
  const name = `kecs-bench-bare-${process.pid}`
  const dataDir = mkdtempSync(join(tmpdir(), 'kecs-bench-data-'))
  const [hostPort = 0] = await freePorts(1)
  return withCluster(name, dataDir, async () => {
    const begunMs = performance.now()
    const spec = {
      name,
      dataDir,
      nodeDataDir: '/var/lib/kecs',
      agents: 0,
      ports: [{ host: '127.0.0.1', hostPort, nodePort: 30_566 }],
      extraPorts: [],
      image: process.env.KECS_K3S_IMAGE,
    }
    await k3d.create(spec, CREATE_MS)
    const createMs = performance.now() - begunMs
    const kubeconfig = join(dataDir, 'kubeconfig')
    await k3d.writeKubeconfig(name, kubeconfig)
    const kube = await createKubeClient({ kubeconfig })
    const path = '/apis/apps/v1/namespaces/default/deployments'
    await kube.request({ method: 'POST', path, body: DEPLOYMENT })
    const isSo = (at: string, type: string) => async () => {
      const { items } = await kube.request<List<Conditioned>>({ path: at })
      const of = items.flatMap(({ status }) => status?.conditions ?? [])
      return of.some((each) => each.type === type && each.status === 'True')
    }
    await until('a ready node', LOOK_MS, isSo('/api/v1/nodes', 'Ready'))
    const nodeMs = performance.now() - begunMs
    await until('a ready pod', LOOK_MS, isSo('/api/v1/namespaces/default/pods', 'Ready'))
    kube.close()
    return { createMs, nodeMs, podMs: performance.now() - begunMs }
  })
}

interface Conditioned {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

const labels = { app: 'first' }
const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'first' },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: 'app', image: TASK_IMAGE, command: TASK_COMMAND }] },
    },
  },
}

/** What LocalStack adds to an instance that runs without it; then start-v2 with nothing to do. */
export async function* withLocalStack({ flags }: Instance): AsyncIterable<Figure> {
  const { ms, steps } = await startV2([...flags, '--backend', 'localstack'])
  yield { name: 'start-v2 that adds LocalStack', value: ms, unit: 'ms' }
  for (const step of steps) {
    yield { name: `start-v2 that adds LocalStack: ${step.title}`, value: step.ms, unit: 'ms' }
  }
  const again = await startV2([...flags, '--backend', 'localstack'])
  yield { name: 'start-v2 where all is as it should be', value: again.ms, unit: 'ms' }
}
