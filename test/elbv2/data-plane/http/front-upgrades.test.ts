import * as assert from 'uvu/assert'
import { FakeClock } from '../../../fake-clock.ts'
import { frontSuite } from './front-suite.ts'

const { test, raw, inFrontOf } = frontSuite('elbv2 front: refused upgrades')

const UPGRADE = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

test('a target that refuses a WebSocket and stops within its answer is cut off when it is idle', async () => {
  const clock = new FakeClock()
  const target = await raw((socket) => {
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf')
  })
  const attributes = { 'idle_timeout.timeout_seconds': '30' }
  const { world, port, target: live } = await inFrontOf(target.port, { clock, attributes })
  const client = world.connect(port)
  client.say(UPGRADE)
  assert.match(await client.hears('half'), /^HTTP\/1.1 403 Forbidden\r\n(?:.+\r\n)+\r\nhalf$/)
  assert.is(live.inFlight, 1)
  assert.ok(clock.waiting > 0, 'nothing ends it')
  clock.advance(38_000)
  await client.closed
  assert.is((await world.record()).status, 403)
  assert.is(live.inFlight, 0)
})

test('a refusal of a WebSocket comes whole, however its packets are cut', async () => {
  const target = await raw((socket) => {
    socket.setNoDelay(true)
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\non')
    setImmediate(() => socket.write('e\r\n3\r\ntwo\r\n0\r\n\r\n'))
  })
  const { world, port } = await inFrontOf(target.port)
  assert.match(await world.ask(port, UPGRADE), /^HTTP\/1.1 200 OK\r\n(?:.+\r\n)+\r\nonetwo$/)
  assert.is((await world.record()).status, 200)
})

test.run()
