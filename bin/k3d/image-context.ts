import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { UserError } from '../output.ts'
import { versionOf } from '../version.ts'

/** A package that goes into the image: where it lies, and where Node.js will look for it there. */
interface Placed {
  readonly name: string
  readonly from: string
  /** Relative to the context, e.g. `node_modules/hono`. */
  readonly to: string
}

interface Manifest {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The image of this very program: two checkouts of one version must not take each other's. */
export function imageName(root: string): string {
  return `kecs:${versionOf()}-${fingerprint(root)}`
}

/** Says the same for two installations that give the same image: what they run, and with what. */
export function fingerprint(root: string): string {
  const hash = createHash('sha256')
  for (const name of ['package.json', 'k8s/Dockerfile']) hash.update(readFileSync(join(root, name)))
  const dist = compiled(root)
  const files = readdirSync(dist, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => relative(dist, join(entry.parentPath, entry.name)))
    .filter((path) => !path.startsWith(`test${sep}`) && !path.startsWith(`.ci${sep}`))
  for (const path of files.sort()) hash.update(path).update(readFileSync(join(dist, path)))
  for (const { to, from } of placedPackages(root)) {
    hash.update(`${to} ${manifestOf(from).version}`)
  }
  return hash.digest('hex').slice(0, 16)
}

function compiled(root: string): string {
  const dist = join(root, 'dist')
  if (existsSync(join(dist, 'bin', 'kecs.js'))) return dist
  throw new UserError(
    'there is no compiled program to put into an image.',
    `${dist} is not there: this is a checkout that was not built.`,
    'Run npm run build first, or give an image with --image.',
  )
}

/**
 * Runs `work` with a folder that `docker build` takes: the compiled program with what it needs to
 * run, however it was installed (hoisted, nested or linked), and nothing else. Building needs no
 * network then, and no secrets of a checkout reach Docker.
 */
export async function withImageContext<T>(
  root: string,
  work: (context: string) => Promise<T>,
): Promise<T> {
  const dist = compiled(root)
  const context = await mkdtemp(join(tmpdir(), 'kecs-image-'))
  try {
    for (const name of ['package.json', 'LICENSE', 'NOTICE', 'k8s/Dockerfile']) {
      await cp(join(root, name), join(context, name))
    }
    const unused = [join(dist, 'test'), join(dist, '.ci')]
    await cp(dist, join(context, 'dist'), {
      recursive: true,
      filter: (path) => !unused.includes(path),
    })
    for (const { from, to } of placedPackages(root)) {
      const inner = join(from, 'node_modules') + sep
      await cp(from, join(context, to), {
        recursive: true,
        dereference: true,
        filter: (path) => !`${path}${sep}`.startsWith(inner) && !UNREAD.test(path),
      })
    }
    return await work(context)
  } finally {
    await rm(context, { recursive: true, force: true })
  }
}

/** What no program reads while it runs. */
const UNREAD = /\.(map|d\.[cm]?ts)$/

/** Every package that the program needs to run, each where a look-up from its users finds it. */
export function placedPackages(root: string): Placed[] {
  const placed = new Map<string, Placed>()
  const queue: { readonly from: string; readonly to: string }[] = [{ from: root, to: '' }]
  // In breadth: what a package brings into its own folder is known before its guests look there.
  for (let user = queue.shift(); user; user = queue.shift()) {
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(user.from)
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const from = findPackage(name, user.from)
      if (from === undefined) {
        if (name in optionalDependencies) continue
        throw new UserError(
          'the image of kecs cannot be built.',
          `The package ${name}, which ${user.from} needs, is not installed.`,
          'Install kecs again, or give an image with --image.',
        )
      }
      const seen = lookUp(name, user.to, placed)
      if (seen?.from === from) continue
      const to = join(seen === undefined ? '' : user.to, 'node_modules', name)
      placed.set(to, { name, from, to })
      queue.push({ from, to })
    }
  }
  return [...placed.values()]
}

/** What Node.js would find from a folder of the context. */
function lookUp(
  name: string,
  folder: string,
  placed: ReadonlyMap<string, Placed>,
): Placed | undefined {
  for (let at = folder; ; at = at === '' || dirname(at) === '.' ? '' : dirname(at)) {
    const found = placed.get(join(at, 'node_modules', name))
    if (found || at === '') return found
  }
}

function findPackage(name: string, user: string): string | undefined {
  for (let at = user; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if (existsSync(join(folder, 'package.json'))) return realpathSync(folder)
    if (dirname(at) === at) return undefined
  }
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
