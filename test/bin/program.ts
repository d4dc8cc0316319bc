import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { root } from '../root.ts'

/** The program as it is run here: the sources under Deno, the compiled files under Node. */
const COMMAND = process.versions.deno
  ? ['run', '-A', '--quiet', '--no-lock', '--cached-only', join(root, 'bin/kecs.ts')]
  : [join(root, 'dist/bin/kecs.js')]

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** The real program in a process of its own, in an environment that says nothing else. */
export class Program {
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  readonly #heard = { stdout: '', stderr: '' }
  readonly #listeners = new Set<() => void>()
  #isOver = false

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [...COMMAND, ...args], {
      env: { PATH: process.env.PATH, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const name of ['stdout', 'stderr'] as const) {
      this.#child[name]?.on('data', (chunk) => {
        this.#heard[name] += chunk
        this.#tell()
      })
    }
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#isOver = true
        this.#tell()
        resolve({ code, signal, ...this.#heard })
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  kill(signal: NodeJS.Signals): void {
    // Not child.kill: under Deno it forgets the exit code of a program that heeds the signal.
    if (!this.#isOver) process.kill(this.pid, signal)
  }

  /** What the stream said, once `wanted` is in it; rejects when the program ends before. */
  async says(wanted: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        const found = wanted.test(this.#heard[stream])
        if (!found && !this.#isOver) return
        this.#listeners.delete(look)
        if (found) resolve()
        else reject(new Error(`ended without ${wanted}: ${JSON.stringify(this.#heard)}`))
      }
      this.#listeners.add(look)
      look()
    })
    return this.#heard[stream]
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

export interface Banner {
  readonly endpoint: string
  readonly adminEndpoint: string
  readonly dataDir?: string
  readonly backend?: string
  readonly backendTrouble?: string
}

/** Folders and programs of one test, all gone after `clean`. */
export class Workshop {
  readonly #folders: string[] = []
  readonly #programs: Program[] = []

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'kecs-test-'))
    this.#folders.push(folder)
    return folder
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    const home = env.HOME ?? this.folder()
    const program = new Program(args, { HOME: home, ...env })
    this.#programs.push(program)
    return program
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(args, env).ended
  }

  /** `kecs serve` on free ports, once it is ready. */
  async serve(...args: string[]): Promise<{ program: Program; banner: Banner }> {
    const free = ['--api-port', '0', '--admin-port', '0', '--log-format', 'json']
    const program = this.start(['serve', ...free, ...args])
    const banner = JSON.parse(await program.says(/\n/))
    return { program, banner }
  }

  async clean(): Promise<void> {
    for (const program of this.#programs) program.kill('SIGKILL')
    await Promise.all(this.#programs.map((program) => program.ended))
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true })
  }
}

const CREDENTIAL = 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request'

/** By address: how `localhost` resolves is not what is tested. */
export function local(url: string): string {
  return url.replace('localhost', '127.0.0.1')
}

/** A call of ECS, answered or not. */
export function send(banner: Banner, operation: string, input: object): Promise<Response> {
  return fetch(local(banner.endpoint), {
    method: 'POST',
    headers: {
      authorization: `${CREDENTIAL}, SignedHeaders=host, Signature=00`,
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `AmazonEC2ContainerServiceV20141113.${operation}`,
    },
    body: JSON.stringify(input),
  })
}

/** What a call of ECS answers; rejects where it is refused. */
export async function answerOf(banner: Banner, operation: string, input: object) {
  const response = await send(banner, operation, input)
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers freely
  const body = (await response.json()) as any
  if (response.status !== 200) throw new Error(`${operation}: ${JSON.stringify(body)}`)
  return body
}
