import type {
  Action,
  RuleCondition,
  RuleTransform,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkedActions } from '../../elbv2/actions.ts'
import { checkedConditions } from '../../elbv2/conditions.ts'
import { liveRule } from '../../elbv2/data-plane/rules/live-rule.ts'
import { checkedTransforms } from '../../elbv2/transforms.ts'
import { OK } from './furnish.ts'
import { ruleRow } from './row-fixtures.ts'

const words = (...texts: string[]) => fc.constantFrom(...texts)
const values = (value: fc.Arbitrary<string>) => fc.array(value, { maxLength: 2 })
const regex = words('^a+$', '(a|b)*', '[a-z]{2,3}', '(?i)x', '(', 'a(?=b)', '\\pL', 'x{9}')
const config = (value: fc.Arbitrary<string>) =>
  fc.record({ Values: values(value), RegexValues: values(regex) }, { requiredKeys: [] })
const field = <C>(Field: string, name: string, of: fc.Arbitrary<C>) =>
  of.map((made) => ({ Field, [name]: made }))
const condition = fc.oneof(
  field('host-header', 'HostHeaderConfig', config(words('a.com', '*.b.com', 'x', '?.c'))),
  field('path-pattern', 'PathPatternConfig', config(words('/a*', '/?', '', '/a b'))),
  field(
    'http-header',
    'HttpHeaderConfig',
    fc.record({ HttpHeaderName: words('a', 'x-b', 'Host', ''), Values: values(words('*', 'b')) }),
  ),
  field(
    'source-ip',
    'SourceIpConfig',
    config(words('10.0.0.0/8', '::/0', '::ffff:1.2.3.4/100', '1')),
  ),
  field('http-request-method', 'HttpRequestMethodConfig', config(words('GET', 'get'))),
  fc.record({ Field: words('path-pattern', 'host-header'), RegexValues: values(regex) }),
)
const redirect = fc.record(
  {
    Protocol: words('HTTP', 'HTTPS', '#{protocol}'),
    Port: words('80', '443', '#{port}', '0'),
    Host: words('#{host}', 'a.com', 'x.#{host}', '#{path}'),
    Path: words('/', '/#{path}', '/#{host}/x', '#{path}', '/#{port}#{port}'),
    Query: words('', '#{query}', 'a=#{host}', '?'),
    StatusCode: words('HTTP_301', 'HTTP_302'),
  },
  { requiredKeys: ['StatusCode'] },
)
const transform = fc.record({
  Type: fc.constant('url-rewrite'),
  UrlRewriteConfig: fc.record({
    Rewrites: fc.array(fc.record({ Regex: regex, Replace: words('/$1', '$9', '$', '\\') }), {
      maxLength: 1,
    }),
  }),
})

/** What `check` makes of the sample, counted; undefined where it refuses. */
function taken<T>(check: () => T, counts: Map<string, number>, name: string): T | undefined {
  try {
    const made = check()
    counts.set(name, (counts.get(name) ?? 0) + 1)
    return made
  } catch {
    return undefined
  }
}

test('rules: whatever is taken can be made ready for requests', () => {
  const counts = new Map<string, number>()
  const place = { type: 'application', protocol: 'HTTP', port: 80 } as const
  fc.assert(
    fc.property(
      fc.array(condition, { minLength: 1, maxLength: 2 }),
      redirect,
      transform,
      (conditions, RedirectConfig, rewrite) => {
        const given = conditions as RuleCondition[]
        const actions = [{ Type: 'redirect', RedirectConfig }] as Action[]
        const transforms = [rewrite] as RuleTransform[]
        const row = {
          ...ruleRow('rule', 'listener'),
          conditions:
            taken(() => checkedConditions('application', given), counts, 'conditions') ??
            checkedConditions('application', [{ Field: 'path-pattern', Values: ['/'] }]),
          actions:
            taken(() => checkedActions(actions, place), counts, 'actions') ??
            checkedActions([OK] as Action[], place),
          transforms: taken(() => checkedTransforms(transforms), counts, 'transforms') ?? [],
        }
        const live = liveRule(row, (_, error) => {
          throw error
        })
        assert.ok(live)
      },
    ),
    { seed: 20261126, numRuns: 600 },
  )
  for (const name of ['conditions', 'actions', 'transforms']) {
    assert.ok((counts.get(name) ?? 0) > 50, `${name}: ${counts.get(name)} of 600 were taken`)
  }
})

test.run()
