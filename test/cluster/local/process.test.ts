import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createProcessRuntime } from '../../../cluster/local/process.ts'
import { RuntimeFault } from '../../../cluster/runtime.ts'
import { runtimeContract } from '../../runtime-contract.ts'
import { HEALTH_CHECK } from '../../runtime-watch.ts'
import { freshDir, realClock, removeDirs, sh, sleeps, worldOf } from './process-world.ts'

const ready = join(freshDir(), 'ready')

const contract = runtimeContract(
  'process runtime',
  {
    behaviours: {
      runsForEver: sleeps,
      writes: sh('echo hello; echo oops >&2; exec sleep 1000'),
      exits: (code) => sh(`exit ${code}`),
      ignoresStop: {
        ...sh(`trap "" TERM; : > ${ready}; while :; do sleep 1000; done`),
        healthCheck: { ...HEALTH_CHECK, command: ['CMD', 'test', '-e', ready] },
      },
      cannotStart: { command: ['/nonexistent/command'] },
      turnsHealthy: { ...sleeps, healthCheck: HEALTH_CHECK },
      turnsUnhealthy: { ...sleeps, healthCheck: { ...HEALTH_CHECK, command: ['CMD', 'false'] } },
    },
    outlives: false,
    killedExitCode: 137,
    warnsOfUser: true,
  },
  async () => worldOf(freshDir()),
)
contract.after(removeDirs)
contract.run()

const platforms = suite('process runtime: platforms')
platforms('createProcessRuntime: a system without process groups is refused', () => {
  const make = () =>
    createProcessRuntime({ clock: realClock, dir: '/nonexistent', platform: 'win32' })
  assert.throws(
    make,
    (error: unknown) => error instanceof RuntimeFault && error.code === 'UnsupportedPlatform',
  )
})
platforms.run()
