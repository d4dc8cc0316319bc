import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ListenerPort {
  readonly listenerPort: number
  readonly nodePort: number
}

/** What one installation changes in the manifests. */
export interface OverlaySpec {
  readonly image: string
  /** Changes when the image behind the same name does, and lets pods be replaced. */
  readonly imageId: string
  /** By which callers on this machine come. */
  readonly endpoint: string
  /** Who owns the data directory, where that is not root. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  readonly backend:
    | { readonly localstack: string; readonly id: string }
    | { readonly url: string }
    | undefined
  /** What stands before the endpoint, where anything does. */
  readonly traefik: { readonly image: string; readonly id: string } | undefined
  readonly listeners: readonly ListenerPort[]
}

const NAMESPACE = 'kecs-system'
const CONTROL_PLANE = 'kecs-controlplane'

/** A kustomization over `k8s/`, as plain data: JSON is YAML. */
export function kustomizationOf(spec: OverlaySpec): object {
  const { backend, traefik } = spec
  const localstack = backend !== undefined && 'localstack' in backend ? backend : undefined
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: ['k8s/base'],
    components: [
      'k8s/k3s-dns',
      ...(localstack ? ['k8s/localstack'] : []),
      ...(traefik ? ['k8s/traefik'] : []),
    ],
    patches: [
      { patch: JSON.stringify(controlPlanePatch(spec)) },
      ...(localstack
        ? [imagePatch('localstack', { image: localstack.localstack, id: localstack.id })]
        : []),
      ...(traefik ? [imagePatch('traefik', traefik)] : []),
      ...(spec.listeners.length ? [{ patch: JSON.stringify(gatewayPatch(spec.listeners)) }] : []),
    ],
  }
}

function controlPlanePatch({ image, imageId, endpoint, owner, backend }: OverlaySpec): object {
  const url = backend !== undefined && 'url' in backend ? backend.url : undefined
  const env = [
    { name: 'KECS_ENDPOINT', value: endpoint },
    ...(url === undefined ? [] : [{ name: 'KECS_BACKEND', value: url }]),
  ]
  const pod = owner && {
    runAsUser: owner.uid,
    runAsGroup: owner.gid,
    fsGroup: owner.gid,
  }
  const ownData = owner ? { env: [{ name: 'OWNER', value: `${owner.uid}:${owner.gid}` }] } : {}
  return deployment(CONTROL_PLANE, imageId, {
    ...(pod ? { securityContext: pod } : {}),
    initContainers: [{ name: 'own-data', image, ...ownData }],
    containers: [{ name: 'kecs', image, env }],
    // Agents may go; where the server is, the control plane is worth something.
    nodeSelector: { 'node-role.kubernetes.io/control-plane': 'true' },
  })
}

/** Of a Deployment whose one container has its name. */
function imagePatch(name: string, { image, id }: { image: string; id: string }): object {
  const patch = deployment(name, id, { containers: [{ name, image }] })
  return { patch: JSON.stringify(patch) }
}

function deployment(name: string, imageId: string, podSpec: object): object {
  const annotations = { 'kecs.dev/image-id': imageId }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: NAMESPACE },
    spec: { template: { metadata: { annotations }, spec: podSpec } },
  }
}

function gatewayPatch(listeners: readonly ListenerPort[]): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'gateway', namespace: NAMESPACE },
    spec: {
      ports: listeners.map(({ listenerPort, nodePort }) => ({
        name: `listener-${listenerPort}`,
        port: listenerPort,
        targetPort: listenerPort,
        nodePort,
      })),
    },
  }
}

/** Runs `work` with a folder that `kubectl apply -k` takes; it is gone afterwards. */
export async function withOverlay<T>(
  manifests: string,
  spec: OverlaySpec,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'kecs-k8s-'))
  try {
    // kustomize takes no absolute paths, and none through links: the manifests lie beside it.
    await cp(manifests, join(folder, 'k8s'), { recursive: true })
    const text = JSON.stringify(kustomizationOf(spec), undefined, 2)
    await writeFile(join(folder, 'kustomization.yaml'), text)
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
