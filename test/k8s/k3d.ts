/** A real k3d cluster for tests, where this machine can have one. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type * as uvu from 'uvu'
import { suite } from 'uvu'
import { freePort } from '../free-port.ts'
import { root } from '../root.ts'

const COMMAND_TIMEOUT_MS = 120_000
const LOOK_EVERY_MS = 250

export interface RunOptions {
  readonly cwd?: string
  readonly input?: string
  readonly timeoutMs?: number
}

/** What the program wrote to stdout; an error with all that it wrote when it ends otherwise than by 0. */
export function run(
  program: string,
  args: readonly string[],
  { cwd, input = '', timeoutMs = COMMAND_TIMEOUT_MS }: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: 'pipe' })
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    let stdout = ''
    let all = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
      all += chunk
    })
    child.stderr.on('data', (chunk) => {
      all += chunk
    })
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      if (code === 0) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code}:\n${all}`))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** The first answer of `look`; its last failure when none came in time. */
export async function eventually<T>(look: () => Promise<T>, timeoutMs = 60_000): Promise<T> {
  const endMs = Date.now() + timeoutMs
  for (;;) {
    try {
      return await look()
    } catch (thrown) {
      if (Date.now() > endMs) throw thrown
    }
    await sleep(LOOK_EVERY_MS)
  }
}

/** What of Docker, k3d and kubectl cannot be used here, and why; undefined when all can. */
export async function lackOfTools(): Promise<string | undefined> {
  for (const [program, ...args] of [
    ['docker', 'info'],
    ['k3d', 'version'],
    ['kubectl', 'version', '--client'],
  ] as const) {
    try {
      await run(program, args)
    } catch (thrown) {
      const [why] = String(thrown instanceof Error ? thrown.message : thrown).split('\n')
      return `${program} cannot be used here (${why})`
    }
  }
  return undefined
}

/** Why no cluster can be had here, or undefined. */
export async function reasonToSkip(): Promise<string | undefined> {
  if (!process.env.KECS_TEST_K3D)
    return 'KECS_TEST_K3D=1 is not set (Docker, k3d and kubectl needed)'
  return lackOfTools()
}

/** The tests where a cluster can be had, and nothing else is lacking; else one that says why not. */
export async function onCluster<T>(
  name: string,
  tests: uvu.Test<T>,
  lack?: string,
): Promise<uvu.Test<T> | uvu.Test> {
  const reason = (await reasonToSkip()) ?? lack
  if (reason === undefined) return tests
  console.log(`${name}: skipped: ${reason}`)
  const skipped = suite(name)
  skipped.skip()
  return skipped
}

/** What tells Docker and k3d which images and which engine they take. */
export function surroundings(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => /^(K3D|DOCKER)_/.test(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']))
}

/** Containers, networks and volumes of a cluster, those volumes that only bear its name included. */
export async function remains(name: string): Promise<string> {
  const label = ['--filter', `label=k3d.cluster=${name}`]
  const found = await Promise.all([
    run('docker', ['ps', '--all', '--quiet', ...label]),
    run('docker', ['network', 'ls', '--quiet', '--filter', `name=k3d-${name}`]),
    run('docker', ['volume', 'ls', '--quiet', ...label]),
    run('docker', ['volume', 'ls', '--quiet', '--filter', `name=k3d-${name}`]),
  ])
  return found.join('')
}

/** An image of the program as it is packed, built in a folder of its own. */
export async function buildImage(tag: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kecs-image-'))
  try {
    const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder]
    const file = (await run('npm', pack, { cwd: root })).trim().split('\n').at(-1) ?? ''
    await run('tar', ['-xzf', file], { cwd: folder })
    const cwd = join(folder, 'package')
    const install = ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund']
    await run('npm', [...install, '--prefer-offline'], { cwd })
    await run('docker', ['build', '-q', '-t', tag, '-f', 'k8s/Dockerfile', '.'], { cwd })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export interface Cluster {
  readonly apiPort: number
  readonly adminPort: number
  /** A file, and the name of the context in it. */
  readonly kubeconfig: string
  readonly context: string
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>
  importImage(tag: string): Promise<void>
  /** Applies manifests of `k8s/` with what a test changes in them. */
  apply(kustomization: object): Promise<void>
  delete(): Promise<void>
}

/** A cluster of one node, whose ports 30566 and 30081 are free ones here. */
export async function createCluster(): Promise<Cluster> {
  const name = `kecs-test-${process.pid}`
  const folder = mkdtempSync(join(tmpdir(), 'kecs-k3d-'))
  const kubeconfig = join(folder, 'kubeconfig')
  const [apiPort, adminPort] = [await freePort(), await freePort()]
  const kubectl = (args: readonly string[], options?: RunOptions) =>
    run('kubectl', ['--kubeconfig', kubeconfig, ...args], options)
  const cluster: Cluster = {
    apiPort,
    adminPort,
    kubeconfig,
    context: `k3d-${name}`,
    kubectl,
    async importImage(tag) {
      // k3d tells of a failure, and ends with 0 all the same.
      await eventually(async () => {
        const said = await run('k3d', ['image', 'import', '--mode', 'direct', '-c', name, tag])
        if (!said.includes('Successfully imported 1 image')) throw new Error(said)
      })
    },
    async apply(kustomization) {
      await run('cp', ['-r', join(root, 'k8s'), folder])
      writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
      await kubectl(['apply', '-k', folder])
    },
    async delete() {
      await run('k3d', ['cluster', 'delete', name])
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    const port = (own: number, node: number) => ['-p', `127.0.0.1:${own}:${node}@server:0:direct`]
    await run('k3d', [
      ...['cluster', 'create', name, '--no-lb', '--timeout', '90s'],
      ...['--kubeconfig-update-default=false', '--kubeconfig-switch-context=false'],
      ...[...port(apiPort, 30_566), ...port(adminPort, 30_081)],
    ])
    writeFileSync(kubeconfig, await run('k3d', ['kubeconfig', 'get', name]), { mode: 0o600 })
    await eventually(() => kubectl(['wait', '--for=condition=Ready', 'node', '--all']))
    await eventually(() => kubectl(['get', 'serviceaccount', 'default']))
    return cluster
  } catch (thrown) {
    await cluster.delete()
    throw thrown
  }
}
