import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseDuration, renderMs } from '../../bin/duration.ts'
import { createProgress, type Say } from '../../bin/progress.ts'

const progress = suite('progress')

function told(isTTY: boolean, columns = 40) {
  let text = ''
  let now = 0
  const terminal = { isTTY, columns, write: (part: string) => (text += part) }
  return {
    steps: createProgress(terminal, () => now),
    later: (ms: number) => {
      now += ms
    },
    text: () => text,
  }
}

progress('step: plain lines without a terminal, with time and outcome', async () => {
  const { steps, later, text } = told(false)
  const result = await steps.step(
    'make it',
    async (say) => {
      later(1_500)
      say('pulling image\n  x')
      return 3
    },
    (count) => `${count} made`,
  )
  assert.is(result, 3)
  assert.equal(text().split('\n'), [
    '  begin make it',
    '  ...   make it: pulling image x (1.5 s)',
    '  done  make it (1.5 s): 3 made',
    '',
  ])
})

progress('step: without a terminal a reason that flickers does not fill the log', async () => {
  const { steps, later, text } = told(false)
  await steps.step('wait', async (say) => {
    for (let poll = 0; poll < 100; poll++) {
      say(poll % 2 ? 'odd' : 'even')
      later(100)
    }
  })
  assert.is(
    text()
      .split('\n')
      .filter((line) => line.startsWith('  ...')).length,
    2,
  )
})

progress('step: a failure is told, and passed on', async () => {
  const { steps, text } = told(false)
  try {
    await steps.step('make it', () => Promise.reject(new Error('no room')))
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).message, 'no room')
  }
  assert.match(text(), '  FAIL  make it (0.0 s)\n')
})

progress('step: on a terminal one line changes, no wider than the terminal', async () => {
  const { steps, text } = told(true)
  await steps.step('make it', async (say: Say) => say('x'.repeat(100)))
  const parts = text().split('\r\u001b[K')
  for (const part of parts) assert.ok(part.trimEnd().length < 40, part)
  assert.is(parts.at(-1), '  ✓ make it (0.0 s)\n')
})

progress('step: a terminal of unknown width is taken for one of 80 columns', async () => {
  const { steps, text } = told(true, 0)
  await steps.step('make it', async (say: Say) => say('x'.repeat(200)))
  const parts = text().split('\r\u001b[K')
  for (const part of parts) assert.ok(part.trimEnd().length < 80, part)
})

progress('warn: what is not as one may think, and what to do', () => {
  const { steps, text } = told(false)
  steps.warn('The backend\nis away.', 'Start it.')
  assert.is(text(), '  warn  The backend is away.\n      → Start it.\n')
})

progress('quote: what others wrote cannot drive the terminal', () => {
  const { steps, text } = told(false)
  steps.quote('The log:', 'one\ntwo \u001b[2J\n')
  assert.is(text(), '\nThe log:\n  | one\n  | two \uFFFD[2J\n')
})

progress('kept: what was found as it should be', () => {
  const { steps, text } = told(false)
  steps.kept('the cluster')
  assert.is(text(), '  kept  the cluster\n')
})

progress('parseDuration: as Go writes them', () => {
  const known: readonly (readonly [string, number | undefined])[] = [
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['90s', 90_000],
    ['1.5s', 1_500],
    ['500ms', 500],
    ['10', undefined],
    ['', undefined],
    ['m', undefined],
    ['-5s', undefined],
    ['5 s', undefined],
    ['1d', undefined],
  ]
  for (const [text, ms] of known) assert.is(parseDuration(text), ms, text)
})

progress('renderMs: tenths of seconds, then minutes', () => {
  assert.equal([412, 12_340, 125_000].map(renderMs), ['0.4 s', '12.3 s', '2 min 5 s'])
})

progress.run()
