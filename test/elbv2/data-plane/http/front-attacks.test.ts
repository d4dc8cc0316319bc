import { Buffer } from 'node:buffer'
import * as assert from 'uvu/assert'
import { createHttpPort } from '../../../../elbv2/data-plane/http/http-port.ts'
import type { PortListeners } from '../../../../elbv2/data-plane/model.ts'
import { systemClock } from '../../../../gateway/core/clock.ts'
import { systemIds } from '../../../../gateway/core/ids.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { SERVER_LIMITS } from '../../../../gateway/server.ts'
import { answerOf, deadPort, type OnData } from '../../../gateway/support-proxy.ts'
import { frontSuite, get, type InFrontOptions } from './front-suite.ts'
import type { FrontWorld } from './front-world.ts'

const { test, raw, inFrontOf } = frontSuite('elbv2 front: attacks')

const HEAD_END = '\r\n\r\n'
const answersOk: OnData = (socket, all) => {
  if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
}

/** A listener's own port, as it is opened for those who use it, in front of a target. */
async function ownPort(world: FrontWorld, listenerArn: string, headMs = 15_000): Promise<number> {
  const open = createHttpPort({
    front: world.front(),
    watch: world.watch,
    clock: systemClock,
    ids: systemIds,
    log: silentLogger,
    limits: { ...SERVER_LIMITS, headBytes: 80 * 1024, headMs },
  })
  const port = await deadPort()
  const listeners: PortListeners = {
    port,
    current: () => [world.liveListener(listenerArn)],
    forHost: () => world.liveListener(listenerArn),
  }
  const opened = await open('127.0.0.1', listeners)
  world.onClose(() => opened.close(0))
  return port
}

async function attacked(options: InFrontOptions = {}, onData: OnData = answersOk) {
  const target = await raw(onData)
  const there = await inFrontOf(target.port, options)
  return { ...there, heard: target, port: await ownPort(there.world, there.listener) }
}

const SMUGGLED = 'GET /admin HTTP/1.1\r\nHost: h\r\n\r\n'
const post = (...headers: string[]) =>
  `POST / HTTP/1.1\r\nHost: h\r\n${headers.join('\r\n')}\r\n\r\n`

const SMUGGLERS: Readonly<Record<string, string>> = {
  'CL.TE': `${post('Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\n${SMUGGLED}`,
  'TE.CL': `${post('Transfer-Encoding: chunked', 'Content-Length: 3')}8\r\nSMUGGLED\r\n0\r\n\r\n${SMUGGLED}`,
  'TE.TE': `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n${SMUGGLED}`,
  'TE.TE, a coding that nobody knows': `${post('Transfer-Encoding: xchunked')}0\r\n\r\n${SMUGGLED}`,
  'TE.TE, a tab': `${post('Transfer-Encoding:\tchunked', 'Content-Length: 5')}0\r\n\r\n${SMUGGLED}`,
  'TE.TE, a space before the colon': `${post('Transfer-Encoding : chunked')}0\r\n\r\n${SMUGGLED}`,
  'TE, gzip first': `${post('Transfer-Encoding: gzip, chunked')}0\r\n\r\n${SMUGGLED}`,
  'CL.CL': `${post('Content-Length: 5', 'Content-Length: 0')}abcde${SMUGGLED}`,
  'CL, a sign': `${post('Content-Length: +5')}abcde${SMUGGLED}`,
  'CL, hexadecimal': `${post('Content-Length: 0x5')}abcde${SMUGGLED}`,
  'a folded header': `${post('X: 1', ' Transfer-Encoding: chunked', 'Content-Length: 0')}${SMUGGLED}`,
  'a bare carriage return': `${post('X: 1\rTransfer-Encoding: chunked', 'Content-Length: 0')}${SMUGGLED}`,
  'HTTP/1.0 with chunks': `${post('Transfer-Encoding: chunked').replace('1.1', '1.0')}0\r\n\r\n${SMUGGLED}`,
}

for (const [name, request] of Object.entries(SMUGGLERS)) {
  test(`smuggling: ${name} is refused, and the target hears of no second request`, async () => {
    for (const mode of ['monitor', 'defensive', 'strictest']) {
      const attributes = { 'routing.http.desync_mitigation_mode': mode }
      const { world, port, heard } = await attacked({ attributes })
      const answer = await world.ask(port, request)
      assert.match(answer, /^HTTP\/1.1 400 Bad Request\r\n/, mode)
      assert.not.match(heard.heard(), /admin/, mode)
      assert.not.match(answer, /200 OK/, mode)
    }
  })
}

test('desync: an ambiguous request goes alone, is refused, or goes on, by the mode', async () => {
  const request = `GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody`
  const answersBody: OnData = (socket, all) => {
    if (all.endsWith('body')) socket.write(answerOf('ok'))
  }
  for (const mode of ['monitor', 'defensive', 'strictest']) {
    const attributes = { 'routing.http.desync_mitigation_mode': mode }
    const { world, port, heard } = await attacked({ attributes }, answersBody)
    const client = world.connect(port)
    client.say(mode === 'monitor' ? request : request + SMUGGLED)
    const answer = await client.hears(/ok$|<\/html>/)
    const record = await world.record()
    assert.equal(
      [record.classification, record.classificationReason],
      ['Ambiguous', 'UndefinedContentLengthSemantics'],
    )
    if (mode === 'strictest') assert.match(answer, /^HTTP\/1.1 400 /)
    else assert.match(answer, /^HTTP\/1.1 200 /)
    if (mode === 'monitor') {
      assert.not.match(answer, /connection: close/i)
      continue
    }
    assert.match(answer, /connection: close/i)
    await client.closed
    assert.not.match(heard.heard() + heard.heard(1), /admin/)
    if (mode === 'defensive') assert.match(heard.heard(), /\r\nConnection: close\r\n/i)
  }
})

test('X-Forwarded-*: what the client says of itself is added to, kept or taken away, by the mode', async () => {
  const spoofs = [
    'X-Forwarded-For: 203.0.113.7',
    'x-forwarded-for: 10.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 443',
  ]
  const expected: Readonly<Record<string, RegExp>> = {
    append: /\r\nX-Forwarded-For: 203.0.113.7, 10.0.0.1, 127.0.0.1\r\n/,
    preserve: /\r\nX-Forwarded-For: 203.0.113.7\r\nx-forwarded-for: 10.0.0.1\r\n/,
    remove: /^(?![\s\S]*forwarded-for)/i,
  }
  for (const [mode, pattern] of Object.entries(expected)) {
    const attributes = { 'routing.http.xff_header_processing.mode': mode }
    const { world, port, heard } = await attacked({ attributes })
    await world.ask(port, get('/', ...spoofs))
    assert.match(heard.heard(), pattern)
    assert.match(heard.heard(), /\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n/)
    assert.not.match(heard.heard(), /: (443|https)\r\n/)
  }
})

test('Connection: naming the load balancer’s own headers does not take them away', async () => {
  const { world, port, heard } = await attacked()
  const names = 'X-Forwarded-For, X-Forwarded-Proto, X-Amzn-Trace-Id, Host, close'
  await world.ask(
    port,
    `GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: ${names}\r\n\r\n`,
  )
  assert.match(heard.heard(), /\r\nX-Forwarded-For: (6.6.6.6, )?127.0.0.1\r\n/)
  assert.match(heard.heard(), /\r\nX-Forwarded-Proto: http\r\n/)
  assert.match(heard.heard(), /\r\nX-Amzn-Trace-Id: Root=/)
  assert.match(heard.heard(), /\r\nHost: h\r\n/)
})

test('463: more than 30 addresses in X-Forwarded-For', async () => {
  const { world, port, heard } = await attacked()
  const list = (count: number) => Array.from({ length: count }, () => '1.1.1.1').join(',')
  assert.match(await world.ask(port, get('/', `X-Forwarded-For: ${list(30)}`)), /^HTTP\/1.1 200 /)
  const refused = await world.ask(
    port,
    get('/', `X-Forwarded-For: ${list(16)}`, `X-Forwarded-For: ${list(15)}`),
  )
  assert.match(refused, /^HTTP\/1.1 463 \r\nServer: awselb\/2.0\r\n/)
  assert.is(heard.heard().match(/GET/g)?.length, 1)
})

test('oversized heads: 414 for the request line, 400 for a header and for all of them', async () => {
  const { world, port, heard } = await attacked()
  const headers = (count: number, size: number) =>
    Array.from({ length: count }, (_, at) => `X-${at}: ${'x'.repeat(size)}`)
  assert.match(await world.ask(port, get(`/${'x'.repeat(17_000)}`)), /^HTTP\/1.1 414 Request-URI/)
  assert.match(await world.ask(port, get('/', ...headers(1, 17_000))), /^HTTP\/1.1 400 Bad Request/)
  assert.match(await world.ask(port, get('/', ...headers(5, 14_000))), /^HTTP\/1.1 400 Bad Request/)
  const huge = await world.ask(port, get('/', ...headers(10, 14_000)))
  assert.match(huge, /^(HTTP\/1.1 400 Bad Request\r\nServer: awselb\/2.0\r\n[\s\S]*)?$/)
  assert.is(heard.heard(), '')
  assert.match(await world.ask(port, get('/', ...headers(4, 14_000))), /^HTTP\/1.1 200 /)
})

test('slow loris: a head that does not come in time is let go, and costs no target anything', async () => {
  const target = await raw(answersOk)
  const { world, listener } = await inFrontOf(target.port)
  const port = await ownPort(world, listener, 200)
  const clients = Array.from({ length: 20 }, () => world.connect(port))
  for (const client of clients) client.say('GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ')
  for (const client of clients) {
    assert.match(await client.toTheEnd(), /^(HTTP\/1.1 408 Request Time-out\r\n[\s\S]*)?$/)
  }
  assert.match(await world.ask(port, get()), /ok$/)
  assert.is(target.sockets.length, 1)
})

test('Host: none, two, and what is no name are refused', async () => {
  const { world, port, heard } = await attacked()
  const lines = [
    'Connection: close',
    'Host: a\r\nHost: b',
    'Host: a/b',
    'Host: a@b',
    'Host: a b',
    'Host: a\\b',
    'Host: a?b#c',
    'Host: ',
    'Host: [::1',
    'Host: a:80:80',
    'Host: a:x',
  ]
  for (const line of lines) {
    const answer = await world.ask(port, `GET / HTTP/1.1\r\n${line}\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1.1 400 Bad Request\r\n/, line)
  }
  assert.is(heard.heard(), '')
})

test('a request target that is no path, or for another host, is refused', async () => {
  const { world, port, heard } = await attacked()
  for (const url of ['http://other/', 'https://my-alb@other/', 'admin', 'ftp://my-alb/']) {
    const answer = await world.ask(port, get().replace(' / ', ` ${url} `))
    assert.match(answer, /^HTTP\/1.1 400 /, url)
  }
  assert.is(heard.heard(), '')
  await world.ask(port, get().replace(' / ', ' http://my-alb/x?y '))
  assert.match(heard.heard(), /^GET \/x\?y HTTP\/1.1\r\n/)
})

test('header injection: line breaks never come out of a redirect or a rewrite', async () => {
  const { world, port, heard, listener, group } = await attacked()
  const path = (value: string) => [
    { Field: 'path-pattern', PathPatternConfig: { Values: [value] } },
  ]
  world.rule(listener, 1, {
    conditions: path('/go*'),
    actions: [
      {
        Type: 'redirect',
        RedirectConfig: {
          Host: '#{host}',
          Path: '/#{path}',
          Query: '#{query}',
          Protocol: 'HTTPS',
          Port: '443',
          StatusCode: 'HTTP_302',
        },
      },
    ],
  })
  world.rule(listener, 2, {
    conditions: path('/re*'),
    actions: [{ Type: 'forward', TargetGroupArn: group }],
    transforms: [
      {
        Type: 'url-rewrite',
        UrlRewriteConfig: { Rewrites: [{ Regex: '^/re(.*)$', Replace: '/$1' }] },
      },
    ],
  })
  const evil = '%0d%0aSet-Cookie:%20a=1%0d%0a%0d%0a<script>'
  const redirect = await world.ask(port, get(`/go${evil}?${evil}`))
  assert.match(redirect, /^HTTP\/1.1 302 /)
  assert.not.match(redirect, /\r\nSet-Cookie/i)
  await world.ask(port, get(`/re${evil}?${evil}`))
  assert.not.match(heard.heard(), /\r\nSet-Cookie/i)
  assert.match(heard.heard(), /^GET \/%0d%0aSet-Cookie/)
  for (const line of ['\n', '\r', '\r\nX: 1\r\n', '\0']) {
    const answer = await world.ask(port, get(`/go${line}Set-Cookie:a`))
    assert.not.match(answer, /\r\nSet-Cookie/i)
  }
})

test('header injection: a target’s answer cannot break out of its head', async () => {
  const heads = ['X: 1\rSet-Cookie: a=1', 'X\0: 1', 'X: 1\0', ' X: 1']
  const { world, port } = await attacked({}, (socket, all) => {
    if (all.endsWith(HEAD_END)) {
      const line = heads[Number(/GET \/(\d)/.exec(all)?.[1])] ?? ''
      socket.end(Buffer.from(`HTTP/1.1 200 OK\r\n${line}\r\nContent-Length: 2\r\n\r\nok`, 'latin1'))
    }
  })
  for (const at of heads.keys()) {
    const answer = await world.ask(port, get(`/${at}`))
    assert.not.match(answer, /[\r\n]Set-Cookie/i, String(at))
  }
})

test('405: TRACE and CONNECT', async () => {
  const { world, port, heard } = await attacked()
  assert.match(
    await world.ask(port, get().replace('GET', 'TRACE')),
    /^HTTP\/1.1 405 Not Allowed\r\n/,
  )
  const connect = 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'
  assert.match(await world.ask(port, connect), /^HTTP\/1.1 (405|400) /)
  assert.is(heard.heard(), '')
})

test('drop_invalid_header_fields: names that are not of letters, digits and hyphens are left out', async () => {
  const headers = ['X_Under: 1', 'X.Dot: 1', 'X-Good-1: 1']
  const one = await attacked()
  await one.world.ask(one.port, get('/', ...headers))
  assert.match(one.heard.heard(), /\r\nX_Under: 1\r\nX.Dot: 1\r\nX-Good-1: 1\r\n/)
  const attributes = { 'routing.http.drop_invalid_header_fields.enabled': 'true' }
  const other = await attacked({ attributes })
  await other.world.ask(other.port, get('/', ...headers))
  assert.not.match(other.heard.heard(), /X_Under|X.Dot/)
  assert.match(other.heard.heard(), /\r\nX-Good-1: 1\r\n/)
})

test('an own port says what is no HTTP in the words of load balancers', async () => {
  const { world, port } = await attacked()
  const answer = await world.ask(port, 'NONSENSE\r\n\r\n')
  assert.match(answer, /^HTTP\/1.1 400 Bad Request\r\n/)
  // Deno's parser answers by itself.
  if (answer.includes('Server:')) assert.match(answer, /Server: awselb\/2.0\r\n[\s\S]*<html>/)
})

test.run()
