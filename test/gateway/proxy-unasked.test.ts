import { once } from 'node:events'
import * as assert from 'uvu/assert'
import { answerOf, proxySuite } from './support-proxy.ts'

const { proxy: test, start } = proxySuite('proxy: what nobody asked for')

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nhost: h\r\n\r\n`

test('web: a second answer ends its connection, and is nobody’s answer', async () => {
  const [front, target] = await start((socket, _all, chunk) => {
    const [, path = ''] = chunk.toString().split(' ')
    socket.setNoDelay(true)
    socket.write(answerOf(path))
  })
  const client = front.connect()
  client.say(GET('/first'))
  await client.hears('/first')
  const [kept] = target.sockets
  assert.ok(kept)
  const closed = once(kept, 'close')
  const before = Date.now()
  kept.write(answerOf('unasked'))
  await closed
  // Idle ones are closed after seconds, too: this one went for what it said.
  assert.ok(Date.now() - before < 2_000, 'it was kept')
  client.say(GET('/second'))
  const heard = await client.hears('/second')
  assert.not.match(heard, /unasked/)
  assert.is(target.sockets.length, 2)
})

test.run()
