import { spawn } from 'node:child_process'
import process from 'node:process'

export type Env = Readonly<Record<string, string | undefined>>

/** What a helper program needs of its surroundings; PATH is looked up in `env`. */
export interface Surroundings {
  readonly env: Env
  /** Ends whatever runs when it is aborted. */
  readonly signal?: AbortSignal
}

export interface RunOptions extends Surroundings {
  readonly timeoutMs: number
  readonly input?: string
  /** Each line of either stream as it comes, without colours. */
  readonly onLine?: (line: string) => void
}

export type ProgramTrouble = 'missing' | 'failed' | 'timeout' | 'aborted'

/** A helper program that did not do its work; `output` is the end of what it said. */
export class ProgramFault extends Error {
  readonly trouble: ProgramTrouble
  readonly program: string
  readonly args: readonly string[]
  readonly output: string

  constructor(
    trouble: ProgramTrouble,
    program: string,
    args: readonly string[],
    message: string,
    output = '',
  ) {
    super(message)
    this.name = 'ProgramFault'
    this.trouble = trouble
    this.program = program
    this.args = args
    this.output = output
  }
}

const KILL_GRACE_MS = 5_000
const KEPT_LINES = 20
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours begin with
const COLOURS = /\u001b\[[0-9;]*m/g

/** Stdout of a program that ended well; a ProgramFault for everything else. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const heard = new Heard(options.onLine)
    const fault = (trouble: ProgramTrouble, message: string) =>
      new ProgramFault(trouble, program, args, message, heard.end())
    if (options.signal?.aborted) return reject(fault('aborted', `${program} was not started.`))
    const child = spawn(program, [...args], { env: { ...options.env }, stdio: 'pipe' })
    let ending: ProgramFault | undefined
    let kill: ReturnType<typeof setTimeout> | undefined
    const end = (why: ProgramFault) => {
      if (ending) return
      ending = why
      child.kill('SIGTERM')
      kill = setTimeout(() => child.kill('SIGKILL'), KILL_GRACE_MS)
    }
    const called = calledAs(program, args)
    const seconds = (options.timeoutMs / 1000).toFixed(1).replace(/\.0$/, '')
    const timer = setTimeout(
      () => end(fault('timeout', `${called} did not end within ${seconds} s.`)),
      options.timeoutMs,
    )
    const onAbort = () => end(fault('aborted', `${called} was interrupted.`))
    options.signal?.addEventListener('abort', onAbort, { once: true })
    const settle = () => {
      clearTimeout(timer)
      clearTimeout(kill)
      options.signal?.removeEventListener('abort', onAbort)
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      settle()
      const missing = error.code === 'ENOENT'
      reject(
        missing
          ? fault('missing', `${program} is not on the PATH.`)
          : fault('failed', `${program} cannot be run: ${error.message}.`),
      )
    })
    child.on('close', (code, signal) => {
      settle()
      if (ending) return reject(ending)
      if (code === 0) return resolve(heard.stdout)
      const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`
      reject(fault('failed', `${called} ${how}.`))
    })
    child.stdout.on('data', (chunk) => heard.out(String(chunk)))
    child.stderr.on('data', (chunk) => heard.err(String(chunk)))
    // A program that ends without reading what it was given says why itself.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** `kubectl apply` of `kubectl --kubeconfig FILE apply -k FOLDER`. */
function calledAs(program: string, args: readonly string[]): string {
  const word = args.find(
    (arg, index) => !arg.startsWith('--') && !args[index - 1]?.startsWith('--'),
  )
  return word === undefined ? program : `${program} ${word}`
}

/** Whole lines of both streams; stdout is kept whole, of both only the last lines. */
class Heard {
  stdout = ''
  readonly #rest = { out: '', err: '' }
  readonly #last: string[] = []
  readonly #onLine: ((line: string) => void) | undefined

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine
  }

  out(text: string): void {
    this.stdout += text
    this.#split('out', text)
  }

  err(text: string): void {
    this.#split('err', text)
  }

  end(): string {
    const rests = [this.#rest.out, this.#rest.err].filter((rest) => rest.trim() !== '')
    return [...this.#last, ...rests].join('\n').replace(COLOURS, '')
  }

  #split(stream: 'out' | 'err', text: string): void {
    const lines = (this.#rest[stream] + text).split(/\r?\n|\r/)
    this.#rest[stream] = lines.pop() ?? ''
    for (const raw of lines) {
      const line = raw.replace(COLOURS, '').trimEnd()
      if (line === '') continue
      this.#last.push(line)
      if (this.#last.length > KEPT_LINES) this.#last.shift()
      this.#onLine?.(line)
    }
  }
}

/** The surroundings of this process. */
export function ownSurroundings(signal?: AbortSignal): Surroundings {
  return signal ? { env: process.env, signal } : { env: process.env }
}
