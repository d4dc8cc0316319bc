import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addresses, LiveWorld } from '../live-world.ts'

const test = suite('live targets')

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  promise.then(() => {
    settled = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  return settled
}

function started(): LiveWorld {
  const world = new LiveWorld()
  world.live.start()
  return world
}

test('start: takes up the rows that are there, in the order of their registration', () => {
  const world = new LiveWorld()
  const arn = world.putGroup()
  world.register(arn, ['10.0.0.2', '10.0.0.1'])
  world.live.start()
  const { targets } = world.group(arn)
  assert.equal(
    targets.map(({ host, port, health }) => [host, port, health.reason]),
    [
      ['10.0.0.2', 80, 'Elb.RegistrationInProgress'],
      ['10.0.0.1', 80, 'Elb.RegistrationInProgress'],
    ],
  )
})

test('group, target: stay the same objects while their rows live', () => {
  const world = started()
  const arn = world.putGroup()
  const [key = ''] = world.register(arn, ['a'])
  const [group, target] = [world.group(arn), world.target(key)]
  const list = group.targets
  world.putGroup('g', { attributes: { 'stickiness.enabled': 'true' } })
  world.deregister(key)
  assert.is(world.live.group(arn), group)
  assert.is(group.settings.stickiness?.type, 'lb_cookie')
  assert.is(world.live.target(key), target)
  assert.is(group.targets, list)
  assert.type(target.row.drainingSinceMs, 'number')
})

test('group: its list is replaced by a registration, never changed in place', () => {
  const world = started()
  const arn = world.putGroup()
  world.register(arn, ['a'])
  const before = world.group(arn).targets
  world.register(arn, ['b', 'c'])
  assert.is(before.length, 1)
  assert.equal(
    world.group(arn).targets.map(({ row }) => row.id),
    ['a', 'b', 'c'],
  )
})

test('group: one that goes takes its targets along, in memory and in the rows', async () => {
  const world = started()
  const arn = world.putGroup()
  const [key = ''] = world.register(arn, ['a'])
  const drained = world.live.drained(key)
  world.rows.targetGroups.delete(arn)
  assert.is(world.live.group(arn), undefined)
  assert.is(world.live.target(key), undefined)
  assert.is(world.rows.targets.size, 0)
  await drained
})

test('deregistration: the row goes when the delay of the group is over', () => {
  const world = started()
  const arn = world.putGroup('g', {
    attributes: { 'deregistration_delay.timeout_seconds': '20' },
  })
  const [key = ''] = world.register(arn, ['a', 'b'])
  world.deregister(key)
  world.clock.advance(19_999)
  assert.is(world.group(arn).targets.length, 2)
  world.clock.advance(1)
  assert.is(world.rows.targets.get(key), undefined)
  assert.is(world.live.target(key), undefined)
  assert.is(world.group(arn).targets.length, 1)
  assert.is(world.clock.waiting, 0)
})

test('deregistration: the delay counts from its begin, over a restart and over a change of it', () => {
  const world = new LiveWorld()
  const arn = world.putGroup()
  const [key = ''] = world.register(arn, ['a'])
  world.deregister(key)
  world.clock.advance(100_000)
  world.live.start()
  world.clock.advance(199_999)
  assert.ok(world.live.target(key))
  world.putGroup('g', { attributes: { 'deregistration_delay.timeout_seconds': '400' } })
  world.clock.advance(100_000)
  assert.ok(world.live.target(key))
  world.clock.advance(1)
  assert.is(world.live.target(key), undefined)
})

test('deregistration: a target registered again stays, and must be found healthy again', () => {
  const world = started()
  const arn = world.putGroup()
  const [target] = world.registerHealthy(arn, ['a'])
  const came: string[] = []
  const left: string[] = []
  world.live.listen({
    came: ({ row }) => came.push(row.id),
    left: ({ row }) => left.push(row.id),
  })
  world.deregister(target?.key ?? '')
  world.register(arn, ['a'])
  assert.equal([left, came], [['a'], ['a']])
  assert.is(target?.health.state, 'initial')
  world.clock.advance(1_000_000)
  assert.is(world.live.target(target?.key ?? ''), target)
})

test('deregistration: one registered again as its delay ends stays, though nobody was told yet', () => {
  const world = started()
  const arn = world.putGroup()
  const [key = ''] = world.register(arn, ['a'])
  world.deregister(key)
  let becomeDurable = () => {}
  world.store.attach({
    append: (_changes, done) => {
      becomeDurable = done
    },
  })
  world.register(arn, ['a'])
  world.clock.advance(300_000)
  assert.ok(world.rows.targets.get(key))
  becomeDurable()
  assert.is(world.target(key).row.drainingSinceMs, undefined)
})

test('deregistration: a row that cannot be removed is tried again', async () => {
  const world = started()
  const arn = world.putGroup()
  const [key = ''] = world.register(arn, ['a'])
  world.deregister(key)
  const remove = world.rows.targets.delete.bind(world.rows.targets)
  let refused = 0
  world.rows.targets.delete = () => {
    refused++
    throw new Error('the disk is full')
  }
  world.clock.advance(300_000)
  await new Promise((resolve) => setImmediate(resolve))
  world.rows.targets.delete = remove
  assert.ok(world.live.target(key))
  world.clock.advance(1000)
  assert.is(refused, 1)
  assert.is(world.live.target(key), undefined)
})

test('drained: resolves with the last request of a deregistered target, not before', async () => {
  const world = started()
  const arn = world.putGroup()
  const [target] = world.registerHealthy(arn, ['a'])
  if (!target) throw new Error('nothing registered')
  world.live.began(target)
  world.live.began(target)
  const drained = world.live.drained(target.key)
  world.live.finished(target)
  world.live.finished(target)
  assert.not(await isSettled(drained), 'idle, but registered')
  world.live.began(target)
  world.deregister(target.key)
  assert.not(await isSettled(drained), 'deregistered, but at work')
  world.live.finished(target)
  await drained
  assert.is(target.inFlight, 0)
})

test('drained: resolves at once for an idle one that is deregistered, and for one that nobody knows', async () => {
  const world = started()
  const [target] = world.registerHealthy(world.putGroup(), ['a'])
  const drained = world.live.drained(target?.key ?? '')
  world.deregister(target?.key ?? '')
  await drained
  await world.live.drained(target?.key ?? '')
  await world.live.drained('nobody')
})

test('drained: resolves when the deregistration delay is over, whatever is under way', async () => {
  const world = started()
  const [target] = world.registerHealthy(world.putGroup(), ['a'])
  if (!target) throw new Error('nothing registered')
  world.live.began(target)
  world.deregister(target.key)
  const drained = world.live.drained(target.key)
  world.clock.advance(299_999)
  assert.not(await isSettled(drained))
  world.clock.advance(1)
  await drained
  world.live.finished(target)
})

test('setHealth: tells listeners of what is news, and since when a target is healthy', () => {
  const world = started()
  const arn = world.putGroup()
  const [key = ''] = world.register(arn, ['a'])
  const target = world.target(key)
  const heard: string[] = []
  const stop = world.live.onHealth((each) => heard.push(each))
  const before = world.group(arn).revision
  world.live.setHealth(target, { state: 'healthy' })
  world.clock.advance(5000)
  world.live.setHealth(target, { state: 'healthy' })
  assert.equal(heard, [key])
  assert.is(target.healthySinceMs, world.clock.now() - 5000)
  assert.is(world.group(arn).revision, before + 1)
  stop()
  world.live.setHealth(target, { state: 'unhealthy' })
  assert.is(heard.length, 1)
  assert.is(target.healthySinceMs, undefined)
})

test('locate: an address that becomes known is taken up', () => {
  const world = started()
  world.addresses.set('i-1', undefined)
  const arn = world.putGroup()
  const [key = ''] = world.register(arn, ['i-1'])
  assert.is(world.target(key).host, undefined)
  world.addresses.set('i-1', '10.0.0.9')
  world.live.locate(world.target(key))
  assert.is(world.target(key).host, '10.0.0.9')
})

test('close: stops following, leaves no timer and nobody waiting', async () => {
  const world = started()
  const arn = world.putGroup()
  const [target] = world.registerHealthy(arn, ['a'])
  if (!target) throw new Error('nothing registered')
  world.live.began(target)
  world.deregister(target.key)
  const drained = world.live.drained(target.key)
  world.live.close()
  await drained
  assert.is(world.clock.waiting, 0)
  world.register(arn, ['b'])
  assert.is(world.group(arn).targets.length, 1)
})

test('start: a thousand targets, registered at once and removed one by one, keep their order', () => {
  const world = started()
  const arn = world.putGroup()
  const keys = world.register(arn, addresses(1000))
  assert.is(world.group(arn).revision, 1000)
  for (const key of keys.filter((_, at) => at % 2 === 0)) world.rows.targets.delete(key)
  assert.equal(
    world.group(arn).targets.map(({ key }) => key),
    keys.filter((_, at) => at % 2 === 1),
  )
})

test.run()
