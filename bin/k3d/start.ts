import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodePortOf } from '../../cluster/k3d/clusters.ts'
import type { Kubectl } from '../../cluster/k3d/kubectl.ts'
import { type OverlaySpec, withOverlay } from '../../cluster/k3d/overlay.ts'
import { ProgramFault } from '../../cluster/k3d/program.ts'
import type { Progress, Say } from '../progress.ts'
import { bringEarly, bringImages, type Image } from './bring-images.ts'
import { createDeadline, type Deadline } from './deadline.ts'
import { ensureCluster, type Instance, ownerOf, refuseImpossible } from './ensure-cluster.ts'
import { imageName, withImageContext } from './image-context.ts'
import { defaultDataDir, kubeconfigPath } from './instance.ts'
import { withToken } from './localstack-token.ts'
import { packageRoot } from './package-root.ts'
import type { BackendChoice, StartOptions } from './start-options.ts'
import type { Tools } from './tools.ts'
import { NAMESPACE, waitUntilReady } from './wait-ready.ts'

/** A control plane that answers, and where. */
export interface Started {
  readonly name: string
  readonly endpoint: string
  readonly adminEndpoint: string
  readonly dataDir: string
  readonly kubeconfig: string
  readonly backend: string
  readonly image: string
  /** The image of what stands before the endpoint, or `none`. */
  readonly traefik: string
  readonly ports: Instance['extraPorts']
}

interface Work {
  readonly options: StartOptions
  readonly tools: Tools
  readonly progress: Progress
  readonly deadline: Deadline
  readonly signal: AbortSignal
}

/** Makes or repairs a cluster with the control plane in it; what is as it should be stays. */
export async function startInstance(
  options: StartOptions,
  tools: Tools,
  progress: Progress,
  signal: AbortSignal,
): Promise<Started> {
  const again = `See kecs doctor; then start it again: kecs start-v2 --name ${options.name}`
  const deadline = createDeadline(options.timeoutMs, Date.now, again)
  const work: Work = { options, tools, progress, deadline, signal }
  await progress.step('look for Docker, k3d and kubectl', () => survey(tools), versions)
  await refuseImpossible(options, tools)
  // Images first: what cannot be had is known before anything is made.
  const image = await controlPlaneImage(work)
  const { backend, traefikImage } = options
  const localstack =
    backend.kind === 'localstack' ? await imageAtHand(backend.image, work) : undefined
  const traefik = traefikImage === undefined ? undefined : await imageAtHand(traefikImage, work)
  const images: Images = { image, localstack, traefik }
  const wanted = [image, localstack, traefik].flatMap((each) => each ?? [])
  const made = await tools.k3d.find(options.name)
  const dataDir = made?.dataDir ?? options.dataDir ?? defaultDataDir(options.name)
  const arriving = bringEarly(options.name, dataDir, wanted, work)
  const instance = await ensureCluster(options, tools, progress, deadline).finally(arriving.over)
  const kubeconfig = kubeconfigPath(instance.name)
  await tools.k3d.writeKubeconfig(instance.name, kubeconfig)
  const kubectl = tools.kubectl(kubeconfig)
  await bringImages(instance, wanted, arriving.done, work)
  await progress.step('wait for the node', (say) => nodesReady(kubectl, work, say))
  await deploy(instance, images, kubectl, work)
  const { apiPort, adminPort } = instance
  await waitUntilReady({ kubectl, kubeconfig, apiPort, adminPort, signal }, progress, deadline)
  return {
    name: instance.name,
    endpoint: `http://localhost:${apiPort}`,
    adminEndpoint: `http://localhost:${adminPort}`,
    dataDir: instance.dataDir,
    kubeconfig,
    backend: told(backend),
    image: image.name,
    traefik: traefik?.name ?? 'none',
    ports: instance.extraPorts,
  }
}

/** Those that go into the cluster. */
interface Images {
  readonly image: Image
  readonly localstack: Image | undefined
  readonly traefik: Image | undefined
}

interface Survey {
  readonly docker: string
  readonly k3d: string
}

async function survey({ docker, k3d, kubectl }: Tools): Promise<Survey> {
  const looks = [docker.info(), k3d.version(), kubectl('').version()] as const
  // Together, and all of them, so that the first that is missing is always the one that is told.
  await Promise.allSettled(looks)
  const [{ version }, found] = [await looks[0], await looks[1]]
  await looks[2]
  return { docker: version, k3d: found }
}

function versions({ docker, k3d }: Survey): string {
  return `Docker ${docker}, k3d ${k3d}`
}

function told(backend: BackendChoice): string {
  if (backend.kind === 'url') return backend.url
  return backend.kind === 'none' ? 'none' : backend.image
}

async function controlPlaneImage(work: Work): Promise<Image> {
  const { options, tools, progress, deadline } = work
  if (options.image !== undefined) return imageAtHand(options.image, work)
  const name = imageName(packageRoot())
  const known = await tools.docker.imageId(name)
  if (known !== undefined) {
    progress.kept(`the image ${name}`)
    return { name, id: known }
  }
  await progress.step(`build the image ${name}`, (say) =>
    withImageContext(packageRoot(), (context) => {
      const spec = { tag: name, dockerfile: join(context, 'k8s', 'Dockerfile'), context }
      const onLine = (line: string) => BUILD_STEP.test(line) && say(line)
      return tools.docker.build(spec, deadline.remaining(), onLine)
    }),
  )
  return imageAtHand(name, work)
}

/** Of the much that docker build says, by the old builder or by BuildKit. */
const BUILD_STEP = /^(Step \d|#\d+ \[)/

/** Docker's own copy, pulled where there is none: it outlives the cluster. */
async function imageAtHand(name: string, work: Work): Promise<Image> {
  const { tools, progress, deadline } = work
  const known = await tools.docker.imageId(name)
  if (known !== undefined) return { name, id: known }
  await progress.step(`pull the image ${name}`, (say) =>
    tools.docker.pull(name, deadline.remaining(), say),
  )
  const id = await tools.docker.imageId(name)
  if (id === undefined) throw new Error(`docker pulled ${name}, and does not know it`)
  return { name, id }
}

const RETRY_MS = 500

/** An API server that was just started refuses, or knows no node yet. */
async function nodesReady(kubectl: Kubectl, { deadline, signal }: Work, say: Say): Promise<void> {
  for (;;) {
    try {
      return await kubectl.waitForNodes(deadline.remaining())
    } catch (error) {
      if (!(error instanceof ProgramFault) || error.trouble !== 'failed') throw error
      say(error.output.split('\n').at(-1) ?? error.message)
    }
    await sleep(RETRY_MS, undefined, { signal })
  }
}

async function deploy(
  instance: Instance,
  { image, localstack, traefik }: Images,
  kubectl: Kubectl,
  { options: { backend }, progress, deadline }: Work,
): Promise<void> {
  const spec: OverlaySpec = {
    image: image.name,
    imageId: image.id,
    endpoint: `http://localhost:${instance.apiPort}`,
    owner: await ownerOf(instance.dataDir),
    backend: localstack
      ? { localstack: localstack.name, id: localstack.id }
      : backend.kind === 'url'
        ? { url: insideUrl(backend.url) }
        : undefined,
    traefik: traefik && { image: traefik.name, id: traefik.id },
    listeners: instance.extraPorts.map(({ innerPort }, index) => {
      return { listenerPort: innerPort, nodePort: nodePortOf(index) }
    }),
  }
  const applyAll = () =>
    withOverlay(join(packageRoot(), 'k8s'), spec, (folder) =>
      kubectl.apply(folder, deadline.remaining()),
    )
  const apply = async () => {
    const objects =
      backend.kind === 'localstack'
        ? await withToken(kubectl, backend.token, applyAll)
        : await applyAll()
    if (!localstack) await kubectl.delete(NAMESPACE, LOCALSTACK_OBJECTS)
    // The Service of its name stays, and leads past it by now.
    if (!traefik) await kubectl.delete(NAMESPACE, TRAEFIK_OBJECTS)
    return objects
  }
  await progress.step('apply the manifests', apply, changesOf)
}

const LOCALSTACK_OBJECTS = ['deployment/localstack', 'service/localstack', 'secret/localstack-auth']

const TRAEFIK_OBJECTS = ['deployment/traefik', 'configmap/traefik']

function changesOf(lines: readonly string[]): string {
  const count = (word: string) => lines.filter((line) => line.endsWith(` ${word}`)).length
  return `${count('created')} made, ${count('configured')} changed, ${count('unchanged')} left alone`
}

/** What is this machine outside is `host.k3d.internal` inside. */
function insideUrl(url: string): string {
  const { hostname, port } = new URL(url)
  const isHere = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
  return isHere ? `http://host.k3d.internal:${port || 80}` : url
}
