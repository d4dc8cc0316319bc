import type { RuleTransform } from '@aws-sdk/client-elastic-load-balancing-v2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkedTransforms } from '../../elbv2/transforms.ts'

const REWRITE = { Regex: '^/a/(.*)$', Replace: '/b/$1' }
const url = (...Rewrites: object[]) => ({ Type: 'url-rewrite', UrlRewriteConfig: { Rewrites } })
const host = (...Rewrites: object[]) => ({
  Type: 'host-header-rewrite',
  HostHeaderRewriteConfig: { Rewrites },
})

const check = (...transforms: object[]) => checkedTransforms(transforms as RuleTransform[])

test('transforms: one of each type, as they were given', () => {
  const both = [host({ Regex: '^(.+)\\.com$', Replace: '$1.org' }), url(REWRITE)]
  assert.equal(check(...both), both)
  assert.equal(checkedTransforms(undefined), [])
})

test('transforms: what AWS refuses is refused', () => {
  const cases: [object[], RegExp][] = [
    [[url(REWRITE), url(REWRITE)], /only have one transform of type 'url-rewrite'/],
    [[url()], /must have exactly one rewrite/],
    [[url(REWRITE, REWRITE)], /must have exactly one rewrite/],
    [[{ Type: 'url-rewrite' }], /must have exactly one rewrite/],
    [
      [{ ...url(REWRITE), HostHeaderRewriteConfig: { Rewrites: [REWRITE] } }],
      /cannot specify 'HostHeaderRewriteConfig'/,
    ],
    [[url({ Regex: '', Replace: 'a' })], /A regex must be specified/],
    [[url({ Regex: 'a'.repeat(1025), Replace: 'a' })], /up to 1024 characters/],
    [[url({ Regex: 'a', Replace: 'a'.repeat(1025) })], /up to 1024 characters/],
    [[url({ Regex: '(', Replace: 'a' })], /'\(' is not a valid regular expression/],
    [[host({ Regex: '(a)\\1', Replace: 'a' })], /not a valid regular expression/],
    [[host({ Regex: '(?<!a)b', Replace: 'a' })], /not a valid regular expression/],
  ]
  for (const [transforms, message] of cases) {
    assert.throws(
      () => check(...transforms),
      (thrown: Error) => thrown.name === 'ValidationError' && message.test(thrown.message),
    )
  }
})

test.run()
