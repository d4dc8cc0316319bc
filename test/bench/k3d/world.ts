/** A control plane in a k3d cluster, made by the product's own start-v2, and ways to look at it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { createK3d } from '../../../cluster/k3d/k3d.ts'
import { ownSurroundings } from '../../../cluster/k3d/program.ts'
import { createKubeClient, type KubeClient } from '../../../cluster/kubernetes/client.ts'
import { run } from '../../k8s/k3d.ts'
import { root } from '../../root.ts'
import { BenchClient } from '../client.ts'
import { freePorts } from '../processes.ts'

export const TASK_IMAGE = process.env.KECS_TEST_IMAGE ?? 'busybox:1.35'
export const NAMESPACE = 'kecs-system'
/** Ends when it is asked to: what is measured is not the patience of others. */
export const TASK_COMMAND = ['sh', '-c', 'trap "exit 0" TERM; sleep 3600 & wait']
const START_TIMEOUT_MS = 240_000
const WAIT_MS = 120_000

export interface Instance {
  readonly name: string
  readonly flags: readonly string[]
  readonly started: Started
}

/** A step of start-v2 as it told it. */
export interface Step {
  readonly title: string
  readonly ms: number
}

export interface Started {
  readonly kubeconfig: string
  readonly image: string
  readonly endpoint: string
  readonly adminEndpoint: string
  readonly ms: number
  readonly steps: readonly Step[]
}

export interface World {
  readonly instance: Instance
  readonly kube: KubeClient
  readonly aws: BenchClient
  /** What a shell in the control plane's container says. */
  inControlPlane(script: string): Promise<string>
  close(): void
}

export const k3d = createK3d(ownSurroundings())

/** Runs the command with all that it tells, and how long each of its steps took. */
export function startV2(flags: readonly string[]): Promise<Started> {
  return new Promise((resolve, reject) => {
    const begunMs = performance.now()
    const args = [join(root, 'dist/bin/kecs.js'), 'start-v2', '--json', ...flags]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGTERM'), START_TIMEOUT_MS)
    const steps: Step[] = []
    let [out, all, stepMs] = ['', '', 0]
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      all += chunk
      for (const [, mark, title = ''] of String(chunk).matchAll(/^ {2}(begin|done ) (.*)$/gm)) {
        if (mark === 'begin') stepMs = performance.now()
        else steps.push({ title: titleOf(title), ms: performance.now() - stepMs })
      }
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      const ms = performance.now() - begunMs
      if (code === 0) resolve({ ...(JSON.parse(out) as Started), ms, steps })
      else reject(new Error(`start-v2 ended with ${code}:\n${all}`))
    })
  })
}

/** A step's title without names, which differ from run to run. */
function titleOf(line: string): string {
  const title = line.replace(/ \(\d.*$/, '').replace(/ kecs-bench-\S+/, '')
  return title.replace(/the image (\S*\/)?([a-z-]+):\S+/, 'the image $2')
}

/** An instance with a cluster, ports and data of its own; all of it goes when `work` ends. */
export async function withInstance<T>(work: (instance: Instance) => Promise<T>): Promise<T> {
  const name = `kecs-bench-${process.pid}`
  const dataDir = mkdtempSync(join(tmpdir(), 'kecs-bench-data-'))
  const [api, admin] = await freePorts(2)
  const ports = ['--api-port', String(api), '--admin-port', String(admin)]
  const flags = ['--name', name, ...ports, '--data-dir', dataDir]
  return withCluster(name, dataDir, async () => {
    const started = await startV2([...flags, '--no-localstack'])
    return work({ name, flags, started })
  })
}

/** Deletes that cluster and directory afterwards, also when Ctrl-C ends the work. */
export async function withCluster<T>(
  name: string,
  dataDir: string,
  work: () => Promise<T>,
): Promise<T> {
  const clear = async () => {
    await k3d.delete(name)
    rmSync(dataDir, { recursive: true, force: true })
    rmSync(join(process.env.HOME ?? '', '.k3d', `kubeconfig-${name}.yaml`), { force: true })
  }
  const onSignal = () => void clear().finally(() => process.exit(130))
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    return await work()
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    await clear()
  }
}

export async function openWorld(instance: Instance): Promise<World> {
  const { kubeconfig, endpoint } = instance.started
  const kube = await createKubeClient({ kubeconfig })
  const aws = new BenchClient(Number(new URL(endpoint).port))
  const inside = ['exec', '-n', NAMESPACE, 'deploy/kecs-controlplane', '-c', 'kecs', '--']
  return {
    instance,
    kube,
    aws,
    inControlPlane: (script) =>
      run('kubectl', ['--kubeconfig', kubeconfig, ...inside, 'sh', '-c', script]),
    close() {
      aws.close()
      kube.close()
    },
  }
}

/** User and system time of the control plane so far, in microseconds. */
export async function cpuUsOf({ inControlPlane }: World): Promise<number> {
  // Process 1 is node: flock became it.
  const said = await inControlPlane('cat /proc/1/task/*/schedstat')
  return said
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number.parseInt(line, 10) / 1000, 0)
}

export interface Memory {
  readonly rssMb: number
  /** What kubelet counts against the limit: all but the page cache that could go. */
  readonly workingSetMb: number
}

/** Of the control plane's container, by its cgroup, of either version. */
export async function memoryOf({ inControlPlane }: World): Promise<Memory> {
  const said = await inControlPlane(
    'grep VmRSS /proc/1/status; cd /sys/fs/cgroup; ' +
      'for f in memory.current memory/memory.usage_in_bytes; do [ -f $f ] && echo "used $(cat $f)"; done; ' +
      'for f in memory.stat memory/memory.stat; do [ -f $f ] && grep -E "^(total_)?inactive_file" $f; done; true',
  )
  const figure = (name: RegExp) => Number(name.exec(said)?.[1] ?? Number.NaN)
  // Version 1 tells its own first, and the whole with it as a total.
  const idle = figure(/^total_inactive_file (\d+)/m) || figure(/^inactive_file (\d+)/m)
  const workingSetMb = (figure(/^used (\d+)/m) - idle) / 2 ** 20
  return { rssMb: figure(/VmRSS:\s+(\d+)/) / 1024, workingSetMb }
}

/** Looks every so often until it is so; an error that names what was waited for when it never is. */
export async function until(
  what: string,
  everyMs: number,
  look: () => Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + WAIT_MS
  while (!(await look())) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`)
    await sleep(everyMs)
  }
}
