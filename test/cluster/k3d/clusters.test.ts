import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseClusters } from '../../../cluster/k3d/clusters.ts'
import { holdsImage } from '../../../cluster/k3d/docker.ts'
import { type ClusterSpec, createArguments, createK3d } from '../../../cluster/k3d/k3d.ts'
import { type FakeNode, FakePrograms, inspected } from './fake-programs.ts'

const clusters = suite('k3d clusters')

function parsed(...nodes: FakeNode[]) {
  return parseClusters(JSON.stringify(nodes.map(inspected)))
}

const OURS = { 'kecs.dev/instance': 'kecs', 'kecs.dev/data-dir': '/data' }

clusters('parseClusters: what the labels and the ports of the containers say', () => {
  const labels = { ...OURS, 'kecs.dev/extra-ports': '8080:80,8443:443' }
  const [cluster] = parsed({ labels, ports: { 30566: 4566, 30600: 8080 } })
  assert.is(cluster?.isOurs, true)
  assert.is(cluster?.dataDir, '/data')
  assert.equal(cluster?.extraPorts, [
    { hostPort: 8080, innerPort: 80 },
    { hostPort: 8443, innerPort: 443 },
  ])
  assert.equal(cluster?.ports[0], { host: '127.0.0.1', hostPort: 4566, nodePort: 30566 })
  assert.is(cluster?.nodes[0]?.name, 'k3d-kecs-server-0')
})

clusters('parseClusters: clusters of others are not ours, helpers are no nodes', () => {
  const [kecs, other] = parsed(
    { cluster: 'other' },
    { cluster: 'other', role: 'loadbalancer' },
    { labels: OURS },
  )
  assert.equal([kecs?.name, kecs?.isOurs], ['kecs', true])
  assert.equal([other?.name, other?.isOurs, other?.nodes.length], ['other', false, 1])
})

const STATES: readonly (readonly [state: string, nodes: FakeNode[]])[] = [
  ['running', [{}, { role: 'agent' }]],
  ['degraded', [{}, { role: 'agent', status: 'exited' }]],
  ['stopped', [{ status: 'exited' }]],
  ['broken', [{ status: 'created' }]],
  ['broken', [{ role: 'agent' }]],
]
for (const [state, nodes] of STATES) {
  const told = nodes.map(({ role = 'server', status = 'running' }) => `${role} ${status}`)
  clusters(`parseClusters: ${told.join(', ')} is ${state}`, () => {
    assert.is(parsed(...nodes)[0]?.state, state)
  })
}

const SPEC: ClusterSpec = {
  name: 'kecs',
  dataDir: '/home/me@work/data',
  nodeDataDir: '/var/lib/kecs',
  agents: 2,
  ports: [{ host: '127.0.0.1', hostPort: 4566, nodePort: 30566 }],
  extraPorts: [{ hostPort: 8080, innerPort: 80 }],
  image: 'k3s:1',
}

clusters('createArguments: loopback only, no kubeconfig of the user, an @ is no filter', () => {
  assert.equal(createArguments(SPEC, 90_500), [
    ...'cluster create kecs --no-lb --api-port 127.0.0.1:random --agents 2'.split(' '),
    ...'--image k3s:1 --volume /home/me\\@work/data:/var/lib/kecs@all'.split(' '),
    ...'--port 127.0.0.1:4566:30566@server:0:direct'.split(' '),
    ...'--port 127.0.0.1:8080:30600@server:0:direct'.split(' '),
    ...'--runtime-label kecs.dev/instance=kecs@all'.split(' '),
    ...'--runtime-label kecs.dev/data-dir=/home/me\\@work/data@all'.split(' '),
    ...'--runtime-label kecs.dev/extra-ports=8080:80@all'.split(' '),
    ...'--k3s-arg --disable=traefik@server:*'.split(' '),
    ...'--kubeconfig-update-default=false --kubeconfig-switch-context=false'.split(' '),
    ...'--wait --timeout 91s'.split(' '),
  ])
})

clusters('createArguments: without agents and image k3d chooses', () => {
  const args = createArguments({ ...SPEC, agents: 0, image: undefined, extraPorts: [] }, 1_000)
  for (const flag of ['--agents', '--image']) assert.not.ok(args.includes(flag))
  assert.not.match(args.join(' '), 'extra-ports')
})

clusters('holdsImage: by the full name, and by the id where one is given', () => {
  const json = JSON.stringify({
    images: [
      { id: 'sha256:1', repoTags: ['docker.io/library/kecs:0.1.0'] },
      { id: 'sha256:2', repoTags: ['docker.io/me/it:latest'], repoDigests: null },
    ],
  })
  assert.ok(holdsImage(json, 'kecs:0.1.0', 'sha256:1'))
  assert.not.ok(holdsImage(json, 'kecs:0.1.0', 'sha256:2'))
  assert.ok(holdsImage(json, 'me/it', undefined))
  assert.not.ok(holdsImage(json, 'kecs', undefined))
  assert.not.ok(holdsImage('{}', 'kecs', undefined))
})

clusters('createK3d: without containers nothing is inspected; version is read', async () => {
  const fakes = new FakePrograms()
  fakes.write('docker', '')
  fakes.write('k3d', 'echo "k3d version v5.8.3"; echo "k3s version v1.31"')
  const k3d = createK3d({ env: fakes.env })
  assert.equal(await k3d.list(), [])
  assert.is(await k3d.version(), '5.8.3')
  assert.equal(fakes.calls(), ['docker ps --all --quiet --filter label=k3d.cluster', 'k3d version'])
  fakes.clean()
})

clusters.run()
