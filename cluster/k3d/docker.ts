import { type RunOptions, runProgram, type Surroundings } from './program.ts'

export interface Leftovers {
  readonly containers: readonly string[]
  readonly networks: readonly string[]
  readonly volumes: readonly string[]
}

export interface DockerInfo {
  readonly version: string
  readonly memoryBytes: number
  readonly cpus: number
}

/** The docker program; each method is few calls of it and ends by its time-out. */
export interface Docker {
  info(): Promise<DockerInfo>
  /** Undefined where there is no such image. */
  imageId(image: string): Promise<string | undefined>
  nodeHasName(node: string, image: string): Promise<boolean>
  /** Whether a k3s node has an image, under that very name and id. */
  nodeHasImage(node: string, image: string, id: string): Promise<boolean>
  /** Writes an image as an archive to a file of this machine. */
  save(image: string, file: string, timeoutMs: number): Promise<void>
  /** Of a file as the node sees it. */
  importArchive(node: string, file: string, timeoutMs: number): Promise<void>
  pull(image: string, timeoutMs: number, onLine?: (line: string) => void): Promise<void>
  build(spec: BuildSpec, timeoutMs: number, onLine?: (line: string) => void): Promise<void>
  /** The last lines of either stream of a container. */
  logs(container: string, lines: number): Promise<readonly string[]>
  /** Names of running containers that publish a port of this machine. */
  publishersOf(port: number): Promise<readonly string[]>
  /** What a k3d cluster of that name left when k3d knows it no more, or half of it. */
  leftovers(cluster: string): Promise<Leftovers>
  remove(leftovers: Leftovers): Promise<void>
}

export interface BuildSpec {
  readonly tag: string
  readonly dockerfile: string
  readonly context: string
}

const QUICK_MS = 30_000
const REMOVE_MS = 60_000

type Call = (
  args: readonly string[],
  timeoutMs?: number,
  more?: Partial<RunOptions>,
) => Promise<string>

export function createDocker(surroundings: Surroundings): Docker {
  const docker: Call = (args, timeoutMs = QUICK_MS, more = {}) =>
    runProgram('docker', args, { ...surroundings, timeoutMs, ...more })
  const names = async (args: readonly string[]) =>
    (await docker(args)).split('\n').filter((line) => line !== '')
  return {
    ...imagesInNodes(docker),
    async info() {
      const format = '{{.ServerVersion}} {{.MemTotal}} {{.NCPU}}'
      const [version = '', memory, cpus] = (await docker(['info', '--format', format])).split(' ')
      return { version, memoryBytes: Number(memory), cpus: Number(cpus) }
    },
    async imageId(image) {
      // Not `image inspect`: its failure does not tell a missing image from a missing Docker.
      const [id] = await names(['image', 'ls', '--quiet', '--no-trunc', image])
      return id
    },
    async save(image, file, timeoutMs) {
      await docker(['save', '--output', file, image], timeoutMs)
    },
    async pull(image, timeoutMs, onLine) {
      await docker(['pull', image], timeoutMs, onLine ? { onLine } : {})
    },
    async build({ tag, dockerfile, context }, timeoutMs, onLine) {
      const args = ['build', '--tag', tag, '--file', dockerfile, context]
      await docker(args, timeoutMs, onLine ? { onLine } : {})
    },
    async logs(container, count) {
      const lines: string[] = []
      const onLine = (line: string) => void lines.push(line)
      await docker(['logs', '--tail', String(count), container], QUICK_MS, { onLine })
      return lines
    },
    publishersOf: (port) => names(['ps', '--filter', `publish=${port}`, '--format', '{{.Names}}']),
    async leftovers(cluster) {
      const label = ['--filter', `label=k3d.cluster=${cluster}`]
      const [containers, networks, volumes] = await Promise.all([
        names(['ps', '--all', ...label, '--format', '{{.Names}}']),
        names(['network', 'ls', '--filter', 'label=app=k3d', '--format', '{{.Name}}']),
        names(['volume', 'ls', ...label, '--format', '{{.Name}}']),
      ])
      return { containers, networks: networks.filter((n) => n === `k3d-${cluster}`), volumes }
    },
    async remove({ containers, networks, volumes }) {
      const remove = async (args: readonly string[], what: readonly string[]) => {
        if (what.length) await docker([...args, ...what], REMOVE_MS)
      }
      await remove(['rm', '--force', '--volumes'], containers)
      await remove(['network', 'rm'], networks)
      await remove(['volume', 'rm'], volumes)
    },
  }
}

/** What nodes have, by the programs that k3s has in them. */
function imagesInNodes(
  docker: Call,
): Pick<Docker, 'nodeHasName' | 'nodeHasImage' | 'importArchive'> {
  const imagesOf = (node: string) =>
    docker(['exec', node, 'crictl', 'images', '--no-trunc', '-o', 'json'])
  return {
    async nodeHasName(node, image) {
      return holdsImage(await imagesOf(node), image, undefined)
    },
    async nodeHasImage(node, image, id) {
      return holdsImage(await imagesOf(node), image, id)
    },
    async importArchive(node, file, timeoutMs) {
      const ctr = ['ctr', '--namespace', 'k8s.io', 'images', 'import', '--all-platforms', file]
      await docker(['exec', node, ...ctr], timeoutMs)
    },
  }
}

interface NodeImage {
  readonly id?: string
  readonly repoTags?: readonly string[] | null
  readonly repoDigests?: readonly string[] | null
}

/** By the answer of `crictl images -o json`, which names images in full; any id for undefined. */
export function holdsImage(json: string, image: string, id: string | undefined): boolean {
  const { images = [] } = JSON.parse(json) as { readonly images?: readonly NodeImage[] }
  const tagged = /[:@][^/]*$/.test(image) ? image : `${image}:latest`
  const names = [tagged, `docker.io/${tagged}`, `docker.io/library/${tagged}`]
  return images.some((each) => {
    const known = [...(each.repoTags ?? []), ...(each.repoDigests ?? [])]
    return (id === undefined || each.id === id) && known.some((name) => names.includes(name))
  })
}
