import type { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import * as assert from 'uvu/assert'
import type { Asker } from '../../gateway/proxy-connection.ts'
import { TargetPool } from '../../gateway/proxy-pool.ts'
import { FakeClock } from '../fake-clock.ts'
import { answerOf, proxySuite, type RawTarget, rawTarget } from './support-proxy.ts'

const { proxy, cleanUps } = proxySuite('TargetPool')

async function targetOf(...headers: string[]): Promise<RawTarget> {
  const target = await rawTarget((socket, all) => {
    if (all.endsWith('\r\n\r\n')) socket.write(answerOf('ok', ...headers))
  })
  cleanUps.push(() => target.close())
  return target
}

function poolOf(clock: FakeClock, maxIdle?: number): TargetPool {
  const pool = new TargetPool(clock, maxIdle)
  cleanUps.push(() => Promise.resolve(pool.close()))
  return pool
}

/** One request on a connection of the pool; resolves with the connection, which waits again. */
function ask(pool: TargetPool, { port }: RawTarget) {
  const connection = pool.take({ host: '127.0.0.1', port })
  return new Promise<typeof connection>((resolve, reject) => {
    const asker: Asker = {
      informed() {},
      answered() {},
      received: (_piece: Buffer) => {},
      paused() {},
      drained() {},
      ended: () => setImmediate(() => resolve(connection)),
      failed: ({ detail }) => reject(new Error(detail)),
    }
    connection.begin(asker, {})
    connection.socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    connection.sent()
  })
}

proxy('a connection that waits is taken again, by requests to the same target only', async () => {
  const pool = poolOf(new FakeClock())
  const [one, two] = [await targetOf(), await targetOf()]
  const first = await ask(pool, one)
  assert.is(await ask(pool, one), first)
  assert.is.not(await ask(pool, two), first)
  assert.is(one.sockets.length, 1)
})

proxy('a connection waits for 4 s, or for less where its target says so', async () => {
  const clock = new FakeClock()
  const pool = poolOf(clock)
  const [one, hasty, gone] = [
    await targetOf(),
    await targetOf('Keep-Alive: timeout=3'),
    await targetOf('Keep-Alive: timeout=1'),
  ]
  const [long, short, none] = [await ask(pool, one), await ask(pool, hasty), await ask(pool, gone)]
  assert.ok(none.socket.destroyed)
  clock.advance(1_999)
  assert.not.ok(short.socket.destroyed)
  clock.advance(1)
  assert.ok(short.socket.destroyed)
  clock.advance(1_000)
  assert.not.ok(long.socket.destroyed)
  clock.advance(1_000)
  assert.ok(long.socket.destroyed)
  assert.is(clock.waiting, 0)
})

proxy('where the process may open no more, those that wait make room', async () => {
  const pool = poolOf(new FakeClock())
  const target = await targetOf()
  const waits = await ask(pool, target)
  const fresh = pool.fresh({ host: '127.0.0.1', port: target.port })
  fresh.socket.destroy(Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' }))
  await new Promise((resolve) => fresh.socket.once('close', resolve))
  assert.ok(waits.socket.destroyed)
})

proxy('what waits for all targets together is bounded: the oldest goes first', async () => {
  const pool = poolOf(new FakeClock(), 2)
  const targets = [await targetOf(), await targetOf(), await targetOf()]
  const connections = []
  for (const target of targets) connections.push(await ask(pool, target))
  assert.equal(
    connections.map(({ socket }) => socket.destroyed),
    [true, false, false],
  )
})

proxy(
  'what a target says unasked is nobody’s answer: its connection is not used again',
  async () => {
    const pool = poolOf(new FakeClock())
    const target = await targetOf()
    const first = await ask(pool, target)
    const closed = new Promise((resolve) => first.socket.once('close', resolve))
    target.sockets[0]?.write(answerOf('evil'))
    await closed
    assert.is.not(await ask(pool, target), first)
  },
)

proxy('an answer with more behind it is the last on its connection', async () => {
  const pool = poolOf(new FakeClock())
  const target = await rawTarget((socket) => socket.write(`${answerOf('ok')}${answerOf('evil')}`))
  cleanUps.push(() => target.close())
  const first = await ask(pool, target)
  assert.ok(first.socket.destroyed)
})

proxy('a connection does not hold small writes back (Nagle)', async () => {
  const { setNoDelay } = Socket.prototype
  const asked: unknown[] = []
  Socket.prototype.setNoDelay = function (...given) {
    if (given[0] === true) asked.push(this)
    return setNoDelay.apply(this, given)
  }
  try {
    const { socket } = await ask(poolOf(new FakeClock()), await targetOf())
    assert.ok(asked.includes(socket))
  } finally {
    Socket.prototype.setNoDelay = setNoDelay
  }
})

proxy.run()
