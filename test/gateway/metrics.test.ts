import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createMetrics, watchLoopLag } from '../../gateway/metrics.ts'

const metrics = suite('metrics')

metrics('counter: one sample a set of label values, raised on its own', () => {
  const registry = createMetrics()
  const calls = registry.counter('calls_total', 'Calls.', ['service', 'operation'])
  calls.at('ecs', 'RunTask').value++
  calls.at('ecs', 'RunTask').value++
  calls.at('ecs', 'StopTask').value++
  calls.at('elbv2', 'RunTask').value++
  assert.is(
    registry.render(),
    [
      '# HELP calls_total Calls.',
      '# TYPE calls_total counter',
      'calls_total{service="ecs",operation="RunTask"} 2',
      'calls_total{service="ecs",operation="StopTask"} 1',
      'calls_total{service="elbv2",operation="RunTask"} 1',
      '',
    ].join('\n'),
  )
})

metrics('counter: without labels it is there from the start, at 0', () => {
  const registry = createMetrics()
  const counter = registry.counter('things_total', 'Things.')
  assert.match(registry.render(), /^things_total 0$/m)
  counter.at().value += 3
  assert.match(registry.render(), /^things_total 3$/m)
})

metrics('counter: label values are escaped', () => {
  const registry = createMetrics()
  registry.counter('odd_total', 'A \\ and\na line.', ['what']).at('a"b\\c\nd').value++
  const text = registry.render()
  assert.match(text, '# HELP odd_total A \\\\ and\\na line.\n')
  assert.match(text, 'odd_total{what="a\\"b\\\\c\\nd"} 1\n')
})

metrics('histogram: buckets are cumulative, with sum and count', () => {
  const registry = createMetrics()
  const histogram = registry.histogram('took_seconds', 'Time.', ['operation'])
  for (const seconds of [0.0001, 0.003, 0.003, 99]) histogram.observe(seconds, 'RunTask')
  const text = registry.render()
  assert.match(text, 'took_seconds_bucket{operation="RunTask",le="0.0001"} 1\n')
  assert.match(text, 'took_seconds_bucket{operation="RunTask",le="0.0025"} 1\n')
  assert.match(text, 'took_seconds_bucket{operation="RunTask",le="0.005"} 3\n')
  assert.match(text, 'took_seconds_bucket{operation="RunTask",le="10"} 3\n')
  assert.match(text, 'took_seconds_bucket{operation="RunTask",le="+Inf"} 4\n')
  assert.match(text, 'took_seconds_count{operation="RunTask"} 4\n')
  assert.match(text, /took_seconds_sum{operation="RunTask"} 99\.0061\d*\n/)
})

metrics('durationsElsewhere: a histogram whose owner keeps the figures', () => {
  const registry = createMetrics()
  const counts = { boundsS: [0.5, 2], counts: [1, 2], sumS: 9.5, count: 4 }
  registry.durationsElsewhere('took_seconds', 'Time.', ['target'], () => [[['a'], counts]])
  assert.is(
    registry.render(),
    [
      '# HELP took_seconds Time.',
      '# TYPE took_seconds histogram',
      'took_seconds_bucket{target="a",le="0.5"} 1',
      'took_seconds_bucket{target="a",le="2"} 3',
      'took_seconds_bucket{target="a",le="+Inf"} 4',
      'took_seconds_sum{target="a"} 9.5',
      'took_seconds_count{target="a"} 4',
      '',
    ].join('\n'),
  )
})

metrics('gauge: read when somebody looks', () => {
  const registry = createMetrics()
  let tasks = 1
  registry.gauge('tasks', 'Tasks.', ['status'], () => [[['RUNNING'], tasks]])
  tasks = 7
  assert.match(registry.render(), '# TYPE tasks gauge\ntasks{status="RUNNING"} 7\n')
})

metrics('watchLoopLag: tells of a loop that was held up', async () => {
  const lag = watchLoopLag(10)
  const until = performance.now() + 200
  while (performance.now() < until) {
    // Holds the loop up on purpose.
  }
  await new Promise((resolve) => setTimeout(resolve, 1))
  for (let turns = 0; lag.read().lastS === 0 && turns < 1000; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  assert.ok(lag.read().worstS > 0.05)
  lag.stop()
})

metrics.run()
