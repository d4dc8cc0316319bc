#!/usr/bin/env node
import process from 'node:process'
import { defineCommand, runCommand } from 'citty'
import { asksForHelp, closest } from './command.ts'
import { EXIT, print, renderError, UserError, usageError } from './output.ts'
import { versionOf } from './version.ts'

const SUMMARIES = {
  'start-v2': 'Makes a k3d cluster with kecs in it, or repairs it (also: start).',
  'stop-v2': 'Deletes that cluster; its data stays (also: stop).',
  cluster: 'Makes, deletes and lists k3d clusters alone.',
  kubeconfig: 'Writes the kubeconfig of such a cluster.',
  doctor: 'Says what start-v2 lacks on this machine.',
  serve: 'Runs the AWS endpoint without a cluster until it is told to stop.',
  status: 'Says how a running kecs is.',
  sql: 'Asks a running kecs one question in SQL, over its state and its history.',
  logs: 'Prints what a task wrote, or who called a load balancer.',
  reset: 'Deletes all that kecs keeps.',
  version: 'Says which kecs this is.',
} as const

const main = defineCommand({
  meta: { name: 'kecs', description: 'A local AWS endpoint for people who build on Amazon ECS.' },
  subCommands: {
    'start-v2': () => import('./commands/start-v2.ts').then((module) => module.default),
    'stop-v2': () => import('./commands/stop-v2.ts').then((module) => module.default),
    cluster: () => import('./commands/cluster.ts').then((module) => module.default),
    kubeconfig: () => import('./commands/kubeconfig.ts').then((module) => module.default),
    doctor: () => import('./commands/doctor.ts').then((module) => module.default),
    serve: () => import('./commands/serve.ts').then((module) => module.default),
    status: () => import('./commands/status.ts').then((module) => module.default),
    sql: () => import('./commands/sql.ts').then((module) => module.default),
    logs: () => import('./commands/logs.ts').then((module) => module.default),
    reset: () => import('./commands/reset.ts').then((module) => module.default),
    version: () => import('./commands/version.ts').then((module) => module.default),
  },
})

/** Modern names of commands that have the ones of the Go version. */
const ALIASES: Readonly<Record<string, string>> = { start: 'start-v2', stop: 'stop-v2' }
const NAMES = Object.keys(SUMMARIES)

function help(): string {
  const width = Math.max(...NAMES.map((name) => name.length))
  const commands = Object.entries(SUMMARIES).map(([name, summary]) => {
    return `  ${name.padEnd(width)}  ${summary}\n`
  })
  return `A local AWS endpoint for people who build on Amazon ECS.

Usage: kecs COMMAND [flags]

Commands:
${commands.join('')}
Examples:
  # In a k3d cluster, tasks being pods; then follow what it prints
  kecs start-v2
  # Without Docker
  kecs serve
  # Without a trace, beside a LocalStack that answers for the other services
  kecs serve --memory --backend http://localhost:4567
  # From another terminal
  export AWS_ENDPOINT_URL=http://localhost:4566
  aws ecs create-cluster --cluster-name demo

Each command has more to say: kecs COMMAND --help.
Exit codes: 0 it worked, 1 it failed, 2 the command was not understood.
`
}

async function run(rawArgs: readonly string[]): Promise<void> {
  const [word, ...rest] = rawArgs
  const first = word !== undefined && Object.hasOwn(ALIASES, word) ? ALIASES[word] : word
  if (first === '--version' || first === '-v') return print(`${versionOf()}\n`)
  if (first === 'help') return run(rest[0] === undefined ? ['--help'] : [rest[0], '--help'])
  if (first === undefined || (first.startsWith('-') && asksForHelp(rawArgs))) {
    print(help())
    if (first !== undefined) return
    throw usageError('no command was given.', `It is one of ${NAMES.join(', ')}.`, 'kecs serve')
  }
  if (!Object.hasOwn(SUMMARIES, first)) throw unknownCommand(first)
  await runCommand(main, { rawArgs: [first, ...rest] })
}

function unknownCommand(word: string): UserError {
  const isFlag = word.startsWith('-')
  const near = closest(word, NAMES)
  return usageError(
    isFlag ? `flag ${word} stands before any command.` : `there is no command ${word}.`,
    `The commands are ${NAMES.join(', ')}.`,
    isFlag
      ? `Put it behind one: kecs serve ${word}.`
      : near
        ? `Did you mean kecs ${near}?`
        : 'See kecs --help.',
  )
}

function fail(error: unknown): number {
  if (error instanceof UserError) {
    process.stderr.write(renderError(error))
    return error.exitCode
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`bug: ${text}\n`)
  return EXIT.failed
}

// Whoever reads us may have had enough, as `head` has.
process.stdout.on('error', () => {})
try {
  await run(process.argv.slice(2))
} catch (error) {
  process.exitCode = fail(error)
}
