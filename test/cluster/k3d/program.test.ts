import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ProgramFault, type RunOptions, runProgram } from '../../../cluster/k3d/program.ts'
import { FakePrograms } from './fake-programs.ts'

const program = suite<{ fakes: FakePrograms }>('runProgram')

program.before.each((context) => {
  context.fakes = new FakePrograms()
})
program.after.each(({ fakes }) => fakes.clean())

async function faultOf(
  fakes: FakePrograms,
  options: Partial<RunOptions> = {},
  name = 'tool',
): Promise<ProgramFault> {
  try {
    await runProgram(name, ['go'], { env: fakes.env, timeoutMs: 30_000, ...options })
  } catch (error) {
    if (error instanceof ProgramFault) return error
    throw error
  }
  throw new Error('it ended well')
}

program(
  'answers stdout, and tells each line of both streams without colours',
  async ({ fakes }) => {
    fakes.write('tool', `cat; printf '\\033[36mINFO\\033[0m one\\ntwo' >&2`)
    const lines: string[] = []
    const out = await runProgram('tool', [], {
      env: fakes.env,
      timeoutMs: 30_000,
      input: 'given\n',
      onLine: (line) => lines.push(line),
    })
    assert.is(out, 'given\n')
    assert.equal(lines.sort(), ['INFO one', 'given'])
  },
)

program('a program that is not on the PATH is missing', async ({ fakes }) => {
  const { trouble, message } = await faultOf(fakes, {}, 'no-such-tool')
  assert.is(trouble, 'missing')
  assert.is(message, 'no-such-tool is not on the PATH.')
})

program('a failure has its exit code and the end of what was said', async ({ fakes }) => {
  fakes.write('tool', 'seq 1 50; echo "FATA[0000] no room" >&2; exit 3')
  const { trouble, message, output } = await faultOf(fakes)
  assert.is(trouble, 'failed')
  assert.is(message, 'tool go ended with exit code 3.')
  assert.match(output, 'FATA[0000] no room')
  assert.not.match(output, /^1$/m)
})

program('a program that hangs is ended by its time-out', async ({ fakes }) => {
  fakes.write('tool', 'echo waiting; exec sleep 60')
  const { trouble, message } = await faultOf(fakes, { timeoutMs: 300 })
  assert.is(trouble, 'timeout')
  assert.match(message, /^tool go did not end within /)
})

program('an abort ends it, and starts none afterwards', async ({ fakes }) => {
  fakes.write('tool', 'echo begun; exec sleep 60')
  const abort = new AbortController()
  const { signal } = abort
  const running = await faultOf(fakes, { signal, onLine: () => abort.abort() })
  assert.is(running.trouble, 'aborted')
  assert.is((await faultOf(fakes, { signal })).message, 'tool was not started.')
  assert.is(fakes.calls().length, 1)
})

program.run()
