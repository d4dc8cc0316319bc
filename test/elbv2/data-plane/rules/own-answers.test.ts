import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fixedAnswer, ownPage, ownReason } from '../../../../elbv2/data-plane/rules/own-answers.ts'

const test = suite('elbv2 own answers')

test('ownPage: pages are those of real load balancers, to the byte', () => {
  // Content-Length as clients of real ones have seen it.
  const lengths = { 301: 134, 400: 122, 403: 118, 502: 122, 503: 162, 504: 132 }
  for (const [status, length] of Object.entries(lengths)) {
    const page = ownPage(Number(status))
    assert.is(page.body.length, length, status)
    assert.equal(page.headers, [
      ['Server', 'awselb/2.0'],
      ['Content-Type', 'text/html'],
    ])
  }
  assert.is(
    ownPage(503).body,
    '<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n' +
      '<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n',
  )
  assert.is(ownPage(503), ownPage(503))
})

test('ownPage: codes that HTTP does not know have no page', () => {
  for (const status of [460, 463, 464, 561]) {
    assert.equal(ownPage(status), { status, headers: [['Server', 'awselb/2.0']], body: '' })
    assert.is(ownReason(status), '')
  }
  assert.is(ownReason(504), 'Gateway Time-out')
})

test('fixedAnswer: the body as it was given, text where no type is', () => {
  assert.equal(
    fixedAnswer({ StatusCode: '404', ContentType: 'application/json', MessageBody: '{"a":1}' }),
    {
      status: 404,
      headers: [
        ['Server', 'awselb/2.0'],
        ['Content-Type', 'application/json; charset=utf-8'],
      ],
      body: '{"a":1}',
    },
  )
  const bare = fixedAnswer({ StatusCode: '200' })
  assert.is(bare.body, '')
  assert.equal(bare.headers[1], ['Content-Type', 'text/plain; charset=utf-8'])
})

test('fixedAnswer: refuses what is no answer', () => {
  for (const StatusCode of ['2XX', '99', '600', '', undefined]) {
    assert.throws(() => fixedAnswer({ StatusCode: StatusCode as string }), /not a status/)
  }
  assert.throws(() => fixedAnswer({ StatusCode: '200', ContentType: 'a\r\nX: y' }), /content type/)
})

test.run()
