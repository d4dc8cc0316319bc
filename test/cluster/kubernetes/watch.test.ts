import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { KubeFault } from '../../../cluster/kubernetes/client.ts'
import { TaskKeeper } from '../../../cluster/kubernetes/keeper.ts'
import type { Pod } from '../../../cluster/kubernetes/objects.ts'
import { GATE_IMAGE } from '../../../cluster/kubernetes/pod.ts'
import { isLater, PodWatch } from '../../../cluster/kubernetes/watch.ts'
import type { TaskState } from '../../../cluster/runtime.ts'
import { FakeClock } from '../../fake-clock.ts'
import { taskOf } from '../../runtime-watch.ts'
import { FakeClient, settle } from './fake-client.ts'
import { ended, NOW, podWith, running } from './pods.ts'

const task = taskOf('t1', {})
const listOf = (version: string, ...items: Pod[]) => ({
  metadata: { resourceVersion: version },
  items,
})
const eventOf = (type: string, object: unknown) => JSON.stringify({ type, object })

function watchWorld() {
  const client = new FakeClient()
  const clock = new FakeClock(NOW)
  const told: string[] = []
  const warnings: string[] = []
  const watch = new PodWatch({
    client,
    clock,
    selector: 'a=b',
    warn: (message) => warnings.push(message),
    events: {
      listed: (pods, version) => told.push(`listed ${pods.length} as of ${version}`),
      changed: ({ metadata }) => told.push(`changed ${metadata.resourceVersion}`),
      gone: ({ metadata }) => told.push(`gone ${metadata.resourceVersion}`),
    },
  })
  return { client, clock, told, warnings, watch }
}

const watches = suite('PodWatch')

watches('follow: goes on from the list, and from a bookmark when the server ends it', async () => {
  const { client, clock, told, watch } = watchWorld()
  client.answers = [listOf('10')]
  const pod = (version: string) => ({ metadata: { name: 't1', resourceVersion: version } })
  client.scripts = [
    [eventOf('ADDED', pod('11')), eventOf('DELETED', pod('12')), eventOf('BOOKMARK', pod('20'))],
  ]
  await watch.start()
  watch.follow()
  await settle()
  clock.advance(1000)
  await settle()
  assert.equal(told, ['changed 11', 'gone 12'])
  assert.equal(
    client.streams.map(({ resourceVersion }) => resourceVersion),
    ['10', '20'],
  )
  await watch.close()
})

watches('follow: an expired version is a new list at once', async () => {
  const { client, told, warnings, watch } = watchWorld()
  client.answers = [listOf('10'), listOf('99')]
  client.scripts = [[eventOf('ERROR', { code: 410, message: 'too old resource version' })]]
  await watch.start()
  watch.follow()
  await settle()
  assert.equal(told, ['listed 0 as of 99'])
  assert.is(client.streams[1]?.resourceVersion, '99')
  assert.equal(warnings, [])
  await watch.close()
})

watches('follow: a server that is away is tried again, ever more slowly, then listed', async () => {
  const { client, clock, told, warnings, watch } = watchWorld()
  const refused = new Error('connect ECONNREFUSED')
  client.answers = [listOf('10'), refused, refused, listOf('30')]
  client.scripts = [new Error('aborted')]
  await watch.start()
  watch.follow()
  await settle()
  assert.equal(watch.trouble(), { sinceMs: NOW, detail: 'aborted' })
  for (const delayMs of [200, 400, 800]) {
    const asked = client.requests.length
    clock.advance(delayMs - 1)
    await settle()
    assert.is(client.requests.length, asked)
    clock.advance(1)
    await settle()
    assert.is(client.requests.length, asked + 1)
  }
  assert.equal(told, ['listed 0 as of 30'])
  assert.is(watch.trouble(), undefined)
  assert.equal(warnings, ['pods are not watched: aborted', 'the API server is watched again'])
  await watch.close()
})

watches('start: reads every page', async () => {
  const { client, watch } = watchWorld()
  const first = { metadata: { resourceVersion: '5', continue: 'more' }, items: [podWith(task, [])] }
  client.answers = [first, listOf('5', podWith(task, []))]
  assert.is((await watch.start()).length, 2)
  assert.is(client.requests[1]?.query?.continue, 'more')
})

watches('isLater: versions count as numbers, and anything else as later', () => {
  assert.equal([isLater('10', '9'), isLater('9', '10'), isLater('9', '9')], [true, false, false])
  assert.ok(isLater('x', '9'))
})

watches.run()

function keeperWorld() {
  const client = new FakeClient()
  const clock = new FakeClock(NOW)
  const states: TaskState[] = []
  const warnings: string[] = []
  const keeper = new TaskKeeper({ client, clock, warn: (message) => warnings.push(message) })
  const begin = () => keeper.begin((state) => states.push(state))
  return { client, clock, keeper, states, warnings, begin }
}

const runningPod = (version: string) => {
  return podWith(task, [running()], {}, { resourceVersion: version })
}

const keepers = suite('TaskKeeper')

keepers('adopt: what was found is the truth; older news and the same news change nothing', () => {
  const { keeper, clock, states, begin } = keeperWorld()
  const truth = keeper.adopt([runningPod('5')], new Map())
  assert.equal(
    truth.map(({ id, phase }) => [id, phase]),
    [['t1', 'running']],
  )
  begin()
  clock.advance(0)
  keeper.changed(podWith(task, [], {}, { resourceVersion: '4' }))
  keeper.changed(runningPod('6'))
  assert.equal(states, [])
})

keepers('listed: a pod that is not in it is gone, unless it was made after the list', () => {
  const { keeper, states, begin } = keeperWorld()
  keeper.adopt([runningPod('5')], new Map())
  begin()
  keeper.listed([], '4')
  assert.equal(states, [])
  keeper.listed([], '6')
  assert.equal(
    states.map(({ phase, cause }) => [phase, cause?.code]),
    [['stopped', 'Lost']],
  )
})

keepers('stop: what the server does not take is asked again, once at a time', async () => {
  const { client, clock, keeper, states, warnings, begin } = keeperWorld()
  keeper.adopt([runningPod('5')], new Map())
  begin()
  client.answers = [new KubeFault(503, '', 'starting'), runningPod('7')]
  const entry = keeper.entry('t1')
  assert.ok(entry)
  keeper.stop(entry)
  keeper.stop(entry)
  keeper.changed(runningPod('6'))
  await settle()
  assert.equal([client.requests.length, warnings.length, states.at(-1)?.phase], [1, 1, 'stopping'])
  clock.advance(200)
  await settle()
  assert.ok(client.requests.length >= 2)
  assert.match(JSON.stringify(client.requests[1]?.body), '"activeDeadlineSeconds":1')
  keeper.close()
})

keepers('stop: what is decided while a call is under way is done after it', async () => {
  const dependsOn = [{ container: 'c0', condition: 'START' as const }]
  const two = taskOf('t1', {}, { dependsOn, essential: false })
  const podAt = (version: string, image: string) => {
    const pod = podWith(two, [running(), undefined], {}, { resourceVersion: version })
    const [first, second] = pod.spec.containers
    assert.ok(first && second)
    return { ...pod, spec: { ...pod.spec, containers: [first, { ...second, image }] } }
  }
  const { client, clock, keeper, begin } = keeperWorld()
  keeper.adopt([podAt('5', GATE_IMAGE)], new Map())
  begin()
  client.answers = [podAt('6', 'example.test/image:1'), podAt('7', 'example.test/image:1')]
  clock.advance(0)
  assert.equal(client.requests.length, 1, 'the gate is being opened')
  const entry = keeper.entry('t1')
  assert.ok(entry)
  keeper.stop(entry)
  keeper.changed(podAt('6', 'example.test/image:1'))
  await settle()
  assert.match(JSON.stringify(client.requests[1]?.body), GATE_IMAGE)
  keeper.close()
})

keepers(
  'remove: a pod that the server does not delete is deleted later, and only then forgotten',
  async () => {
    const { client, clock, keeper, warnings, begin } = keeperWorld()
    keeper.adopt([podWith(task, [ended(0)], { phase: 'Succeeded' })], new Map())
    begin()
    clock.advance(0)
    client.answers = [new Error('no answer'), {}]
    const entry = keeper.entry('t1')
    assert.ok(entry)
    await keeper.remove(entry)
    assert.equal([client.requests.length, warnings.length], [1, 1])
    assert.is(keeper.entry('t1'), entry)
    clock.advance(200)
    await settle()
    assert.equal(
      client.requests.map(({ method }) => method),
      ['DELETE', 'DELETE'],
    )
    assert.is(keeper.entry('t1'), undefined)
  },
)

keepers('doubt: a pod whose making was not answered is deleted once nobody wants it', async () => {
  const { client, keeper, begin } = keeperWorld()
  begin()
  const { namespace = '', name } = runningPod('5').metadata
  const entry = () => keeper.accept(task, namespace, name)
  keeper.doubt(entry())
  keeper.changed(runningPod('5'))
  assert.is(client.requests.length, 0, 'whoever wants it may come back for it')
  keeper.doubt(entry())
  client.answers = [new KubeFault(404, '', 'not yet')]
  await keeper.disown('t1')
  assert.is(client.requests.length, 1)
  keeper.changed(runningPod('6'))
  await settle()
  assert.equal(
    client.requests.map(({ method, path }) => [method, path.endsWith(name)]),
    [
      ['DELETE', true],
      ['DELETE', true],
    ],
  )
})

keepers('adopt: what was decided before a restart is in the pod', () => {
  const { keeper } = keeperWorld()
  const pod = runningPod('5')
  const stop = { atMs: NOW - 5_000 }
  const annotations = {
    ...pod.metadata.annotations,
    'kecs.dev/decisions': JSON.stringify({ stop }),
  }
  const decided = { ...pod, metadata: { ...pod.metadata, annotations } }
  const [state] = keeper.adopt([decided], new Map())
  assert.equal([state?.phase, state?.stoppingAtMs], ['stopping', NOW - 5_000])
})

keepers('adopt: a pod with our labels and without a task is left alone', () => {
  const { keeper, warnings } = keeperWorld()
  const pod = runningPod('5')
  const strange = { ...pod, metadata: { ...pod.metadata, annotations: {} } }
  assert.equal(keeper.adopt([strange], new Map()), [])
  assert.is(warnings.length, 1)
})

keepers.run()
