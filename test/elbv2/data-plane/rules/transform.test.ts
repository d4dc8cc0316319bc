import type { RuleTransform } from '@aws-sdk/client-elastic-load-balancing-v2'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Rewrite } from '../../../../elbv2/data-plane/model.ts'
import { compileTransforms, RewriteFailure } from '../../../../elbv2/data-plane/rules/transform.ts'
import { requestFacts, type TestRequest } from '../requests.ts'

const test = suite('elbv2 transform')

function host(Regex: string, Replace: string): RuleTransform {
  return {
    Type: 'host-header-rewrite',
    HostHeaderRewriteConfig: { Rewrites: [{ Regex, Replace }] },
  }
}

function url(Regex: string, Replace: string): RuleTransform {
  return { Type: 'url-rewrite', UrlRewriteConfig: { Rewrites: [{ Regex, Replace }] } }
}

function rewritten(
  transforms: readonly RuleTransform[],
  request: TestRequest,
): Rewrite | undefined {
  return compileTransforms(transforms)?.(requestFacts(request))
}

test('compileTransforms: rewrites hosts as AWS documents it', () => {
  const documented = [host('^mywebsite-(.+).com$', 'internal.dev.$1.myweb.com')]
  assert.equal(rewritten(documented, { host: 'mywebsite-example.com', url: '/project-a' }), {
    host: 'internal.dev.example.myweb.com',
  })
  assert.equal(rewritten(documented, { host: 'MyWebsite-Example.com:8080' }), {
    host: 'internal.dev.example.myweb.com',
  })
  assert.equal(rewritten(documented, { host: 'other.com' }), {})
  assert.equal(rewritten([host('.*', 'backend.internal:8080')], {}), {
    host: 'backend.internal:8080',
  })
})

test('compileTransforms: rewrites path and query as one', () => {
  const cases: readonly (readonly [RuleTransform, string, string | undefined])[] = [
    [url('^/api/(.+)$', '/$1'), '/api/users?page=2', '/users?page=2'],
    [
      url('^/dp/([A-Za-z0-9]+)/?$', '/product.php?id=$1'),
      '/dp/B09G3HRMW',
      '/product.php?id=B09G3HRMW',
    ],
    [url('^([^?]*)', '/other'), '/a/b?x=1', '/other?x=1'],
    [url('\\?.*$', ''), '/a?x=1', '/a'],
    [url('^/old', '/new'), '/old/old', '/new/old'],
    [url('/(a)(b)?/', '/$2$1/'), '/a/', undefined],
    [url('^/(a)(b)?(.)', '/$3-$2-$1'), '/axyz', '/x--ayz'],
    [url('^/x$', '/$0$$'), '/x', '/$0$$'],
    [url('^/API/', '/'), '/api/x', undefined],
    [url('(?i)^/API/', '/'), '/api/x', '/x'],
    [url('^/nothing', '/'), '/a%20b', undefined],
  ]
  for (const [transform, from, to] of cases) {
    const expected = to === undefined ? {} : { url: to }
    assert.equal(rewritten([transform], { url: from }), expected, JSON.stringify([transform, from]))
  }
})

test('compileTransforms: both at once, and none is undefined', () => {
  assert.equal(rewritten([url('^/a', '/b'), host('^www\\.', 'api.')], { url: '/a' }), {
    host: 'api.example.com',
    url: '/b',
  })
  assert.is(compileTransforms([]), undefined)
})

test('compileTransforms: what would be no host or no URL fails', () => {
  const cases: readonly (readonly [RuleTransform, TestRequest])[] = [
    [url('^/', ''), { url: '/x' }],
    [url('x', ' y'), { url: '/x' }],
    [url('x', '\r\nX-Evil: 1'), { url: '/x' }],
    [url('x', '#y'), { url: '/x' }],
    [url('^/(x)$', '/$2'), { url: '/x' }],
    [host('.*', ''), {}],
    [host('.*', 'a b'), {}],
    [host('.*', 'a/b'), {}],
    [host('.*', 'a\r\nb'), {}],
    [host('.*', 'user@evil'), {}],
    [host('.*', `${'a'.repeat(300)}.com`), {}],
  ]
  for (const [transform, request] of cases) {
    const rewrite = compileTransforms([transform])
    assert.throws(
      () => rewrite?.(requestFacts(request)),
      (error: unknown) => error instanceof RewriteFailure,
      JSON.stringify(transform),
    )
  }
})

test('compileTransforms: refuses bad patterns and types', () => {
  assert.throws(() => compileTransforms([url('(a', '')]), /parsing regexp/)
  assert.throws(
    () => compileTransforms([{ Type: 'other' } as unknown as RuleTransform]),
    /no such type/,
  )
  const incomplete = { Type: 'url-rewrite', UrlRewriteConfig: { Rewrites: [{ Regex: 'a' }] } }
  assert.throws(() => compileTransforms([incomplete as RuleTransform]), /incomplete/)
})

test('compileTransforms: whatever comes, a rewritten request is one line', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 })
  fc.assert(
    fc.property(text, text, text, (replacement, path, name) => {
      const rewrite = compileTransforms([url('a|b', replacement), host('[ab]', replacement)])
      try {
        const made = rewrite?.(requestFacts({ url: `/a${path}`, host: `b${name}` })) ?? {}
        if (made.url !== undefined) assert.match(made.url, /^\/[\x21-\xff]*$/)
        if (made.host !== undefined) assert.match(made.host, /^[\x21-\x7e]+$/)
      } catch (error) {
        assert.instance(error, RewriteFailure)
      }
    }),
    { seed: 4, numRuns: 3000 },
  )
})

test.run()
