import process from 'node:process'
import { command } from '../command.ts'
import { warnOfBackend } from '../k3d/backend-check.ts'
import { withinTime } from '../k3d/deadline.ts'
import { type Started, startInstance } from '../k3d/start.ts'
import { readStartOptions, START_FLAGS } from '../k3d/start-options.ts'
import { withTools } from '../k3d/tools.ts'
import { print, printJson, renderPairs } from '../output.ts'
import { createProgress } from '../progress.ts'

export default command({
  name: 'start-v2',
  summary:
    'Makes a k3d cluster with kecs in it, or repairs the one that is there. The same as kecs start.',
  flags: START_FLAGS,
  examples: [
    ['Start it, with LocalStack for the other services', 'kecs start-v2'],
    ['Without other services', 'kecs start-v2 --no-localstack'],
    ['A second one beside it', 'kecs start-v2 --name two --api-port 4567 --admin-port 8082'],
    ['Listeners on port 80 from this machine', 'kecs start-v2 --port 8080:80'],
    [
      'With a moto server of this machine behind it',
      'kecs start-v2 --backend http://localhost:5000',
    ],
    ['With Traefik before the endpoint', 'kecs start-v2 --traefik'],
  ],
  notes: [
    'It needs Docker, k3d and kubectl; kecs doctor says what is missing. Run again, it repairs ' +
      'what is missing and leaves alone what is as it should be. Ports, the data directory and ' +
      'nodes are fixed when the cluster is made.',
    'Both ports are open to this machine only. The kubeconfig is ~/.k3d/kubeconfig-NAME.yaml; ' +
      'your own is not touched. Progress goes to stderr, the result to stdout.',
    'With --traefik each request to the endpoint, of this machine and of pods that call ' +
      'traefik.kecs-system.svc.cluster.local:4566, goes through a Traefik, which hands it on as it ' +
      'is; kubectl logs -n kecs-system -l app=traefik shows it. Started again without the flag it ' +
      'is gone, and both names lead to kecs itself. Listeners on ports of their own go past it.',
    'Exit codes: 0 it is ready, 1 it failed, 2 it was not understood, 130 it was interrupted.',
  ],
  async run(values) {
    const options = readStartOptions(values, process.env)
    const progress = createProgress(process.stderr, Date.now)
    const next = `kecs start-v2 --name ${options.name} again repairs it; kecs stop-v2 --name ${options.name} deletes it.`
    const started = await withTools(next, (tools, signal) =>
      withinTime(options.timeoutMs, Date.now, `Give it more time. ${next}`, () =>
        startInstance(options, tools, progress, signal),
      ),
    )
    if (options.backend.kind === 'url') await warnOfBackend(started, progress)
    if (values.has('json')) printJson(started)
    else print(render(started))
  },
})

function render(started: Started): string {
  const { name, endpoint, kubeconfig } = started
  const pairs: (readonly [string, string])[] = [
    ['endpoint', endpoint],
    ['admin', `${started.adminEndpoint}  (/health/detailed, /metrics)`],
    ['data', started.dataDir],
    ['backend', started.backend],
    ...(started.traefik === 'none' ? [] : [['traefik', started.traefik] as const]),
    ['kubeconfig', kubeconfig],
    ...started.ports.map(({ hostPort, innerPort }) => {
      return ['listeners', `port ${innerPort} at http://localhost:${hostPort}`] as const
    }),
  ]
  return `kecs is ready in the k3d cluster ${name}.

${renderPairs(pairs)}
Try it:

  export AWS_ENDPOINT_URL=${endpoint}
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
  aws ecs list-clusters

Its pods: kubectl --kubeconfig ${kubeconfig} -n kecs-system get pods
To end it: kecs stop-v2${name === 'kecs' ? '' : ` --name ${name}`}
`
}
