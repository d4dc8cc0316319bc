import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createKubectl,
  parsePods,
  parseProbeFailure,
  parseUnfinished,
} from '../../../cluster/k3d/kubectl.ts'
import { kustomizationOf, type OverlaySpec, withOverlay } from '../../../cluster/k3d/overlay.ts'
import { root } from '../../root.ts'
import { FakePrograms } from './fake-programs.ts'

const kubectl = suite('kubectl')

function podWith(container: object, metadata: object = {}) {
  const pod = {
    metadata: { name: 'p', labels: { app: 'a' }, ...metadata },
    status: { containerStatuses: [container] },
  }
  return parsePods(JSON.stringify({ items: [pod] }))[0]
}

kubectl('parsePods: a wait is told with its reason, and whether it can end by itself', () => {
  const waiting = (reason: string, restartCount = 0, message?: string) =>
    podWith({ restartCount, state: { waiting: { reason, message } } })
  assert.equal(waiting('ContainerCreating'), {
    name: 'p',
    app: 'a',
    isReady: false,
    reason: 'ContainerCreating',
    isHopeless: false,
    containers: [{ name: '', image: '', restarts: 0, hasLog: false }],
  })
  assert.is(waiting('ErrImagePull', 0, 'no host')?.reason, 'ErrImagePull: no host')
  assert.is(waiting('ErrImagePull')?.isHopeless, false)
  assert.is(waiting('ImagePullBackOff')?.isHopeless, true)
  assert.is(waiting('CrashLoopBackOff', 1)?.isHopeless, false)
  assert.is(waiting('CrashLoopBackOff', 2)?.isHopeless, true)
})

kubectl('parsePods: one that runs unready, one that ended, one that has no place', () => {
  assert.match(podWith({ ready: false, state: { running: {} } })?.reason ?? '', 'not ready yet')
  assert.is(podWith({ state: { terminated: { exitCode: 2 } } })?.reason, 'exit code 2')
  const conditions = [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes: no memory' }]
  const [pod] = parsePods(JSON.stringify({ items: [{ status: { conditions } }] }))
  assert.is(pod?.reason, '0/1 nodes: no memory')
})

kubectl('parsePods: one that ends again and again says how, and has a log', () => {
  const pod = podWith({
    name: 'c',
    restartCount: 3,
    state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s restarting' } },
    lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } },
  })
  assert.is(pod?.reason, 'CrashLoopBackOff: it ends with exit code 137, OOMKilled (restarts: 3)')
  assert.equal(pod?.containers, [{ name: 'c', image: '', restarts: 3, hasLog: true }])
})

kubectl('parseProbeFailure: which probe, and the end of why', () => {
  const said = (...messages: string[]) =>
    parseProbeFailure(JSON.stringify({ items: messages.map((message) => ({ message })) }))
  const refused =
    'Get "http://10.42.0.9:4566/x": dial tcp 10.42.0.9:4566: connect: connection refused'
  assert.is(
    said('Startup probe failed: x', `Readiness probe failed: ${refused}`),
    'readiness probe failing: connection refused',
  )
  assert.is(
    said('Readiness probe failed: HTTP probe failed with statuscode: 503'),
    'readiness probe failing: HTTP probe failed with statuscode: 503',
  )
  const late = 'Get "http://10.42.0.9:4566/x": context deadline exceeded (Client.Timeout exceeded)'
  assert.is(
    said(`Liveness probe failed: ${late}`),
    'liveness probe failing: context deadline exceeded (Client.Timeout exceeded)',
  )
  assert.is(said(), undefined)
  assert.is(said('Container x failed'), undefined)
})

kubectl('parsePods: a pod on its way out does not count', () => {
  assert.is(podWith({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }), undefined)
})

kubectl('parseUnfinished: pods of the revision before, or too few, are not done', () => {
  const done = { observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1 }
  const names = (status: object) =>
    parseUnfinished(
      JSON.stringify({
        items: [{ metadata: { name: 'd', generation: 2 }, spec: { replicas: 1 }, status }],
      }),
    )
  assert.equal(names(done), [])
  assert.equal(names({ ...done, observedGeneration: 1 }), ['d'])
  assert.equal(names({ ...done, availableReplicas: 0 }), ['d'])
  assert.equal(names({ ...done, replicas: 2 }), ['d'])
  assert.equal(names({}), ['d'])
})

kubectl('createKubectl: secrets go by stdin, each call by the kubeconfig', async () => {
  const fakes = new FakePrograms()
  fakes.write('kubectl', 'cat > "$DIR/given"')
  await createKubectl('/k.yaml', { env: fakes.env }).applyManifest({ secret: 'word' })
  assert.equal(fakes.calls(), ['kubectl --kubeconfig /k.yaml apply -f -'])
  assert.is(readFileSync(join(fakes.dir, 'given'), 'utf8'), '{"secret":"word"}')
  fakes.clean()
})

const SPEC: OverlaySpec = {
  image: 'kecs:1',
  imageId: 'sha256:1',
  endpoint: 'http://localhost:4567',
  owner: undefined,
  backend: undefined,
  traefik: undefined,
  listeners: [],
}

interface Kustomization {
  readonly components: readonly string[]
  readonly patches: readonly { readonly patch: string }[]
}

function patchesOf(spec: Partial<OverlaySpec>) {
  const made = kustomizationOf({ ...SPEC, ...spec }) as Kustomization
  // biome-ignore lint/suspicious/noExplicitAny: tests read patches freely
  const patches = made.patches.map(({ patch }) => JSON.parse(patch)) as any[]
  return { components: made.components, patches }
}

kubectl('kustomizationOf: the control plane stays where the server is, whatever agents do', () => {
  const { nodeSelector } = patchesOf({}).patches[0].spec.template.spec
  assert.equal(nodeSelector, { 'node-role.kubernetes.io/control-plane': 'true' })
})

kubectl('kustomizationOf: the image by name and id, so that a new one replaces pods', () => {
  const { components, patches } = patchesOf({})
  assert.equal(components, ['k8s/k3s-dns'])
  const { metadata, spec } = patches[0].spec.template
  assert.equal(metadata.annotations, { 'kecs.dev/image-id': 'sha256:1' })
  assert.is(spec.containers[0].image, 'kecs:1')
  assert.is(spec.initContainers[0].image, 'kecs:1')
  assert.is(spec.securityContext, undefined)
  assert.equal(spec.containers[0].env, [{ name: 'KECS_ENDPOINT', value: 'http://localhost:4567' }])
})

kubectl('kustomizationOf: it runs as the owner of the data where that is not root', () => {
  const { patches } = patchesOf({ owner: { uid: 501, gid: 20 } })
  const { securityContext, initContainers } = patches[0].spec.template.spec
  assert.equal(securityContext, { runAsUser: 501, runAsGroup: 20, fsGroup: 20 })
  assert.equal(initContainers[0].env, [{ name: 'OWNER', value: '501:20' }])
})

kubectl('kustomizationOf: a backend is LocalStack in the cluster, or a URL', () => {
  const inside = patchesOf({ backend: { localstack: 'ls:1', id: 'sha256:2' } })
  assert.equal(inside.components, ['k8s/k3s-dns', 'k8s/localstack'])
  assert.is(inside.patches[1].spec.template.spec.containers[0].image, 'ls:1')
  const url = patchesOf({ backend: { url: 'http://moto:5000' } })
  assert.equal(url.components, ['k8s/k3s-dns'])
  const { env } = url.patches[0].spec.template.spec.containers[0]
  assert.equal(env[1], { name: 'KECS_BACKEND', value: 'http://moto:5000' })
})

kubectl('kustomizationOf: a Traefik is a component beside the others, with its image', () => {
  const backend = { localstack: 'ls:1', id: 'sha256:2' }
  const { components, patches } = patchesOf({ backend, traefik: { image: 't:1', id: 'sha256:3' } })
  assert.equal(components, ['k8s/k3s-dns', 'k8s/localstack', 'k8s/traefik'])
  const { metadata, spec } = patches[2]
  assert.is(metadata.name, 'traefik')
  assert.equal(spec.template.metadata.annotations, { 'kecs.dev/image-id': 'sha256:3' })
  assert.equal(spec.template.spec.containers, [{ name: 'traefik', image: 't:1' }])
})

kubectl('kustomizationOf: listeners are ports of the gateway', () => {
  const { patches } = patchesOf({ listeners: [{ listenerPort: 80, nodePort: 30600 }] })
  assert.equal(patches[1].spec.ports, [
    { name: 'listener-80', port: 80, targetPort: 80, nodePort: 30600 },
  ])
})

kubectl('withOverlay: a folder with the manifests beside it, gone afterwards', async () => {
  const folder = await withOverlay(join(root, 'k8s'), SPEC, async (dir) => {
    assert.ok(existsSync(join(dir, 'k8s/base/kustomization.yaml')))
    assert.ok(JSON.parse(readFileSync(join(dir, 'kustomization.yaml'), 'utf8')).resources)
    return dir
  })
  assert.not.ok(existsSync(folder))
})

kubectl.run()
