import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createKubeClient, type KubeClient } from '../../../cluster/kubernetes/client.ts'
import { pair } from '../../elbv2/data-plane/tls/tls-world.ts'
import { withTempDir } from '../../temp-dir.ts'

/** A client of an API server that answers so. */
export async function against(
  answer: RequestListener,
  work: (client: KubeClient) => Promise<void>,
): Promise<void> {
  const { key, certificate } = pair(['127.0.0.1'])
  const server = createServer({ key, cert: certificate }, answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await withTempDir(async (dir) => {
    const name = 'it'
    const cluster = { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true }
    const config = {
      clusters: [{ name, cluster }],
      users: [{ name, user: {} }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    }
    const kubeconfig = join(dir, 'kubeconfig')
    writeFileSync(kubeconfig, JSON.stringify(config))
    const made = await createKubeClient({ kubeconfig })
    try {
      await work(made)
    } finally {
      made.close()
      server.closeAllConnections()
      server.close()
    }
  })
}
