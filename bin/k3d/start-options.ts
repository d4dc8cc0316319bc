import type { Env, Flag, Values } from '../command.ts'
import { durationOf } from '../duration.ts'
import { usageError } from '../output.ts'
import { DEFAULT_ADMIN_PORT, DEFAULT_API_PORT, JSON_FLAG } from '../settings.ts'
import { givenDataDir, INSTANCE_DATA_FLAG, instanceNameOf, NAME_FLAG } from './instance.ts'

/** The last release that starts without a token. */
export const LOCALSTACK_IMAGE = 'localstack/localstack:4.14.0'

/** The release that the manifests were written for, and have. */
export const TRAEFIK_IMAGE = 'traefik:v3.7.13'

export type BackendChoice =
  | { readonly kind: 'localstack'; readonly image: string; readonly token: string | undefined }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'none' }

export interface ListenerMapping {
  readonly hostPort: number
  readonly innerPort: number
}

/** What `kecs start-v2` was asked for; undefined where whatever is there may stay. */
export interface StartOptions {
  readonly name: string
  readonly apiPort: number | undefined
  readonly adminPort: number | undefined
  readonly dataDir: string | undefined
  readonly agents: number | undefined
  readonly extraPorts: readonly ListenerMapping[] | undefined
  readonly backend: BackendChoice
  readonly image: string | undefined
  /** The image of what stands before the endpoint; undefined for nothing. */
  readonly traefikImage: string | undefined
  readonly k3sImage: string | undefined
  readonly timeoutMs: number
}

const DEFAULT_TIMEOUT = '10m'

/** What decides how a cluster is made. */
export const CLUSTER_FLAGS: readonly Flag[] = [
  {
    name: 'api-port',
    value: 'PORT',
    env: 'KECS_API_PORT',
    fallback: String(DEFAULT_API_PORT),
    about: 'The port of the AWS endpoint on this machine.',
  },
  {
    name: 'admin-port',
    value: 'PORT',
    env: 'KECS_ADMIN_PORT',
    fallback: String(DEFAULT_ADMIN_PORT),
    about: 'The port of health, metrics and SQL on this machine.',
  },
  INSTANCE_DATA_FLAG,
  { name: 'agents', value: 'N', fallback: '0', about: 'Nodes besides the server.' },
  {
    name: 'port',
    value: 'HOST:LISTENER',
    many: true,
    about:
      'A port of this machine that leads to the listeners of load balancers on a port, e.g. 8080:80.',
  },
  {
    name: 'k3s-image',
    value: 'IMAGE',
    env: 'KECS_K3S_IMAGE',
    fallback: 'the one that k3d takes, K3D_IMAGE where that is set',
    about: 'The image of the nodes.',
  },
  {
    name: 'timeout',
    value: 'DURATION',
    fallback: DEFAULT_TIMEOUT,
    about: 'How long all of it may take, e.g. 90s, 10m or 1h30m.',
  },
]

export const START_FLAGS: readonly Flag[] = [
  NAME_FLAG,
  ...CLUSTER_FLAGS,
  {
    name: 'backend',
    value: 'URL|localstack|none',
    env: 'KECS_BACKEND',
    fallback: 'localstack',
    about:
      'Who answers for the other services: a LocalStack in the cluster, an AWS emulator elsewhere, ' +
      'or nobody. localhost in a URL is this machine; what listens there has to listen beyond loopback.',
  },
  { name: 'no-localstack', about: 'The same as --backend none.' },
  {
    name: 'localstack-image',
    value: 'IMAGE',
    env: 'KECS_LOCALSTACK_IMAGE',
    fallback: LOCALSTACK_IMAGE,
    about: 'LOCALSTACK_AUTH_TOKEN is handed on to it where it is set.',
  },
  {
    name: 'image',
    value: 'IMAGE',
    env: 'KECS_IMAGE',
    fallback: 'built from this installation',
    about: 'The image of the control plane.',
  },
  {
    name: 'traefik',
    about: 'Puts a Traefik before the endpoint, which hands on all of it and logs each request.',
  },
  { name: 'no-traefik', about: 'Without one, as it is anyway: one that is there goes.' },
  {
    name: 'traefik-image',
    value: 'IMAGE',
    env: 'KECS_TRAEFIK_IMAGE',
    fallback: TRAEFIK_IMAGE,
    about: 'A release of Traefik from v3.6.4 on.',
  },
  JSON_FLAG,
]

/** UserErrors (exit code 2) for what cannot be. */
export function readStartOptions(values: Values, env: Env): StartOptions {
  return {
    ...readClusterOptions(values, instanceNameOf(values)),
    backend: backendOf(values, env),
    image: values.text('image'),
    traefikImage: traefikImageOf(values),
  }
}

export type ClusterOptions = Omit<StartOptions, 'backend' | 'image' | 'traefikImage'>

export function readClusterOptions(values: Values, name: string): ClusterOptions {
  const apiPort = portOf(values, 'api-port')
  const adminPort = portOf(values, 'admin-port')
  const extraPorts = values.text('port') === undefined ? undefined : listenersOf(values)
  refuseTwice([
    apiPort ?? DEFAULT_API_PORT,
    adminPort ?? DEFAULT_ADMIN_PORT,
    ...(extraPorts ?? []).map(({ hostPort }) => hostPort),
  ])
  return {
    name,
    apiPort,
    adminPort,
    extraPorts,
    dataDir: givenDataDir(values),
    agents: agentsOf(values),
    k3sImage: values.text('k3s-image'),
    timeoutMs: durationOf(values, 'timeout', DEFAULT_TIMEOUT),
  }
}

function traefikImageOf(values: Values): string | undefined {
  if (!values.has('traefik')) {
    if (values.source('traefik-image') !== '--traefik-image') return undefined
    throw usageError(
      '--traefik-image is given, and --traefik is not.',
      'Without it no Traefik is started, of whatever image.',
      'Add --traefik, or leave --traefik-image away.',
    )
  }
  if (values.has('no-traefik')) {
    throw usageError(
      '--traefik and --no-traefik contradict one another.',
      'Either a Traefik stands before the endpoint or none does.',
      'Leave one of them away.',
    )
  }
  return values.text('traefik-image') ?? TRAEFIK_IMAGE
}

const MAX_PORT = 65_535

function isPort(text: string | undefined): boolean {
  return /^\d{1,5}$/.test(text ?? '') && Number(text) >= 1 && Number(text) <= MAX_PORT
}

function portOf(values: Values, flag: string): number | undefined {
  const text = values.text(flag)
  if (text === undefined || isPort(text)) return text === undefined ? undefined : Number(text)
  throw usageError(
    `${values.source(flag)} is ${JSON.stringify(text)}.`,
    `A port is a number from 1 to ${MAX_PORT}.`,
    `Give it as --${flag} ${flag === 'api-port' ? DEFAULT_API_PORT : DEFAULT_ADMIN_PORT}.`,
  )
}

function listenersOf(values: Values): ListenerMapping[] {
  return values.list('port').map((pair) => {
    const [host, inner, ...rest] = pair.split(':')
    if (isPort(host) && isPort(inner) && rest.length === 0) {
      return { hostPort: Number(host), innerPort: Number(inner) }
    }
    throw usageError(
      `--port is ${JSON.stringify(pair)}.`,
      'It is a port of this machine, a colon, and the port of a listener.',
      'Give it as --port 8080:80.',
    )
  })
}

function refuseTwice(ports: readonly number[]): void {
  const twice = ports.find((port, index) => ports.indexOf(port) !== index)
  if (twice === undefined) return
  throw usageError(
    `port ${twice} is given twice.`,
    '--api-port, --admin-port and each --port need a port of this machine for themselves.',
    'Give one of them another port, e.g. --admin-port 8082.',
  )
}

const MAX_AGENTS = 20

function agentsOf(values: Values): number | undefined {
  const text = values.text('agents')
  if (text === undefined) return undefined
  if (/^\d{1,2}$/.test(text) && Number(text) <= MAX_AGENTS) return Number(text)
  throw usageError(
    `--agents is ${JSON.stringify(text)}.`,
    `It is a number from 0 to ${MAX_AGENTS}.`,
    'Give it as --agents 1.',
  )
}

function backendOf(values: Values, env: Env): BackendChoice {
  const text = values.text('backend')
  if (values.has('no-localstack')) {
    if (text === undefined || values.source('backend') !== '--backend' || text === 'none') {
      return { kind: 'none' }
    }
    if (text === 'localstack') {
      throw usageError(
        '--no-localstack and --backend localstack contradict one another.',
        'Either LocalStack answers for the other services or it does not.',
        'Leave one of them away.',
      )
    }
  }
  if (text === 'none') return { kind: 'none' }
  if (text === undefined || text === 'localstack') {
    const image = values.text('localstack-image') ?? LOCALSTACK_IMAGE
    return { kind: 'localstack', image, token: env.LOCALSTACK_AUTH_TOKEN?.trim() || undefined }
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' && url.pathname === '/' && !url.search && !url.username) {
    return { kind: 'url', url: url.origin }
  }
  throw usageError(
    `${values.source('backend')} is ${JSON.stringify(text)}.`,
    'It is localstack, none, or an http URL of host and port only.',
    'Give it as --backend http://localhost:5000.',
  )
}
