import { test } from 'uvu'
import { runtimeContract } from '../../runtime-contract.ts'
import { HEALTH_CHECK } from '../../runtime-watch.ts'
import { clusterWorld, IMAGE, skipped } from './cluster-world.ts'

const image = { image: IMAGE }
/** A first process heeds a signal only if it says so. */
const ENDS = 'trap "exit 143" TERM; while :; do sleep 1000 & wait $!; done'
const sh = (line: string) => ({ ...image, entryPoint: ['/bin/sh', '-c'], command: [line] })
const runsForEver = sh(ENDS)

if (skipped('the contract of the Kubernetes runtime')) {
  test.skip('the contract of the Kubernetes runtime', () => {})
  test.run()
} else {
  runtimeContract(
    'Kubernetes runtime',
    {
      behaviours: {
        runsForEver,
        exits: (code) => sh(`exit ${code}`),
        ignoresStop: {
          ...sh('trap "" TERM; : > /tmp/ready; while :; do sleep 1000; done'),
          healthCheck: { ...HEALTH_CHECK, command: ['CMD', 'test', '-e', '/tmp/ready'] },
        },
        cannotStart: { ...image, command: ['/nonexistent/command'] },
        turnsHealthy: { ...runsForEver, healthCheck: HEALTH_CHECK },
        turnsUnhealthy: {
          ...runsForEver,
          healthCheck: { ...HEALTH_CHECK, timeoutMs: 1000, command: ['CMD', 'false'] },
        },
      },
      outlives: true,
      killedExitCode: 137,
      // A hundred pods pass as well, in more time than a test file has on a small machine.
      many: 20,
      warnsOfUser: true,
    },
    () => clusterWorld(),
  ).run()
}
