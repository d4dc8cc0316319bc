import type { Env } from './command.ts'
import { isLoopback } from './settings.ts'

export interface BannerFacts {
  readonly version: string
  readonly endpoint: string
  readonly adminEndpoint: string
  /** Undefined: state is in memory. */
  readonly dataDir: string | undefined
  readonly runtime: string
  readonly honesty: string
  /** Where listeners of load balancers open their own ports; undefined: nowhere. */
  readonly listenerHost: string | undefined
  readonly backend: string | undefined
  /** Why the backend does not answer, if it does not. */
  readonly backendTrouble: string | undefined
}

/** What somebody who has just started kecs needs to know, ending in lines to try. */
export function renderBanner(facts: BannerFacts, env: Env): string {
  const { endpoint, dataDir, listenerHost, backend, backendTrouble } = facts
  const other = backend
    ? (backendTrouble ?? backend)
    : 'none: services besides ECS and ELBv2 answer an error; give one with --backend URL'
  const pairs = [
    ['endpoint', endpoint],
    ['admin', `${facts.adminEndpoint}  (/health/detailed, /metrics)`],
    ['data', dataDir ?? 'in memory: gone when kecs ends'],
    ['runtime', facts.honesty],
    ['backend', other],
    ...(isOpen(listenerHost)
      ? [['listeners', `on ${listenerHost}: the network reaches them`]]
      : []),
  ]
  const lines = pairs.map(([name, value]) => `  ${name?.padEnd(9)} ${value}`)
  return [
    `kecs ${facts.version} is ready.`,
    '',
    ...lines,
    '',
    'Try it in another terminal:',
    '',
    ...tryLines(endpoint, env).map((line) => `  ${line}`),
    '',
    '',
  ].join('\n')
}

/** Ports that open later, with CreateListener, are told beforehand where others can reach them. */
function isOpen(listenerHost: string | undefined): boolean {
  return listenerHost !== undefined && !isLoopback(listenerHost)
}

/** Without credentials and a region the AWS CLI refuses before it sends anything; any will do. */
function tryLines(endpoint: string, env: Env): string[] {
  const lines = [`export AWS_ENDPOINT_URL=${endpoint}`]
  if (!env.AWS_ACCESS_KEY_ID && !env.AWS_PROFILE) {
    lines.push('export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test')
  }
  if (!env.AWS_REGION && !env.AWS_DEFAULT_REGION) lines.push('export AWS_DEFAULT_REGION=us-east-1')
  return [...lines, 'aws ecs list-clusters']
}

/** The same for programs: one JSON object on one line. */
export function renderJsonBanner(facts: BannerFacts, now: number): string {
  const time = new Date(now).toISOString()
  return `${JSON.stringify({ time, level: 'info', message: 'ready', ...facts })}\n`
}
