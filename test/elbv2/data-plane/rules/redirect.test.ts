import type { RedirectActionConfig } from '@aws-sdk/client-elastic-load-balancing-v2'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compileRedirect } from '../../../../elbv2/data-plane/rules/redirect.ts'
import { requestFacts, type TestRequest } from '../requests.ts'

const test = suite('elbv2 redirect')

function location(config: Partial<RedirectActionConfig>, request: TestRequest = {}): string {
  const { headers } = compileRedirect({ StatusCode: 'HTTP_301', ...config })(requestFacts(request))
  return headers.find(([name]) => name === 'Location')?.[1] ?? ''
}

const REQUEST: TestRequest = { host: 'Example.com', url: '/a/b?x=1&y=2' }

const CASES: readonly (readonly [Partial<RedirectActionConfig>, TestRequest, string])[] = [
  [
    { Protocol: 'HTTPS', Port: '443', Host: '#{host}', Path: '/#{path}', Query: '#{query}' },
    REQUEST,
    'https://example.com:443/a/b?x=1&y=2',
  ],
  [{ Protocol: 'HTTPS', Port: '443' }, { host: 'example.com' }, 'https://example.com:443/'],
  [{ Protocol: 'HTTPS', Port: '40443' }, REQUEST, 'https://example.com:40443/a/b?x=1&y=2'],
  [{ Path: '/new/#{path}' }, REQUEST, 'http://example.com:80/new/a/b?x=1&y=2'],
  [{ Host: 'www.#{host}' }, REQUEST, 'http://www.example.com:80/a/b?x=1&y=2'],
  [{ Query: '#{query}&value=xyz' }, REQUEST, 'http://example.com:80/a/b?x=1&y=2&value=xyz'],
  [{ Query: '' }, REQUEST, 'http://example.com:80/a/b'],
  [{ Query: '#{query}' }, { host: 'example.com', url: '/a?' }, 'http://example.com:80/a'],
  [
    { Query: 'from=#{protocol}://#{host}:#{port}/#{path}' },
    REQUEST,
    'http://example.com:80/a/b?from=http://example.com:80/a/b',
  ],
  [{ Path: '/#{host}/#{port}' }, REQUEST, 'http://example.com:80/example.com/80?x=1&y=2'],
  [
    { Path: '/x' },
    { ...REQUEST, protocol: 'https', port: 8443 },
    'https://example.com:8443/x?x=1&y=2',
  ],
  [{ Path: '/x' }, { host: 'example.com:4566' }, 'http://example.com:80/x'],
  [{ Path: '/x' }, { host: '[2001:DB8::1]:80' }, 'http://[2001:db8::1]:80/x'],
  [{ Path: '/#{nothing}' }, { host: 'example.com' }, 'http://example.com:80/#%7Bnothing%7D'],
  [{ Path: '/a b/ü' }, { host: 'example.com' }, 'http://example.com:80/a%20b/%C3%BC'],
  [
    { Path: '/new/#{path}' },
    { host: 'e.test', url: '/a%2Fb%20c' },
    'http://e.test:80/new/a%2Fb%20c',
  ],
  [{ Path: '/new/#{path}' }, { host: 'e.test', url: '//x/' }, 'http://e.test:80/new//x/'],
  [{ Path: '/new/#{path}' }, { host: 'e.test', url: '/\u00fc' }, 'http://e.test:80/new/%FC'],
]

test('compileRedirect: placeholders are filled as AWS documents them', () => {
  for (const [config, request, expected] of CASES) {
    assert.is(location(config, request), expected, JSON.stringify(config))
  }
})

test('compileRedirect: what a client wrote is never read as a placeholder', () => {
  assert.is(
    location({ Query: 'p=#{path}&#{query}' }, { host: 'e.test', url: '/%23{host}?$&#{port}' }),
    'http://e.test:80/%23%7Bhost%7D?p=%23%7Bhost%7D&$&',
  )
})

test('compileRedirect: answers the page that load balancers answer', () => {
  const answer = compileRedirect({ StatusCode: 'HTTP_301', Path: '/x' })(requestFacts())
  assert.equal(answer, {
    status: 301,
    headers: [
      ['Server', 'awselb/2.0'],
      ['Content-Type', 'text/html'],
      ['Location', 'http://www.example.com:80/x'],
    ],
    body:
      '<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n' +
      '<center><h1>301 Moved Permanently</h1></center>\r\n</body>\r\n</html>\r\n',
  })
  assert.is(answer.body.length, 134, 'Content-Length of real ones')
  const found = compileRedirect({ StatusCode: 'HTTP_302', Path: '/x' })(requestFacts())
  assert.is(found.status, 302)
  assert.ok(String(found.body).includes('<h1>302 Found</h1>'))
})

test('compileRedirect: refuses a status that is no redirect', () => {
  for (const StatusCode of ['HTTP_307', '301', undefined]) {
    const config = { StatusCode } as RedirectActionConfig
    assert.throws(() => compileRedirect(config), /not a status/)
  }
})

test('compileRedirect: no request makes a Location that is more than a URL', () => {
  const bytes = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 })
    .map((codes) => String.fromCharCode(...codes))
  const config = { Host: 'x.#{host}', Path: '/p/#{path}', Query: '#{host}#{path}#{query}' }
  fc.assert(
    fc.property(bytes, bytes, bytes, bytes, (host, path, query, literal) => {
      const url = `/${path}?${query}`
      for (const template of [config, {}, { Path: `/${literal}` }]) {
        const made = location(template, { host, url })
        assert.match(made, /^[\x21-\x7e]+$/)
        assert.not.match(made, /["<>\\^`{|}]/)
        if (template === config) assert.match(made, /^http:\/\/x\.[^/?#@]*:80\/p\//)
      }
    }),
    { seed: 4, numRuns: 3000 },
  )
})

test.run()
