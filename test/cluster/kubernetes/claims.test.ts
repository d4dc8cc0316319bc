import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { claimOf, makeClaims } from '../../../cluster/kubernetes/claims.ts'
import { KubeFault } from '../../../cluster/kubernetes/client.ts'
import { podOf } from '../../../cluster/kubernetes/pod.ts'
import { unhonoured } from '../../../cluster/kubernetes/unhonoured.ts'
import { linesOf, taskOf, Watch } from '../../runtime-watch.ts'
import { clusterWorld, IMAGE, skipped } from './cluster-world.ts'
import { FakeClient } from './fake-client.ts'

const WHERE = { namespace: 'n', instance: 'me' }

/** A task whose one container mounts a folder of a file system at `/data`. */
function taskWith(id: string, directory: string, line = 'exit 0') {
  const mounts = [{ volume: 'Files', containerPath: '/data', readOnly: false }]
  const shell = { image: IMAGE, entryPoint: ['/bin/sh', '-c'], command: [line] }
  const volumes = [{ name: 'Files', fileSystem: { id: 'fs-1', directory } }]
  return { ...taskOf(id, { ...shell, mounts }), volumes }
}

function classOf(provisioner: string, isDefault = 'true') {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': isDefault }
  return { metadata: { name: provisioner, annotations }, provisioner }
}

const claims = suite('file systems as claims')

claims('podOf: a file system is a claim of its name, a folder of it a subPath', () => {
  const { spec } = podOf(taskWith('t1', '/a/b/'), { instance: 'me' })
  assert.equal(spec?.volumes?.[0]?.persistentVolumeClaim, { claimName: 'fs-1' })
  const [mount] = spec?.containers[0]?.volumeMounts ?? []
  assert.equal([mount?.mountPath, mount?.subPath], ['/data', 'a/b'])
})

claims('podOf: the root of a file system is no subPath', () => {
  const { spec } = podOf(taskWith('t1', '/'), { instance: 'me' })
  assert.is(spec?.containers[0]?.volumeMounts?.[0]?.subPath, undefined)
})

claims('unhonoured: whose the file system is, is said', () => {
  assert.equal(unhonoured(taskWith('t1', '/')), [
    "Volume Files: fs-1 is a volume of this cluster's tasks alone, kept until its Kubernetes namespace is deleted.",
  ])
})

for (const [provisioner, isDefault, mode] of [
  ['rancher.io/local-path', 'true', 'ReadWriteOnce'],
  ['efs.csi.aws.com', 'true', 'ReadWriteMany'],
  ['efs.csi.aws.com', 'false', 'ReadWriteOnce'],
] as const) {
  claims(`makeClaims: ${mode} with ${provisioner}, default ${isDefault}`, async () => {
    const client = new FakeClient()
    client.answers = [{ metadata: {}, items: [classOf(provisioner, isDefault)] }, {}]
    await makeClaims(client, WHERE, taskWith('t1', '/'))
    assert.equal(client.requests.at(-1), {
      method: 'POST',
      path: '/api/v1/namespaces/n/persistentvolumeclaims',
      body: claimOf('fs-1', 'me', mode),
    })
  })
}

claims('makeClaims: one that is there is left alone; any other no is a fault', async () => {
  const client = new FakeClient()
  const classes = { metadata: {}, items: [] }
  client.answers = [classes, new KubeFault(409, 'AlreadyExists', 'there')]
  await makeClaims(client, WHERE, taskWith('t1', '/'))
  client.answers = [classes, new KubeFault(403, 'Forbidden', 'no')]
  let fault: unknown
  await makeClaims(client, WHERE, taskWith('t1', '/')).catch((thrown) => {
    fault = thrown
  })
  assert.instance(fault, KubeFault)
})

claims('makeClaims: without file systems nothing is asked', async () => {
  const client = new FakeClient()
  await makeClaims(client, WHERE, taskOf('t1', {}))
  assert.equal(client.requests, [])
})

claims.run()

const live = suite('file systems in a cluster')

if (skipped('file systems in a cluster')) {
  live.skip('file systems in a cluster', () => {})
} else {
  live('tasks share a file while both run, and it outlives the one that wrote it', async () => {
    const world = await clusterWorld()
    try {
      const watch = new Watch(world)
      await watch.start()
      const { runtime } = world
      const waits =
        'until [ -e /data/said ]; do sleep 0.2; done; cat /data/said; echo b > /data/back'
      await runtime.run(taskWith('reads', '/shop', waits))
      await watch.reach('reads', 'running')
      const writes = 'echo a > /data/said; until [ -e /data/back ]; do sleep 0.2; done'
      await runtime.run(taskWith('writes', '/shop', writes))
      await watch.reach('writes', 'stopped')
      await watch.reach('reads', 'stopped')
      await runtime.remove('reads')
      await runtime.remove('writes')
      await runtime.run(taskWith('later', '/', 'id -u; cat /data/shop/said /data/shop/back'))
      await watch.reach('later', 'stopped')
      const lines = (await linesOf(runtime, 'later')).map(({ line }) => line)
      assert.equal(lines, ['0', 'a', 'b'])
    } finally {
      await world.dispose()
    }
  })
}

live.run()
