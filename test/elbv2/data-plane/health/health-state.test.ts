import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  afterProbe,
  type CheckState,
  FAILED,
  GOOD,
  type ProbeResult,
  TIMED_OUT,
  UNCHECKED,
  wrongCode,
} from '../../../../elbv2/data-plane/health/health-state.ts'
import { codeMatcher, matcherOf } from '../../../../elbv2/data-plane/health/matcher.ts'
import type { TargetGroupRow } from '../../../../elbv2/rows.ts'
import { HEALTH_CHECK } from '../live-world.ts'

const test = suite('health state')
const THRESHOLDS = { healthyThreshold: 3, unhealthyThreshold: 2 }

/** The states after each of the results. */
function states(results: readonly ProbeResult[], from: CheckState = UNCHECKED): string[] {
  let state = from
  return results.map((result) => {
    state = afterProbe(state, result, THRESHOLDS)
    return state.health.state
  })
}

const healthy = afterProbe(UNCHECKED, GOOD, THRESHOLDS)

test('afterProbe: one success makes a new target healthy, also after a failure', () => {
  assert.equal(states([GOOD]), ['healthy'])
  assert.equal(states([FAILED, GOOD]), ['initial', 'healthy'])
})

test('afterProbe: a new target that fails as often as the threshold says is unhealthy', () => {
  assert.equal(states([FAILED, FAILED]), ['initial', 'unhealthy'])
})

test('afterProbe: only failures in a row count', () => {
  const mixed = [FAILED, GOOD, FAILED, GOOD, FAILED, FAILED]
  assert.equal(states(mixed, healthy), [...Array(5).fill('healthy'), 'unhealthy'])
})

test('afterProbe: only successes in a row bring an unhealthy target back', () => {
  const results = [FAILED, FAILED, GOOD, GOOD, FAILED, GOOD, GOOD, GOOD]
  assert.equal(states(results, healthy), ['healthy', ...Array(6).fill('unhealthy'), 'healthy'])
})

test('afterProbe: tells the reason of the last failure', () => {
  const told = (results: ProbeResult[]) =>
    results.reduce((state, result) => afterProbe(state, result, THRESHOLDS), healthy).health
  assert.equal(told([FAILED, wrongCode(500)]), {
    state: 'unhealthy',
    reason: 'Target.ResponseCodeMismatch',
    description: 'Health checks failed with these codes: [500]',
  })
  assert.equal(told([FAILED, FAILED, TIMED_OUT]), {
    state: 'unhealthy',
    reason: 'Target.Timeout',
    description: 'Request timed out',
  })
})

test('codeMatcher: takes values, lists and ranges, and nothing else', () => {
  const matches = codeMatcher('200-299, 302,404')
  const good = [200, 250, 299, 302, 404]
  const bad = [199, 300, 301, 303, 403, 0]
  assert.equal(good.map(matches), Array(5).fill(true))
  assert.equal(bad.map(matches), Array(6).fill(false))
  assert.is(codeMatcher('0-99')(0), true)
  for (const text of ['', 'x', '-', '200-', '2000']) assert.is(codeMatcher(text)(200), false, text)
})

test('matcherOf: falls back to what AWS takes for the kind of group', () => {
  const row = (more: object) =>
    ({
      targetType: 'ip',
      protocol: 'HTTP',
      healthCheck: { ...HEALTH_CHECK, matcher: undefined },
      ...more,
    }) as TargetGroupRow
  const taken = (more: object) => [0, 12, 200, 399].filter((code) => matcherOf(row(more))(code))
  assert.equal(taken({}), [200])
  assert.equal(taken({ protocol: 'TCP' }), [200, 399])
  assert.equal(taken({ protocolVersion: 'GRPC' }), [12])
  const healthCheck = { ...HEALTH_CHECK, matcher: { GrpcCode: '0-99' } }
  assert.equal(taken({ protocolVersion: 'GRPC', healthCheck }), [0, 12])
})

test.run()
