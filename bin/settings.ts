import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { LOG_LEVELS, type LogLevel } from '../gateway/core/log.ts'
import { DEFAULT_ACCOUNT } from '../gateway/identify.ts'
import type { Env, Flag, Values } from './command.ts'
import { type UserError, usageError } from './output.ts'

export const DEFAULT_API_PORT = 4566
export const DEFAULT_ADMIN_PORT = 8081
export const DEFAULT_HOST = '127.0.0.1'
export const DEFAULT_ELB_DOMAIN = 'elb.localhost'

export type RuntimeName = 'simulated' | 'process' | 'kubernetes'

/** Everything `kecs serve` can be told. */
export interface Settings {
  readonly apiPort: number
  readonly adminPort: number
  readonly host: string
  /** Undefined: state lives in memory and dies with the process. */
  readonly dataDir: string | undefined
  /** An http URL without path; undefined: there is no backend. */
  readonly backend: string | undefined
  readonly runtime: RuntimeName
  /** Of the kubeconfig; undefined: its current one, or the service account of this pod. */
  readonly context?: string
  readonly kubeconfig?: string
  /** Whose pods in the cluster are this kecs's; undefined: derived from machine, user and data. */
  readonly instance?: string
  readonly account: string
  readonly logLevel: LogLevel
  readonly logFormat: 'text' | 'json'
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
  /** What DNS names of load balancers end in. */
  readonly elbDomain: string
  /** Where listeners of load balancers open their own ports; undefined: nowhere. */
  readonly listenerHost: string | undefined
  /** Where containers of tasks find AWS; undefined: they are not told. */
  readonly taskEndpoint: string | undefined
  /** By which URL callers come; undefined: by the address that is listened on. */
  readonly endpoint: string | undefined
}

export const DATA_DIR_FLAG: Flag = {
  name: 'data-dir',
  value: 'DIR',
  env: 'KECS_DATA_DIR',
  fallback: '~/.kecs/data, or $XDG_DATA_HOME/kecs where that is set',
  about: 'Where state is kept over restarts.',
}

export const ADMIN_URL_FLAG: Flag = {
  name: 'admin-url',
  value: 'URL',
  env: 'KECS_ADMIN_URL',
  fallback: `http://localhost:${DEFAULT_ADMIN_PORT}`,
  about: 'The admin port of the kecs to talk to.',
}

export const JSON_FLAG: Flag = { name: 'json', about: 'Print JSON for programs.' }

const RUNTIMES = ['simulated', 'process', 'kubernetes'] as const satisfies readonly RuntimeName[]

const KUBERNETES_FLAGS: readonly Flag[] = [
  {
    name: 'context',
    value: 'NAME',
    env: 'KECS_CONTEXT',
    fallback: 'the current one; in a pod its service account',
    about: 'The context of the kubeconfig whose cluster runs tasks with --runtime kubernetes.',
  },
  {
    name: 'kubeconfig',
    value: 'FILE',
    env: 'KECS_KUBECONFIG',
    fallback: '$KUBECONFIG, or ~/.kube/config',
    about: 'Where --context is looked up.',
  },
  {
    name: 'instance',
    value: 'NAME',
    env: 'KECS_INSTANCE',
    fallback: 'one of this machine, user and data directory; in a pod kecs',
    about: 'Whose pods are those of this kecs: others on the same cluster are left alone.',
  },
]

export const SERVE_FLAGS: readonly Flag[] = [
  {
    name: 'api-port',
    value: 'PORT',
    env: 'KECS_API_PORT',
    fallback: String(DEFAULT_API_PORT),
    about: 'The port of the AWS endpoint; 0 takes a free one.',
  },
  {
    name: 'admin-port',
    value: 'PORT',
    env: 'KECS_ADMIN_PORT',
    fallback: String(DEFAULT_ADMIN_PORT),
    about: 'The port of health, metrics and SQL; 0 takes a free one.',
  },
  {
    name: 'host',
    value: 'ADDRESS',
    env: 'KECS_HOST',
    fallback: DEFAULT_HOST,
    about: 'The address both ports listen on. Other machines reach what is not loopback.',
  },
  DATA_DIR_FLAG,
  { name: 'memory', env: 'KECS_MEMORY', about: 'Keep state in memory only; it dies with kecs.' },
  {
    name: 'backend',
    value: 'URL',
    env: 'KECS_BACKEND',
    about: 'LocalStack or another AWS emulator that answers every other service.',
  },
  {
    name: 'runtime',
    value: 'NAME',
    choices: RUNTIMES,
    env: 'KECS_RUNTIME',
    fallback: 'simulated',
    about:
      'simulated plays the life cycle of tasks by the clock. process runs their commands on this ' +
      'machine, as you, and is refused unless --host is loopback. kubernetes runs them as pods.',
  },
  ...KUBERNETES_FLAGS,
  {
    name: 'account-id',
    value: 'DIGITS',
    env: 'KECS_ACCOUNT_ID',
    fallback: DEFAULT_ACCOUNT,
    about: 'The account of callers whose access key is not itself 12 digits.',
  },
  {
    name: 'log-level',
    value: 'LEVEL',
    choices: LOG_LEVELS,
    env: 'KECS_LOG_LEVEL',
    fallback: 'info',
    about: 'The least that is logged, to stderr.',
  },
  {
    name: 'log-format',
    value: 'FORMAT',
    choices: ['text', 'json'],
    env: 'KECS_LOG_FORMAT',
    fallback: 'text',
    about: 'json prints one JSON object a line, the banner included.',
  },
  {
    name: 'allow-host',
    value: 'NAME',
    env: 'KECS_ALLOW_HOST',
    many: true,
    about:
      'A host name by which callers may reach kecs, besides localhost and loopback addresses; *.example.test allows what ends so.',
  },
  {
    name: 'allow-origin',
    value: 'ORIGIN',
    env: 'KECS_ALLOW_ORIGIN',
    many: true,
    about:
      'A web origin whose pages may call, e.g. http://localhost:3000; answers then carry CORS.',
  },
  {
    name: 'elb-domain',
    value: 'NAME',
    env: 'KECS_ELB_DOMAIN',
    fallback: DEFAULT_ELB_DOMAIN,
    about:
      'What DNS names of load balancers end in. Names under localhost are this machine without any DNS.',
  },
  {
    name: 'listener-host',
    value: 'ADDRESS',
    env: 'KECS_LISTENER_HOST',
    fallback: 'that of --host',
    about:
      'The address on which listeners of load balancers open their own ports; none opens no port. ' +
      'HTTP is reached by host name on the API port all the same.',
  },
  {
    name: 'endpoint',
    value: 'URL',
    env: 'KECS_ENDPOINT',
    about:
      'By which URL callers come where they see another host or port than kecs, e.g. through a port mapping. ' +
      'It is told in the banner and in links to objects.',
  },
  {
    name: 'task-endpoint',
    value: 'URL',
    env: 'KECS_TASK_ENDPOINT',
    about:
      'Where containers of tasks reach kecs. They are then given AWS_ENDPOINT_URL, region and ' +
      'credentials, unless they set their own.',
  },
]

const MAX_PORT = 65_535
// What stands here ends in URLs and allow-lists.
const HOST = /^[a-z0-9.:_-]+$/i
const ACCOUNT = /^\d{12}$/
const DOMAIN = /^(?=.{1,150}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/

/** Settings out of flags and environment; UserErrors (exit code 2) for values that cannot be. */
export function readSettings(values: Values, env: Env): Settings {
  const host = hostOf(values)
  const memory = values.has('memory')
  if (memory && values.source('data-dir') === '--data-dir' && values.text('data-dir')) {
    throw usageError(
      '--memory and --data-dir contradict one another.',
      'State is kept either in memory or in a directory.',
      'Leave one of them away.',
    )
  }
  const settings: Settings = {
    apiPort: portOf(values, 'api-port', DEFAULT_API_PORT),
    adminPort: portOf(values, 'admin-port', DEFAULT_ADMIN_PORT),
    host,
    dataDir: memory ? undefined : dataDirOf(values, env),
    backend: urlOf(values, 'backend', 'http://localhost:4567'),
    runtime: RUNTIMES.find((name) => name === values.text('runtime')) ?? 'simulated',
    ...clusterSettingsOf(values),
    account: accountOf(values),
    logLevel: LOG_LEVELS.find((level) => level === values.text('log-level')) ?? 'info',
    logFormat: values.text('log-format') === 'json' ? 'json' : 'text',
    allowedHosts: values.list('allow-host'),
    allowedOrigins: values.list('allow-origin'),
    elbDomain: domainOf(values),
    listenerHost: listenerHostOf(values, host),
    endpoint: urlOf(values, 'endpoint', 'http://localhost:14566'),
    taskEndpoint: urlOf(values, 'task-endpoint', 'http://host.k3d.internal:4566'),
  }
  if (settings.apiPort !== 0 && settings.apiPort === settings.adminPort) {
    throw usageError(
      `--api-port and --admin-port are both ${settings.apiPort}.`,
      'The AWS endpoint and the admin pages listen on ports of their own.',
      'Give one of them another port, e.g. --admin-port 8082.',
    )
  }
  return settings
}

function clusterSettingsOf(values: Values): Pick<Settings, 'context' | 'kubeconfig' | 'instance'> {
  const [context, file] = [values.text('context'), values.text('kubeconfig')]
  const instance = values.text('instance')
  return {
    ...(context === undefined ? {} : { context }),
    ...(file === undefined ? {} : { kubeconfig: resolve(file) }),
    ...(instance === undefined ? {} : { instance }),
  }
}

/** The directory that the flag, KECS_DATA_DIR, XDG_DATA_HOME or the home directory names. */
export function dataDirOf(values: Values, env: Env): string {
  const named = values.text('data-dir')
  if (named !== undefined) return resolve(named)
  const xdg = env.XDG_DATA_HOME?.trim()
  return xdg ? resolve(xdg, 'kecs') : join(homedir(), '.kecs', 'data')
}

function portOf(values: Values, name: string, fallback: number): number {
  const text = values.text(name)
  if (text === undefined) return fallback
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= MAX_PORT) return port
  throw bad(values, name, `A port is a number from 0 to ${MAX_PORT}.`, String(fallback))
}

function hostOf(values: Values, flag = 'host', fallback = DEFAULT_HOST): string {
  const text = (values.text(flag) ?? fallback).replace(/^\[(.*)\]$/, '$1')
  if (HOST.test(text)) return text
  throw bad(values, flag, 'It is an IP address or a host name, without port.', DEFAULT_HOST)
}

function listenerHostOf(values: Values, host: string): string | undefined {
  if (values.text('listener-host') === 'none') return undefined
  return hostOf(values, 'listener-host', host)
}

function domainOf(values: Values): string {
  const text = (values.text('elb-domain') ?? DEFAULT_ELB_DOMAIN).toLowerCase()
  if (DOMAIN.test(text)) return text
  throw bad(values, 'elb-domain', 'It is a domain name, without port.', DEFAULT_ELB_DOMAIN)
}

function accountOf(values: Values): string {
  const text = values.text('account-id') ?? DEFAULT_ACCOUNT
  if (ACCOUNT.test(text)) return text
  throw bad(values, 'account-id', 'An account has exactly 12 digits.', '123456789012')
}

function urlOf(values: Values, flag: string, example: string): string | undefined {
  const text = values.text(flag)
  if (text === undefined) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  const plain = url && url.protocol === 'http:' && url.host !== ''
  if (plain && url.pathname === '/' && !url.search && !url.username && !url.password) {
    return url.origin
  }
  throw bad(values, flag, 'It is an http URL of host and port only.', example)
}

function bad(values: Values, name: string, why: string, example: string): UserError {
  const source = values.source(name)
  return usageError(
    `${source} is ${JSON.stringify(values.text(name))}.`,
    why,
    `Give it as --${name} ${example}.`,
  )
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
