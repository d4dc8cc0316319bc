import { command } from '../command.ts'
import { noCluster } from '../k3d/cluster-view.ts'
import { kubeconfigPath, positionalName } from '../k3d/instance.ts'
import { withTools } from '../k3d/tools.ts'
import { print, printJson } from '../output.ts'
import { JSON_FLAG } from '../settings.ts'

export default command({
  name: 'kubeconfig',
  summary:
    'Writes the kubeconfig of an instance to ~/.k3d/kubeconfig-NAME.yaml and prints its path.',
  positionals: [
    { name: 'NAME', about: 'The instance; kecs where it is left away.', optional: true },
  ],
  flags: [JSON_FLAG],
  examples: [['Look into the cluster', 'KUBECONFIG="$(kecs kubeconfig)" kubectl get pods -A']],
  notes: ['Your own kubeconfig is not touched.'],
  async run(values) {
    const name = positionalName(values)
    const path = kubeconfigPath(name)
    await withTools('See kecs doctor.', async ({ k3d }) => {
      const cluster = await k3d.find(name)
      if (!cluster?.isOurs)
        throw noCluster(
          name,
          (await k3d.list()).map((each) => each.name),
        )
      await k3d.writeKubeconfig(name, path)
    })
    if (values.has('json')) printJson({ name, path })
    else print(`${path}\n`)
  },
})
