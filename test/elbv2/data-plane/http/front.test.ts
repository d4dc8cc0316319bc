import { Buffer } from 'node:buffer'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import * as assert from 'uvu/assert'
import { answerOf, deadPort } from '../../../gateway/support-proxy.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../tls/test-certificate.ts'
import { frontSuite, get } from './front-suite.ts'
import { fixed, forwardTo } from './front-world.ts'

const { test, newWorld, raw, http, inFrontOf } = frontSuite('elbv2 front')

const HEAD_END = '\r\n\r\n'

test('forward: a request reaches its target, and its answer the client', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(answerOf('hello', 'X-One: 1', 'Server: mine'))
  })
  const { world, port } = await inFrontOf(target.port)
  const answer = await world.ask(port, get('/a%2Fb?x=%20', 'User-Agent: curl/8'))
  assert.match(answer, /^HTTP\/1.1 200 OK\r\nX-One: 1\r\nServer: mine\r\ncontent-length: 5\r\n/)
  assert.match(answer, /\r\n\r\nhello$/)
  assert.match(target.heard(), /^GET \/a%2Fb\?x=%20 HTTP\/1.1\r\nUser-Agent: curl\/8\r\n/)
  assert.match(target.heard(), /\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n/)
  assert.match(target.heard(), /\r\nX-Forwarded-Port: 80\r\n/)
  assert.match(target.heard(), /\r\nX-Amzn-Trace-Id: Root=1-[0-9a-f]{8}-[0-9a-f]{24}\r\n/)
  assert.match(target.heard(), /\r\nHost: my-alb\r\n/)
})

test('the record of a request says what became of it', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith('body')) socket.write(answerOf('hello'))
  })
  const { world, port, target: live } = await inFrontOf(target.port)
  const request =
    'POST /p?q HTTP/1.1\r\nHost: My-Alb:8080\r\nUser-Agent: me\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody'
  const answer = await world.ask(port, request)
  const record = await world.record()
  assert.is(record.type, 'http')
  assert.is(record.url, 'http://My-Alb:80/p?q')
  assert.is(record.method, 'POST')
  assert.is(record.userAgent, 'me')
  assert.equal([record.status, record.targetStatus], [200, 200])
  assert.is(record.target?.target, live)
  assert.is(record.rule?.priority, 0)
  assert.equal(record.actions, ['forward'])
  assert.equal([record.classification, record.classificationReason], ['-', '-'])
  assert.ok(record.requestProcessingMs >= 0 && record.targetProcessingMs >= 0)
  assert.match(record.traceId, /^Root=1-/)
  // Deno's servers do not count what passes.
  if (record.receivedBytes > 0) {
    assert.equal([record.receivedBytes, record.sentBytes], [request.length, answer.length])
  }
})

test('requests of one connection are told their own bytes each', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(answerOf('hello'))
  })
  const { world, port } = await inFrontOf(target.port)
  const client = world.connect(port)
  const request = 'GET / HTTP/1.1\r\nHost: my-alb\r\n\r\n'
  client.say(request)
  const first = await client.hears('hello')
  await world.record()
  client.say(request)
  const both = await client.hears(/hello[\s\S]*hello/)
  const record = await world.record(2)
  if (record.receivedBytes > 0) {
    assert.equal(
      [record.receivedBytes, record.sentBytes],
      [request.length, both.length - first.length],
    )
  }
})

test('fixed-response: the answer is the rule’s, and HEAD has none of its body', async () => {
  const world = newWorld()
  const listener = world.listener(world.balancer(), fixed('418', 'short and stout'))
  const port = await world.serve(listener)
  const answer = await world.ask(port, get())
  assert.match(answer, /^HTTP\/1.1 418 [^\r]*\r\nServer: awselb\/2.0\r\n/)
  assert.match(answer, /\r\nContent-Type: text\/plain; charset=utf-8\r\n/i)
  assert.match(answer, /\r\n\r\nshort and stout$/)
  const head = await world.ask(port, get().replace('GET', 'HEAD'))
  assert.match(head, /content-length: 15\r\n/)
  assert.match(head, /\r\n\r\n$/)
  const record = await world.record()
  assert.equal([record.status, record.targetStatus, record.target], [418, undefined, undefined])
  assert.equal(record.actions, ['fixed-response'])
  assert.equal([record.requestProcessingMs, record.targetProcessingMs], [-1, -1])
})

test('rules are tried in the order of their priorities', async () => {
  const world = newWorld()
  const listener = world.listener(world.balancer(), fixed('404', 'none'))
  const path = (value: string) => [
    { Field: 'path-pattern', PathPatternConfig: { Values: [value] } },
  ]
  world.rule(listener, 20, { conditions: path('/a*'), actions: [fixed('200', 'second')] })
  world.rule(listener, 10, { conditions: path('/ab*'), actions: [fixed('200', 'first')] })
  const port = await world.serve(listener)
  assert.match(await world.ask(port, get('/abc')), /first$/)
  assert.match(await world.ask(port, get('/ac')), /second$/)
  assert.match(await world.ask(port, get('/c')), /none$/)
  assert.is((await world.record(1)).rule?.priority, 10)
})

test('redirect: Location goes by the request, and the record names it', async () => {
  const world = newWorld()
  const listener = world.listener(world.balancer(), {
    Type: 'redirect',
    RedirectConfig: {
      Protocol: 'HTTPS',
      Port: '443',
      Host: '#{host}',
      Path: '/new/#{path}',
      Query: '#{query}',
      StatusCode: 'HTTP_301',
    },
  })
  const port = await world.serve(listener)
  const answer = await world.ask(port, get('/old?a=1'))
  assert.match(answer, /^HTTP\/1.1 301 Moved Permanently\r\nServer: awselb\/2.0\r\n/)
  const location = 'https://my-alb:443/new/old?a=1'
  assert.ok(answer.includes(`\r\nLocation: ${location}\r\n`), answer)
  assert.is((await world.record()).redirectUrl, location)
})

test('transforms: the target sees the rewritten host and path', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
  })
  const { world, port, listener, group } = await inFrontOf(target.port)
  world.rule(listener, 1, {
    conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/api/*'] } }],
    actions: [forwardTo(group)],
    transforms: [
      {
        Type: 'url-rewrite',
        UrlRewriteConfig: { Rewrites: [{ Regex: '^/api/(.*)$', Replace: '/$1' }] },
      },
      {
        Type: 'host-header-rewrite',
        HostHeaderRewriteConfig: { Rewrites: [{ Regex: '^my-alb$', Replace: 'inner.test' }] },
      },
    ],
  })
  await world.ask(port, get('/api/x?y=1'))
  assert.match(target.heard(), /^GET \/x\?y=1 HTTP\/1.1\r\n/)
  assert.match(target.heard(), /\r\nHost: inner.test\r\n/)
  const record = await world.record()
  assert.is(record.transformedHost, 'inner.test')
  assert.match(record.url, /:80\/api\/x\?y=1$/)
})

test('503: nobody is registered', async () => {
  const world = newWorld()
  const port = await world.serve(world.listener(world.balancer(), forwardTo(world.putGroup())))
  const answer = await world.ask(port, get())
  assert.match(answer, /^HTTP\/1.1 503 Service Temporarily Unavailable\r\nServer: awselb\/2.0\r\n/)
  assert.match(answer, /<center><h1>503 Service Temporarily Unavailable<\/h1><\/center>/)
  assert.is((await world.record()).status, 503)
})

test('502: the target refuses the connection', async () => {
  const { world, port, target } = await inFrontOf(await deadPort())
  const answer = await world.ask(port, get())
  assert.match(answer, /^HTTP\/1.1 502 Bad Gateway\r\nServer: awselb\/2.0\r\n/)
  assert.match(answer, /<title>502 Bad Gateway<\/title>/)
  const record = await world.record()
  assert.equal([record.status, record.targetStatus], [502, undefined])
  assert.is(target.inFlight, 0)
})

test('502: the target hangs up, or says what is no HTTP', async () => {
  const target = await raw((socket, all) => {
    if (all.includes('/junk')) socket.end('SSH-2.0-OpenSSH_9.7\r\n')
    else socket.destroy()
  })
  const { world, port } = await inFrontOf(target.port)
  assert.match(await world.ask(port, get('/junk')), /^HTTP\/1.1 502 /)
  assert.match(await world.ask(port, get('/hang')), /^HTTP\/1.1 502 /)
})

test('answers have the headers that the listener sets, in place of the target’s', async () => {
  const target = await http((_req, res) => {
    res.setHeader('X-Frame-Options', 'DENY')
    res.setHeader('Server', 'mine')
    res.end('ok')
  })
  const attributes = {
    'routing.http.response.x_frame_options.header_value': 'SAMEORIGIN',
    'routing.http.response.server.enabled': 'false',
  }
  const { world, port, listener } = await inFrontOf(target.port, { listener: { attributes } })
  world.rule(listener, 1, {
    conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/own'] } }],
    actions: [fixed('200', 'own')],
  })
  for (const path of ['/', '/own']) {
    const answer = await world.ask(port, get(path))
    assert.match(answer, /\r\nX-Frame-Options: SAMEORIGIN\r\n/)
    assert.not.match(answer, /DENY|\r\nserver:/i)
  }
})

test('a group of HTTPS is asked over TLS, whoever’s certificate its targets show', async () => {
  const world = newWorld()
  const server = createSecureServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (req, res) => {
    res.end(`over TLS: ${req.url} ${req.headers['x-forwarded-proto']}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  let connections = 0
  server.on('secureConnection', () => connections++)
  const group = world.putGroup('g', { protocol: 'HTTPS' })
  world.targetAt(group, (server.address() as AddressInfo).port)
  const port = await world.serve(world.listener(world.balancer(), forwardTo(group)))
  world.onClose(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  for (let round = 0; round < 3; round++) {
    assert.match(await world.ask(port, get('/x')), /over TLS: \/x http$/)
  }
  assert.is(connections, 1)
})

test('stickiness: the client gets its cookies and comes to its target again', async () => {
  const answers = await Promise.all(
    ['one', 'two'].map((name) =>
      http((_req, res) => {
        res.setHeader('Set-Cookie', 'app=1')
        res.end(name)
      }),
    ),
  )
  const group = { attributes: { 'stickiness.enabled': 'true', 'stickiness.type': 'lb_cookie' } }
  const { world, port, group: arn } = await inFrontOf(answers[0]?.port ?? 0, { group })
  world.targetAt(arn, answers[1]?.port ?? 0)
  const first = await world.ask(port, get())
  const [, cookie = ''] = /Set-Cookie: (AWSALB=[^;]+)/.exec(first) ?? []
  assert.match(first, /Set-Cookie: app=1\r\n/)
  assert.match(first, /Set-Cookie: AWSALBCORS=[^;]+;.*SameSite=None; Secure\r\n/)
  const [name] = /(one|two)$/.exec(first) ?? []
  for (let round = 0; round < 4; round++) {
    assert.match(await world.ask(port, get('/', `Cookie: x=y; ${cookie}`)), new RegExp(`${name}$`))
  }
})

test('authentication: its headers reach the target, and nobody else’s of that kind', async () => {
  const target = await raw((socket, all) => {
    if (all.endsWith(HEAD_END)) socket.write(answerOf('ok'))
  })
  const { world, group, balancer } = await inFrontOf(target.port)
  const action = { Type: 'authenticate-oidc', AuthenticateOidcConfig: {} } as never
  const secure = world.listener(balancer, forwardTo(group), { port: 81 }, [action])
  const port = await world.serve(secure)
  world.authenticate = () =>
    Promise.resolve({
      kind: 'allow',
      headers: [['x-amzn-oidc-identity', 'alice']],
      responseHeaders: [['Set-Cookie', 'AWSELBAuthSessionCookie-0=x']],
    })
  const spoof = ['X-Amzn-Oidc-Identity: mallory', 'x-amzn-oidc-data: forged', 'X-Mine: 1']
  const answer = await world.ask(port, get('/', ...spoof))
  assert.match(answer, /Set-Cookie: AWSELBAuthSessionCookie-0=x\r\n/)
  assert.match(target.heard(), /x-amzn-oidc-identity: alice\r\n/)
  assert.match(target.heard(), /X-Mine: 1\r\n/)
  assert.not.match(target.heard(), /mallory|forged/)
  assert.equal((await world.record()).actions, ['authenticate', 'forward'])

  world.authenticate = () =>
    Promise.resolve({
      kind: 'answer',
      answer: { status: 401, headers: [], body: 'who are you?' },
      errorReason: 'AuthInvalidCookie',
    })
  assert.match(await world.ask(port, get()), /^HTTP\/1.1 401 [\s\S]*who are you\?$/)
  assert.is((await world.record(2)).errorReason, 'AuthInvalidCookie')

  world.authenticate = () => Promise.reject(new Error('a bug'))
  assert.match(await world.ask(port, get()), /^HTTP\/1.1 500 Internal Server Error\r\n/)
})

test('Lambda: the function gets the whole request, and its answer reaches the client', async () => {
  const { world, port, listener } = await inFrontOf(1)
  const group = world.putGroup('fn', {
    targetType: 'lambda',
    protocol: undefined,
    port: undefined,
  } as never)
  const fn = 'arn:aws:lambda:us-east-1:000000000000:function:f'
  const [key = ''] = world.register(group, [fn], { port: undefined } as never)
  world.live.setHealth(world.target(key), { state: 'healthy' })
  world.rule(listener, 1, {
    conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['*'] } }],
    actions: [forwardTo(group)],
  })
  world.lambda = (request) =>
    Promise.resolve({
      status: 201,
      reason: 'Made',
      headers: [['X-Got', `${request.method} ${request.path} ${request.query}`]],
      body: request.body,
      errorReason: undefined,
    })
  const post = `${get('/f?x=1', 'Content-Length: 4').replace('GET', 'POST')}body`
  const answer = await world.ask(port, post)
  assert.match(answer, /^HTTP\/1.1 201 Made\r\nServer: awselb\/2.0\r\nX-Got: POST \/f x=1\r\n/)
  assert.match(answer, /\r\n\r\nbody$/)
  assert.is(world.target(key).inFlight, 0)

  world.lambda = () =>
    Promise.resolve({
      status: 502,
      reason: '',
      headers: [],
      body: Buffer.alloc(0),
      errorReason: 'LambdaUnhandled',
    })
  assert.match(await world.ask(port, get()), /^HTTP\/1.1 502 Bad Gateway\r\n[\s\S]*<html>/)
  const record = await world.record(2)
  assert.equal([record.status, record.errorReason], [502, 'LambdaUnhandled'])

  // The forwarder refuses what is too large; no more of it is read than shows that it is.
  let given = 0
  world.lambda = ({ body }) => {
    given = body.length
    const errorReason = 'LambdaRequestTooLarge'
    return Promise.resolve({
      status: 413,
      reason: '',
      headers: [],
      body: Buffer.alloc(0),
      errorReason,
    })
  }
  const client = world.connect(port)
  client.say(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${8 * 1024 * 1024}\r\n\r\n`)
  client.say(Buffer.alloc(8 * 1024 * 1024))
  assert.match(await client.toTheEnd(), /^HTTP\/1.1 413 Request Entity Too Large\r\n/)
  assert.ok(given > 1024 * 1024 && given < 2 * 1024 * 1024, String(given))
  assert.is(world.target(key).inFlight, 0)
})

test.run()
