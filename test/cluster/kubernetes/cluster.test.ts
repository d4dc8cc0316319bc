import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { dnsLabel } from '../../../cluster/kubernetes/names.ts'
import type { Pod } from '../../../cluster/kubernetes/objects.ts'
import type { TaskSpec } from '../../../cluster/runtime.ts'
import { linesOf, taskOf, Watch } from '../../runtime-watch.ts'
import { type ClusterWorld, clusterWorld, IMAGE, skipped } from './cluster-world.ts'

const ENDS = 'trap "exit 143" TERM; while :; do sleep 1000 & wait $!; done'
const sh = (line: string) => ({ image: IMAGE, entryPoint: ['/bin/sh', '-c'], command: [line] })

const live = suite('tasks in a cluster')

function check(name: string, work: (watch: Watch, world: ClusterWorld) => Promise<void>): void {
  live(name, async () => {
    const world = await clusterWorld()
    try {
      const watch = new Watch(world)
      await watch.start()
      await work(watch, world)
    } finally {
      await world.dispose()
    }
  })
}

const podOf = ({ client, namespace }: ClusterWorld, id: string): Promise<Pod> =>
  client.request({ path: `/api/v1/namespaces/${namespace}/pods/${id}` })

if (skipped('tasks in a cluster')) {
  live.skip('tasks in a cluster', () => {})
} else {
  check('an image that cannot be pulled fails its task with a reason', async (watch) => {
    const image = 'no-such-registry.invalid/none:1'
    await watch.world.runtime.run(taskOf('t1', { image }))
    const { cause } = await watch.reach('t1', 'stopped')
    assert.is(cause?.code, 'TaskFailedToStart')
    assert.match(cause?.reason ?? '', /^CannotPullContainerError: .*no-such-registry\.invalid/s)
    assert.is(watch.container('t1', 'c0').exitCode, undefined)
  })

  check('memory beyond the limit ends the container, and it is told so', async (watch) => {
    const eats = sh('x=aaaaaaaaaaaaaaaa; while :; do x="$x$x"; done')
    await watch.world.runtime.run(taskOf('t1', { ...eats, memoryMiB: 16 }))
    const { cause } = await watch.reach('t1', 'stopped')
    assert.is(cause?.code, 'EssentialContainerExited')
    const { reason, exitCode } = watch.container('t1', 'c0')
    assert.is(reason, 'OutOfMemoryError: Container killed due to memory usage')
    assert.is(exitCode, 137)
  })

  check('a pod that somebody deletes is a task that stopped', async (watch, world) => {
    await world.runtime.run(taskOf('t1', sh(ENDS)))
    await watch.reach('t1', 'running')
    const path = `/api/v1/namespaces/${world.namespace}/pods/t1`
    await world.client.request({ method: 'DELETE', path })
    const { cause } = await watch.reach('t1', 'stopped')
    assert.equal(cause, { code: 'Lost', reason: `Pod ${world.namespace}/t1 was deleted.` })
  })

  check('a task that stopped while nobody watched is known when somebody does', async (watch) => {
    const spec = taskOf('t1', sh('sleep 2; exit 4'))
    await watch.world.runtime.run(spec)
    const state = await watch.reach('t1', 'running')
    const next = new Watch(await watch.world.restarted())
    try {
      await next.start([{ spec, state }])
      await next.reach('t1', 'stopped')
      assert.is(next.container('t1', 'c0').exitCode, 4)
    } finally {
      await next.world.dispose()
    }
  })

  check(
    'logs: whole, the last of them, of one container, and followed to the end',
    async (watch) => {
      const { runtime } = watch.world
      const talks = sh('echo one; echo two >&2; sleep 2; echo three')
      const task = taskOf('t1', talks, { ...sh('echo helper'), name: 'Help_er', essential: false })
      const follower = runtime.run(task).then(() => linesOf(runtime, 't1', { follow: true }))
      await watch.reach('t1', 'stopped')
      const textsOf = (lines: readonly { line: string }[]) => lines.map(({ line }) => line)
      const own = textsOf(await linesOf(runtime, 't1', { container: 'c0' }))
      // They are two pipes, whose lines at one moment have no order.
      assert.equal([own.slice(0, 2).sort(), own.slice(2)], [['one', 'two'], ['three']])
      assert.equal(textsOf(await linesOf(runtime, 't1', { container: 'Help_er' })), ['helper'])
      assert.equal(textsOf(await linesOf(runtime, 't1', { tail: 1 })), ['three'])
      assert.equal(textsOf(await linesOf(runtime, 't1', { tail: 0 })), [])
      assert.equal(textsOf(await follower).sort(), ['helper', 'one', 'three', 'two'])
      await runtime.remove('t1')
      assert.equal(await linesOf(runtime, 't1'), [])
    },
  )

  check('names: any namespace, and a container with _ and 255 characters', async (watch) => {
    const name = `Web_${'x'.repeat(251)}`
    await watch.world.runtime.run(taskOf('t1', { ...sh('echo $((1+1)); exit 0'), name }))
    await watch.reach('t1', 'stopped')
    assert.is(watch.container('t1', name).exitCode, 0)
    assert.equal(
      (await linesOf(watch.world.runtime, 't1')).map(({ line }) => line),
      ['2'],
    )
  })

  check('a pod takes what the task says: user, folders, memory, hosts', async (watch) => {
    const line =
      'id -u; pwd; df -m /dev/shm | tail -1 | grep -c tmpfs; touch /x 2>/dev/null || echo read-only; grep db /etc/hosts | cut -f2; ls /data; sleep 1'
    const task: TaskSpec = {
      ...taskOf('t1', {
        ...sh(`touch /data/made; ${line}`),
        user: '1000',
        workingDirectory: '/tmp',
        readonlyRootFilesystem: true,
        sharedMemoryMiB: 8,
        memoryMiB: 32,
        cpuUnits: 64,
        extraHosts: [{ hostname: 'db', ipAddress: '10.0.0.9' }],
        mounts: [{ volume: 'Da_ta', containerPath: '/data', readOnly: false }],
        capabilities: { add: [], drop: ['ALL'] },
      }),
      volumes: [{ name: 'Da_ta' }],
      memoryMiB: 64,
      cpuUnits: 256,
      network: 'task',
    }
    await watch.world.runtime.run(task)
    await watch.reach('t1', 'stopped')
    const lines = await linesOf(watch.world.runtime, 't1')
    assert.equal(
      lines.map((each) => each.line),
      ['1000', '/tmp', '1', 'read-only', 'db', 'made'],
    )
  })

  check('a folder of the host outlives the tasks that mount it', async (watch) => {
    const folder = `/tmp/kecs-${randomUUID()}`
    const mounts = [{ volume: 'host', containerPath: '/data', readOnly: false }]
    const volumes = [{ name: 'host', hostPath: folder }]
    await watch.world.runtime.run({
      ...taskOf('t1', { ...sh('echo kept > /data/note'), mounts }),
      volumes,
    })
    const { node } = await watch.reach('t1', 'stopped')
    assert.ok(node)
    const line = 'cat /data/note; rm /data/note'
    await watch.world.runtime.run({ ...taskOf('t2', { ...sh(line), mounts }), volumes, node })
    await watch.reach('t2', 'stopped')
    const lines = await linesOf(watch.world.runtime, 't2')
    assert.equal(
      lines.map((each) => each.line),
      ['kept'],
    )
  })

  check('a task that no node takes says why, and stops when it is asked to', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', { ...sh('exit 0'), memoryMiB: 8_000_000 }))
    await watch.when('t1', ({ unplaced }) => unplaced !== undefined)
    assert.match(
      watch.state('t1').unplaced ?? '',
      /^RESOURCE:MEMORY: 0\/\d+ nodes are available: .*Insufficient memory\.$/,
    )
    await watch.world.runtime.stop('t1')
    const { cause, containers } = await watch.reach('t1', 'stopped')
    assert.equal([cause, containers[0]?.exitCode], [undefined, undefined])
  })

  check('times of the pull lie between the placement and the start', async (watch) => {
    await watch.world.runtime.run(taskOf('t1', sh('exit 0')))
    const state = await watch.reach('t1', 'stopped')
    const { pullStartedAtMs = 0, pullStoppedAtMs = 0, startedAtMs = 0 } = state
    assert.ok(pullStartedAtMs > 0 && pullStartedAtMs <= pullStoppedAtMs)
    assert.is(pullStoppedAtMs, startedAtMs)
  })

  check('remove: right after stop takes the pod away once it has stopped', async (watch, world) => {
    await world.runtime.run(taskOf('t1', sh(ENDS)))
    await watch.reach('t1', 'running')
    await world.runtime.stop('t1')
    await world.runtime.remove('t1')
    await watch.reach('t1', 'stopped')
    let there = true
    for (let tries = 0; there && tries < 50; tries++) {
      there = await podOf(world, dnsLabel('t1')).then(
        () => true,
        () => false,
      )
    }
    assert.not(there)
  })
}

live.run()
