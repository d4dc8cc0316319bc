import { Buffer } from 'node:buffer'
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BackendRequest, CallBackend } from '../../../../elbv2/context.ts'
import {
  createLambdaForwarder,
  MAX_LAMBDA_BYTES,
} from '../../../../elbv2/data-plane/lambda/lambda.ts'
import type { LambdaRequest } from '../../../../elbv2/data-plane/lambda/lambda-event.ts'
import type { LiveTarget } from '../../../../elbv2/data-plane/model.ts'
import { silentLogger } from '../../../../gateway/core/log.ts'
import { GROUP_ARN, groupOf } from '../live.ts'
import { answerOf } from '../logs/log-world.ts'

const lambda = suite('Lambda targets')

const FUNCTION = 'arn:aws:lambda:us-east-2:123456789012:function:hello:live'
const MULTI = { attributes: { 'lambda.multi_value_headers.enabled': 'true' } }

class World {
  readonly calls: BackendRequest[] = []
  readonly said: string[] = []
  answer: CallBackend = () => Promise.resolve(answerOf(200, '{"statusCode":200}'))
  readonly group
  readonly target: LiveTarget
  readonly forwarder = createLambdaForwarder({
    callBackend: (request) => {
      this.calls.push(request)
      return this.answer(request)
    },
    log: { ...silentLogger, warn: (_, fields) => this.said.push(String(fields?.reason)) },
  })

  constructor(changes: Parameters<typeof groupOf>[0] = {}) {
    this.group = groupOf({ targetType: 'lambda', ...changes }, [FUNCTION])
    this.target = this.group.targets[0] as LiveTarget
  }

  forward(changes: Partial<LambdaRequest> = {}) {
    const request = { method: 'GET', path: '/', query: '', headers: [], body: Buffer.alloc(0) }
    return this.forwarder.forward({ ...request, ...changes }, this.group, this.target)
  }

  /** The event that the function got. */
  async event(changes: Partial<LambdaRequest>) {
    await this.forward(changes)
    return JSON.parse(String(this.calls.at(-1)?.body))
  }

  /** What the client gets where the function answers this. */
  answered(answer: unknown) {
    const json = typeof answer === 'string' ? answer : JSON.stringify(answer)
    this.answer = () => Promise.resolve(answerOf(200, json))
    return this.forward()
  }

  async failure(call: CallBackend): Promise<string> {
    this.answer = call
    const { status, errorReason } = await this.forward()
    return `${status} ${errorReason}`
  }
}

const body = (text: string) => Buffer.from(text)

lambda("forward: sends AWS's example of an event to Invoke, by the function's ARN", async () => {
  const world = new World()
  const event = await world.event({
    headers: [
      ['Accept', 'text/html,application/xhtml+xml'],
      ['Content-Type', 'text/plain'],
      ['Host', 'lambda-846800462-us-east-2.elb.amazonaws.com'],
      ['X-Forwarded-For', '72.21.198.66'],
      ['x-forwarded-proto', 'https'],
    ],
    body: body('request_body'),
  })
  assert.equal(event, {
    requestContext: { elb: { targetGroupArn: GROUP_ARN } },
    httpMethod: 'GET',
    path: '/',
    queryStringParameters: {},
    headers: {
      accept: 'text/html,application/xhtml+xml',
      'content-type': 'text/plain',
      host: 'lambda-846800462-us-east-2.elb.amazonaws.com',
      'x-forwarded-for': '72.21.198.66',
      'x-forwarded-proto': 'https',
    },
    body: 'request_body',
    isBase64Encoded: false,
  })
  const [call] = world.calls
  assert.is(call?.service, 'lambda')
  assert.is(call?.method, 'POST')
  assert.is(call?.path, `/2015-03-31/functions/${encodeURIComponent(FUNCTION)}/invocations`)
  assert.equal(call?.scope, { account: '123456789012', region: 'us-east-2' })
})

lambda(
  'forward: of several values the last one counts, or all with multi-value headers',
  async () => {
    const request = {
      query: '&myKey=val1&myKey=val2&flag&a%5Bb%5D=c%20d+e=f',
      headers: [
        ['cookie', 'name1=value1'],
        ['Cookie', 'name2=value2'],
      ] as const,
    }
    const single = await new World().event(request)
    assert.equal(single.queryStringParameters, { myKey: 'val2', flag: '', 'a%5Bb%5D': 'c%20d+e=f' })
    assert.equal(single.headers, { cookie: 'name2=value2' })
    assert.not('multiValueHeaders' in single)
    const multi = await new World(MULTI).event(request)
    assert.equal(multi.multiValueQueryStringParameters, {
      myKey: ['val1', 'val2'],
      flag: [''],
      'a%5Bb%5D': ['c%20d+e=f'],
    })
    assert.equal(multi.multiValueHeaders, { cookie: ['name1=value1', 'name2=value2'] })
    assert.not('headers' in multi || 'queryStringParameters' in multi)
  },
)

lambda('forward: bodies go as text by their type, else as Base64', async () => {
  const world = new World()
  const sent = async (...headers: (readonly [string, string])[]) => {
    const { body: sentBody, isBase64Encoded } = await world.event({ headers, body: body('é{}') })
    return isBase64Encoded ? `${Buffer.from(sentBody, 'base64')}!` : sentBody
  }
  for (const type of ['text/html', 'application/json; charset=utf-8', 'application/javascript']) {
    assert.is(await sent(['Content-Type', type]), 'é{}', type)
  }
  assert.is(await sent(['content-type', 'APPLICATION/XML']), 'é{}')
  for (const type of ['image/png', 'application/x-www-form-urlencoded', 'application/jsonp']) {
    assert.is(await sent(['content-type', type]), 'é{}!', type)
  }
  assert.is(await sent(), 'é{}!')
  assert.is(await sent(['content-type', 'text/html'], ['content-encoding', 'gzip']), 'é{}!')
})

lambda('forward: names of clients cannot touch the event itself', async () => {
  const event = await new World().event({
    query: '__proto__=1&constructor=2',
    headers: [['__proto__', 'x']],
  })
  assert.equal(Object.entries(event.headers), [['__proto__', 'x']])
  assert.equal(Object.entries(event.queryStringParameters), [
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
})

lambda('forward: bytes of headers are UTF-8; what is none never reaches the function', async () => {
  const world = new World()
  const latin1 = (text: string) => Buffer.from(text).toString('latin1')
  const event = await world.event({ headers: [['x-name', latin1('日本')]] })
  assert.equal(event.headers, { 'x-name': '日本' })
  const bad = await world.forward({ headers: [['x-name', '\xff']] })
  assert.equal([bad.status, bad.errorReason], [502, 'LambdaBadRequest'])
  const raw = { headers: [['content-type', 'text/plain']] as const, body: Buffer.from([0xff]) }
  assert.is((await world.forward(raw)).errorReason, 'LambdaBadRequest')
  assert.is(world.calls.length, 1)
})

lambda('forward: a body of 1 MB goes, one byte more is 413', async () => {
  const world = new World()
  assert.is((await world.forward({ body: Buffer.alloc(MAX_LAMBDA_BYTES) })).status, 200)
  const { status, errorReason } = await world.forward({ body: Buffer.alloc(MAX_LAMBDA_BYTES + 1) })
  assert.equal([status, errorReason], [413, 'LambdaRequestTooLarge'])
  assert.is(world.calls.length, 1)
})

lambda("forward: AWS's example of an answer becomes an HTTP answer", async () => {
  const answer = await new World().answered({
    isBase64Encoded: false,
    statusCode: 200,
    statusDescription: '200 Fine',
    headers: { 'Set-cookie': 'cookies', 'Content-Type': 'application/json' },
    body: 'Hello from Lambda (optional)',
  })
  assert.equal(answer, {
    status: 200,
    reason: 'Fine',
    headers: [
      ['Set-cookie', 'cookies'],
      ['Content-Type', 'application/json'],
    ],
    body: body('Hello from Lambda (optional)'),
    errorReason: undefined,
  })
})

lambda('forward: several cookies come by multiValueHeaders, where they are enabled', async () => {
  const answer = {
    statusCode: 302,
    headers: { 'Set-cookie': 'c' },
    multiValueHeaders: { 'Set-cookie': ['a=1;Secure', 'b=2'], 'Content-Type': ['text/plain'] },
  }
  assert.equal((await new World(MULTI).answered(answer)).headers, [
    ['Set-cookie', 'a=1;Secure'],
    ['Set-cookie', 'b=2'],
    ['Content-Type', 'text/plain'],
  ])
  assert.equal((await new World().answered(answer)).headers, [['Set-cookie', 'c']])
})

lambda('forward: a status alone is an answer; Base64 is decoded; a type is given', async () => {
  const world = new World()
  const bare = await world.answered({ statusCode: 404, body: null })
  assert.equal([bare.status, bare.reason, bare.headers], [404, 'Not Found', []])
  const binary = await world.answered({ statusCode: 200, isBase64Encoded: true, body: '/wD+' })
  assert.equal(binary.body, Buffer.from([0xff, 0x00, 0xfe]))
  assert.equal(binary.headers, [['Content-Type', 'application/octet-stream']])
})

lambda('forward: headers of the connection are not taken, others go out as UTF-8', async () => {
  const { headers } = await new World().answered({
    statusCode: 200,
    headers: {
      Connection: 'close',
      'Transfer-Encoding': 'chunked',
      'content-length': '7',
      'x-ok': 'é日',
    },
  })
  assert.equal(headers, [['x-ok', Buffer.from('é日').toString('latin1')]])
})

lambda('forward: malformed answers are 502', async () => {
  const malformed = [
    '',
    'null',
    '"text"',
    '[]',
    '{',
    {},
    { statusCode: '200' },
    { statusCode: 200.5 },
    { statusCode: 99 },
    { statusCode: 600 },
    { statusCode: 101 },
    { statusCode: 200, statusDescription: null },
    { statusCode: 200, statusDescription: 200 },
    { statusCode: 200, isBase64Encoded: 'true' },
    { statusCode: 200, isBase64Encoded: null },
    { statusCode: 200, isBase64Encoded: true, body: 'no base64!' },
    { statusCode: 200, headers: null },
    { statusCode: 200, headers: [] },
    { statusCode: 200, headers: { a: true } },
    { statusCode: 200, headers: { a: ['b'] } },
    { statusCode: 200, headers: { 'a b': 'c' } },
    { statusCode: 200, headers: { '': 'c' } },
    { statusCode: 200, headers: { 'a\r\nb': 'c' } },
    { statusCode: 200, headers: { a: 'b\r\nSet-Cookie: c' } },
    { statusCode: 200, headers: { a: 'b\u0000' } },
    { statusCode: 200, body: {} },
  ]
  for (const answer of malformed) {
    const { status, errorReason } = await new World().answered(answer)
    assert.equal([status, errorReason], [502, 'LambdaInvalidResponse'], JSON.stringify(answer))
  }
  for (const headers of [{ a: 'b' }, { a: [1] }, null]) {
    const { status } = await new World(MULTI).answered({
      statusCode: 200,
      multiValueHeaders: headers,
    })
    assert.is(status, 502)
  }
})

lambda('forward: a reason that is none is replaced, never sent', async () => {
  for (const statusDescription of ['200 OK\r\nSet-Cookie: a', 'OK', '']) {
    assert.is((await new World().answered({ statusCode: 200, statusDescription })).reason, 'OK')
  }
})

lambda('forward: whatever a function answers never throws nor breaks a head', async () => {
  const values = fc.oneof(fc.string({ unit: 'binary' }), fc.constant(null), fc.array(fc.string()))
  const answers = fc.oneof(
    fc.json(),
    fc.record({
      statusCode: fc.integer({ min: 100, max: 700 }),
      statusDescription: fc.string({ unit: 'binary' }),
      headers: fc.dictionary(fc.string(), values),
      body: values,
    }),
  )
  await fc.assert(
    fc.asyncProperty(answers, async (answer) => {
      const { status, reason, headers } = await new World().answered(answer)
      assert.ok(status >= 200 && status <= 599)
      const head = [reason, ...headers.flat()].join('')
      assert.not.match(head, /[\r\n\0]/)
      for (const char of head) assert.ok(char <= '\xff')
    }),
  )
})

lambda("forward: failures have AWS's status and error reason, and are said once", async () => {
  const world = new World()
  const refused =
    (status: number, type = '') =>
    () =>
      Promise.resolve(answerOf(status, '{}', type === '' ? {} : { 'x-amzn-errortype': type }))
  const failed = { 'x-amz-function-error': 'Unhandled' }
  const cases: [CallBackend, string][] = [
    [() => undefined, '502 LambdaServiceException'],
    [() => Promise.reject(new Error('no answer in time')), '504 LambdaConnectionTimeout'],
    [
      () => {
        throw new Error('no such header')
      },
      '504 LambdaConnectionTimeout',
    ],
    [() => Promise.resolve(answerOf(200, '{}', failed)), '502 LambdaUnhandled'],
    [
      () => Promise.resolve(answerOf(200, 'x'.repeat(MAX_LAMBDA_BYTES + 1))),
      '502 LambdaResponseTooLarge',
    ],
    [refused(403, 'AccessDeniedException'), '502 LambdaAccessDenied'],
    [refused(404, 'ResourceNotFoundException:http://internal/'), '502 LambdaResourceNotFound'],
    [refused(413), '413 LambdaRequestTooLarge'],
    [refused(429, 'TooManyRequestsException'), '502 LambdaThrottling'],
    [refused(400, 'InvalidRequestContentException'), '502 LambdaBadRequest'],
    [refused(502, 'ENILimitReachedException'), '502 LambdaENILimitReachedException'],
    [refused(502, 'KMSDisabledException'), '502 LambdaKMSDisabledException'],
    [refused(500, 'ServiceException'), '502 LambdaServiceException'],
    [refused(503), '502 LambdaServiceException'],
  ]
  for (const [call, expected] of cases) {
    assert.is(await world.failure(call), expected)
    assert.is(await world.failure(call), expected)
  }
  assert.is(world.said.length, cases.length)
  assert.is(world.said[0], 'LambdaServiceException: there is no backend with Lambda')
  await world.answered({ statusCode: 200 })
  await world.failure(refused(503))
  assert.is(world.said.length, cases.length + 1)
})

lambda("probe: sends AWS's health check event to the path of the group", async () => {
  const healthCheck = { ...groupOf().row.healthCheck, path: '/health' }
  const world = new World({ healthCheck })
  world.answer = () => Promise.resolve(answerOf(200, '{"statusCode":503}'))
  assert.is((await world.forwarder.probe(world.group, world.target, 5_000)).status, 503)
  assert.is(world.calls[0]?.timeoutMs, 5_000)
  assert.equal(JSON.parse(String(world.calls[0]?.body)), {
    requestContext: { elb: { targetGroupArn: GROUP_ARN } },
    httpMethod: 'GET',
    path: '/health',
    queryStringParameters: {},
    headers: { 'user-agent': 'ELB-HealthChecker/2.0' },
    body: '',
    isBase64Encoded: false,
  })
})

lambda.run()
