import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { durationOf, SIMULATION_LABELS, scriptOf } from '../../../cluster/local/script.ts'

const test = suite('simulation script')

test('durationOf: numbers with a unit and nothing else', () => {
  assert.equal(
    ['0ms', '500ms', '10s', '1.5m', '1h', '576h'].map(durationOf),
    [0, 500, 10_000, 90_000, 3_600_000, 2_073_600_000],
  )
  for (const text of ['', '10', 's', '-1s', '1 s', '1d', '1e3s', 'Infinitys', '577h', '0x1s']) {
    assert.is(durationOf(text), undefined, text)
  }
})

test('scriptOf: every label of the table is understood', () => {
  const values: Record<string, string> = {
    'kecs.simulate.pull': 'fail: no such image',
    'kecs.simulate.start': '2s',
    'kecs.simulate.exit-after': '1s',
    'kecs.simulate.exit-code': '3',
    'kecs.simulate.exit-reason': 'told so',
    'kecs.simulate.health': 'healthy-after:1s',
    'kecs.simulate.target-health': 'unhealthy',
    'kecs.simulate.stop-after': '5ms',
    'kecs.simulate.stop-exit-code': '143',
  }
  assert.equal(Object.keys(values).sort(), SIMULATION_LABELS.map(({ label }) => label).sort())
  assert.equal(scriptOf({ ...values, other: 'label' }), {
    pull: { fails: true, message: 'no such image' },
    start: { fails: false, afterMs: 2_000 },
    exitAfterMs: 1_000,
    exitCode: 3,
    exitReason: 'told so',
    health: { is: 'healthy', afterMs: 1_000 },
    targetHealth: { is: 'unhealthy', afterMs: 0 },
    stopAfterMs: 5,
    stopExitCode: 143,
  })
})

test('scriptOf: one of exit-code and exit-after brings the other', () => {
  assert.equal(scriptOf({}), {})
  assert.equal(scriptOf({ 'kecs.simulate.exit-after': '1s' }), { exitAfterMs: 1_000, exitCode: 0 })
  const atOnce = scriptOf({ 'kecs.simulate.exit-code': '1' })
  assert.ok(typeof atOnce === 'object' && (atOnce.exitAfterMs ?? 1_000) < 1_000)
})

test('scriptOf: what is none names the label', () => {
  for (const [label, value] of [
    ['kecs.simulate.exit-code', '-1'],
    ['kecs.simulate.exit-code', '256'],
    ['kecs.simulate.exit-after', '1'],
    ['kecs.simulate.health', 'healthy-after:'],
    ['kecs.simulate.health', 'sick'],
    ['kecs.simulate.pull', 'failed'],
    ['kecs.simulate.nothing', ''],
  ] as const) {
    const problem = scriptOf({ [label]: value })
    assert.ok(typeof problem === 'string' && problem.includes(label), `${label}=${value}`)
  }
})

test.run()
