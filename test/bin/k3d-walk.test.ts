/** The commands on a real k3d, in the order in which a user meets them. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePort } from '../free-port.ts'
import { reasonToSkip, remains, run, surroundings } from '../k8s/k3d.ts'
import { answerOf, type Banner, Workshop } from './program.ts'

// Node.js and Deno may run it at the same time.
const NAME = `kecs-walk-${process.pid}`

const walk = suite('kecs on a real k3d')

async function walkThrough(): Promise<void> {
  const shop = new Workshop()
  const env = { ...surroundings(), HOME: shop.folder() }
  const [apiPort, adminPort] = [await freePort(), await freePort()]
  const name = ['--name', NAME]
  const ports = ['--api-port', String(apiPort), '--admin-port', String(adminPort)]
  async function kecs(...args: string[]) {
    const { code, stdout, stderr } = await shop.run([...args, '--json'], env)
    assert.is(code, 0, stderr)
    return { said: JSON.parse(stdout), stderr }
  }
  try {
    const { said } = await kecs('start-v2', ...name, ...ports, '--no-localstack')
    const banner: Banner = said
    assert.is(banner.endpoint, `http://localhost:${apiPort}`)
    await answerOf(banner, 'CreateCluster', { clusterName: 'kept' })
    const again = await kecs('start', ...name, '--no-localstack')
    assert.match(again.stderr, `kept  the k3d cluster ${NAME}`)
    assert.match(again.stderr, '0 made, 0 changed')
    const taken = await shop.run(['start', '--name', 'kecs-walk-2', ...ports], env)
    assert.match(taken.stderr, `The container k3d-${NAME}-server-0 listens there.`)
    const [path = ''] = [(await kecs('kubeconfig', NAME)).said.path]
    assert.match(await run('kubectl', ['--kubeconfig', path, 'get', 'nodes']), `k3d-${NAME}`)
    await kecs('stop-v2', ...name)
    assert.not.ok(existsSync(path))
    assert.is(await remains(NAME), '')
    await kecs('start-v2', ...name, ...ports, '--no-localstack')
    const { clusterArns } = await answerOf(banner, 'ListClusters', {})
    assert.match(clusterArns[0], ':cluster/kept')
    const { dataDir } = (await kecs('cluster', 'info', NAME)).said
    await kecs('stop', ...name, '--delete-data')
    assert.is(await remains(NAME), '')
    assert.not.ok(existsSync(dataDir))
    // What else lies there is kubectl's cache.
    assert.not.ok(existsSync(join(env.HOME, '.kube/config')))
  } finally {
    await shop.run(['stop-v2', ...name], env)
    await shop.clean()
  }
}

const title =
  'start-v2, start again, a taken port, kubeconfig, stop-v2, start with the data, delete'
const reason = await reasonToSkip()
if (reason === undefined) walk(title, walkThrough)
else {
  console.log(`kecs on a real k3d: skipped: ${reason}`)
  walk.skip(title, walkThrough)
}

walk.run()
