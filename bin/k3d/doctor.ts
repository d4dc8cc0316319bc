import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { freemem, homedir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { ProgramFault } from '../../cluster/k3d/program.ts'
import { messageOf } from '../../gateway/core/fault.ts'
import type { UserError } from '../output.ts'
import { holderOf, troubleWith } from './host-ports.ts'
import { imageName } from './image-context.ts'
import { INOTIFY_REMEDY, lowInotifyLimits } from './inotify.ts'
import { packageRoot } from './package-root.ts'
import { LOCALSTACK_IMAGE } from './start-options.ts'
import { explainProgram, INSTALL, type Tools } from './tools.ts'

export interface Check {
  readonly name: string
  /** `warn`: it works, or will once something is done; `fail`: start-v2 cannot work. */
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** What to do about it; null where all is well. */
  readonly remedy: string | null
}

export interface DoctorOptions {
  readonly ports: readonly { readonly port: number; readonly flag: string }[]
}

const GIB = 1024 ** 3
const LEAST_DISK = 5 * GIB
const LEAST_MEMORY = 3 * GIB
const OLDEST_K3D = [5, 4] as const

/** Looks at all that start-v2 needs; changes nothing. */
export async function examine(tools: Tools, options: DoctorOptions): Promise<Check[]> {
  const docker = await checkDocker(tools)
  const isUp = docker.every(({ status }) => status !== 'fail')
  return [
    ...docker,
    await guarded('k3d', () => checkK3d(tools)),
    await guarded('kubectl', () => checkKubectl(tools)),
    ...(await Promise.all(options.ports.map((wanted) => checkPort(wanted, tools, isUp)))),
    await checkDisk(),
    ...(await checkInotify()),
    ...(isUp ? await checkImages(tools) : []),
  ]
}

function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail, remedy: null }
}

async function guarded(name: string, work: () => Promise<Check>): Promise<Check> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ProgramFault)) throw error
    const { message, why, next }: UserError = explainProgram(error, INSTALL[name] ?? '')
    return { name, status: 'fail', detail: `${message} ${why}`, remedy: next }
  }
}

async function checkDocker({ docker }: Tools): Promise<Check[]> {
  let memory: Check | undefined
  const engine = await guarded('docker', async () => {
    const { version, memoryBytes, cpus } = await docker.info()
    memory = memoryCheck(memoryBytes)
    return ok('docker', `${version}, ${cpus} processors`)
  })
  return memory ? [engine, memory] : [engine]
}

function memoryCheck(total: number): Check {
  // Docker's machine may be another one than ours, of which only the total is known.
  const detail = `${gib(total)} for Docker, ${gib(freemem())} free on this machine`
  if (total >= LEAST_MEMORY) return ok('memory', detail)
  return {
    name: 'memory',
    status: 'warn',
    detail: `${detail}; a cluster with LocalStack takes ${gib(LEAST_MEMORY)}`,
    remedy: 'Give Docker more memory, or start with --no-localstack.',
  }
}

async function checkK3d({ k3d }: Tools): Promise<Check> {
  const version = await k3d.version()
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [least, leastMinor] = OLDEST_K3D
  if (major > least || (major === least && minor >= leastMinor)) return ok('k3d', version)
  const detail = `${version} is older than ${OLDEST_K3D.join('.')}`
  return { name: 'k3d', status: 'fail', detail, remedy: INSTALL.k3d ?? null }
}

async function checkKubectl({ kubectl }: Tools): Promise<Check> {
  return ok('kubectl', await kubectl('').version())
}

async function checkPort(
  { port, flag }: DoctorOptions['ports'][number],
  tools: Tools,
  isUp: boolean,
): Promise<Check> {
  const name = `port ${port}`
  const trouble = await troubleWith(port, '127.0.0.1')
  if (trouble === undefined) return ok(name, 'free')
  const ours = isUp
    ? (await tools.k3d.list()).find(({ ports }) => ports.some((each) => each.hostPort === port))
    : undefined
  if (ours) return ok(name, `of the instance ${ours.name}`)
  const holder = await holderOf(port, tools.docker)
  const detail =
    trouble === 'EADDRINUSE'
      ? `taken: ${holder ?? 'another program'} listens there`
      : `cannot be used (${trouble})`
  return {
    name,
    status: 'warn',
    detail,
    remedy: `Stop that program, or start with another ${flag}.`,
  }
}

async function checkDisk(): Promise<Check> {
  const wanted = join(homedir(), '.kecs')
  const dir = existsSync(wanted) ? wanted : dirname(wanted)
  try {
    const { bavail, bsize } = await statfs(dir)
    const free = bavail * bsize
    if (free >= LEAST_DISK) return ok('disk', `${gib(free)} free at ${dir}`)
    return {
      name: 'disk',
      status: 'warn',
      detail: `${gib(free)} free at ${dir}; images and a node take up to ${gib(LEAST_DISK)}`,
      remedy: 'Make room, e.g. with docker system prune.',
    }
  } catch (error) {
    const remedy = 'Choose another place with --data-dir.'
    return { name: 'disk', status: 'warn', detail: messageOf(error), remedy }
  }
}

/** Of this machine, which is Docker's where both are Linux. */
async function checkInotify(): Promise<Check[]> {
  if (process.platform !== 'linux') return []
  const low = await lowInotifyLimits()
  if (low.length === 0) return [ok('inotify', 'enough for several nodes')]
  const detail = `${low.join(', ')}: a second or third node may not start`
  return [{ name: 'inotify', status: 'warn', detail, remedy: INOTIFY_REMEDY }]
}

/** None of them is a failure: start-v2 builds the first and pulls the other. */
async function checkImages({ docker }: Tools): Promise<Check[]> {
  let own: string
  try {
    own = imageName(packageRoot())
  } catch (error) {
    const { why, next } = error as UserError
    return [{ name: 'image kecs', status: 'warn', detail: why, remedy: next }]
  }
  const wanted = [
    [own, 'start-v2 builds it'],
    [LOCALSTACK_IMAGE, 'start-v2 pulls it; --no-localstack does without'],
  ] as const
  return Promise.all(
    wanted.map(async ([image, otherwise]) => {
      const id = await docker.imageId(image)
      return ok(`image ${image}`, id === undefined ? `not here: ${otherwise}` : 'here')
    }),
  )
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`
}
