import * as assert from 'uvu/assert'
import { answerOf } from '../../../gateway/support-proxy.ts'
import { frontSuite } from './front-suite.ts'

const { test, raw, inFrontOf } = frontSuite('elbv2 front: trailers')

test('a client’s trailers say nothing that load balancers say of clients', async () => {
  const target = await raw((socket, all) => {
    if (/\r\n0\r\n[\s\S]*\r\n\r\n$/.test(all)) socket.write(answerOf('ok'))
  })
  const { world, port } = await inFrontOf(target.port)
  const spoofed = [
    'X-Forwarded-For: 6.6.6.6',
    'x-forwarded-proto: https',
    'Forwarded: for=6.6.6.6',
    'X-Amzn-Oidc-Identity: root',
    'X-Amzn-Mtls-Clientcert: forged',
    'Cookie: a=b',
  ]
  const head =
    'POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n'
  await world.ask(port, `${head}2\r\nhi\r\n0\r\n${spoofed.join('\r\n')}\r\nX-Mine: 1\r\n\r\n`)
  assert.match(target.heard(), /\r\n2\r\nhi\r\n0\r\nX-Mine: 1\r\n\r\n$/)
})

test.run()
