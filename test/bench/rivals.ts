/**
 * nginx, HAProxy and Caddy, configured to do what the load balancer does: rules by path, targets in
 * turn, connections to them kept, X-Forwarded-* set, bodies streamed, on one thread. None of them
 * checks health or writes an access log, as is their default.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { cpuUsOf, rssMbOf, stopped } from './processes.ts'
import { addressesOf, type Balancer, rulePath, rulesOf, type Site } from './sites.ts'

const READY_MS = 10_000
const RETRY_MS = 20
const MAX_SAID = 4_096
/** Go's way to say so; the others have it in their configuration. */
const ONE_THREAD = { GOMAXPROCS: '1' }

export interface Rival {
  readonly name: string
  config(sites: readonly Site[], folder: string): string
  args(configFile: string): readonly string[]
}

export const RIVALS: readonly Rival[] = [
  {
    name: 'nginx',
    config: nginxConfig,
    args: (file) => ['-e', 'stderr', '-c', file],
  },
  {
    name: 'haproxy',
    config: haproxyConfig,
    args: (file) => ['-db', '-f', file],
  },
  {
    name: 'caddy',
    config: caddyConfig,
    args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
  },
]

/** Where the program is; undefined where it is not installed. */
export function programOf({ name }: Rival): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Starts it in the foreground with its files in a folder of its own; it ends with this process. */
export async function startRival(
  rival: Rival,
  program: string,
  sites: readonly Site[],
  parent: string,
): Promise<Balancer> {
  const folder = join(parent, rival.name)
  mkdirSync(folder)
  const file = join(folder, 'config')
  writeFileSync(file, rival.config(sites, folder))
  // setpriv (util-linux) becomes the program: even a bench that is killed leaves nothing running.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', program, ...rival.args(file)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      HOME: folder,
      XDG_DATA_HOME: folder,
      XDG_CONFIG_HOME: folder,
      ...ONE_THREAD,
    },
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-MAX_SAID)
  })
  child.on('error', () => {})
  const stop = () => stopped(child, 'SIGTERM')
  try {
    for (const { port } of sites) await untilOpen(child, rival.name, port)
  } catch (error) {
    await stop()
    throw new Error(`${rival.name} does not run: ${said.trim()}`, { cause: error })
  }
  const { pid } = child
  return { name: rival.name, sites, cpuUs: () => cpuUsOf(pid), rssMb: () => rssMbOf(pid), stop }
}

async function untilOpen(child: ChildProcess, name: string, port: number): Promise<void> {
  const deadline = performance.now() + READY_MS
  while (!(await isOpen(port))) {
    const ended = child.pid === undefined || child.exitCode !== null || child.signalCode !== null
    if (ended) throw new Error(`${name} ended before it was ready`)
    if (performance.now() > deadline) throw new Error(`${name} did not open port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

function nginxConfig(sites: readonly Site[], folder: string): string {
  return `
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${folder}/pid;
events { worker_connections 8192; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join('\n  ')}
  keepalive_requests 1000000000;
  client_max_body_size 0;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Port $server_port;
${sites.map(nginxSite).join('\n')}
}
`
}

function nginxSite(site: Site): string {
  const upstream = `targets_${site.port}`
  const servers = addressesOf(site).map((address) => `    server ${address}:${site.targetPort};`)
  const locations = rulesOf(site).map(
    (rule) => `    location ${rulePath(rule)} { proxy_pass http://${upstream}; }`,
  )
  return `
  upstream ${upstream} {
${servers.join('\n')}
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
  }
  server {
    listen 127.0.0.1:${site.port};
${locations.join('\n')}
    location / { return 404; }
  }`
}

function haproxyConfig(sites: readonly Site[]): string {
  return `
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
  default-server pool-purge-delay 300s
${sites.map(haproxySite).join('\n')}
`
}

function haproxySite(site: Site): string {
  const backend = `targets_${site.port}`
  const rules = rulesOf(site).map(
    (rule) => `  use_backend ${backend} if { path_beg ${rulePath(rule)} }`,
  )
  const servers = addressesOf(site).map(
    (address, index) => `  server target-${index} ${address}:${site.targetPort}`,
  )
  return `
frontend site_${site.port}
  bind 127.0.0.1:${site.port}
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port %[dst_port]
${rules.join('\n')}
backend ${backend}
  balance roundrobin
${servers.join('\n')}`
}

function caddyConfig(sites: readonly Site[]): string {
  return `
{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
${sites.map(caddySite).join('\n')}
`
}

function caddySite(site: Site): string {
  const targets = addressesOf(site).map((address) => `${address}:${site.targetPort}`)
  const handles = rulesOf(site).map(
    (rule) => `  handle ${rulePath(rule)}* {
    reverse_proxy {
      to ${targets.join(' ')}
      lb_policy round_robin
      header_up X-Forwarded-Port ${site.port}
    }
  }`,
  )
  return `
http://:${site.port} {
  bind 127.0.0.1
${handles.join('\n')}
  respond 404
}`
}
